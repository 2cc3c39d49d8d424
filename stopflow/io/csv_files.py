"""Tables as CSV text that no spreadsheet runs: comma, point as decimal sign, one line a row."""

import io
from typing import Final

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
    columns = {
        place: values if pd.api.types.is_numeric_dtype(values) else [inert(cell) for cell in values]
        for place, (_, values) in enumerate(frame.items())
    }
    safe = pd.DataFrame(columns, index=frame.index)
    header = [str(inert(str(name))) for name in frame.columns]
    buffer = io.StringIO()
    number = f"%.{digits}g"
    safe.to_csv(buffer, index=False, header=header, float_format=number, lineterminator="\n")
    return buffer.getvalue()


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
