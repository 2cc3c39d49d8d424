"""TgK Scientific / Hi-Tech Kinetic Studio, exported as CSV.

::

    File Info: 20180215_01, ...             the first cell starts so; further lines are free
    ,0.001,0.002,0.003                      an empty cell or a word, then the times in s
    400.1,0.0123,0.0125,0.0126              a row for each wavelength (nm): its value, the signal
    402.3,0.0119,0.0121,0.0122
    end,

With one wavelength there is one row. Frames of windows longer than 1 s are said to be labelled one
step late by the program; the times are read as they stand, and a note says so.
"""

from dataclasses import replace
from math import isnan, nan
from typing import Final

import numpy as np

from stopflow.errors import FormatError
from stopflow.io.readers.labels import known_wavelength
from stopflow.io.readers.marks import first_cell, whole_line
from stopflow.io.readers.numbers import Layout
from stopflow.io.readers.recording import build_recording
from stopflow.io.text import decode, split_lines, to_single_byte
from stopflow.trace import FloatArray, Recording, note_of, warning_of

KEY = "kinetic-studio"
MARKS: Final = (first_cell("File Info:"), whole_line("end", weight=1.2))
"""How the format is told."""
LATE_FRAMES_S = 1.0
_END = "end"


def parse(data: bytes, *, name: str, time_unit: str | None) -> tuple[Recording, ...]:
    """Parse the bytes of a file; `time_unit` is not needed, times are in seconds.

    Raises
    ------
    FormatError
        When there is no row of times, or a row is not as long as it.
    """
    del time_unit
    lines = split_lines(decode(to_single_byte(data)))
    layout = _layout(lines)
    found_times = {i: _times(line, layout) or [] for i, line in enumerate(lines) if i}
    axis = max(found_times, key=lambda i: len(found_times[i]), default=0)
    if not found_times.get(axis):
        raise FormatError(name, found="no row of times", expected="an empty cell and times in s")
    time: FloatArray = np.array(found_times[axis], dtype=np.float64)
    layout = replace(layout, columns=len(time) + 1)
    rows, values, below = [], [], None
    for number, line in enumerate(lines[axis + 1 :], axis + 2):
        cells = layout.split(line)
        if not cells:
            continue
        if cells[0].strip().casefold() == _END:
            below = lines[number:]
            break
        row = layout.numbers(line)
        if row is None or len(row) != len(time) + 1:
            expected = f"a wavelength and {len(time)} numbers, or end"
            shown = repr(line.strip()[:60])
            raise FormatError(
                name, where=f"line {number}", found=shown, expected=expected, rule="broken row"
            )
        rows.append(row[0])
        values.append(row[1:])
    notes = []
    if below is None:
        found = 'no line "end," at the end; the file may have been cut off'
        notes.append(warning_of(name, found, expected="end,"))
    elif any(map(layout.is_row, below)):
        found = 'another table below the line "end,"; not read'
        expected = "one table a file"
        notes.append(warning_of(name, found, expected=expected, rule="second-table"))
    if len(time) > 1 and time[-1] - time[0] > LATE_FRAMES_S:
        found = "a window longer than 1 s, whose frames may be labelled one step late"
        expected = "times as they stand are used"
        notes.append(note_of(name, found, where=f"line {axis + 1}", expected=expected))
    wavelengths = [row if row is not None and known_wavelength(row) else nan for row in rows]
    return (
        build_recording(
            name=name,
            source_format=KEY,
            time=time,
            unit_s=1.0,
            signals=np.array(values, dtype=np.float64).reshape(len(rows), len(time)),
            names=["" if isnan(value) else f"{value:g} nm" for value in wavelengths],
            wavelengths=wavelengths,
            records=[("", line.strip()) for line in lines[:axis] if line.strip()],
            notes=notes,
        ),
    )


def _layout(lines: list[str]) -> Layout:
    text = "\n".join(lines[:5])
    separator = max((",", ";", "\t"), key=text.count)
    return Layout(separator=separator, decimal_comma=separator != "," and "." not in text)


def _times(line: str, layout: Layout) -> list[float] | None:
    """Return the times on a line that begins with an empty cell or a word."""
    cells = [cell.strip() for cell in layout.split(line)]
    if len(cells) < 2 or layout.number(cells[0]) is not None:
        return None
    numbers = [layout.number(cell) for cell in cells[1:]]
    found = [number for number in numbers if number is not None]
    return found if len(found) == len(numbers) else None
