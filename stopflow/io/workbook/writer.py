"""The two workbooks of an experiment folder, written; the same values give the same bytes."""

import io
import re
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from openpyxl import Workbook

from stopflow.errors import SettingsError
from stopflow.io.atomic import replacing_file
from stopflow.io.units import TEMPERATURE, Scale, parse_quantity
from stopflow.io.workbook.book import BOOKS
from stopflow.io.workbook.cells import Cell
from stopflow.io.workbook.headers import parse_header
from stopflow.trace import Shot

_DIGITS = 12
_FIXED_DATE = b"2000-01-01T00:00:00Z"
_FIXED_ZIP_DATE = (2000, 1, 1, 0, 0, 0)
_DATE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

_Column = tuple[str, Callable[[Shot], float | str | None]]


def write_workbooks(
    folder: Path,
    shots: Sequence[Shot],
    *,
    concentration_header: str = "[S] (µM)",
) -> None:
    """Write ``start_values.XLSX`` and ``Extended_Dataset.XLSX`` of an experiment.

    Start times are in ms. What a shot does not say leaves its cell empty. Of the conditions only
    columns in which some shot has a value are written; `Conditions.extra` gives a column for each
    of its keys.

    Parameters
    ----------
    concentration_header
        Header of the concentrations, with the unit they are written in.

    Raises
    ------
    SettingsError
        When `concentration_header` has no unit.
    """
    concentration = parse_header(concentration_header)
    if concentration is None or concentration.scale is None:
        valid = "a header such as '[S] (µM)'"
        raise SettingsError("concentration_header", concentration_header, valid=valid)
    starts, rates = BOOKS
    start: list[_Column] = [
        ("Filename", lambda shot: shot.file),
        (starts.column, lambda shot: _in_unit(shot.start_s, Scale(1e-3))),
    ]
    _write_book(folder / starts.name, starts.sheet, start, shots)
    columns = [
        ("Filename", start[0][1]),
        ("Rate (s-1)", lambda shot: shot.workbook_rate_per_s),
        *_condition_columns(shots, concentration_header, concentration.scale),
        *_extra_columns(shots),
    ]
    _write_book(folder / rates.name, rates.sheet, columns, shots)


def _condition_columns(
    shots: Sequence[Shot], concentration_header: str, concentration: Scale
) -> list[_Column]:
    columns: list[_Column] = [
        ("Substrate", lambda shot: shot.conditions.substrate),
        (
            concentration_header,
            lambda shot: _in_unit(shot.conditions.concentration_M, concentration),
        ),
        (
            "Temperature (°C)",
            lambda shot: _in_unit(shot.conditions.temperature_K, TEMPERATURE["c"]),
        ),
        (
            "Ionic strength (mM)",
            lambda shot: _in_unit(shot.conditions.ionic_strength_M, Scale(1e-3)),
        ),
        ("Replicate", lambda shot: shot.conditions.replicate),
        ("Dead time (ms)", lambda shot: _in_unit(shot.conditions.dead_time_s, Scale(1e-3))),
    ]
    return [
        (header, value)
        for header, value in columns
        if any(value(shot) is not None for shot in shots)
    ]


def _extra_columns(shots: Sequence[Shot]) -> list[_Column]:
    headers = dict.fromkeys(key for shot in shots for key in shot.conditions.extra)
    return [(header, partial(_extra, header)) for header in headers]


def _extra(header: str, shot: Shot) -> Cell | None:
    text = shot.conditions.extra.get(header)
    read = parse_quantity(text) if text else None
    return read[0] if read and not read[1] else text


def _in_unit(value: float | None, scale: Scale) -> float | None:
    """Convert from our unit, to `_DIGITS` digits so that 0.015 s is 15 ms."""
    if value is None:
        return None
    return float(f"{(value - scale.offset) / scale.factor:.{_DIGITS}g}")


def _write_book(path: Path, sheet: str, columns: Sequence[_Column], shots: Sequence[Shot]) -> None:
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    worksheet = workbook.create_sheet(sheet)
    worksheet.append([header for header, _ in columns])
    for shot in shots:
        worksheet.append([value(shot) for _, value in columns])
    raw = io.BytesIO()
    workbook.save(raw)
    with replacing_file(path) as beside:
        beside.write_bytes(_without_dates(raw))


def _without_dates(raw: io.BytesIO) -> bytes:
    """Set the dates of the properties and of the entries of the archive."""
    fixed = io.BytesIO()
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(fixed, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = _DATE.sub(_FIXED_DATE, content)
            entry = zipfile.ZipInfo(name, date_time=_FIXED_ZIP_DATE)
            target.writestr(entry, content, compress_type=zipfile.ZIP_DEFLATED)
    return fixed.getvalue()
