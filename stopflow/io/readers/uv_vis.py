"""UV-Vis spectrometers: kinetics as CSV, with lines of settings above the table.

::

    Measurement Mode,Kinetics               about 15 lines "key,value"
    Interval(s),0.5
    Units,Absorbance
    Wavelength(nm),340
                                            a blank line
    Time(s),Absorbance                      the header, with the unit of time
    0.0,0.512
    0.5,0.498

The values are rounded to 0.001. Several signal columns are several cells or wavelengths.
"""

from typing import Final

from stopflow.io.readers import columns
from stopflow.io.readers.content import Head
from stopflow.io.readers.headings import find_heading
from stopflow.io.readers.labels import parse_label
from stopflow.io.readers.marks import Mark, line_beginning
from stopflow.trace import Recording

KEY = "uv-vis"
_SETTINGS = ("Measurement Mode", '"Measurement Mode"', "Interval(", '"Interval(')
LEAST_SETTINGS = 3


def _has_times(head: Head) -> bool:
    """Tell whether settings stand above a table with the header of a time."""
    found = head.layout
    if found is None or found[1] < LEAST_SETTINGS:
        return False
    names = find_heading(head.lines, found[1], found[0]).names
    return names is not None and parse_label(names[0]).is_time


MARKS: Final = (
    line_beginning(*_SETTINGS, weight=1.5, needed=True),
    Mark(
        what="header of a time, as in Time(s)",
        has=_has_times,
        weight=0.5,
        needed=True,
        by_rows=True,
    ),
)
"""How the format is told."""


def parse(data: bytes, *, name: str, time_unit: str | None) -> tuple[Recording, ...]:
    """Parse the bytes of a file; see `columns.parse`."""
    return columns.parse_as(KEY, data, name=name, time_unit=time_unit)
