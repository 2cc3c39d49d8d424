"""A text file (CSV, TSV) to the cells of one table."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from stopflow.errors import FormatError
from stopflow.io.text import decode, split_lines, to_single_byte
from stopflow.io.workbook.cells import Cell, require_size, to_cell

MOST_CSV_BYTES = 32_000_000
"""Bytes of a text file."""

_DELIMITERS = "\t;,"
_LOOKED_AT = 50_000
_QUOTED = re.compile(r'"[^"]*"')


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """The table of a text file.

    Attributes
    ----------
    rows
        Cells row by row; rows may differ in length.
    lines
        Line of each row.
    delimiter
        Sign between the cells.
    """

    rows: tuple[tuple[Cell, ...], ...]
    lines: tuple[int, ...]
    delimiter: str


def parse_text_table(data: bytes, *, book: str) -> TextTable:
    """Parse a text file whose cells are separated by TABs, semicolons or commas.

    Raises
    ------
    FormatError
        When it is too large or a cell is too long.
    """
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
    return TextTable(rows=tuple(rows), lines=tuple(lines), delimiter=delimiter)


def _regularity(lines: Iterable[str], delimiter: str) -> int:
    """Return how many lines have the same number of a delimiter, which must not be zero."""
    counts = Counter(line.count(delimiter) for line in lines)
    return max((number for count, number in counts.items() if count), default=0)
