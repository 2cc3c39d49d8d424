"""JASCO Spectra Manager, exported as text: a time course, or an interval scan.

::

    TITLE<TAB>shot 1                        TITLE<TAB>scan
    DATA TYPE<TAB>...                       DATA TYPE<TAB>...
    XUNITS<TAB>sec                          XUNITS<TAB>NANOMETERS
    YUNITS<TAB>ABSORBANCE                   YUNITS<TAB>ABSORBANCE
    NPOINTS<TAB>1000                        NPOINTS<TAB>101
    XYDATA                                  XYDATA
    0<TAB>0.5012                            <TAB>0<TAB>0.5<TAB>1         times, in minutes
    0.1<TAB>0.4987                          700<TAB>0.011<TAB>0.012<TAB>0.013
                                            699<TAB>...                  wavelengths, descending
    ##### Extended Information              an optional block at the end

The x unit of a time course is that of ``XUNITS``. An interval scan states no unit for its times;
Spectra Manager writes minutes, which a note says; ``ZUNITS`` counts where it is a unit of time.
``Y2UNITS`` is the unit of a second signal. Cells are parted by TAB, comma, semicolon or blanks, and
the decimal sign may be a comma. A spectrum, whose x is in nm, is refused by name.
"""

from collections.abc import Mapping, Sequence
from math import nan
from typing import Final

import numpy as np

from stopflow.errors import FormatError
from stopflow.io.readers.axis_matrix import find_matrix, read_matrix
from stopflow.io.readers.blocks import read_block
from stopflow.io.readers.labels import SPECTRAL_UNITS, require_time_unit
from stopflow.io.readers.marks import line_beginning, whole_line
from stopflow.io.readers.numbers import find_layout
from stopflow.io.readers.recording import build_matrix, build_recording
from stopflow.io.text import decode, split_lines, to_single_byte
from stopflow.io.units import parse_time_unit
from stopflow.trace import Problem, Recording, note_of, warning_of

KEY = "jasco"
MINUTE_S = 60.0
MOST_DIGITS = 12
"""Of a count of points that is believed."""
_DATA = ("XYDATA", "XYDATA1")
MARKS: Final = (
    whole_line(*_DATA, weight=1, needed=True),
    line_beginning("TITLE", "DATA TYPE", "XUNITS", weight=0.5, needed=True),
    line_beginning("XUNITS", weight=1),
    line_beginning("DATA TYPE", "SPECTROMETER/DATA SYSTEM", weight=1),
)
"""How the format is told."""


def parse(data: bytes, *, name: str, time_unit: str | None) -> tuple[Recording, ...]:
    """Parse the bytes of a file.

    Raises
    ------
    FormatError
        When there are no rows, or x is not a time.
    """
    lines = split_lines(decode(to_single_byte(data)))
    marks = (i for i, line in enumerate(lines) if line.strip().rstrip(",;").upper() in _DATA)
    begin = next(marks, None)
    if begin is None:
        raise FormatError(name, found='no line "XYDATA"', expected="the data of the export")
    records = [_record(line) for line in lines[:begin] if line.strip()]
    values = {key.upper(): value for key, value in reversed(records)}
    body = lines[begin + 1 :]
    end = next((i for i, line in enumerate(body) if line.startswith("#####")), len(body))
    records += [("", line.strip()) for line in body[end:] if line.strip()]
    body = [*body[:end], ""] if end < len(body) else body  # what is below shows the last row whole
    if find_matrix(body, find_layout(body) or find_layout(body, least=1)) is not None:
        return (_scan(body, begin + 2, name=name, values=values, records=records),)
    x_unit = values.get("XUNITS", "")
    if x_unit.casefold() in SPECTRAL_UNITS:
        raise FormatError(
            name,
            where="header, XUNITS",
            found=f"the x unit {x_unit!r}",
            expected="a unit of time; this is a spectrum",
        )
    unit_s = require_time_unit(x_unit, time_unit=time_unit, name=name)
    found = find_layout(body, least=1)
    if found is None:
        raise FormatError(name, where=f"line {begin + 2}", found="no data", expected="rows")
    layout, first = found
    block = read_block(body, first, layout, name=name, first_line=begin + 2)
    signals = block.rows[:, 1:].T
    units = [values.get(key, "") for key in ("YUNITS", "Y2UNITS", "Y3UNITS")]
    units = [*units, *[""] * len(signals)][: len(signals)]
    return (
        build_recording(
            name=name,
            source_format=KEY,
            time=block.rows[:, 0],
            unit_s=unit_s,
            signals=signals,
            names=units,
            units=units,
            wavelengths=[nan] * len(signals),
            records=records,
            notes=(*block.notes, *_fewer_rows(len(block.rows), values, name=name)),
        ),
    )


def _fewer_rows(rows: int, values: Mapping[str, str], *, name: str) -> tuple[Problem, ...]:
    """Say that fewer rows stand in a file than its header counts."""
    counted = values.get("NPOINTS", "")
    if not counted.isdecimal() or len(counted) > MOST_DIGITS or rows >= int(counted):
        return ()
    found = f"{rows} rows where NPOINTS says {counted}; the file may have been cut off"
    expected = "all of them; export it once more"
    return (warning_of(name, found, expected=expected, rule="fewer-rows"),)


def _scan(
    body: Sequence[str],
    first_line: int,
    *,
    name: str,
    values: Mapping[str, str],
    records: Sequence[tuple[str, str]],
) -> Recording:
    """Read an interval scan: times in the first row, wavelengths in the first column."""
    what = "times in the first row and wavelengths in the first column"
    matrix = read_matrix(body, name=name, what=what, first_line=first_line)
    if not np.isfinite(matrix.rows).all():
        raise FormatError(name, found="a row without its wavelength", expected=what)
    unit_s = parse_time_unit(values.get("ZUNITS", ""))
    found = "an interval scan, which states no unit for its times; taken as minutes"
    expected = "minutes, as Spectra Manager writes them"
    remark = note_of(name, found, expected=expected)
    return build_matrix(
        name=name,
        source_format=KEY,
        time=matrix.columns,
        unit_s=MINUTE_S if unit_s is None else unit_s,
        wavelengths=matrix.rows,
        values=matrix.values,
        unit=values.get("YUNITS", ""),
        records=records,
        notes=matrix.notes if unit_s is not None else (remark, *matrix.notes),
    )


def _record(line: str) -> tuple[str, str]:
    for sign in ("\t", ",", ";"):
        key, found, value = line.strip().partition(sign)
        if found:
            return key.strip(), value.strip().rstrip(",;").strip()
    return "", line.strip()
