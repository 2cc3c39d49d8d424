"""A diode array's matrix of times and wavelengths as CSV or text.

::

    SPECTRA                                 a word, a title or nothing
    ,350,351.5,353                          an empty cell or a word, then the wavelengths in nm
    0.001,0.0123,0.0125,0.0126              a row for each time, in s
    0.002,0.0119,0.0121,0.0122

The transposed form, times in the first row and wavelengths in the first column, occurs too. Which
axis is which is read from the first cell (``Time (s)``, ``Wavelength``), else from the values:
wavelengths run in one direction between 100 and 4000 nm. Times are in s where the first cell says
no other unit.
"""

from typing import Final

from stopflow.errors import FormatError
from stopflow.io.readers.axis_matrix import (
    LEAST_COLUMNS,
    AxisMatrix,
    columns_are_wavelengths,
    find_matrix,
    read_matrix,
)
from stopflow.io.readers.content import Head
from stopflow.io.readers.labels import parse_label, require_time_unit, wavelength_nm
from stopflow.io.readers.marks import Mark, first_line
from stopflow.io.readers.recording import build_matrix
from stopflow.io.text import decode, split_lines, to_single_byte
from stopflow.trace import Recording, note_of, warning_of

KEY = "diode-array"


_FIRST = first_line("SPECTRA", needed=False)


def _has_wavelengths(head: Head) -> bool:
    """Tell by a row of wavelengths or times above rows that begin with the other."""
    # Under its own first line a single wavelength is a matrix too.
    least = LEAST_COLUMNS - 1 if _FIRST.has(head) else LEAST_COLUMNS
    found = find_matrix(head.lines, head.layout, least_columns=least)
    if found is None:
        return False
    layout, above, first = found
    cells = layout.split(head.lines[above])
    corner = parse_label(cells[0]) if len(cells) == layout.columns else parse_label("")
    if corner.is_of_table:
        return False
    heads = (cell.strip().strip('"') for cell in cells[-layout.columns + 1 :])
    if all(wavelength_nm(cell, bare=True) > 0 for cell in heads):
        return True
    start = layout.number(layout.split(head.lines[first])[0]) or 0.0
    starts_with_wavelength = wavelength_nm(f"{start:g}", bare=True) > 0
    return corner.is_spectral or (starts_with_wavelength and not corner.is_time)


MARKS: Final = (
    Mark(what="row of wavelengths (nm)", has=_has_wavelengths, weight=1, needed=True, by_rows=True),
    _FIRST,
)
"""How the format is told."""


def parse(data: bytes, *, name: str, time_unit: str | None) -> tuple[Recording, ...]:
    """Parse the bytes of a file; `time_unit` counts where the first cell says none.

    Raises
    ------
    FormatError
        When there is no such matrix, or neither axis can hold wavelengths.
    """
    lines = split_lines(decode(to_single_byte(data)))
    what = "wavelengths along one side of a matrix and times along the other"
    matrix = read_matrix(lines, name=name, what=what, least_columns=LEAST_COLUMNS - 1)
    across = columns_are_wavelengths(matrix)
    notes = list(matrix.notes)
    if across is None:
        across = _doubtful(matrix, name=name)
        found = "both axes could be wavelengths; times taken to run down the rows"
        expected = "Time (s) in the first cell"
        notes.append(warning_of(name, found, expected=expected))
    wavelengths, time = (matrix.columns, matrix.rows) if across else (matrix.rows, matrix.columns)
    label = parse_label(matrix.corner)
    written = label.unit if label.is_time else ""
    unit_s = require_time_unit(written, time_unit=time_unit or "s", name=name)
    if not written and time_unit is None:
        expected = "Time (ms) in the first cell, or --time-unit, where they are not"
        notes.append(note_of(name, "times taken as s", expected=expected))
    return (
        build_matrix(
            name=name,
            source_format=KEY,
            time=time,
            unit_s=unit_s,
            wavelengths=wavelengths,
            values=matrix.values.T if across else matrix.values,
            records=[("", line.strip()) for line in lines[: matrix.first] if line.strip()],
            notes=notes,
        ),
    )


def _doubtful(matrix: AxisMatrix, *, name: str) -> bool:
    """Return True when both axes can hold wavelengths; refuse a matrix where neither can."""
    if wavelength_nm(f"{matrix.columns[0]:g}", bare=True) > 0:
        return True
    raise FormatError(
        name,
        where=f"line {matrix.first + 1}",
        found="a matrix without wavelengths on either side",
        expected="wavelengths in nm along one side, as a diode array writes them",
    )
