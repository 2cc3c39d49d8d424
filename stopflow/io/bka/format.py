r"""Bio-Kine ASCII (`.bka`): the format, its reader and its writer.

A file is a header of records, the line ``"_DATA"``, and rows of numbers::

    "BIO-KINE ASCII FILE"                  "BIO-KINE MULTI-Y ASCII FILE"
    "_UNITX"<TAB>"ms"                      "_UNITX"<TAB>"ms"
    "_UNITY"<TAB>"Volt"                    "_NBY"<TAB>2
    "_COMMENT"<TAB>"free text"             "_UNITY1"<TAB>"Volt"
    "_DELTAX"<TAB>0                        "_UNITY2"<TAB>"Volt"
    "_DATA"                                "_COMMENT1"<TAB>"free text"
    0<TAB>8.58948                          "_DELTAX"<TAB>0
    0.02<TAB>8.58337                       "_DATA"
                                           0<TAB>8.58948 <TAB>687

- Line 1 says which kind (`bka_header`): one signal column, or ``_NBY`` of them.
- A record is a quoted key, white space, and a value; text is quoted, numbers are bare. Keys repeat
  (several ``_COMMENT`` lines); the number of records is free, so the data start where ``_DATA`` is.
  A file that a spreadsheet has saved anew has lost its quotes, and is read as well.
- The first column is x, in the unit ``_UNITX``. ``_DELTAX`` is 0 whatever the step is and is not
  used; steps may be uneven. Signal n has the unit ``_UNITYn`` (``_UNITY`` when it is the only one).
- Numbers are C's ``%g`` with 6 digits, exponents allowed; a signal that overflowed is a word such
  as ``INF`` or ``OVER``, and the point is left out with a warning. Columns are separated by TAB or
  blanks and may be padded with blanks. Windows regional settings can make the decimal sign a comma.
- Text is Windows-1252, UTF-8 or UTF-16, with or without byte-order mark. Lines end CRLF, LF or CR.
  Blank lines mean nothing. Every row has a line end: a last row without one, or with too few
  columns, was cut off in writing and is left out, with a warning.
"""

import re
from collections.abc import Sequence
from math import nan
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from stopflow.errors import FormatError, SettingsError
from stopflow.io.atomic import replacing_file
from stopflow.io.bka.header import (
    MOST_HEADER_BYTES,
    BkaHeader,
    first_lines,
    header_lines,
    parse_header,
)
from stopflow.io.bka.numbers import MOST_COLUMNS, parse_rows
from stopflow.io.guard import SHOWN
from stopflow.io.readers.recording import own_points
from stopflow.io.text import decode, to_single_byte
from stopflow.io.units import TIME, parse_time_unit
from stopflow.trace import Problem, Recording, warning_of

KEY: Final = "bio-kine"
DEFAULT_TIME_UNIT = "ms"
"""Unit of x where neither file nor user says one."""

_DATA = re.compile(rb'(?:\A|[\r\n])[ \t]*(?:"_DATA"|_DATA(?=[ \t]*(?:[\r\n]|\Z)))', re.IGNORECASE)
_LINE_END = re.compile(rb"\r\n|\r|\n")
_SIGNAL_WIDTH = 8


def parse_bka(data: bytes, *, name: str, time_unit: str | None = None) -> Recording:
    """Parse the bytes of a file.

    Parameters
    ----------
    time_unit
        Unit of x where the file says none; None: milliseconds.

    Raises
    ------
    FormatError
        When the bytes are not a Bio-Kine file, x is not a time, or a row does not hold a time and
        the expected signals; names the line.
    SettingsError
        When `time_unit` is not a unit of time.
    """
    text = to_single_byte(data).rstrip(b"\0")
    if not text or text.isspace():
        raise FormatError(name, found="an empty file", expected=first_lines())
    stop, start = _find_data(text)
    header = parse_header(decode(text[:stop]), name=name)
    if start is None:
        raise FormatError(
            name,
            found=f'no line "_DATA" within {MOST_HEADER_BYTES} characters',
            expected='"_DATA" and rows of numbers',
        )
    scale, unit_notes = _time_scale(header, name=name, time_unit=time_unit)
    count, count_notes = _column_count(header, name=name)
    numbers, row_notes = parse_rows(text, start=start, columns=count, name=name)
    own, foreign = own_points(numbers[0], name=name)
    numbers = numbers[:, :own]
    if scale >= 1:
        numbers[0] *= scale
    else:
        numbers[0] /= round(1 / scale)
    signals = len(numbers) - 1
    return Recording(
        name=name,
        label=name,
        source_format=KEY,
        time_s=numbers[0],
        time_unit_s=scale,
        signals=numbers[1:],
        signal_names=("",) * signals,
        signal_units=header.signal_units(signals),
        wavelengths_nm=(nan,) * signals,
        records=header.records,
        notes=(*header.notes, *unit_notes, *count_notes, *row_notes, *foreign),
    )


def write_bka(
    path: Path,
    *,
    time: ArrayLike,
    signals: ArrayLike,
    time_unit: str = DEFAULT_TIME_UNIT,
    signal_units: Sequence[str] = ("Volt",),
    comments: Sequence[str] = (),
) -> None:
    """Write a file in Bio-Kine's own spelling: CRLF, ``%g``, Windows-1252.

    Parameters
    ----------
    path
        Replaced whole.
    time
        (N,) in `time_unit`; 6 significant digits are kept, of the signals too.
    signals
        (N,) or (n, N).
    time_unit, signal_units, comments
        As in the header; one signal unit a channel. A double quote in a text becomes a single one,
        a line end a blank; text outside Windows-1252 makes the file UTF-8 with byte-order mark.

    Raises
    ------
    ValueError
        When the shapes do not agree or a number is not finite.
    """
    table = np.vstack([np.asarray(time, dtype=np.float64), np.asarray(signals, dtype=np.float64)])
    count = len(table) - 1
    if len(signal_units) != count:
        raise ValueError(f"{count} signals, but {len(signal_units)} signal units")
    if not np.isfinite(table).all():
        raise ValueError("a .bka file cannot hold NaN or infinity")
    head = header_lines(time_unit, signal_units, comments)
    cell = "%g" if count == 1 else f"%-{_SIGNAL_WIDTH}g"
    row = "\t".join(["%g"] + [cell] * count) + "\r\n"
    body = (row * table.shape[1]) % tuple(table.T.ravel().tolist())
    text = "".join(line + "\r\n" for line in head) + body
    try:
        data = text.encode("cp1252")
    except UnicodeEncodeError:
        data = text.encode("utf-8-sig")
    with replacing_file(path) as partial:
        partial.write_bytes(data)


def _time_scale(
    header: BkaHeader, *, name: str, time_unit: str | None
) -> tuple[float, tuple[Problem, ...]]:
    fallback = time_unit or DEFAULT_TIME_UNIT
    fallback_scale = parse_time_unit(fallback)
    if fallback_scale is None:
        raise SettingsError("time_unit", time_unit, valid=TIME)
    written = header.value("_UNITX")
    stated = [value for key, value in header.records if key.upper() == "_UNITX"]
    scales = {parse_time_unit(unit) for unit in stated} - {None}
    if len(scales) > 1:
        raise FormatError(
            name,
            where='header, "_UNITX"',
            found=f"two units of time, {' and '.join(map(repr, stated[:2]))}",
            expected="one",
        )
    if not written.strip():
        found = f'no "_UNITX"; time taken as {fallback}'
        note = warning_of(
            name, found, where="header", expected="a unit of time", rule="no-time-unit"
        )
        return fallback_scale, (note,)
    scale = parse_time_unit(written)
    if scale is None:
        raise FormatError(
            name,
            where='header, "_UNITX"',
            found=f"the x unit {written[:SHOWN]!r}",
            expected="a unit of time (s, ms, µs, ns, min), as in a kinetic trace",
        )
    return scale, ()


def _column_count(header: BkaHeader, *, name: str) -> tuple[int | None, tuple[Problem, ...]]:
    columns = header.columns()
    written = repr(header.value("_NBY")[:SHOWN])
    if columns is None:
        found = f'"_NBY" is {written}; as many signals as the first row has'
        note = warning_of(
            name, found, where="header", expected="the number of signals", rule="no-count"
        )
        return None, (note,)
    if not 1 < columns <= MOST_COLUMNS:
        raise FormatError(
            name,
            where='header, "_NBY"',
            found=written,
            expected=f"a number of signals from 1 to {MOST_COLUMNS - 1}",
        )
    return columns, ()


def _find_data(text: bytes) -> tuple[int, int | None]:
    """Return where the header ends and where the rows begin; None when no line is ``_DATA``."""
    found = _DATA.search(text, 0, MOST_HEADER_BYTES)
    if found is None:
        return MOST_HEADER_BYTES, None
    line_end = _LINE_END.search(text, found.end())
    return found.start(), line_end.end() if line_end else len(text)
