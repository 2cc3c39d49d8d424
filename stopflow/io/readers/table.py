"""The table of readers, and reading a file by what it contains."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

from stopflow.errors import FormatError
from stopflow.io.bka.header import first_lines
from stopflow.io.readers import (
    bio_kine,
    bio_kine_3d,
    columns,
    diode_array,
    jasco,
    kinetic_studio,
    kintek,
    olis,
    pro_data_csv,
    pro_data_store,
    sheets,
    uv_vis,
)
from stopflow.io.readers.content import Head, read_content, read_head
from stopflow.io.readers.labels import parse_label
from stopflow.io.readers.recording import named_apart
from stopflow.io.text import shown_name
from stopflow.io.workbook.grid import Sheet, read_sheets
from stopflow.trace import Recording


class Parse(Protocol):
    """Bytes of a file to recordings, one a push."""

    def __call__(self, data: bytes, *, name: str, time_unit: str | None) -> tuple[Recording, ...]:
        """Parse the bytes of the file `name`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A format.

    Attributes
    ----------
    noun
        What a user calls it.
    endings
        Usual endings of its files; they decide nothing.
    time
        Where its unit of time comes from.
    recognises
        Whether a content is of this format.
    parse
        None for workbooks, which are divided sheet by sheet.
    """

    noun: str
    endings: tuple[str, ...]
    time: str
    recognises: Callable[[Head], bool]
    parse: Parse | None


_STATED, _SECONDS = "stated in the file", "seconds"
READERS: dict[str, Reader] = {
    bio_kine.KEY: Reader(
        noun="Bio-Kine ASCII (BioLogic)",
        endings=(".bka",),
        time="stated in the file; else --time-unit, else ms with a warning",
        recognises=bio_kine.recognises,
        parse=bio_kine.parse,
    ),
    bio_kine_3d.KEY: Reader(
        noun="Bio-Kine 3-D ASCII (BioLogic)",
        endings=(".bk3a",),
        time=_SECONDS,
        recognises=bio_kine_3d.recognises,
        parse=bio_kine_3d.parse,
    ),
    pro_data_csv.KEY: Reader(
        noun="Pro-Data CSV (Applied Photophysics)",
        endings=(".csv",),
        time=_SECONDS,
        recognises=pro_data_csv.recognises,
        parse=pro_data_csv.parse,
    ),
    pro_data_store.KEY: Reader(
        noun="Pro-Data text (Applied Photophysics)",
        endings=(".dsa",),
        time=_SECONDS,
        recognises=pro_data_store.recognises,
        parse=pro_data_store.parse,
    ),
    kinetic_studio.KEY: Reader(
        noun="Kinetic Studio CSV (TgK / Hi-Tech)",
        endings=(".csv",),
        time=_SECONDS,
        recognises=kinetic_studio.recognises,
        parse=kinetic_studio.parse,
    ),
    olis.KEY: Reader(
        noun="OLIS 3-D ASCII",
        endings=(".o3a", ".csv", ".txt"),
        time=_SECONDS,
        recognises=olis.recognises,
        parse=olis.parse,
    ),
    jasco.KEY: Reader(
        noun="JASCO text: time courses and interval scans",
        endings=(".txt", ".csv"),
        time="stated in the file; minutes in interval scans",
        recognises=jasco.recognises,
        parse=jasco.parse,
    ),
    uv_vis.KEY: Reader(
        noun="UV-Vis kinetics CSV",
        endings=(".csv",),
        time=_STATED,
        recognises=uv_vis.recognises,
        parse=uv_vis.parse,
    ),
    diode_array.KEY: Reader(
        noun="diode-array matrix of times and wavelengths",
        endings=(".csv", ".txt"),
        time="stated in the file; else seconds",
        recognises=diode_array.recognises,
        parse=diode_array.parse,
    ),
    kintek.KEY: Reader(
        noun="KinTek Explorer text",
        endings=(".txt",),
        time="--time-unit",
        recognises=kintek.recognises,
        parse=kintek.parse,
    ),
    columns.KEY: Reader(
        noun="plain columns of text: CSV, TSV, TXT",
        endings=(".csv", ".tsv", ".txt", ".dat", ".asc"),
        time="stated in the file; else --time-unit",
        recognises=columns.recognises,
        parse=columns.parse,
    ),
    sheets.KEY: Reader(
        noun="workbook with a time column and a column a shot",
        endings=(".xlsx", ".xls", ".ods"),
        time="stated in the sheet; else --time-unit",
        recognises=sheets.recognises,
        parse=None,
    ),
}
"""Key -> reader, the most specific first; the first that recognises a content reads it."""

FIRST_LINES = {
    ".bka": first_lines(),
    ".bk3a": 'a Bio-Kine 3-D file, whose first line is "BIO-KINE 3D ASCII FILE"',
    ".dsa": "a Pro-Data file, whose first line is ProDataStore",
    ".o3a": "an OLIS file, which begins with OLIS-3D-ASCII",
}
"""Endings of files that hold nothing but traces -> what such a file begins with."""

BEGINNINGS = {
    "PRODATACSV": "Pro-Data CSV",
    "PRODATASTORE": "Pro-Data text",
    "OLIS-3D-ASCII": "OLIS 3-D ASCII",
    "FILE INFO": "Kinetic Studio CSV",
    "SPECTRA": "a diode array's matrix",
}
"""How files of some formats begin, in capitals -> the format."""

TRACE_ENDINGS = tuple(FIRST_LINES)
"""A file with one of these endings that no reader recognises is an error."""


def find_reader(head: Head) -> str | None:
    """Return the key of the reader of a content; None when it is no trace."""
    return next((key for key, reader in READERS.items() if reader.recognises(head)), None)


def read_recordings(path: Path, *, time_unit: str | None = None) -> tuple[Recording, ...]:
    """Read every push of a file, whatever its format.

    Parameters
    ----------
    time_unit
        Unit of time where the file says none.

    Raises
    ------
    FormatError
        When the file is of no known format, or not as its format is; with the line.
    SettingsError
        When `time_unit` is no unit of time.
    """
    head = read_head(path)
    key = find_reader(head)
    if key is None:
        raise unknown_format(head)
    if key == sheets.KEY:
        return read_sheet_traces(read_sheets(path), file=shown_name(path.name), time_unit=time_unit)
    return parse_recordings(
        read_content(path), name=shown_name(path.name), time_unit=time_unit, key=key
    )


def split_push(path: Path) -> tuple[Path, str]:
    """Take ``book.xlsx[shot 1]`` apart into the file and the push in it; "" for the whole file."""
    head, bracket, label = path.name.partition("[")
    if not bracket or not label.endswith("]") or path.exists():
        return path, ""
    return path.with_name(head or path.name), label[:-1]


def read_push(path: Path, *, time_unit: str | None = None) -> Recording:
    """Read the one push of a file, or the named one of ``book.xlsx[shot 1]``.

    Raises
    ------
    FormatError
        As `read_recordings`, and when the file holds several and none of them is named.
    """
    file, label = split_push(path)
    found = read_recordings(file, time_unit=time_unit)
    chosen = [item for item in found if not label or item.label == label]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(item.label for item in found[:8])
    raise FormatError(
        file.name,
        found=f"{len(found)} traces ({names}{', ...' if len(found) > 8 else ''})",
        expected=f"the name of one, as in '{file.name}[{found[0].label}]'",
    )


def parse_recordings(
    data: bytes, *, name: str, time_unit: str | None = None, key: str | None = None
) -> tuple[Recording, ...]:
    """Parse the bytes of a text file with the reader `key`, or the one that recognises them.

    Raises
    ------
    FormatError
        As `read_recordings`.
    """
    if key is None:
        head = Head(name=name, data=data[: 64 * 1024])
        key = find_reader(head)
        if key is None:
            raise unknown_format(head)
    parse = READERS[key].parse
    if parse is None:
        raise FormatError(name, found="a workbook", expected="a text file")
    return parse(data, name=name, time_unit=time_unit)


def read_sheet_traces(
    sheets_read: list[Sheet], *, file: str, time_unit: str | None
) -> tuple[Recording, ...]:
    """Read the traces of a workbook's sheets; refuse a workbook without any."""
    divided = [sheets.divide_sheet(sheet, time_unit=time_unit) for sheet in sheets_read]
    found = [recording for item in divided for recording in item.recordings]
    problems = [error for item in divided for error in item.problems]
    if not found and problems:
        raise problems[0]
    if not found:
        raise FormatError(
            file, found="a workbook without traces", expected="a column of times and signals"
        )
    return named_apart([replace(item, name=file) for item in found], file)


def unknown_format(head: Head) -> FormatError:
    """Say of a content that no reader knows it, what it looks like and what was expected."""
    ending = next((item for item in FIRST_LINES if head.name.casefold().endswith(item)), "")
    listed = "a trace in one of the formats that stopflow formats lists"
    return FormatError(
        head.name,
        where="line 1" if head.data.strip() else "",
        found=_looks_like(head),
        expected=FIRST_LINES.get(ending, listed),
    )


def _looks_like(head: Head) -> str:
    if not head.data.strip():
        return "an empty file"
    if not head.text:
        return f"bytes that are no text, {head.data[:8]!r}"
    first = head.first[:60]
    nearest = _nearest(head)
    if nearest:
        return f"{first!r}, which comes nearest to {nearest}"
    return f"no trace: the first line is {first!r}"


def _nearest(head: Head) -> str:
    """Say which format a content comes nearest to and what it lacks; "" for none."""
    first = head.first.strip('"').upper()
    if first.startswith("BIO-KINE"):
        return "Bio-Kine, but is no kind that is known"
    words = re.split(r"[,;\t:]", first)[0]
    close = get_close_matches(words, BEGINNINGS, n=1, cutoff=0.8)
    if close:
        return f"{BEGINNINGS[close[0]]}, but begins in another way"
    cells = re.split(r"[,;\t|]", head.first)
    if len(cells) > 1 and parse_label(cells[0]).is_time:
        return "plain columns of text, but has no rows of numbers as such"
    return ""
