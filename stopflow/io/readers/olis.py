"""OLIS, exported as 3-D ASCII (`.o3a`, `.csv`).

::

    OLIS-3D-ASCII,0.001,0.002,0.003         the first cell says what it is; then the times in s
    400.1,0.0123,0.0125,0.0126              a row for each wavelength (nm)
    402.3,0.0119,0.0121,0.0122

Cells are parted by commas, TABs or blanks. The mark may also stand on a line of its own, above the
row of times. A matrix that is turned, with wavelengths in its first row, is recognised by its
values.
"""

from typing import Final

import numpy as np

from stopflow.errors import FormatError
from stopflow.io.readers.axis_matrix import columns_are_wavelengths, read_matrix
from stopflow.io.readers.marks import first_cell
from stopflow.io.readers.recording import build_matrix
from stopflow.io.text import decode, split_lines, to_single_byte
from stopflow.trace import Recording

KEY = "olis"
MARKS: Final = (first_cell("OLIS-3D-ASCII"),)
"""How the format is told."""


def parse(data: bytes, *, name: str, time_unit: str | None) -> tuple[Recording, ...]:
    """Parse the bytes of a file; `time_unit` is not needed, times are in seconds.

    Raises
    ------
    FormatError
        When there is no row of times, or a row is not as long as it.
    """
    del time_unit
    lines = split_lines(decode(to_single_byte(data)))
    what = "times in the first row and wavelengths in the first column"
    matrix = read_matrix(lines, name=name, what=what)
    if not np.isfinite(matrix.rows).all():
        raise FormatError(name, found="a row without its wavelength", expected=what)
    turned = columns_are_wavelengths(matrix) is True
    return (
        build_matrix(
            name=name,
            source_format=KEY,
            time=matrix.rows if turned else matrix.columns,
            wavelengths=matrix.columns if turned else matrix.rows,
            values=matrix.values.T if turned else matrix.values,
            records=[("", line.strip()) for line in lines[: matrix.first] if line.strip()],
            notes=matrix.notes,
        ),
    )
