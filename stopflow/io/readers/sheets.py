"""Workbooks (xlsx, xls, ods) that hold traces: a time column and a column a push.

::

    Time (s) | shot 1 | shot 2              names as headers; a row of units may follow
    0.001    | 0.512  | 0.498
    0.002    | 0.509  | 0.495

- A sheet holds traces where numbers stand under the header of a time, or where a first column
  without a header rises over at least 20 rows. Every such block of columns is read; what else
  stands on the sheet (a table of conditions beside it) is read as a table.
- A column is a push unless the headers name signals (``Absorbance``, ``440 nm``), which then are
  signals of one push. Several time columns belong each to the columns on their right.
- Numbers alone as headers (``1``, ``2``; ``340``, ``350``) name pushes: as wavelengths all but one
  of the columns would be left out of the rates. From eight wavelengths on they are a spectrum over
  time. Fewer that could be wavelengths are warned of; ``340 nm`` leaves no doubt.
- The unit of time is read from the header or the row of units, else it has to be given.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile, takewhile
from math import isfinite, nan
from typing import Final

import numpy as np

from stopflow.errors import FormatError
from stopflow.io.readers.column_table import Columns, read_columns
from stopflow.io.readers.columns import looks_like_times
from stopflow.io.readers.labels import (
    Label,
    is_unit_alone,
    parse_label,
    require_time_unit,
    wavelength_nm,
)
from stopflow.io.readers.marks import Mark
from stopflow.io.readers.recording import build_matrix
from stopflow.io.workbook.grid import Cell, Sheet
from stopflow.io.workbook.headers import bare_unit
from stopflow.trace import FloatArray, Problem, Recording, note_of, warning_of

KEY = "workbook"
LEAST_ROWS = 8
LEAST_ROWS_UNNAMED = 20
_MOST_HEADER_ROWS = 5
_NO_LABEL = parse_label("")


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetReading:
    """A sheet divided: its traces, why some of them cannot be read, and what is left of it."""

    recordings: tuple[Recording, ...]
    problems: tuple[FormatError, ...]
    rest: Sheet | None


_GAP = 2.5
"""Times go on below other rows where they are not farther apart than so many steps a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _TraceBlock:
    """Columns of a trace on a sheet: header row (-1: none), first row, columns, that of times."""

    header: int
    first: int
    stop: int
    columns: tuple[int, ...]
    time: int


MARKS: Final = (
    Mark(
        what="container of a workbook",
        has=lambda head: head.is_archive,
        weight=1,
        needed=True,
    ),
)
"""How a workbook is told; whether it holds traces is seen when it is opened."""


def divide_sheet(sheet: Sheet, *, time_unit: str | None) -> SheetReading:
    """Read the traces of a sheet and return what is left of it for a table of conditions."""
    blocks = _find_blocks(sheet.rows)
    if not blocks:
        return SheetReading(recordings=(), problems=(), rest=sheet)
    recordings: list[Recording] = []
    problems: list[FormatError] = []
    for block in blocks:
        try:
            recordings += _read_block(sheet, block, time_unit=time_unit)
        except FormatError as error:
            problems.append(error)
    taken = {column for block in blocks for column in block.columns}
    rows = tuple(
        tuple("" if column in taken else cell for column, cell in enumerate(row))
        for row in sheet.rows
    )
    filled = [number for number, row in enumerate(rows) if any(cell != "" for cell in row)]
    rest = replace(sheet, rows=rows[: filled[-1] + 1]) if filled else None
    return SheetReading(recordings=tuple(recordings), problems=tuple(problems), rest=rest)


def _find_blocks(rows: Sequence[Sequence[Cell]]) -> list[_TraceBlock]:
    """Find the columns of times and those to their right that belong to them."""
    width = max(map(len, rows), default=0)
    starts: list[tuple[int, int, int, int]] = []
    for column in range(width):
        found = _time_column(rows, column, first_of_sheet=column == 0 or not starts)
        if found is not None:
            starts.append((column, *found))
    blocks = []
    for place, (column, header, first, stop) in enumerate(starts):
        end = starts[place + 1][0] if place + 1 < len(starts) else width
        rising = _TraceBlock(header=header, first=first, stop=stop, columns=(), time=column)
        members = [column, *_columns_beside(rows, range(column + 1, end), rising)]
        if starts == [starts[place]] and len(members) == 1:
            # The only column of times is the last one: the signals are on its left.
            left = _columns_beside(rows, range(column - 1, -1, -1), rising)
            members = [*reversed(left), column]
        if len(members) > 1:
            blocks.append(replace(rising, columns=tuple(members)))
    return blocks


def _time_column(
    rows: Sequence[Sequence[Cell]], column: int, *, first_of_sheet: bool
) -> tuple[int, int, int] | None:
    """Return header row, first row and the row behind the last of a column of times."""
    first = next((at for at in range(min(len(rows), 200)) if _number(rows, at, column)), None)
    if first is None:
        return None
    stop = _end_of_times(rows, first, column)
    header = _header_row(rows, first, column)
    label = parse_label(str(_cell(rows, header, column))) if header >= 0 else _NO_LABEL
    count = stop - first
    if label.is_time:
        return (header, first, stop) if count >= LEAST_ROWS else None
    if label.text or not first_of_sheet or count < LEAST_ROWS_UNNAMED:
        return None
    if any(parse_label(str(cell)).is_of_table for cell in (rows[header] if header >= 0 else ())):
        return None
    times = [_value(_cell(rows, at, column)) for at in range(first, stop)]
    return (header, first, stop) if looks_like_times(times, has_header=False) else None


def _end_of_times(rows: Sequence[Sequence[Cell]], first: int, column: int) -> int:
    """Return the row behind the last time; a gap, below which the times go on, ends nothing."""
    stop = first
    while stop < len(rows):
        if not _number(rows, stop, column):
            below = next(
                (at for at in range(stop, len(rows)) if _cell(rows, at, column) != ""), len(rows)
            )
            last = _value(_cell(rows, stop - 1, column))
            goes_on = below < len(rows) and _value(_cell(rows, below, column)) > last
            if below == stop or not goes_on:
                break
            stop = below
        stop += 1
    return stop


def _columns_beside(
    rows: Sequence[Sequence[Cell]], places: Iterable[int], block: _TraceBlock
) -> list[int]:
    """Return the columns of numbers that follow each other; empty ones between them are none.

    Behind an empty one stands a table where its first header says so.
    """
    found: list[int] = []
    before = block.time
    for place in places:
        if all(_cell(rows, at, place) == "" for at in range(block.first, block.stop)):
            continue
        apart = abs(place - before) > 1
        header = parse_label(_text(rows, block.header, place))
        is_numeric = _is_numeric(rows, place, block.first, block.stop)
        if not is_numeric or (apart and header.is_of_table):
            break
        found.append(place)
        before = place
    return found


def _header_row(rows: Sequence[Sequence[Cell]], first: int, column: int) -> int:
    """Return the row of the names: of a time, else the nearest above a row of units."""
    near = range(first - 1, max(-1, first - 1 - _MOST_HEADER_ROWS), -1)
    filled = dropwhile(lambda at: not _text(rows, at, column), near)
    above = list(takewhile(lambda at: _text(rows, at, column), filled))
    if not above:
        return first - 1
    labels = {at: parse_label(_text(rows, at, column)) for at in above}
    times = [at for at in above if labels[at].is_time and labels[at].name]
    named = [at for at in above if labels[at].name]
    return (times or named or above)[0]


def _read_block(
    sheet: Sheet, block: _TraceBlock, *, time_unit: str | None
) -> tuple[Recording, ...]:
    rows = sheet.rows
    labels = tuple(_label(rows, block, column) for column in block.columns)
    values = np.array(
        [
            [_value(_cell(rows, at, column)) for column in block.columns]
            for at in range(block.first, block.stop)
        ]
    )
    place = sheet.whole_place()
    notes = _notes_below(sheet, block)
    waves = [wavelength_nm(label.text, bare=True) for label in labels[1:]]
    whole = f"{sheet.book}[{sheet.name}]" if sheet.name else sheet.book
    if len(waves) >= LEAST_ROWS and all(map(isfinite, waves)):
        return (_matrix(sheet, labels[0], values, waves, time_unit=time_unit),)
    columns = Columns(labels=labels, rows=values, alone_are_pushes=True)
    shown = f"{len(labels) - 1} columns beside {labels[0].text or 'the times'!r}"
    shown = f"{place}: {shown}" if place else shown
    notes.append(note_of(whole, f"{shown}, read as traces", rule="columns-read"))
    said = any(isfinite(wavelength_nm(label.text)) for label in labels[1:])
    one_way = waves in (sorted(waves), sorted(waves, reverse=True))
    if len(waves) > 1 and all(map(isfinite, waves)) and not said and one_way:
        found = f"the headers {', '.join(f'{wave:g}' for wave in waves)}, taken for names of shots"
        expected = f"'{waves[0]:g} nm' and so on, where they are wavelengths"
        notes.append(
            warning_of(whole, found, where=place, expected=expected, rule="headers-as-names")
        )
    return tuple(
        replace(recording, name=sheet.book)
        for recording in read_columns(
            columns, key=KEY, name=sheet.book, time_unit=time_unit, notes=notes
        )
    )


def _notes_below(sheet: Sheet, block: _TraceBlock) -> list[Problem]:
    """List numbers below the times; where they go on below words, a row is broken.

    Raises
    ------
    FormatError
        When a row has words in the place of its time.
    """
    times = [(at, _value(_cell(sheet.rows, at, block.time))) for at in range(len(sheet.rows))]
    below = next(((at, time) for at, time in times[block.stop :] if isfinite(time)), None)
    if below is None:
        return []
    last, step = times[block.stop - 1][1], times[block.stop - 1][1] - times[block.stop - 2][1]
    end = next(at for at in range(block.stop, below[0] + 1) if any(sheet.rows[at]))
    shown = repr(
        ", ".join(
            f"{cell:g}" if isinstance(cell, float) else cell
            for cell in sheet.rows[end]
            if cell != ""
        )[:60]
    )
    where = f"{sheet.whole_place()}, row {end + 1}"
    if 0 < below[1] - last < _GAP * step * (below[0] - block.stop + 1):
        expected = "a number, as in the rows above and below"
        raise FormatError(sheet.book, where=where, found=shown, expected=expected)
    found = f"another table from here on ({shown}); not read"
    return [
        warning_of(
            sheet.book, found, where=where, expected="one table a sheet", rule="another-table"
        )
    ]


def _matrix(
    sheet: Sheet, label: Label, values: FloatArray, waves: list[float], *, time_unit: str | None
) -> Recording:
    unit_s = require_time_unit(label.unit, time_unit=time_unit, name=sheet.book)
    return build_matrix(
        name=sheet.book,
        source_format=KEY,
        time=values[:, 0],
        unit_s=unit_s,
        wavelengths=np.array(waves),
        values=values[:, 1:].T,
        label=sheet.name,
    )


def _label(rows: Sequence[Sequence[Cell]], block: _TraceBlock, column: int) -> Label:
    """Return a column's header, with the unit from a row of units below it."""
    texts = [_text(rows, at, column) for at in range(max(block.header, 0), block.first)]
    header = _cell(rows, block.header, column) if block.header >= 0 else ""
    name = f"{header:g}" if isinstance(header, float) else header
    label = parse_label(name)
    unit = next((bare_unit(text) for text in texts[1:] if is_unit_alone(text)), "")
    return label if label.unit or not unit else replace(label, unit=unit)


def _is_numeric(rows: Sequence[Sequence[Cell]], column: int, first: int, stop: int) -> bool:
    """Tell whether most cells of a column beside the times are numbers."""
    count = sum(_number(rows, at, column) for at in range(first, stop))
    return count >= max(2, (stop - first) // 4)


def _cell(rows: Sequence[Sequence[Cell]], row: int, column: int) -> Cell:
    return rows[row][column] if 0 <= row < len(rows) and column < len(rows[row]) else ""


def _number(rows: Sequence[Sequence[Cell]], row: int, column: int) -> bool:
    return isfinite(_value(_cell(rows, row, column)))


def _text(rows: Sequence[Sequence[Cell]], row: int, column: int) -> str:
    cell = _cell(rows, row, column)
    return cell.strip() if isinstance(cell, str) else ""


def _value(cell: Cell) -> float:
    """Return the number of a cell, also one stored as text; NaN for what is none."""
    if isinstance(cell, float):
        return cell
    text = cell.strip()
    if not text or not set(text) <= set("0123456789+-.,eE"):
        return nan
    try:
        return float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    except ValueError:
        return nan
