"""How rows of numbers are written in a text: which sign parts the cells, which is the decimal sign.

A row is a line of at least two cells, the first a number, the others numbers or words for a missing
value. Cells are parted by TAB, semicolon, comma, bar or blanks; the decimal sign is a point, or a
comma where it does not part cells. Blank lines and lines that begin with a comment sign mean
nothing between rows.
"""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from stopflow.io.text import is_missing

SEPARATORS = ("\t", ";", ",", "|", "")
"""Signs between cells; the last one stands for blanks."""

COMMENTS = ("#", "%", "!", "//", "'")
MOST_COLUMNS = 20_000
_LONGEST_LINE = 32 * MOST_COLUMNS
_MOST_SIGNS = 8 * MOST_COLUMNS
"""Blanks or other separators in a line that is worth taking apart."""
_LOOKED_AT_LINES = 1_000
_RUN = 50
_DIGITS = frozenset("0123456789+-.eE")
_MINUS = "\u2212"
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:['\u2019\u00a0\u202f]\d{3})+(?:\.\d*)?")
"""A number whose thousands are parted by signs that can be no decimal sign."""
_POINTS = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d*)?")
"""One whose thousands may be parted by points, where a comma is the decimal sign."""
_QUOTED = '","'
"""Between cells of which each stands in quotes, so that a comma within can be a decimal sign."""
_FIRST = frozenset(f'0123456789+-.,"{_MINUS}')
"""Signs that a row can begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the cells of a row are written.

    Attributes
    ----------
    separator
        Sign between cells; ``""`` for blanks.
    decimal_comma
        Whether the decimal sign is a comma.
    columns
        Cells in a row; 0 while not known.
    first_may_miss
        Whether the first cell of a row may be empty, as below columns that end early.
    """

    separator: str
    decimal_comma: bool
    columns: int = 0
    first_may_miss: bool = False

    def split(self, line: str) -> list[str]:
        """Return the cells of a line; empty ones at its end are left out."""
        if not self.separator:
            return line.split()
        text = line.rstrip()
        if self.decimal_comma and self.separator == "," and _QUOTED not in text:
            return []
        if '"' in text:
            cells = next(csv.reader([text], delimiter=self.separator), [])
        else:
            cells = text.split(self.separator)
        while cells and not cells[-1].strip():
            cells.pop()
        return cells

    def numbers(self, line: str) -> list[float] | None:
        """Return the numbers of a row, NaN for a missing one; None for what is no row."""
        if len(line) > _LONGEST_LINE or line.count(self.separator or " ") > _MOST_SIGNS:
            return None
        cells = self.split(line)
        if 0 < len(cells) < self.columns and self.separator:
            cells += [""] * _left_out(line, self, len(cells))
        if len(cells) < 2 or len(cells) > MOST_COLUMNS:
            return None
        plain = None if self.decimal_comma else _plain_numbers(cells)
        if plain is not None:
            return plain
        numbers = []
        for place, cell in enumerate(cells):
            number = self.number(cell, may_miss=place > 0 or self.first_may_miss)
            if number is None:
                return None
            numbers.append(number)
        return numbers

    def is_row(self, line: str) -> bool:
        """Tell whether a line is a row of as many columns as the layout has."""
        row = self.numbers(line)
        return row is not None and len(row) == self.columns

    def number(self, cell: str, *, may_miss: bool = False) -> float | None:
        """Return the number of a cell, NaN for a word for a missing one, else None."""
        text = cell.strip()
        if (text and not text.isascii()) or "'" in text:
            text = _plain(text, decimal_comma=self.decimal_comma)
        if self.decimal_comma:
            if "." in text:
                if not _POINTS.fullmatch(text):
                    return None
                text = text.replace(".", "")
            text = text.replace(",", ".")
        if text and _DIGITS.issuperset(text):
            try:
                value = float(text)
            except ValueError:
                return math.nan if may_miss and is_missing(text) else None
            if math.isfinite(value):
                return value
            return math.nan if may_miss else None
        return math.nan if may_miss and is_missing(text) else None


def _plain_numbers(cells: Sequence[str]) -> list[float] | None:
    """Return the numbers of cells that hold nothing else, ten times faster than one by one."""
    if not _DIGITS.issuperset("".join(cells)):
        return None
    try:
        numbers = list(map(float, cells))
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def _plain(text: str, *, decimal_comma: bool) -> str:
    """Return a number without signs between its thousands, its minus as programs write it."""
    plain = text.replace(_MINUS, "-")
    grouped = plain.replace(",", ".") if decimal_comma and "." not in plain else plain
    if not _GROUPED.fullmatch(grouped):
        return plain
    return "".join(char for char in plain if char not in "'\u2019\u00a0\u202f")


def find_layout(lines: Sequence[str], *, least: int = 2) -> tuple[Layout, int] | None:
    """Return how the first block of rows is written and the index of its first line.

    Parameters
    ----------
    least
        Rows that make a block.
    """
    best: tuple[int, Layout, int] | None = None
    looked_at = lines[:_LOOKED_AT_LINES]
    if not any(line.lstrip()[:1] in _FIRST for line in looked_at if line.strip()):
        return None
    for separator in SEPARATORS:
        for comma in (False, True):
            if comma and separator == "," and not any(_QUOTED in line for line in looked_at):
                continue
            layout = Layout(separator=separator, decimal_comma=comma)
            found = _first_run(looked_at, layout)
            if found and found[0] >= least and (best is None or found[0] > best[0]):
                best = (found[0], found[1], found[2])
    return None if best is None else (best[1], _first_row(looked_at, best[1], best[2]))


def _first_row(lines: Sequence[str], layout: Layout, first: int) -> int:
    """Return the first row: above complete ones may stand some with words for missing values."""
    row = layout.numbers(lines[first])
    while first > 0 and row is not None:
        above = layout.numbers(lines[first - 1])
        if above is None or len(above) != layout.columns or not above[0] < row[0]:
            break
        first, row = first - 1, above
    return first


def _first_run(lines: Sequence[str], layout: Layout) -> tuple[int, Layout, int] | None:
    """Return the length of the first run of rows (at most `_RUN`), its layout and its start."""
    start, count, columns = -1, 0, 0
    best: tuple[int, Layout, int] | None = None
    for index, line in enumerate(lines):
        begin = line.lstrip()
        if not begin or begin.startswith(COMMENTS):
            continue
        row = layout.numbers(line) if begin[0] in _FIRST else None
        if row is None or (not count and not all(map(math.isfinite, row))):
            start, count = -1, 0
            continue
        if count and len(row) != columns:
            start, count = -1, 0
        if not count:
            start, columns = index, len(row)
        count += 1
        if best is None or count > best[0]:
            best = (count, _with(layout, columns), start)
        if count >= _RUN:
            break
    return best


def _with(layout: Layout, columns: int) -> Layout:
    return Layout(separator=layout.separator, decimal_comma=layout.decimal_comma, columns=columns)


def _left_out(line: str, layout: Layout, have: int) -> int:
    """Return how many empty cells stood at the end of a row, up to the columns expected."""
    written = line.rstrip("\r\n").count(layout.separator) + 1
    return max(0, min(written, layout.columns) - have)
