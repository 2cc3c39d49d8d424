"""KinTek Explorer text: data for a fit, or a simulation.

::

    Time<TAB>440.141000                     the header: Time, and a name for each signal
    0.001000<TAB>0.128745
    0.002000<TAB>0.126519

Simulations end every line with a TAB; the times are often logarithmic. The file states no unit of
time, which is the user's own in the program: it has to be given (``--time-unit``). A name that is
a number between 100 and 4000 is a wavelength in nm.
"""

from typing import Final

from stopflow.io.readers import columns
from stopflow.io.readers.content import Head
from stopflow.io.readers.marks import Mark
from stopflow.trace import Recording

KEY = "kintek"


def _has_header(head: Head) -> bool:
    cells = head.first.split("\t")
    return len(cells) > 1 and cells[0].strip().strip('"') in ("Time", "time", "TIME")


MARKS: Final = (
    Mark(
        what='first line "Time", a TAB and the names of the signals',
        has=_has_header,
        weight=0.5,
        needed=True,
    ),
)
"""How the format is told."""


def parse(data: bytes, *, name: str, time_unit: str | None) -> tuple[Recording, ...]:
    """Parse the bytes of a file; see `columns.parse`."""
    return columns.parse_as(KEY, data, name=name, time_unit=time_unit, bare_wavelengths=True)
