"""Workbooks of any kind to grids of cells: xlsx, xls, ods, CSV.

What a file is decides its content, not its ending: a CSV that was renamed is read as one.
Dimension records are not trusted, merged cells all hold the value shown, a unit that a number
format shows stands behind the number, error values stay visible as text (``"#N/A"``), and a formula
whose value was never stored is evaluated when it is arithmetic and otherwise stays visible
(``"=VLOOKUP(...)"``). Hidden sheets come last.
"""

import csv
import datetime
import io
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.worksheet import Worksheet
from python_calamine import CalamineError, CalamineWorkbook

from stopflow.errors import FormatError
from stopflow.io.text import decode, split_lines, to_single_byte
from stopflow.io.workbook.formula import evaluate_formula
from stopflow.io.workbook.units import is_unit
from stopflow.trace import Problem

ENDINGS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods", ".csv", ".tsv")

Cell = float | str
"""A number or a text; ``""`` when empty."""

MOST_CELLS = 1_000_000
"""A sheet that reaches further than this has a stray cell far away from its table."""

_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0"
_DELIMITERS = "\t;,"
_LOOKED_AT = 50_000
_QUOTED = re.compile(r'"[^"]*"')
_BEHIND_NUMBER = re.compile(r'(?:[0#?]|General)((?:"[^"]*"|\\.|\[\$[^\]]*\]|\s)+)$')
_FORMAT_SIGNS = re.compile(r'["\\]|\[\$|(?:-\w+)?\]')
_BROKEN = (zipfile.BadZipFile, InvalidFileException, ParseError, KeyError, ValueError, TypeError)


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

    def problem(
        self,
        where: str,
        found: str,
        *,
        expected: str = "",
        level: Literal["error", "warning", "note"],
    ) -> Problem:
        """Return something found in the sheet, of an experiment that is not known here."""
        return Problem(
            experiment="",
            file=self.book,
            where=where,
            found=found,
            expected=expected,
            level=level,
        )

    def place(self, row: int, column: int) -> str:
        """Say where a cell is, e.g. ``"sheet 'Sheet1', cell B4"`` for row 3, column 1."""
        if self.is_turned:
            row, column = column, row
        if self.lines:
            return f"line {self.lines[row]}, column {column + 1}"
        return f"sheet '{self.name}', cell {get_column_letter(column + 1)}{row + 1}"

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
        return f"sheet '{self.name}', column {get_column_letter(column + 1)}"


def read_sheets(path: Path) -> list[Sheet]:
    """Read every sheet of a workbook, or the one table of a text file.

    Raises
    ------
    FormatError
        When the file cannot be opened or is broken.
    """
    try:
        data = path.read_bytes()
        if data.startswith(_ZIP) and _is_xlsx(data):
            return _read_xlsx(data, book=path.name)
        if data.startswith((_ZIP, _OLE)):
            return _read_other(data, book=path.name)
    except OSError as error:
        raise _unreadable(path.name, error.strerror or str(error)) from error
    except (*_BROKEN, CalamineError) as error:
        raise _unreadable(path.name, str(error)) from error
    if path.suffix.casefold() not in (".csv", ".tsv") and b"\0" in data[:64]:
        raise _unreadable(path.name, "its content is neither a workbook nor text")
    return [_parse_text(decode(to_single_byte(data)), book=path.name)]


def _is_xlsx(data: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return "xl/workbook.xml" in archive.namelist()


def _read_xlsx(data: bytes, *, book: str) -> list[Sheet]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        values = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
        formulas = openpyxl.load_workbook(io.BytesIO(data)) if _has_formulas(data) else None
    sheets = []
    for worksheet in sorted(values.worksheets, key=lambda sheet: sheet.sheet_state != "visible"):
        if worksheet.max_row * worksheet.max_column > MOST_CELLS:
            raise FormatError(
                book,
                where=f"sheet '{worksheet.title}'",
                found=f"{worksheet.max_row} rows and {worksheet.max_column} columns",
                expected=f"at most {MOST_CELLS} cells; delete what lies far from the table",
            )
        grid = _Grid(worksheet, formulas[worksheet.title] if formulas else None)
        sheets.append(
            Sheet(
                book=book,
                name=worksheet.title,
                rows=grid.rows(),
                hidden_rows=grid.hidden_rows(),
                hidden_columns=grid.hidden_columns(),
            )
        )
    return sheets


def _has_formulas(data: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        return any(b"<f>" in text or b"<f " in text for text in map(archive.read, names))


class _Grid:
    """Values of one xlsx sheet, stored, shared by merging, or evaluated."""

    def __init__(self, values: Worksheet, formulas: Worksheet | None) -> None:
        self._values = values
        self._formulas = formulas
        self._shown_at = {
            (row, column): (area.min_row, area.min_col)
            for area in values.merged_cells.ranges
            for row in range(area.min_row, area.max_row + 1)
            for column in range(area.min_col, area.max_col + 1)
        }
        self._pending: set[tuple[int, int]] = set()

    def rows(self) -> tuple[tuple[Cell, ...], ...]:
        height, width = self._values.max_row, self._values.max_column
        return tuple(
            tuple(self._shown(row, column) for column in range(1, width + 1))
            for row in range(1, height + 1)
        )

    def hidden_rows(self) -> frozenset[int]:
        rows = self._values.row_dimensions.items()
        return frozenset(number - 1 for number, row in rows if row.hidden)

    def hidden_columns(self) -> frozenset[int]:
        groups = [item for item in self._values.column_dimensions.values() if item.hidden]
        last = self._values.max_column
        return frozenset(
            column - 1 for item in groups for column in range(item.min, min(item.max, last) + 1)
        )

    def _shown(self, row: int, column: int) -> Cell:
        """Return a value with the unit that the cell's number format shows behind it."""
        value = self._cell(row, column)
        if isinstance(value, str):
            return value
        row, column = self._shown_at.get((row, column), (row, column))
        behind = _BEHIND_NUMBER.search(self._values.cell(row, column).number_format.split(";")[0])
        unit = _FORMAT_SIGNS.sub("", behind[1]).strip() if behind else ""
        return f"{value:.15g} {unit}" if is_unit(unit) else value

    def _cell(self, row: int, column: int) -> Cell:
        row, column = self._shown_at.get((row, column), (row, column))
        value = to_cell(self._values.cell(row, column).value)
        formula = self._formula(row, column) if value == "" else ""
        return value if not formula else self._evaluate(formula, row, column)

    def _formula(self, row: int, column: int) -> str:
        if self._formulas is None:
            return ""
        cell = self._formulas.cell(row, column)
        if cell.data_type != "f":
            return ""
        return str(getattr(cell.value, "text", cell.value))

    def _evaluate(self, formula: str, row: int, column: int) -> Cell:
        self._pending.add((row, column))
        value = evaluate_formula(formula, self._lookup)
        self._pending.discard((row, column))
        return f"={formula.lstrip('=')}" if value is None else value

    def _lookup(self, address: str) -> Cell | None:
        letters = address.rstrip("0123456789")
        row, column = int(address[len(letters) :]), _column_number(letters)
        if row < 1 or (row, column) in self._pending:
            return None
        if row > self._values.max_row or column > self._values.max_column:
            return ""
        value = self._cell(row, column)
        return None if isinstance(value, str) and value.startswith(("=", "#")) else value


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number


def _read_other(data: bytes, *, book: str) -> list[Sheet]:
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
    return [
        Sheet(
            book=book,
            name=name,
            rows=_cells(workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)),
        )
        for name in workbook.sheet_names
    ]


def _parse_text(text: str, *, book: str) -> Sheet:
    shown = [_QUOTED.sub("", line) for line in split_lines(text[:_LOOKED_AT])]
    delimiter = max(_DELIMITERS, key=lambda sign: _regularity(shown, sign))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows, lines, line = [], [], 1
    try:
        for row in reader:
            rows.append(row)
            lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise FormatError(
            book, where=f"line {line}", found=str(error), expected="a table of text"
        ) from error
    return Sheet(book=book, name="", rows=_cells(rows), lines=tuple(lines), delimiter=delimiter)


def _regularity(lines: Iterable[str], delimiter: str) -> int:
    """Return how many lines agree in the number of a delimiter, at least one a line."""
    counts = Counter(line.count(delimiter) for line in lines)
    return max((number for count, number in counts.items() if count), default=0)


def _cells(rows: Iterable[Iterable[object]]) -> tuple[tuple[Cell, ...], ...]:
    return tuple(tuple(to_cell(value) for value in row) for row in rows)


def to_cell(value: object) -> Cell:
    """Return a number or stripped text; dates and truth values as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value).strip()


def _unreadable(book: str, why: str) -> FormatError:
    return FormatError(
        book, found=f"a file that cannot be read ({why})", expected="a workbook or CSV"
    )
