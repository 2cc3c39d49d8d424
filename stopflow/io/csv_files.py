"""Tables as CSV text that no spreadsheet runs: comma, point as decimal sign, one line a row."""

import csv
import io
from collections.abc import Sequence
from typing import Any, Final

import pandas as pd

LIVE: Final = ("=", "+", "-", "@", "\t", "\r")
"""First characters of a cell that a spreadsheet may run."""
DIGITS: Final = 10


def csv_text(frame: pd.DataFrame, *, digits: int = DIGITS) -> str:
    """Write a table; missing numbers and texts are empty cells.

    Parameters
    ----------
    digits
        Significant digits of numbers that are not whole.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([inert(str(name)) for name in frame.columns])
    columns = [_cells(values, f"%.{digits}g") for _, values in frame.items()]
    writer.writerows(zip(*columns, strict=True))
    return buffer.getvalue()


def _cells(values: "pd.Series[Any]", number: str) -> Sequence[object]:
    """Return the cells of a column as they are written."""
    cells = values.tolist()
    if pd.api.types.is_float_dtype(values):
        return ["" if cell is pd.NA or cell != cell else number % cell for cell in cells]
    if pd.api.types.is_numeric_dtype(values):
        return ["" if cell is pd.NA else cell for cell in cells]
    return ["" if cell is None or cell is pd.NA or cell != cell else inert(cell) for cell in cells]


def restored(text: str) -> str:
    """Take away the apostrophe that `inert` put before a text."""
    return text[1:] if text.startswith("'") and inert(text[1:]) == text else text


def inert(cell: object) -> object:
    """Put an apostrophe before a text that a spreadsheet would run; numbers stay as they are."""
    if not isinstance(cell, str) or not cell.startswith(LIVE):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
