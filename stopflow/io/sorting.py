"""What the files of a folder are: traces, workbooks and tables, or nothing of the kind."""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stopflow.errors import FormatError
from stopflow.io.readers import sheets
from stopflow.io.readers.columns import LEAST_ROWS
from stopflow.io.readers.content import Head, read_head
from stopflow.io.readers.labels import parse_label
from stopflow.io.readers.recognise import find_reader, is_damaged_trace, unknown_format
from stopflow.io.workbook.grid import ENDINGS
from stopflow.io.workbook.headers import fold_name, parse_header
from stopflow.io.workbook.vocabulary import QUANTITIES
from stopflow.io.workbook.workbook import TRUTH

DECISIONS = "decisions.csv"
"""What was decided about the traces of a folder (io.decisions)."""

TEXT_TABLES = (".csv", ".tsv")
_WORKBOOK_PARTS = ("xl/workbook.xml", "xl/workbook.bin", "content.xml")
_OWN = frozenset({TRUTH, DECISIONS, "ingest.json", "model.json"})
_FILE_NAMES = frozenset(QUANTITIES["file"].names)
_LONGEST_HEADER = 10_000
_SPLIT = str.maketrans({";": "\t", ",": "\t", "|": "\t"})

_CLOCK = re.compile(r'"?\d{1,2}:\d\d')
_DIGITS = frozenset("0123456789.+-eE")
_COMPANIONS = (
    *(".pdf", ".doc", ".docx", ".ppt", ".pptx", ".odt", ".odp", ".rtf", ".eml", ".msg"),
    *(".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".bmp", ".svg", ".heic", ".webp", ".ico"),
    *(".opj", ".opju", ".pzfx", ".mp4", ".mov", ".lnk", ".db", ".exe", ".pyc"),
)
"""Endings of what lies beside traces and is none: documents, pictures, projects of programs."""

Kind = Literal["trace", "workbook", "table", "own", "other", "unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SortedFile:
    """A file and what it is.

    Attributes
    ----------
    kind
        ``"trace"``: of a known format, or one that can be nothing else; ``"workbook"``: sheets of
        traces or tables; ``"table"``: a text with a table; ``"own"``: the program's own;
        ``"other"``: none of these; ``"unreadable"``.
    reader
        Key of `READERS` for a trace that is recognised; ``""`` for one that is not.
    why
        For `other` and `unreadable`: what was found.
    missed
        Whether one of `other` may hold traces all the same: it has rows of numbers, or is the file
        of a program that is not known.
    """

    path: Path
    kind: Kind
    reader: str = ""
    why: str = ""
    missed: bool = False


def sort_file(path: Path) -> SortedFile:
    """Tell what a file is from its beginning, whatever its name."""
    if path.name.casefold() in _OWN:
        return SortedFile(path=path, kind="own")
    try:
        head = read_head(path)
    except FormatError as error:
        return SortedFile(path=path, kind="unreadable", why=error.found)
    name = path.name.casefold()
    if head.is_archive:
        is_book = _is_workbook(path, head)
        return (
            SortedFile(path=path, kind="workbook", reader=sheets.KEY)
            if is_book
            else _other(path, head)
        )
    reader = find_reader(head)
    if reader is not None:
        return SortedFile(path=path, kind="trace", reader=reader)
    if is_damaged_trace(head) or (head.text and _has_time_header(head)):
        return SortedFile(path=path, kind="trace")
    if head.text and _has_numbers_alone(head):
        return _other(path, head)
    if name.endswith(TEXT_TABLES) or (head.text and _has_file_column(head)):
        return SortedFile(path=path, kind="table")
    if name.endswith(ENDINGS):
        return SortedFile(path=path, kind="workbook")
    return _other(path, head)


def _is_row(line: str) -> bool:
    """Tell whether a line is a row of two numbers or more."""
    cells = line[:_LONGEST_HEADER].translate(_SPLIT).split()
    return len(cells) > 1 and all(cell[-1].isdigit() and _DIGITS.issuperset(cell) for cell in cells)


def _is_workbook(path: Path, head: Head) -> bool:
    """Tell a workbook from other archives; a broken one keeps the word of its ending."""
    named = path.name.casefold().endswith(ENDINGS)
    if not head.data.startswith(b"PK"):
        return named
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            return any(part in names for part in _WORKBOOK_PARTS[:2]) or (
                "content.xml" in names and b"spreadsheet" in archive.read("mimetype")[:200]
            )
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, RuntimeError, NotImplementedError):
        return named


def _has_file_column(head: Head) -> bool:
    """Tell whether one of the first lines is the header of a table of files."""
    for line in head.lines[:20]:
        parts = line[:_LONGEST_HEADER].translate(_SPLIT).split("\t")[:50]
        cells = [cell.strip().strip('"') for cell in parts]
        files = [cell for cell in cells if fold_name(cell[:40]).casefold() in _FILE_NAMES]
        others = (parse_header(cell[:80]) for cell in cells if cell not in files)
        if files and any(found is not None for found in others):
            return True
    return False


def _has_time_header(head: Head) -> bool:
    """Tell whether one of the first lines is a header that begins with a time.

    It has a unit, or times of a clock stand below it. Its rows are then those of a trace, also
    where no reader can read them.
    """
    if _has_file_column(head):
        return False
    for number, line in enumerate(head.lines[:20]):
        first, *others = line[:_LONGEST_HEADER].translate(_SPLIT).split("\t")
        label = parse_label(first[:80])
        rows = [row for row in head.lines[number + 1 :] if row.strip()]
        is_time = label.is_time and (label.unit or all(map(_CLOCK.match, rows)))
        if is_time and len(others) == 1 and len(rows) >= LEAST_ROWS:
            return all(sum(map(str.isdigit, row)) >= 2 for row in rows[:LEAST_ROWS])
    return False


def _has_numbers_alone(head: Head) -> bool:
    """Tell whether a text is rows of numbers alone, the last perhaps cut off: it is no table."""
    filled = [line for line in head.lines if line.strip()]
    begun = _DIGITS.issuperset(filled[-1].strip()) if len(filled) > 1 else False
    return bool(filled) and all(map(_is_row, filled[:-1] if begun else filled))


def _other(path: Path, head: Head) -> SortedFile:
    return SortedFile(
        path=path, kind="other", why=unknown_format(head).found, missed=_may_hold_traces(head)
    )


def _may_hold_traces(head: Head) -> bool:
    """Tell whether a file that is not read may be of an instrument, and not a note or a picture."""
    if head.text:
        return sum(map(_is_row, head.lines)) >= LEAST_ROWS or _has_numbers_alone(head)
    return bool(head.data.strip()) and not head.name.casefold().endswith(_COMPANIONS)
