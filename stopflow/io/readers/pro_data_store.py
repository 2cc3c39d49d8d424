"""Applied Photophysics Pro-Data, its own text file (`.dsa`).

::

    ProDataStore
    <blank>
    Remarks:
    2                                       so many free lines
    #Sample period: 12.5 us
    #Temperature: 36.77 C
    0
    Properties:
    1                                       so many names
    Voltage
    Dimensions:
    3                                       so many dimensions; for each
    Time -ovs -trigger                      its name with flags,
    500                                     a count,
    0,0.0002,0.0004,...                     one line of so many values,
    <blank>                                 and a blank line
    ...
    <data of the first property>
    History:
    4
    ...
    0

The data of a property stand in lines of as many values as the first dimension has, one for each
index of the second, in blocks for each index of the third and so on, blocks parted by a blank
line: 500 x 11 x 2 are two blocks of eleven lines of 500. Times are in s. Points and lines that were
not recorded are exactly 0 and are left out. Channels are numbered (``1,3``), repeats are pushes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import nan, prod
from typing import Final

import numpy as np

from stopflow.errors import FormatError
from stopflow.io.readers.blocks import MOST_CELLS
from stopflow.io.readers.marks import first_line, line_beginning, whole_line
from stopflow.io.readers.numbers import Layout
from stopflow.io.readers.recording import build_recording, named_apart
from stopflow.io.text import decode, split_lines, to_single_byte
from stopflow.trace import FloatArray, Problem, Recording, note_of

KEY = "pro-data-store"
MARKS: Final = (
    first_line("ProDataStore"),
    whole_line("Dimensions:", weight=1),
    line_beginning("Time -", weight=1),
    whole_line("Properties:", weight=0.5),
)
"""How the format is told."""
_COMMA = Layout(separator=",", decimal_comma=False)
_SECTIONS = ("Remarks:", "Options:", "Properties:", "Dimensions:", "Data:", "History:")
MOST_DIMENSIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Dimension:
    name: str
    values: FloatArray


class _Lines:
    """The lines of a file, taken one after the other."""

    def __init__(self, lines: Sequence[str], name: str) -> None:
        self._lines = lines
        self._name = name
        self.at = 0

    def peek(self) -> str | None:
        """Return the next line that is not blank, without taking it."""
        while self.at < len(self._lines) and not self._lines[self.at].strip():
            self.at += 1
        return self._lines[self.at].strip() if self.at < len(self._lines) else None

    def take(self, expected: str) -> str:
        line = self.peek()
        if line is None:
            raise self.wrong("the end of the file", expected)
        self.at += 1
        return line

    def count(self, expected: str) -> int:
        line = self.take(expected)
        if not (line.isascii() and line.isdigit() and len(line) < 9):
            self.at -= 1
            raise self.wrong(repr(line[:60]), expected)
        return int(line)

    def free(self, count: int) -> list[str]:
        """Take so many lines, blank ones too."""
        taken = self._lines[self.at : self.at + count]
        self.at += len(taken)
        return [line.strip() for line in taken]

    def wrong(self, found: str, expected: str, rule: str = "") -> FormatError:
        where = f"line {self.at + 1}"
        return FormatError(self._name, where=where, found=found, expected=expected, rule=rule)


def parse(data: bytes, *, name: str, time_unit: str | None) -> tuple[Recording, ...]:
    """Parse the bytes of a file; `time_unit` is not needed, times are in seconds.

    Raises
    ------
    FormatError
        When a section is missing, or there are not as many values as the dimensions say.
    """
    del time_unit
    lines = _Lines(split_lines(decode(to_single_byte(data))), name)
    lines.take("ProDataStore")
    records: list[tuple[str, str]] = []
    properties: list[str] = []
    dimensions: list[_Dimension] = []
    while not dimensions:
        section = lines.take('a section "Dimensions:"')
        if section == "Dimensions:":
            dimensions = _dimensions(lines)
        elif section == "Properties:":
            properties = lines.free(lines.count("the number of properties"))
        elif section in _SECTIONS and section != "Data:":
            texts = lines.free(lines.count(f"the number of lines of {section}"))
            records += [(section.rstrip(":"), text) for text in texts if text]
        elif section != "0":
            records.append(("", section))
    if not any(item.name == "Time" for item in dimensions):
        raise FormatError(name, found="no dimension Time", expected="a time course")
    if prod(len(item.values) for item in dimensions) > MOST_CELLS:
        raise FormatError(name, found="too many values", expected=f"at most {MOST_CELLS}")
    found = []
    for title in properties or ["signal"]:
        if lines.peek() == "Data:":
            lines.take("data")
        found += _recordings(lines, title, dimensions, name=name, records=records)
    return named_apart(found, name)


def _dimensions(lines: _Lines) -> list[_Dimension]:
    number = lines.count("the number of dimensions")
    if not 1 <= number <= MOST_DIMENSIONS:
        raise lines.wrong(f"{number} dimensions", f"1 to {MOST_DIMENSIONS}")
    found = []
    for _ in range(number):
        name = lines.take("the name of a dimension").split()[0]
        count = lines.count("the number of its values")
        values = _values(lines, count)
        found.append(_Dimension(name=name, values=values))
    return found


def _values(lines: _Lines, count: int) -> FloatArray:
    """Take a line of so many numbers; 0 stands for what was not recorded."""
    cells = _COMMA.split(lines.take(f"{count} numbers"))
    numbers = [_COMMA.number(cell, may_miss=True) for cell in cells]
    if len(numbers) != count or any(number is None for number in numbers):
        lines.at -= 1
        raise lines.wrong(f"{len(cells)} cells", f"{count} numbers parted by commas", "broken row")
    return np.array(numbers, dtype=np.float64)


def _recordings(
    lines: _Lines,
    title: str,
    dimensions: Sequence[_Dimension],
    *,
    name: str,
    records: Sequence[tuple[str, str]],
) -> list[Recording]:
    """Take the data of a property; a recording for each repeat."""
    first, *others = dimensions
    shape = [len(item.values) for item in reversed(others)]
    table = np.array([_values(lines, len(first.values)) for _ in range(prod(shape))])
    data = table.reshape(*shape, len(first.values))
    names = [item.name for item in reversed(others)] + [first.name]
    time_axis = names.index("Time")
    data = np.moveaxis(data, time_axis, -1)
    time = next(item.values for item in dimensions if item.name == "Time")
    kept = [item for item in reversed(dimensions) if item.name != "Time"]
    pushes: dict[tuple[float, ...], list[tuple[tuple[float, ...], FloatArray]]] = {}
    for index in product(*(range(len(item.values)) for item in kept)):
        place = [(item.name, float(item.values[i])) for item, i in zip(kept, index, strict=True)]
        push = tuple(value for axis, value in place if axis not in ("Wavelength", "Channel"))
        signal = tuple(value for axis, value in place if axis in ("Wavelength", "Channel"))
        pushes.setdefault(push, []).append((signal, data[index]))
    axes = [item.name for item in kept if item.name in ("Wavelength", "Channel")]
    found = [
        recording
        for number, (push, signals) in enumerate(pushes.items(), 1)
        if (
            recording := _push(title, time, axes, signals, name, records, _push_label(push, number))
        )
    ]
    if not found:
        raise FormatError(name, found=f"{title}: nothing but zeros", expected="signals")
    return found


def _push_label(push: Sequence[float], number: int) -> str:
    return f"repeat {push[0]:g}" if len(push) == 1 else f"repeat {number}"


def _push(
    title: str,
    time: FloatArray,
    axes: Sequence[str],
    signals: Sequence[tuple[tuple[float, ...], FloatArray]],
    name: str,
    records: Sequence[tuple[str, str]],
    label: str,
) -> Recording | None:
    """Build the recording of one push; None when nothing of it was recorded."""
    values = np.array([signal for _, signal in signals])
    filled = np.any((values != 0) & ~np.isnan(values), axis=1)
    if not filled.any():
        return None
    notes: list[Problem] = []
    if not filled.all():
        found = f"{label}: {(~filled).sum()} of {len(filled)} signals were not recorded; left out"
        notes.append(note_of(name, found, rule="signals-missing"))
    values = values[filled]
    points = _recorded_points(values, time)
    if points < len(time):
        found = f"{label}: the last {len(time) - points} of {len(time)} points were not recorded"
        notes.append(note_of(name, found + "; left out", rule="points-missing"))
    keys = [key for (key, _), keep in zip(signals, filled, strict=True) if keep]
    wavelengths = [dict(zip(axes, key, strict=True)).get("Wavelength", nan) for key in keys]
    return build_recording(
        name=name,
        source_format=KEY,
        time=time[:points],
        unit_s=1.0,
        signals=values[:, :points],
        names=[_signal_name(axes, key, title) for key in keys],
        units=[title] * len(keys),
        wavelengths=wavelengths,
        label=label,
        records=records,
        notes=notes,
    )


def _recorded_points(values: FloatArray, time: FloatArray) -> int:
    """Return how many points there are before the zeros at the end."""
    nothing = np.all((values == 0) | np.isnan(values), axis=0)
    last = int(np.flatnonzero(~nothing)[-1]) + 1
    later = np.flatnonzero(np.diff(time[:last]) <= 0)
    return int(later[0]) + 1 if len(later) and np.all(nothing[later[0] + 1 :]) else last


def _signal_name(axes: Sequence[str], key: Sequence[float], title: str) -> str:
    parts = [
        f"{value:g} nm" if axis == "Wavelength" else f"{axis.casefold()} {value:g}"
        for axis, value in zip(axes, key, strict=True)
    ]
    return ", ".join(parts) or title
