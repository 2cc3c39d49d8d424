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
from stopflow.report.data import KineticsReportData, made_once
from stopflow.report.tables.sheets import write_sheets
from stopflow.schema import (
    COLUMNS,
    MIXTURE_COLUMNS,
    RATE_COLUMNS,
    STORAGE_COLUMNS,
    unit_of,
)


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

    The one row of headers holds the names of the CSV with their units; it stays in view. Columns
    for programs, whose keys the column of reasons says in words, are in the CSV alone.
    """
    unit = signal_unit(data.shots)
    frames = {
        "conditions": _for_readers(drop_stored(data.conditions)),
        "shots": _for_readers(numbers_of_workbooks(order_columns(data.shots))),
        "secondary": data.secondary,
        "settings": settings_frame(data.provenance),
        "problems": data.problems,
    }
    frames["columns"] = _columns_frame(frames, unit=unit)
    write_sheets(frames, path, unit=unit)


def _for_readers(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=[col.RULES, col.FINDINGS], errors="ignore")


def write_table_xlsx(frame: pd.DataFrame, path: Path, *, sheet: str) -> None:
    """Write one table as a workbook of one sheet, formatted like the others."""
    write_sheets({sheet: frame}, path, unit=signal_unit(frame))


def signal_unit(shots: pd.DataFrame) -> str:
    """Return the unit of the signal; all of them where files differ."""
    if col.SIGNAL_UNIT not in shots:
        return "V"
    units = [text for text in shots[col.SIGNAL_UNIT].dropna().unique() if text]
    return " or ".join(units) or "V"


def settings_frame(provenance: Mapping[str, object]) -> pd.DataFrame:
    """Lay the provenance out as two columns, nested names joined by points."""
    return pd.DataFrame(_flat("", provenance), columns=["setting", col.VALUE])


def _flat(prefix: str, value: object) -> Iterable[tuple[str, str]]:
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
    rows = [
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
