"""Applied Photophysics Pro-Data, exported as CSV.

::

    ProDataCSV
    <blank>
    Title: Thu Feb 15 21:26:13 2018
    Remarks:                                free lines
    Options:
    Available Dimensions:,2
    Time,1000 time points over 10s,logarithmic,...
    Wavelength,Wavelength: 182.056nm - 725.853nm, Step Size: 2.2nm
    Available Properties: ,2
    PhotodiodeArray,PhotodiodeArray
    Count,
    Data:
    PhotodiodeArray                         a block for each property: its name alone on a line,
    Time,Wavelength                         what rows and columns are,
    ,182.056,184.256,...,                   the columns; an empty cell first, a comma may end it
    0.001,-0,-0,...                         rows
    <blank>
    History:                                a trailer

Times are in s, wavelengths in nm. ``Wavelength,Time`` is the transposed matrix, ``Time,Repeat``
has a column a push; ``Time`` alone has one column. A line such as ``Repeat,2`` above a matrix says
which push it is. A file that a spreadsheet has saved anew with semicolons or TABs, and then perhaps
with decimal commas, is read as well. ``-0`` is padding: what was not recorded.
Properties that are 0 throughout (counts) are listed and not read; several others become further
signals. The number of header lines is free. A file that was cut off between two rows shows by the
trailer that it lacks, and by the points, the end or the properties that its header declares.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from stopflow.errors import FormatError
from stopflow.io.readers.blocks import read_block
from stopflow.io.readers.marks import first_line, line_beginning, whole_line
from stopflow.io.readers.numbers import Layout
from stopflow.io.readers.recording import build_matrix, build_recording, named_apart
from stopflow.io.text import decode, split_lines, to_single_byte
from stopflow.io.units import parse_time_unit
from stopflow.trace import FloatArray, Problem, Recording, note_of, warning_of

KEY = "pro-data-csv"
MARKS: Final = (
    first_line("ProDataCSV"),
    line_beginning("Available Dimensions:", "Available Properties:", weight=1),
    line_beginning("Time,Wavelength", "Wavelength,Time", "Time,Repeat", "Time,Channel", weight=1),
    whole_line("Data:", weight=0.5),
)
"""How the format is told."""
_SIGNS = re.compile("[,;\t]")
_TRAILER = "History:"
_COUNT = re.compile(r"Available Properties: \d{1,4}")
_END = {
    "Time": re.compile(r"time points over (\d+(?:\.\d+)?) *(ms|us|s|min)\b"),
    "Wavelength": re.compile(r"- *(\d+(?:\.\d+)?) *(nm)\b"),
}
"""What a dimension declares as the end of its axis, and the unit."""
AXES = ("Time", "Wavelength", "Repeat", "Channel", "Temperature")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Property:
    """One block: what it is, its axes (rows, columns) and its values (rows, columns)."""

    name: str
    push: str
    axes: tuple[str, str]
    rows: FloatArray
    columns: FloatArray
    values: FloatArray
    notes: tuple[Problem, ...]


def parse(data: bytes, *, name: str, time_unit: str | None) -> tuple[Recording, ...]:
    """Parse the bytes of a file; `time_unit` is not needed, times are in seconds.

    Raises
    ------
    FormatError
        When there is no block with a time axis, or a block is not as described.
    """
    del time_unit
    lines = split_lines(decode(to_single_byte(data)))
    begin = next((i for i, line in enumerate(lines) if _plain(line) == "Data:"), None)
    if begin is None:
        raise FormatError(name, found='no line "Data:"', expected="the data of the export")
    records = [_record(line) for line in lines[1:begin] if line.strip()]
    properties = list(_properties(lines, begin + 1, name=name))
    if not properties:
        where = f"below line {begin + 1}"
        raise FormatError(name, where=where, found="no data", expected="Time,Wavelength and rows")
    notes = [remark for item in properties for remark in item.notes]
    if not any(_plain(line) == _TRAILER for line in lines[begin:]):
        notes += _without_trailer(lines[1:begin], properties, name=name)
    filled = [item for item in properties if np.any(item.values != 0)]
    empty = [item.name for item in properties if item not in filled]
    if empty and filled:
        found = f"{', '.join(empty)}: 0 throughout; not read"
        notes.append(note_of(name, found, rule="zeros"))
    if not filled:
        raise FormatError(name, found="nothing but zeros", expected="signals")
    first, *others = [
        recording for item in filled for recording in _recordings(item, name=name, records=records)
    ]
    first = replace(first, notes=(*notes, *first.notes))
    return named_apart([first, *others], name)


def _without_trailer(
    header: Sequence[str], properties: Sequence[_Property], *, name: str
) -> tuple[Problem, ...]:
    """Say of a file without its trailer what it lacks of its data, or that nothing tells it."""
    last, missing = properties[-1], []
    declared = [_parts(line) for line in header]
    counts = [int(parts[1]) for parts in declared if _COUNT.fullmatch(" ".join(parts))]
    titles = {item.name for item in properties}
    if counts and len(titles) < counts[0]:
        missing.append(f"{len(titles)} of {counts[0]} properties")
    longest = max(len(item.rows) for item in properties)
    if len(last.rows) < longest:
        missing.append(f"{len(last.rows)} rows in its last block and {longest} in another")
    text = "\n".join(" ".join(parts) for parts in declared if parts[:1] == last.axes[:1])
    end = _END[last.axes[0]].search(text) if last.axes[0] in _END else None
    if end and len(last.rows) > 1:
        stop = float(end[1]) * (parse_time_unit(end[2]) or 1.0)
        if stop - last.rows[-1] > abs(last.rows[-1] - last.rows[-2]) / 2:
            missing.append(f"rows to {last.rows[-1]:g} {end[2]} of {end[1]} {end[2]}")
    if missing:
        found = f'no line "History:" at its end, and {", ".join(missing)}'
        expected = "a whole export; the rest was cut off, so export or copy the file once more"
        return (warning_of(name, found, expected=expected, rule="cut-off"),)
    if end or longest > len(last.rows):
        return ()
    found = 'no line "History:" at its end, and no end of its times in its header'
    return (note_of(name, found, expected="both, to tell that no row is missing", rule="cut-off"),)


def _properties(lines: Sequence[str], begin: int, *, name: str) -> list[_Property]:
    found = []
    title, push, index = "", "", begin
    while index < len(lines):
        line = _plain(lines[index])
        if line == _TRAILER:
            break
        if axes := _axes(line):
            item, index = _property(lines, index, axes, title=title, push=push, name=name)
            found.append(item)
            continue
        parts = _parts(line)
        if parts and parts[0] in AXES:
            push = " ".join(parts).casefold()
        elif line:
            title, push = line, ""
        index += 1
    return found


def _parts(line: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in _SIGNS.split(line) if part.strip())


def _axes(line: str) -> tuple[str, ...]:
    """Return the axes of a block that are named on a line; none on any other line."""
    parts = _parts(line) if line.lstrip()[:1].isalpha() else ()
    return parts if "Time" in parts and all(part in AXES for part in parts) else ()


def _property(
    lines: Sequence[str], index: int, axes: tuple[str, ...], *, title: str, push: str, name: str
) -> tuple[_Property, int]:
    """Read the block whose axes stand on line `index`; return it and the line behind it."""
    first = index + 1
    while first < len(lines) and not lines[first].strip():
        first += 1
    cells = _cells_of(lines[first : first + 20])
    columns = np.array([np.nan])
    if len(axes) > 1:
        columns = _axis(lines, first, cells, name=name)
        first += 1
    layout = replace(cells, columns=len(columns) + 1)
    stop = first
    while stop < len(lines) and not (_axes(lines[stop]) or _plain(lines[stop]) == _TRAILER):
        stop += 1
    below = [""] if stop < len(lines) else []  # whatever it is, the last row is whole
    block = read_block([*lines[first:stop], *below], 0, layout, name=name, first_line=first + 1)
    end = first + block.stop
    if not len(block.rows) or (end < len(lines) and cells.numbers(lines[end]) is not None):
        shown = repr(lines[end].strip()[:60]) if end < len(lines) else "the end of the file"
        expected = f"{layout.columns} numbers"
        raise FormatError(
            name, where=f"line {end + 1}", found=shown, expected=expected, rule="broken row"
        )
    item = _Property(
        name=title or "signal",
        push=push,
        axes=(axes[0], axes[1] if len(axes) > 1 else "Channel"),
        rows=block.rows[:, 0],
        columns=columns,
        values=block.rows[:, 1:],
        notes=block.notes,
    )
    return item, end


def _cells_of(lines: Sequence[str]) -> Layout:
    """Return how cells are parted: by commas, unless a spreadsheet has changed them."""
    text = "\n".join(lines)
    separator = next((sign for sign in ";\t" if sign in text), ",")
    return Layout(separator=separator, decimal_comma=separator != "," and "," in text)


def _axis(lines: Sequence[str], index: int, layout: Layout, *, name: str) -> FloatArray:
    """Read the row of the columns' values: an empty cell, then numbers."""
    cells = layout.split(lines[index]) if index < len(lines) else []
    numbers = [layout.number(cell) for cell in cells[1:]]
    if not numbers or cells[0].strip() or any(number is None for number in numbers):
        shown = repr(lines[index].strip()[:60]) if index < len(lines) else "the end of the file"
        expected = "an empty cell and the values of the columns"
        raise FormatError(name, where=f"line {index + 1}", found=shown, expected=expected)
    return np.array(numbers, dtype=np.float64)


def _recordings(
    item: _Property, *, name: str, records: Sequence[tuple[str, str]]
) -> list[Recording]:
    rows, columns, values, axes = item.rows, item.columns, item.values, item.axes
    if axes[0] != "Time":
        rows, columns, values, axes = columns, rows, values.T, axes[::-1]
    common = {"name": name, "source_format": KEY, "records": records}
    if axes[1] == "Wavelength":
        return [
            build_matrix(
                time=rows,
                wavelengths=columns,
                values=values.T,
                unit=item.name,
                label=item.push,
                **common,  # type: ignore[arg-type]
            )
        ]
    kind = axes[1].casefold()
    labels = [f"{kind} {value:g}" if np.isfinite(value) else item.name for value in columns]
    if axes[1] == "Repeat":
        return [
            build_recording(
                time=rows,
                unit_s=1.0,
                signals=signal[None],
                names=[item.name],
                units=[item.name],
                label=label,
                **common,  # type: ignore[arg-type]
            )
            for label, signal in zip(labels, values.T, strict=True)
        ]
    units = [item.name] * len(columns)
    return [
        build_recording(
            time=rows,
            unit_s=1.0,
            signals=values.T,
            names=labels,
            units=units,
            label=item.push,
            **common,  # type: ignore[arg-type]
        )
    ]


def _plain(line: str) -> str:
    return line.strip().rstrip(",;\t").strip()


def _record(line: str) -> tuple[str, str]:
    key, colon, value = line.strip().partition(":")
    return (key.strip(), value.strip()) if colon and " " not in key.strip() else ("", line.strip())
