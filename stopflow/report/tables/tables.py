"""Tables to hand on: rates as CSV, and a workbook with one sheet a level.

No cell of either file can run as a formula in a spreadsheet: in the workbook such text is stored
as text, in CSV it gets a leading apostrophe, as OWASP recommends against CSV injection.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from stopflow.io.atomic import replacing_file
from stopflow.io.workbook.file import save_workbook
from stopflow.report.data import KineticsReportData
from stopflow.report.tables.columns import (
    COLUMN_NOTES,
    CONDITION_COLUMNS,
    RATE_COLUMNS,
    SIGNAL,
    SIGNAL_PER_S,
    STORAGE_COLUMNS,
    ColumnNote,
)

_LIVE = ("=", "+", "-", "@", "\t", "\r")
_FILLS = {"PASS": "DCEBF7", "WARN": "FFE8B3", "FAIL": "F8CFC9"}
_INKS = {"PASS": "0B4F82", "WARN": "7A4A00", "FAIL": "8E1B10"}


def order_columns(shots: pd.DataFrame) -> pd.DataFrame:
    """Put the promised columns first, missing ones empty; columns of the store are left out."""
    first = [*RATE_COLUMNS, *CONDITION_COLUMNS]
    rest = [name for name in shots.columns if name not in first and name not in STORAGE_COLUMNS]
    return shots.reindex(columns=[*first, *rest])


def csv_text(frame: pd.DataFrame) -> str:
    """Write a table as CSV: comma, point as decimal sign, no cell that a spreadsheet would run."""
    safe = frame.copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = [_inert(cell) for cell in safe[name]]
    buffer = io.StringIO()
    safe.to_csv(buffer, index=False, float_format="%.10g", lineterminator="\n")
    return buffer.getvalue()


def _inert(cell: object) -> object:
    if not isinstance(cell, str) or not cell.startswith(_LIVE):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def write_rates_csv(shots: pd.DataFrame, path: Path) -> None:
    """Write one row a shot.

    Parameters
    ----------
    shots
        The dataset's table of shots; a refused shot keeps its row, its numbers are empty.
    path
        Replaced only when the new file is whole.
    """
    write_csv(order_columns(shots), path)


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write any table as CSV, UTF-8, whole or not at all."""
    with replacing_file(path) as partial:
        partial.write_text(csv_text(frame), encoding="utf-8", newline="")


def write_rates_xlsx(data: KineticsReportData, path: Path) -> None:
    """Write a workbook with the sheets shots, conditions, secondary, settings, problems, columns.

    The first row of a sheet holds the names of the CSV, the second the units; both stay in view.
    """
    unit = signal_unit(data.shots)
    book = Workbook(write_only=True)
    frames = {
        "shots": order_columns(data.shots),
        "conditions": data.conditions,
        "secondary": data.secondary,
        "settings": settings_frame(data.provenance),
        "problems": data.problems,
    }
    for name, frame in frames.items():
        _write_sheet(book.create_sheet(name), frame, unit=unit)
    _write_sheet(book.create_sheet("columns"), _columns_frame(frames, unit=unit), unit=unit)
    book.properties.creator = "stopflow"
    save_workbook(book, path)


def write_table_xlsx(frame: pd.DataFrame, path: Path, *, sheet: str) -> None:
    """Write one table as a workbook of one sheet, formatted like the others."""
    book = Workbook(write_only=True)
    _write_sheet(book.create_sheet(sheet), frame, unit=signal_unit(frame))
    save_workbook(book, path)


def signal_unit(shots: pd.DataFrame) -> str:
    """Return the unit of the signal; all of them where files differ."""
    if "signal_unit" not in shots:
        return "V"
    units = [text for text in shots["signal_unit"].dropna().unique() if text]
    return " or ".join(units) or "V"


def settings_frame(provenance: Mapping[str, object]) -> pd.DataFrame:
    """Lay the provenance out as two columns, nested names joined by points."""
    rows = [row for row in _flat("", provenance) if not row[0].startswith("inputs.")]
    return pd.DataFrame(rows, columns=["setting", "value"])


def _flat(prefix: str, value: object) -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), item)
    elif isinstance(value, list | tuple):
        yield prefix, ", ".join(str(item) for item in value)
    else:
        yield prefix, "" if value is None else str(value)


def _columns_frame(frames: Mapping[str, pd.DataFrame], *, unit: str) -> pd.DataFrame:
    names = dict.fromkeys(name for frame in frames.values() for name in frame.columns)
    rows = [
        (name, unit_of(name, signal=unit), COLUMN_NOTES[name].meaning)
        for name in names
        if name in COLUMN_NOTES
    ]
    return pd.DataFrame(rows, columns=["column", "unit", "meaning"])


def unit_of(column: str, *, signal: str) -> str:
    """Return the unit of a column, with the signal's own unit put in."""
    unit = COLUMN_NOTES.get(column, ColumnNote()).unit
    return {SIGNAL: signal, SIGNAL_PER_S: f"{signal}/s"}.get(unit, unit)


def _write_sheet(sheet: WriteOnlyWorksheet, frame: pd.DataFrame, *, unit: str) -> None:
    notes = [COLUMN_NOTES.get(name, ColumnNote()) for name in frame.columns]
    sheet.freeze_panes = "C3" if len(frame.columns) > 4 else "A3"
    for place, name in enumerate(frame.columns, start=1):
        width = _column_width(name, frame[name])
        sheet.column_dimensions[get_column_letter(place)].width = width
    if len(frame.columns):
        last = get_column_letter(len(frame.columns))
        sheet.auto_filter.ref = f"A2:{last}{len(frame) + 2}"
    sheet.append([_head_cell(sheet, str(name), bold=True) for name in frame.columns])
    sheet.append(
        [_head_cell(sheet, unit_of(name, signal=unit), bold=False) for name in frame.columns]
    )
    formats = [note.format for note in notes]
    for row in frame.itertuples(index=False, name=None):
        sheet.append([_cell(sheet, value, fmt) for value, fmt in zip(row, formats, strict=True)])


def _head_cell(sheet: WriteOnlyWorksheet, text: str, *, bold: bool) -> WriteOnlyCell:
    cell = _text_cell(sheet, text)
    cell.font = Font(bold=bold, color="1C2126" if bold else "5C6670")
    cell.fill = PatternFill("solid", fgColor="E8ECEF")
    cell.alignment = Alignment(horizontal="left")
    if not bold:
        cell.border = Border(bottom=Side(style="thin", color="5C6670"))
    return cell


def _cell(sheet: WriteOnlyWorksheet, value: object, number_format: str) -> object:
    if value is None or value is pd.NA or value == "":
        return None
    if isinstance(value, str):
        return _text_cell(sheet, value)
    if isinstance(value, bool | np.bool_):
        return _text_cell(sheet, "yes" if value else "no")
    number = float(value)  # type: ignore[arg-type]
    if not np.isfinite(number):
        return None if np.isnan(number) else _text_cell(sheet, "open")
    cell = WriteOnlyCell(sheet, int(number) if number_format == "0" else number)
    if number_format not in ("General", "@"):
        cell.number_format = number_format
    return cell


def _text_cell(sheet: WriteOnlyWorksheet, text: str) -> WriteOnlyCell:
    """Make a cell that is text whatever it begins with."""
    cell = WriteOnlyCell(sheet, _printable(text))
    cell.data_type = "s"
    if text.startswith(_LIVE):
        cell.quotePrefix = True
    if text in _FILLS:
        cell.fill = PatternFill("solid", fgColor=_FILLS[text])
        cell.font = Font(bold=True, color=_INKS[text])
    return cell


def _printable(text: str) -> str:
    """Drop the control characters a workbook cannot hold."""
    return "".join(c for c in text if c >= " " or c in "\t\n")[:32767]


def _column_width(name: str, values: Sequence[object]) -> float:
    longest = max((len(v) for v in values if isinstance(v, str)), default=9)
    return float(min(max(len(name) + 3, longest + 2, 9), 60))
