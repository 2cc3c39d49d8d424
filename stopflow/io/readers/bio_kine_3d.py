"""Bio-Kine 3-D ASCII (`.bk3a`): a time course at each of several wavelengths.

::

    "BIO-KINE 3D ASCII FILE"
    "_COMMENT"<TAB>"free text"          (records as in a `.bka` file, free in number)
    "_FORMAT"<TAB>"WTV"                 wavelength, time, value: the order of the columns
    "_DATA"
    300<TAB>0<TAB>0.0123                wavelength-major: all times of the first wavelength,
    300<TAB>0.002<TAB>0.0125            then all of the next
    302<TAB>0<TAB>0.0119

Wavelengths are in nm, times in s unless a ``_UNIT`` record says otherwise; every wavelength has the
same times. ``_FORMAT`` names the columns by their letters; another order of W, T and V is read as
it says.
"""

from typing import Final

import numpy as np

from stopflow.errors import FormatError
from stopflow.io.bka.header import MULTI, SINGLE
from stopflow.io.readers.blocks import read_block
from stopflow.io.readers.content import Head
from stopflow.io.readers.labels import require_one_time_unit
from stopflow.io.readers.marks import Mark, line_beginning, whole_line
from stopflow.io.readers.numbers import Layout
from stopflow.io.readers.recording import SECONDS, build_matrix
from stopflow.io.text import decode, split_lines, to_single_byte
from stopflow.io.units import parse_time_unit
from stopflow.trace import FloatArray, Recording

KEY = "bio-kine-3d"
FIRST: Final = "BIO-KINE 3D ASCII FILE"
_FORMATS = {"WTV", "TWV", "WVT", "TVW", "VWT", "VTW"}


def _is_3d(head: Head) -> bool:
    """Tell by the first line and a ``_FORMAT`` record, or the word 3D in it."""
    first = head.first.strip('"').strip().upper()
    is_ours = first.startswith("BIO-KINE") and first.endswith("ASCII FILE")
    if not is_ours or first in (SINGLE, MULTI):
        return False
    return "3D" in first.replace("-", "") or head.has_line(['"_FORMAT"'])


MARKS: Final = (
    Mark(what=f'first line "{FIRST}"', has=_is_3d, weight=2, needed=True, begins=(FIRST,)),
    line_beginning('"_FORMAT"', weight=2),
    whole_line('"_DATA"', weight=1),
)
"""How the format is told."""


def parse(data: bytes, *, name: str, time_unit: str | None) -> tuple[Recording, ...]:
    """Parse the bytes of a file; `time_unit` is not needed, times are in seconds.

    Raises
    ------
    FormatError
        When there is no ``_DATA``, the order of the columns is unknown, or times differ between
        wavelengths.
    """
    del time_unit
    lines = split_lines(decode(to_single_byte(data)))
    start = next((i for i, line in enumerate(lines) if line.strip('"\t ').upper() == "_DATA"), None)
    if start is None:
        raise FormatError(name, found='no line "_DATA"', expected='"_DATA" and rows of numbers')
    records = tuple(_record(line) for line in lines[1:start] if line.strip())
    order = next((text for key, text in records if key.upper() == "_FORMAT"), "WTV").upper()
    if order not in _FORMATS:
        found = f"the order of columns {order!r}"
        raise FormatError(name, where='header, "_FORMAT"', found=found, expected='"WTV"')
    commas = any("," in line for line in lines[start + 1 : start + 21])
    block = read_block(
        lines,
        start + 1,
        Layout(separator="", decimal_comma=commas, columns=3),
        name=name,
    )
    if not len(block.rows):
        where = f"line {start + 2}"
        raise FormatError(name, where=where, found="no data", expected="wavelength, time, value")
    stated = [text for key, text in records if key.upper().startswith("_UNIT")]
    require_one_time_unit(stated, name=name)
    units = [scale for text in stated if (scale := parse_time_unit(text)) is not None]
    wavelengths, time, values = (block.rows[:, order.index(letter)] for letter in "WTV")
    return (
        _matrix(
            wavelengths,
            time,
            values,
            name=name,
            unit_s=units[0] if units else SECONDS,
            records=records,
            notes=block.notes,
        ),
    )


def _matrix(wavelengths, time, values, *, name, unit_s, records, notes) -> Recording:  # type: ignore[no-untyped-def]
    """Fold rows, wavelength-major, into a matrix."""
    changes = np.flatnonzero(np.diff(wavelengths)) + 1
    count = int(changes[0]) if len(changes) else len(time)
    whole = len(time) - len(time) % count
    grid: FloatArray = time[:whole].reshape(-1, count)
    own: FloatArray = wavelengths[:whole].reshape(-1, count)
    if whole != len(time) or (grid != grid[0]).any() or (own != own[:, :1]).any():
        raise FormatError(
            name,
            found="wavelengths with different times",
            expected="the same times, in the same order, at every wavelength",
        )
    return build_matrix(
        name=name,
        source_format=KEY,
        time=grid[0],
        unit_s=unit_s,
        wavelengths=own[:, 0],
        values=values.reshape(-1, count),
        records=records,
        notes=notes,
    )


def _record(line: str) -> tuple[str, str]:
    key, _, value = line.strip().partition("\t")
    if not value:
        key, _, value = line.strip().partition(" ")
    key, value = key.strip('"'), value.strip().strip('"')
    return (key, value) if key.startswith("_") else ("", line.strip())
