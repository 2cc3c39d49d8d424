"""A block of rows of numbers in a text, and what stands below it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise

import numpy as np

from stopflow.errors import FormatError
from stopflow.io.readers.numbers import COMMENTS, Layout
from stopflow.trace import FloatArray, Problem, warning_of

MOST_CELLS = 30_000_000
_CHUNK_CELLS = 200_000
_NEXT = (0.4, 2.5)
"""A number is the time of a row before another where it is as many steps away."""


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


def read_block(
    lines: Sequence[str], first: int, layout: Layout, *, name: str, first_line: int = 1
) -> Block:
    """Read the block of rows that begins at line `first`.

    Raises
    ------
    FormatError
        When a line among the rows is none, or they are too many.
    """
    _require_no_rows_above(lines, first, layout, name=name, first_line=first_line)
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
        notes += (
            warning_of(
                name,
                found,
                where=place,
                expected="as many digits as in other rows",
                rule="lost-digits",
            ),
        )
        rows = rows[:-1]
    return Block(layout=layout, first=first, stop=stop, rows=rows, notes=notes)


def _require_no_rows_above(
    lines: Sequence[str], first: int, layout: Layout, *, name: str, first_line: int
) -> None:
    """Refuse rows above the block that a broken one parts from it, and a broken first row."""
    own = (layout.numbers(line) for line in lines[first : first + 2])
    begin = [row[0] for row in own if row is not None and len(row) == layout.columns]
    if first < 1 or len(begin) < 2:
        return
    step, broken, last, above = begin[1] - begin[0], first - 1, begin[0], 0
    for index in range(broken - 1, -1, -1):
        row = layout.numbers(lines[index])
        if row is None or len(row) != layout.columns or not (last - row[0]) * step > 0:
            break
        last, above = row[0], above + 1
    cells = layout.split(lines[broken])
    at = layout.number(cells[0]) if cells else None
    begun = bool(step) and at is not None and _NEXT[0] < (begin[0] - at) / step < _NEXT[1]
    if begun or above >= (2 if at is None else 1):
        raise _broken(lines, broken, layout, name=name, first_line=first_line)


def _is_begun(line: str, layout: Layout) -> bool:
    """Tell whether a line begins with a number, as a row does."""
    cells = layout.split(line)
    return bool(cells) and layout.number(cells[0]) is not None


def _broken(
    lines: Sequence[str], broken: int, layout: Layout, *, name: str, first_line: int
) -> FormatError:
    cells = len(layout.split(lines[broken]))
    found = f"(found {cells} cell{'s' * (cells != 1)})"
    return FormatError(
        name,
        where=f"line {first_line + broken}",
        found=repr(lines[broken].strip()[:60]),
        expected=f"{layout.columns} numbers, as in the other rows {found}; "
        "put a # before a remark, NaN where a value is missing",
        rule="broken row",
    )


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
    least = 0 if _is_begun(lines[broken], layout) else 1
    if (later > least and not apart) or _goes_on(lines, below, stop, layout):
        raise _broken(lines, broken, layout, name=name, first_line=first_line)
    if later:
        found = f"another table from here on ({shown}); not read"
        return (
            warning_of(name, found, where=place, expected="one table a file", rule="second-table"),
        )
    first = layout.split(lines[broken])
    if first and layout.number(first[0]) is not None and len(below) == 1:
        early = "that ends early" if len(first) < layout.columns else f"of {len(first)} cells"
        found = f"a last row {early} ({shown}); left out"
        return (
            warning_of(
                name, found, where=place, expected=f"{layout.columns} numbers", rule="early-end"
            ),
        )
    headless = sum(_is_headless(lines[index], layout) for index in below)
    if headless > 1:
        found = f"{headless} rows without a number in the first column; left out"
        return (
            warning_of(
                name, found, where=place, expected="a time in every row", rule="headless-rows"
            ),
        )
    return ()


def _goes_on(lines: Sequence[str], below: Sequence[int], stop: int, layout: Layout) -> bool:
    """Tell whether the times go on below words, as below the head of a page, or in other rows."""
    above = [layout.numbers(line) for line in lines[max(0, stop - 2) : stop]]
    rows = (row for row in (layout.numbers(lines[at]) for at in below) if row is not None)
    times = [row[0] for row in (*above, *islice(rows, 2)) if row is not None]
    if len(times) < 4:
        return False
    step = times[1] - times[0]
    return all(0 < later - time < _NEXT[1] * step for time, later in pairwise(times[1:]))


def _is_headless(line: str, layout: Layout) -> bool:
    """Tell whether a line has an empty first cell and numbers beside it."""
    first, *others = layout.split(line) or [""]
    return not first.strip() and any(layout.number(cell) is not None for cell in others)


def _may_have_lost_digits(lines: Sequence[str], stop: int, layout: Layout) -> bool:
    """Tell whether writing may have stopped inside the last row's last number."""
    if stop < len(lines) or stop < 3:
        return False
    lengths = [
        len(layout.split(line)[-1].strip())
        for line in lines[max(0, stop - 20) : stop - 1]
        if layout.is_row(line)
    ]
    cells = layout.split(lines[stop - 1])
    return bool(lengths) and (
        len(cells) < min(layout.columns, 2) or len(cells[-1].strip()) < min(lengths)
    )


def _too_many(name: str) -> FormatError:
    return FormatError(
        name,
        found=f"more than {MOST_CELLS} numbers",
        expected="fewer; export fewer wavelengths or points",
    )
