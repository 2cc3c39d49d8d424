"""Plain text in columns: a time, and one or more signals, as any program writes them.

::

    # buffer pH 7.4, 25 °C                  comment and free lines, or none
    Time (s);Absorbance;Fluorescence        a header, or none
    s;AU;V                                  a row of units, or none; a row of comments, or none
    0,001;0,512;3,41                        rows: TAB, semicolon, comma, bar or blanks between the
    0,002;0,509;3,44                        cells; a decimal point or comma

- The unit of time is that of the header (``Time (s)``, ``t / ms``, ``[s]``), of the row of units,
  or of a line such as ``Time unit: ms``; where there is none it has to be given.
- Columns are signals of one push. Those that are numbered alike (``shot 1``, ``shot 2``;
  ``10 µM``, ``20 µM``) are a push each, and so are those that have a time column of their own.
- A column of deviations (``Std.Dev.``), of point numbers or of temperatures is left out, with a
  note. The time is the first column or stands under the header of a time, also as the last one.
- A table whose first column is a wavelength is a spectrum and is refused by that name.
- A header of file names, concentrations or rates makes it a table of conditions and no trace.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from stopflow.errors import FormatError
from stopflow.io.readers.blocks import read_block
from stopflow.io.readers.column_table import INDEX_NAMES, Columns, read_columns
from stopflow.io.readers.content import Head
from stopflow.io.readers.headings import begins_with_time, find_heading, lines_above, short_header
from stopflow.io.readers.labels import fold_label, is_unit_alone, parse_label
from stopflow.io.readers.marks import Mark
from stopflow.io.readers.numbers import COMMENTS, Layout, find_layout
from stopflow.io.readers.recording import named_apart
from stopflow.io.text import decode, split_lines, to_single_byte
from stopflow.trace import Recording

KEY = "columns"
LEAST_ROWS = 8
"""Rows without the header of a time that can be a trace."""

_LOOKED_AT = 300
"""Rows whose first cells are looked at to tell times."""

FEW_NUMBERED = 50
"""Fewer rows counted 1, 2, 3, ... without a header are as likely a list."""

_FEW = 2
"""Rows, the last one perhaps cut off, that are no block of them."""
_LONGEST = 10_000
_LETTER = re.compile(r"[^\W\d_]")
_BEGUN = re.compile(r"[-+\d., eE\"]*")
_PADDED = re.compile(r"\s*0\d")
_UNIT_KEYS = frozenset({"timeunit", "timeunits", "xunit", "xunits", "unitx", "unitoftime"})


def _has_times(head: Head) -> bool:
    """Tell by rows of numbers under the header of a time, or whose first column rises.

    Without rows, a header that begins with a time is one.
    """
    if head.layout is None:
        return any(map(begins_with_time, head.lines[:20]))
    layout, first = head.layout
    names = find_heading(head.lines, first, layout).names
    labels = [parse_label(cell) for cell in names or short_header(head.lines, first)]
    if labels and (labels[0].is_time or labels[0].is_spectral):
        return True
    if len(labels) > 1 and fold_label(labels[0].name) in INDEX_NAMES and labels[1].is_time:
        return True
    if any(label.is_of_table for label in labels):
        return False
    if any(label.is_time for label in labels):
        return True
    numbers = (layout.numbers(line) for line in head.lines[first : first + _LOOKED_AT])
    times = [row[0] for row in numbers if row is not None and len(row) == layout.columns]
    return looks_like_times(times, has_header=bool(labels))


MARKS: Final = (
    Mark(
        what="rows of numbers, all of as many cells",
        has=lambda head: head.layout is not None,
        weight=0.5,
        needed=True,
        by_rows=True,
    ),
    Mark(
        what="header of a time, as in Time (s), or a first column that rises",
        has=_has_times,
        weight=0.5,
        needed=True,
        by_rows=True,
    ),
)
"""How the format is told."""


def count_begun_rows(head: Head) -> int | None:
    """Return how many rows a trace has that was cut off within the first; None for any other text.

    Under the header of a time stand a row of units at most and what rows begin with.
    """
    filled = [line for line in head.lines if line.strip()]
    for at, line in enumerate(filled[:20]):
        sign = next((sign for sign in "\t;,|" if sign in line), None)
        cells = [cell.strip() for cell in line[:_LONGEST].split(sign)]
        labels = [parse_label(cell) for cell in cells if cell]
        if not begins_with_time(line) or any(label.is_of_table for label in labels):
            continue
        if not all(map(_LETTER.search, filter(None, cells))):
            return None
        below = [row[:_LONGEST].split(sign) for row in filled[at + 1 :]]
        if below and all(is_unit_alone(cell) for cell in below[0]):
            below = below[1:]
        if len(below) > _FEW or not all(_BEGUN.fullmatch(" ".join(row)) for row in below):
            return None
        return sum(len(row) == len(cells) and row[-1].strip() != "" for row in below)
    return None


def looks_like_times(times: Sequence[float], *, has_header: bool) -> bool:
    """Tell a first column of times from any other, by its values."""
    if len(times) < LEAST_ROWS or any(b <= a for a, b in pairwise(times)):
        return False
    numbered = times[0] in (0, 1) and all(b - a == 1 for a, b in pairwise(times))
    return not numbered or (len(times) >= FEW_NUMBERED and not has_header)


def parse(data: bytes, *, name: str, time_unit: str | None) -> tuple[Recording, ...]:
    """Parse the bytes of a file.

    Raises
    ------
    FormatError
        When there are no rows of numbers, a row is not like the others, x is no time, or nobody
        says its unit.
    """
    return parse_as(KEY, data, name=name, time_unit=time_unit)


def parse_as(
    key: str, data: bytes, *, name: str, time_unit: str | None, bare_wavelengths: bool = False
) -> tuple[Recording, ...]:
    """Parse columns for the reader `key`; see `parse`."""
    lines = split_lines(decode(to_single_byte(data).rstrip(b"\0")))
    found = find_layout(lines, least=1)
    if found is None:
        expected = "a time column and at least one signal column"
        raise FormatError(name, found="no rows of numbers", expected=expected)
    layout, first = found
    heading = find_heading(lines, first, layout)
    _require_one_reading(lines, first, layout, name=name)
    if sum(label.is_time for label in heading.labels) > 1:
        layout = replace(layout, first_may_miss=True)
    block = read_block(lines, first, layout, name=name)
    records = [_record(line) for line in lines[:first] if line.strip()]
    records += [("", line.strip()) for line in lines[block.stop :] if line.strip()]
    columns = Columns(
        labels=heading.labels,
        rows=block.rows,
        time_unit=next((value for key, value in records if fold_label(key) in _UNIT_KEYS), ""),
        times_above=heading.times,
        bare_wavelengths=bare_wavelengths,
    )
    recordings = read_columns(
        columns, key=key, name=name, time_unit=time_unit, records=records, notes=block.notes
    )
    return named_apart(recordings, name)


def _require_one_reading(lines: Sequence[str], first: int, layout: Layout, *, name: str) -> None:
    """Refuse commas that part cells and digits alike.

    They show by more cells than the header has, or by cells such as ``0512``, in numbers without
    any point.
    """
    rows = [line for line in lines[first : first + 200] if layout.is_row(line)]
    if layout.separator != "," or layout.decimal_comma or any("." in line for line in rows):
        return
    place = next(iter(lines_above(lines, first, most=1)), None)
    cells = max(lines[place].count(sign) + 1 for sign in ",;\t") if place is not None else 0
    has_time = place is not None and begins_with_time(lines[place])
    is_short = cells * 2 == layout.columns or (has_time and 1 < cells < layout.columns)
    padded = any(map(_PADDED.match, (cell for line in rows for cell in layout.split(line))))
    if padded or is_short:
        raise FormatError(
            name,
            where=f"line {first + 1}",
            found="commas between the cells and, it seems, as decimal signs",
            expected="another sign between the cells (TAB or ;), or decimal points",
        )


def _record(line: str) -> tuple[str, str]:
    text = line.strip()
    for sign in COMMENTS:
        text = text.removeprefix(sign)
    for sign in (":", "=", "\t", ";", ","):
        key, found, value = text.partition(sign)
        if found and len(key) < 40:
            return key.strip().strip('"'), value.strip().rstrip(",;").strip().strip('"')
    return "", text.strip()
