"""Rows of numbers in a text: which sign parts the cells, which is the decimal sign, where they end.

A row is a line of at least two cells, the first a number, the others numbers or words for a missing
value. Cells are parted by TAB, semicolon, comma, bar or blanks; the decimal sign is a point, or a
comma where it does not part cells. Blank lines and lines that begin with a comment sign mean
nothing between rows.
"""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stopflow.errors import FormatError
from stopflow.io.text import MISSING
from stopflow.trace import FloatArray, Problem

SEPARATORS = ("\t", ";", ",", "|", "")
"""Signs between cells; the last one stands for blanks."""

COMMENTS = ("#", "%", "!", "//", "'")
MOST_COLUMNS = 20_000
MOST_CELLS = 30_000_000
_CHUNK_CELLS = 200_000
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
    """

    separator: str
    decimal_comma: bool
    columns: int = 0

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
        cells = self.split(line)
        if self.columns > 2 and len(cells) < self.columns and self.separator:
            cells += [""] * _left_out(line, self, len(cells))
        if len(cells) < 2 or len(cells) > MOST_COLUMNS:
            return None
        numbers = []
        for place, cell in enumerate(cells):
            number = self.number(cell, may_miss=place > 0)
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
                return None
            if math.isfinite(value):
                return value
            return math.nan if may_miss else None
        return math.nan if may_miss and text.casefold() in MISSING else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """Rows of numbers and the lines around them.

    Attributes
    ----------
    layout
        Of the rows, with the number of columns.
    first, stop
        Indices of the first row and of the line after the last.
    rows
        (N, columns); NaN for missing values.
    notes
        Rows left out, and tables further down.
    """

    layout: Layout
    first: int
    stop: int
    rows: FloatArray
    notes: tuple[Problem, ...] = field(default=())


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
    return None if best is None else (best[1], best[2])


def read_block(
    lines: Sequence[str], first: int, layout: Layout, *, name: str, first_line: int = 1
) -> Block:
    """Read the block of rows that begins at line `first`.

    Raises
    ------
    FormatError
        When a line among the rows is none, or they are too many.
    """
    chunks: list[FloatArray] = []
    chunk: list[list[float]] = []
    stop, last, blank, cells = first, -math.inf, False, 0
    for index in range(first, len(lines)):
        line = lines[index]
        if not line.strip() or line.lstrip().startswith(COMMENTS):
            blank = blank or not line.strip()
            continue
        row = layout.numbers(line)
        if row is None or len(row) != layout.columns or (blank and row[0] < last):
            break
        chunk.append(row)
        last, stop, blank = row[0], index + 1, False
        if len(chunk) * layout.columns >= _CHUNK_CELLS:
            chunks.append(np.array(chunk))
            cells += chunks[-1].size
            chunk = []
            if cells > MOST_CELLS:
                raise _too_many(name)
    chunks.append(np.array(chunk, dtype=np.float64).reshape(-1, layout.columns))
    rows = np.concatenate(chunks)
    _require_one_sign(lines[first:stop], layout, name=name, first_line=first_line + first)
    notes = _what_follows(lines, stop, layout, name=name, first_line=first_line)
    if _may_have_lost_digits(lines, stop, layout) and len(rows) > 1:
        found = f"a last row without a line end ({lines[stop - 1].strip()[:60]!r}); left out"
        place = f"line {first_line + stop - 1}"
        notes += (_warning(name, place, found, expected="as many digits as in other rows"),)
        rows = rows[:-1]
    return Block(layout=layout, first=first, stop=stop, rows=rows, notes=notes)


def _require_one_sign(lines: Sequence[str], layout: Layout, *, name: str, first_line: int) -> None:
    """Refuse points among numbers with decimal commas: they may part thousands or be decimal."""
    if not layout.decimal_comma:
        return
    for number, line in enumerate(lines, first_line):
        if "." in line and not line.lstrip().startswith(COMMENTS):
            cell = next(cell.strip() for cell in layout.split(line) if "." in cell)
            raise FormatError(
                name,
                where=f"line {number}",
                found=f"{cell[:40]!r} among numbers with decimal commas",
                expected="numbers without signs between the thousands, and one decimal sign",
            )


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


def _what_follows(
    lines: Sequence[str], stop: int, layout: Layout, *, name: str, first_line: int
) -> tuple[Problem, ...]:
    """Look below the rows: a broken row is an error, a last one cut off and a table are listed."""
    below = [index for index in range(stop, len(lines)) if lines[index].strip()]
    if not below:
        return ()
    broken = below[0]
    place = f"line {first_line + broken}"
    shown = repr(lines[broken].strip()[:60])
    later = sum(layout.is_row(lines[index]) for index in below)
    apart = broken > stop
    if later > 1 and not apart:
        cells = len(layout.split(lines[broken]))
        expected = f"{layout.columns} numbers, as in the rows above (found {cells} cells)"
        raise FormatError(name, where=place, found=shown, expected=expected)
    if later > 1:
        found = f"another table from here on ({shown}); not read"
        return (_warning(name, place, found, expected="one table a file"),)
    first = layout.split(lines[broken])
    if first and layout.number(first[0]) is not None and len(below) == 1:
        found = f"a last row that ends early ({shown}); left out"
        return (_warning(name, place, found, expected=f"{layout.columns} numbers"),)
    return ()


def _may_have_lost_digits(lines: Sequence[str], stop: int, layout: Layout) -> bool:
    """Tell whether writing may have stopped inside the last row's last number."""
    if stop < len(lines) or stop < 3:
        return False
    lengths = [
        len(layout.split(line)[-1].strip())
        for line in lines[max(0, stop - 20) : stop - 1]
        if layout.is_row(line)
    ]
    last = len(layout.split(lines[stop - 1])[-1].strip())
    return bool(lengths) and last < min(lengths)


def _too_many(name: str) -> FormatError:
    return FormatError(
        name,
        found=f"more than {MOST_CELLS} numbers",
        expected="fewer; export fewer wavelengths or points",
    )


def _warning(name: str, where: str, found: str, *, expected: str) -> Problem:
    return Problem(
        experiment="", file=name, where=where, found=found, expected=expected, level="warning"
    )
