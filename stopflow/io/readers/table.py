"""The table of readers."""

from dataclasses import dataclass
from typing import Any, Protocol

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
from stopflow.io.readers.marks import Mark
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
    marks
        What a content of this format has; see `stopflow.io.readers.marks`.
    parse
        None for workbooks, which are divided sheet by sheet.
    """

    noun: str
    endings: tuple[str, ...]
    time: str
    marks: tuple[Mark, ...]
    parse: Parse | None

    @property
    def short(self) -> str:
        """The first words of `noun`, for a message."""
        return self.noun.partition(" (")[0].partition(":")[0]


_STATED, _SECONDS = "stated in the file", "seconds"


def _text(module: Any, noun: str, endings: str, time: str) -> tuple[str, Reader]:
    """Return the entry of a text format, whose module has a key, marks and a parser."""
    return module.KEY, Reader(
        noun=noun,
        endings=tuple(endings.split()),
        time=time,
        marks=module.MARKS,
        parse=module.parse,
    )


_TEXTS = (
    _text(
        bio_kine,
        "Bio-Kine ASCII (BioLogic)",
        ".bka",
        "stated in the file; else --time-unit, else ms with a warning",
    ),
    _text(bio_kine_3d, "Bio-Kine 3-D ASCII (BioLogic)", ".bk3a", _SECONDS),
    _text(pro_data_csv, "Pro-Data CSV (Applied Photophysics)", ".csv", _SECONDS),
    _text(pro_data_store, "Pro-Data text (Applied Photophysics)", ".dsa", _SECONDS),
    _text(kinetic_studio, "Kinetic Studio CSV (TgK / Hi-Tech)", ".csv", _SECONDS),
    _text(olis, "OLIS 3-D ASCII", ".o3a .csv .txt", _SECONDS),
    _text(
        jasco,
        "JASCO text: time courses and interval scans",
        ".txt .csv",
        "stated in the file; minutes in interval scans",
    ),
    _text(uv_vis, "UV-Vis kinetics CSV", ".csv", _STATED),
    _text(
        diode_array,
        "diode-array CSV (times and wavelengths)",
        ".csv .txt",
        "stated in the file; else seconds",
    ),
    _text(kintek, "KinTek Explorer text", ".txt", "--time-unit"),
    _text(
        columns,
        "plain columns of text: CSV, TSV, TXT",
        ".csv .tsv .txt .dat .asc",
        "stated in the file; else --time-unit",
    ),
)
READERS: dict[str, Reader] = {
    **dict(_TEXTS),
    sheets.KEY: Reader(
        noun="workbook with a time column and a column a shot",
        endings=(".xlsx", ".xls", ".ods"),
        time="stated in the sheet; else --time-unit",
        marks=sheets.MARKS,
        parse=None,
    ),
}
"""Key -> reader, the most specific first; the first that recognises a content reads it."""

TRACE_ENDINGS = (".bka", ".bk3a", ".dsa", ".o3a")
"""A file with one of these endings that no reader recognises is an error."""
