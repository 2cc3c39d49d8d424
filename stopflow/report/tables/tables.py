"""Tables to hand on: rates as CSV, and a workbook with one sheet a level.

No cell of either file can run as a formula in a spreadsheet: in the workbook such text is stored
as text, in CSV it gets a leading apostrophe, as OWASP recommends against CSV injection.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.columns import foreign_columns, further_column
from stopflow.io.atomic import write_text
from stopflow.io.csv_files import DIGITS, csv_text
from stopflow.io.units import ZERO_CELSIUS_K
from stopflow.report.data import KineticsReportData, made_once, sort_conditions
from stopflow.report.paper.units import Units, build_units
from stopflow.report.tables.sheets import write_sheets
from stopflow.schema import (
    COLUMNS,
    MIXTURE_COLUMNS,
    RATE_COLUMNS,
    STORAGE_COLUMNS,
    unit_of,
)

_SHOWN = {
    col.CONCENTRATION_M: "concentration",
    col.IONIC_STRENGTH_M: "ionic strength",
    col.TEMPERATURE_K: "temperature",
}
"""Names of columns that a workbook shows in a unit of the lab."""


def order_columns(shots: pd.DataFrame) -> pd.DataFrame:
    """Put the promised columns first, missing ones empty; columns of the store are left out."""
    first = [*RATE_COLUMNS, *MIXTURE_COLUMNS, *foreign_columns(shots.columns)]
    rest = [name for name in shots.columns if name not in first and name not in STORAGE_COLUMNS]
    return shots.reindex(columns=[*first, *rest])


def drop_stored(frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out the columns that are of use inside a dataset alone."""
    return frame.drop(columns=list(STORAGE_COLUMNS), errors="ignore")


@made_once
def rates_text(data: KineticsReportData) -> str:
    """Return one row a shot as CSV; a refused shot keeps its row, its numbers are empty."""
    return csv_text(order_columns(data.shots))


def write_rates_csv(data: KineticsReportData, path: Path) -> None:
    """Write one row a shot; an older file is replaced only when the new one is whole."""
    write_text(path, rates_text(data))


def write_csv(frame: pd.DataFrame, path: Path, *, digits: int = DIGITS) -> None:
    """Write any table as CSV, UTF-8, whole or not at all."""
    write_text(path, csv_text(frame, digits=digits))


def write_rates_xlsx(data: KineticsReportData, path: Path) -> None:
    """Write a workbook with the sheets conditions, shots, secondary, settings, problems, columns.

    The one row of headers holds the names of the CSV with their units; it stays in view.
    Concentrations and temperatures are in the units of the lab, as in the report. Columns for
    programs, whose keys the column of reasons says in words, are in the CSV alone; secondary plots
    are numbered, and what their points have in common stands in its own columns.
    """
    unit, units = signal_unit(data.shots), build_units(data.conditions)
    frames = {
        "conditions": _filled(_for_readers(drop_stored(sort_conditions(data.conditions)), units)),
        "shots": _for_readers(numbers_of_workbooks(order_columns(data.shots)), units),
        "secondary": _for_readers(_numbered(data.secondary), units),
        "settings": pd.DataFrame(_flat("", data.provenance), columns=["setting", col.VALUE]),
        "problems": data.problems,
    }
    frames["columns"] = _columns_frame(frames, unit=unit)
    write_sheets(frames, path, unit=unit)


def _for_readers(frame: pd.DataFrame, units: Units) -> pd.DataFrame:
    shown = frame.drop(columns=[col.RULES, col.FINDINGS], errors="ignore")
    scales = {
        col.CONCENTRATION_M: (units.concentration, 0.0),
        col.IONIC_STRENGTH_M: (units.ionic_strength, 0.0),
        col.TEMPERATURE_K: ((1.0, "°C"), ZERO_CELSIUS_K),
    }
    for name, (unit, zero) in scales.items():
        if name in shown and unit is not None:
            scaled = unit[0] * (shown[name].astype(float) - zero)
            values = [float(f"{value:.12g}") for value in scaled]
            own = {name: f"{_SHOWN[name]} ({unit[1]})"}
            shown = shown.assign(**{name: values}).rename(columns=own)
    return shown


def _numbered(secondary: pd.DataFrame) -> pd.DataFrame:
    """Give the plots numbers for their keys, which hold kelvins and moles per litre."""
    numbers = secondary.groupby(col.PLOT, sort=False, dropna=False).ngroup() + 1
    return secondary.assign(**{col.PLOT: numbers}).drop(columns=col.GROUP)


def _filled(frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out columns without any value, such as the further phases of a lab of one."""
    return frame.loc[:, [not frame[name].replace("", np.nan).isna().all() for name in frame]]


def write_table_xlsx(frame: pd.DataFrame, path: Path, *, sheet: str) -> None:
    """Write one table as a workbook of one sheet, formatted like the others."""
    write_sheets({sheet: frame}, path, unit=signal_unit(frame))


def signal_unit(shots: pd.DataFrame) -> str:
    """Return the unit of the signal; all of them where files differ."""
    if col.SIGNAL_UNIT not in shots:
        return "V"
    units = [text for text in shots[col.SIGNAL_UNIT].dropna().unique() if text]
    return " or ".join(units) or "V"


def signal_units(shots: pd.DataFrame) -> dict[str, str]:
    """Return the unit of the signal of each experiment."""
    groups = shots.groupby(col.EXPERIMENT, sort=False)
    return {str(name): signal_unit(own) for name, own in groups}


def _flat(prefix: str, value: object) -> Iterable[tuple[str, str]]:
    """Yield nested names joined by points, each with its value."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), item)
    elif isinstance(value, list | tuple):
        yield prefix, ", ".join(str(item) for item in value)
    else:
        yield prefix, "" if value is None else str(value)


def numbers_of_workbooks(shots: pd.DataFrame) -> pd.DataFrame:
    """Turn the columns of workbooks whose cells are all numbers into numbers.

    A number that would not come back as it was written (``007``, ``1_000``) keeps a column text.
    """
    found = shots.copy()
    for name in foreign_columns(shots.columns):
        filled = [text for text in shots[name] if text]
        if filled and all(map(_is_plain_number, filled)):
            found[name] = [float(text) if text else np.nan for text in shots[name]]
    return found


def _is_plain_number(text: str) -> bool:
    whole, _, _ = text.lstrip("-").partition(".")
    padded = len(whole) > 1 and whole.startswith("0")
    try:
        finite = np.isfinite(float(text))
    except ValueError:
        return False
    return (
        bool(finite) and text.isascii() and "_" not in text and not padded and text == text.strip()
    )


def _columns_frame(frames: Mapping[str, pd.DataFrame], *, unit: str) -> pd.DataFrame:
    names = dict.fromkeys(name for frame in frames.values() for name in frame.columns)
    heads = [str(name).partition(" (") for name in names]
    rows = [
        (shown, own.rstrip(")"), COLUMNS[name].meaning)
        for name, shown in _SHOWN.items()
        for head, _, own in heads
        if head == shown
    ]
    rows += [
        (name, unit_of(name, signal=unit), COLUMNS[name].meaning)
        for name in names
        if name in COLUMNS
    ]
    rows += [
        (name, further.unit, further.meaning)
        for name in names
        if name not in COLUMNS and (further := further_column(name)) is not None
    ]
    return pd.DataFrame(rows, columns=["column", col.UNIT, "meaning"])
