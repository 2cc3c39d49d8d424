"""Bio-Kine ASCII (`.bka`), one signal or several: the format is described in `io.bka.format`.

Recognised by its first line. Where the header has no unit of time it is taken as milliseconds,
which is Bio-Kine's own, with a warning.
"""

from typing import Final

from stopflow.io.bka.format import KEY as KEY
from stopflow.io.bka.format import parse_bka
from stopflow.io.bka.header import MULTI, SINGLE
from stopflow.io.readers.marks import first_line, line_beginning, whole_line
from stopflow.trace import Recording

MARKS: Final = (
    first_line(SINGLE, MULTI, what=f'first line "{SINGLE}" or "{MULTI}"'),
    line_beginning('"_UNITX"', '"_UNITY', weight=1),
    whole_line('"_DATA"', weight=1),
)
"""How the format is told."""


def parse(data: bytes, *, name: str, time_unit: str | None) -> tuple[Recording, ...]:
    """Parse the bytes of a file; see `stopflow.io.bka.format.parse_bka`."""
    return (parse_bka(data, name=name, time_unit=time_unit),)
