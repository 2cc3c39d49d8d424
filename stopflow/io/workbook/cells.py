"""What stands in one cell, how columns are named, and the sheets that a reader hands over.

Nothing here needs more than the standard library: the process that reads workbooks imports it.
"""

import datetime
import re
from collections.abc import Iterable
from dataclasses import dataclass

from stopflow.errors import FormatError

Cell = float | str
"""A number or a text; ``""`` when empty."""

MOST_CELLS = 1_000_000
"""Cells of a sheet; one that reaches further has a stray cell far away from its table."""
MOST_CHARACTERS = 32_000_000
"""Characters in all cells of a workbook."""
LONGEST_PHRASE = 500
"""Characters of a text in which a name, a number, a unit or a condition is looked for."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The cells of one sheet, from its first row and column on.

    Attributes
    ----------
    name
        Of the sheet.
    rows
        Cells row by row.
    hidden_rows, hidden_columns
        Numbers, from 0, of those that a spreadsheet program would not show.
    """

    name: str
    rows: list[list[Cell]]
    hidden_rows: list[int]
    hidden_columns: list[int]


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
    return without_controls(str(value).strip())


def without_controls(text: str) -> str:
    """Replace control characters, which no terminal and no workbook may get, by U+FFFD."""
    return text if text.isprintable() else _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def require_size(book: str, sheet: str, *, rows: int, columns: int) -> None:
    """Refuse a sheet of more than `MOST_CELLS` cells.

    Raises
    ------
    FormatError
        With the size of the sheet.
    """
    if rows * columns > MOST_CELLS:
        raise FormatError(
            book,
            where=f"sheet '{sheet}'" if sheet else "",
            found=f"{rows} rows and {columns} columns",
            expected=f"at most {MOST_CELLS} cells; delete what lies far from the table",
        )


def require_text_size(book: str, rows: Iterable[Iterable[Cell]], before: int = 0) -> int:
    """Return the number of characters in cells, and of those `before`.

    Raises
    ------
    FormatError
        When there are more than `MOST_CHARACTERS`.
    """
    count = before
    for row in rows:
        count += sum(len(cell) for cell in row if isinstance(cell, str))
        if count > MOST_CHARACTERS:
            found = f"more than {MOST_CHARACTERS} characters in its cells"
            raise FormatError(book, found=found, expected="a workbook with a table of files")
    return count


def column_letters(number: int) -> str:
    """Return the letters of a column, counted from 1: A, ..., Z, AA, ..."""
    letters = ""
    while number > 0:
        number, digit = divmod(number - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters
