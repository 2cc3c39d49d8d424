"""A workbook of any format (xlsx, xls, ods, CSV) as sheets of cells.

The content of a file decides its format, not its ending: a CSV that was renamed is read as one.
Text is read here; every other format is read in a process of its own (`reader_process`).
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from stopflow.errors import FormatError
from stopflow.io.guard import guarded, read_bytes, unreadable
from stopflow.io.text import decode, split_lines, to_single_byte
from stopflow.io.workbook.cells import Cell, column_letters, require_size, to_cell
from stopflow.io.workbook.reader_process import EXPECTED, READER

BOOKS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
ENDINGS = (*BOOKS, ".csv", ".tsv")

MOST_BYTES = 64_000_000
"""Bytes of a workbook; those of a lab have some 10,000."""

MOST_CSV_BYTES = 32_000_000
"""Bytes of a text file."""

_DELIMITERS = "\t;,"
_LOOKED_AT = 50_000
_QUOTED = re.compile(r'"[^"]*"')
_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One sheet, from its first row and column on.

    Attributes
    ----------
    book
        File name.
    name
        Of the sheet; ``""`` in a text file, which has only one.
    rows
        Cells row by row; rows may differ in length.
    lines
        Line of each row in a text file; empty otherwise.
    delimiter
        Sign between the cells of a text file; ``""`` otherwise.
    hidden_rows, hidden_columns
        Those a spreadsheet program would not show: hidden, or left out by a filter.
    is_turned
        True when a row here is a column of the file.
    """

    book: str
    name: str
    rows: tuple[tuple[Cell, ...], ...]
    lines: tuple[int, ...] = ()
    delimiter: str = ""
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: frozenset[int] = frozenset()
    is_turned: bool = False

    def turned(self) -> "Sheet":
        """Return the sheet with its rows as columns; places stay those of the file."""
        rows = tuple(zip_longest(*self.rows, fillvalue=""))
        return replace(
            self,
            rows=rows,
            hidden_rows=self.hidden_columns,
            hidden_columns=self.hidden_rows,
            is_turned=True,
        )

    def place(self, row: int, column: int) -> str:
        """Say where a cell is, e.g. ``"sheet 'Sheet1', cell B4"`` for row 3, column 1."""
        if self.is_turned:
            row, column = column, row
        if self.lines:
            return f"line {self.lines[row]}, column {column + 1}"
        return f"sheet '{self.name}', cell {column_letters(column + 1)}{row + 1}"

    def row_place(self, row: int) -> str:
        """Say where a row is."""
        return self._column_place(row) if self.is_turned else self._row_place(row)

    def column_place(self, column: int) -> str:
        """Say where a column is."""
        return self._row_place(column) if self.is_turned else self._column_place(column)

    def whole_place(self) -> str:
        """Say which sheet of its file this is; ``""`` for the only one of a text file."""
        return f"sheet '{self.name}'" if self.name else ""

    def _row_place(self, row: int) -> str:
        return f"line {self.lines[row]}" if self.lines else f"sheet '{self.name}', row {row + 1}"

    def _column_place(self, column: int) -> str:
        if self.lines:
            return f"column {column + 1}"
        return f"sheet '{self.name}', column {column_letters(column + 1)}"


def expect_workbooks(folder: Path) -> None:
    """Start the process of workbooks where there seems to be one, without waiting for it.

    It takes as long to start as this one to load what reads and fits.
    """
    try:
        found = any(path.suffix.lower() in BOOKS for path in folder.iterdir())
    except OSError:  # said by who reads the folder
        return
    if found:
        READER.start()


def read_sheets(path: Path) -> list[Sheet]:
    """Read every sheet of a workbook, or the one table of a text file.

    This is the barrier of one workbook: whatever is wrong with it becomes a `FormatError`.

    Raises
    ------
    FormatError
        When the file cannot be opened, is damaged, or is too large to be a table of shots.
    """
    book = path.name
    with guarded(book, expected=EXPECTED):
        data = read_bytes(path, most_bytes=MOST_BYTES, expected=EXPECTED)
        if data.startswith((_ZIP, _OLE)):
            return [
                Sheet(
                    book=book,
                    name=grid.name,
                    rows=tuple(map(tuple, grid.rows)),
                    hidden_rows=frozenset(grid.hidden_rows),
                    hidden_columns=frozenset(grid.hidden_columns),
                )
                for grid in READER.read(data, book=book)
            ]
        if path.suffix.casefold() not in (".csv", ".tsv") and b"\0" in data[:64]:
            raise unreadable(book, "its content is neither a workbook nor text", expected=EXPECTED)
        return [_parse_text(data, book=book)]


def _parse_text(data: bytes, *, book: str) -> Sheet:
    """Parse a text file whose cells are separated by TABs, semicolons or commas."""
    if len(data) > MOST_CSV_BYTES:
        found = f"a text file of {len(data) / 1e6:.0f} MB"
        raise FormatError(book, found=found, expected=f"at most {MOST_CSV_BYTES / 1e6:.0f} MB")
    text = decode(to_single_byte(data))
    shown = [_QUOTED.sub("", line) for line in split_lines(text[:_LOOKED_AT])]
    delimiter = max(_DELIMITERS, key=lambda sign: _regularity(shown, sign))
    rows: list[tuple[Cell, ...]] = []
    lines, line, width = [], 1, 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            rows.append(tuple(map(to_cell, row)))
            lines.append(line)
            line = reader.line_num + 1
            width = max(width, len(row))
            require_size(book, "", rows=len(rows), columns=width)
    except csv.Error as error:
        raise FormatError(
            book, where=f"line {line}", found=str(error), expected="a table of text"
        ) from error
    return Sheet(book=book, name="", rows=tuple(rows), lines=tuple(lines), delimiter=delimiter)


def _regularity(lines: Iterable[str], delimiter: str) -> int:
    """Return how many lines have the same number of a delimiter, which must not be zero."""
    counts = Counter(line.count(delimiter) for line in lines)
    return max((number for count, number in counts.items() if count), default=0)
