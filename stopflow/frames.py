"""Tables of a dataset in memory: made from rows, and checked when they were read from a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from stopflow.columns import Column, further_column
from stopflow.errors import StoreError
from stopflow.schema import COLUMNS, TABLES

LARGEST_CELLS: Final = 50_000_000
"""A table that says it has more is not believed; 10,000 shots have less than a million."""
FINITE: Final = ("k_per_s", "start_s", "cut_s", "concentration_M", "temperature_K")
"""Numbers that may be missing but never infinite."""
AGAIN: Final = "run stopflow ingest again"


def build_frame(table: str, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Build a table of the dataset from its rows.

    Parameters
    ----------
    table
        A key of `stopflow.schema.TABLES`.
    rows
        Each with every column of the table; those of workbooks and of laws that the user wrote may
        be in some rows alone.

    Raises
    ------
    ValueError
        When a row lacks a column or has one that the schema does not know.
    """
    own = TABLES[table]
    every = dict.fromkeys(name for row in rows for name in row)
    further = {
        name: column
        for name in every
        if name not in own and (column := further_column(name)) is not None
    }
    for row in rows:
        differ = set(own).symmetric_difference(set(row) - set(further))
        if differ:
            raise ValueError(f"a row of {table} and its schema differ in {sorted(differ)}")
    frame = {name: _typed(COLUMNS[name], [row[name] for row in rows]) for name in own}
    for name, column in further.items():
        missing = "" if column.kind == "text" else np.nan
        frame[name] = _typed(column, [row.get(name, missing) for row in rows])
    return pd.DataFrame(frame)


def join_frames(table: str, frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put tables that `build_frame` made one below the other: as if made from all rows at once.

    A table of numbers takes a tenth of the memory of the rows that it is made from, so that a
    large one is made in parts.
    """
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return build_frame(table, [])
    names = list(TABLES[table])
    names += [name for frame in filled for name in frame if name not in TABLES[table]]
    parts = []
    for frame in filled:
        missing = {
            name: _typed(column, ["" if column.kind == "text" else np.nan] * len(frame))
            for name in dict.fromkeys(names)
            if name not in frame and (column := further_column(name)) is not None
        }
        parts.append(frame.assign(**missing)[list(dict.fromkeys(names))])
    return pd.concat(parts, ignore_index=True)


def _typed(column: Column, values: Sequence[Any]) -> pd.Series:
    if column.kind == "text":
        return _texts(values)
    kinds = {"number": np.float64, "count": np.int64, "flag": np.bool_}
    return pd.Series(np.array(values, dtype=kinds[column.kind]))


def _texts(values: Sequence[Any]) -> pd.Series:
    """Make a column of texts; bytes of a file name that are no UTF-8 become visible escapes."""
    texts = ["" if value is None else str(value) for value in values]
    safe = [text.encode("utf-8", "backslashreplace").decode("utf-8") for text in texts]
    return pd.Series(safe, dtype="str")


def read_frame(path: Path, table: str) -> pd.DataFrame:
    """Read a table of the dataset and check it against the schema.

    Raises
    ------
    StoreError
        When the file is no Parquet, says it is larger than memory should hold, or has columns,
        types or values that the schema does not allow.
    """
    try:
        with pq.ParquetFile(path) as file:
            described = file.metadata
            cells = described.num_rows * max(described.num_columns, 1)
            if cells > LARGEST_CELLS:
                raise StoreError(f"{path} says it has {cells} cells; {AGAIN}")
            frame = file.read().to_pandas(ignore_metadata=True)
    except StoreError:
        raise
    except Exception as error:  # the barrier of this file: Arrow's errors have no common class
        raise StoreError(f"{path} cannot be read ({error}); {AGAIN}") from error
    require_frame(frame, table, place=str(path))
    return frame


def require_frame(frame: pd.DataFrame, table: str, *, place: str) -> None:
    """Refuse a table whose columns, types or values are not those of the schema."""
    own = TABLES[table]
    missing = [name for name in own if name not in frame]
    further = {str(name): further_column(str(name)) for name in frame if name not in own}
    unknown = [name for name, column in further.items() if column is None]
    doubled = frame.columns[frame.columns.duplicated()].tolist()
    for what, names in (("no column", missing), ("unknown", unknown), ("doubled", doubled)):
        if names:
            raise StoreError(f"{place}: {what} {', '.join(map(str, names[:3]))}; {AGAIN}")
    for name in frame:
        column = COLUMNS[name] if name in own else further[name]
        wrong = _wrong(name, column, frame[name]) if column is not None else ""
        if wrong:
            raise StoreError(f"{place}: column {name}: {wrong}; {AGAIN}")


def _wrong(name: str, column: Column, values: pd.Series) -> str:
    """Say what is wrong with the values of a column; "" where nothing is."""
    if column.kind == "text":
        texts = pd.api.types.is_string_dtype(values.dtype) or values.empty
        if not texts or not all(isinstance(value, str) for value in values):
            return f"expected texts, found {values.dtype}"
        strange = [value for value in values.unique() if value not in column.choices]
        return f"{strange[0]!r} is none of them" if column.choices and strange else ""
    if column.kind == "flag":
        return "" if values.dtype == np.bool_ else f"expected yes or no, found {values.dtype}"
    if column.kind == "count":
        whole = pd.api.types.is_integer_dtype(values.dtype)
        good = whole and not values.isna().any() and bool((values >= 0).all())
        return "" if good else "expected whole numbers from 0"
    if values.dtype != np.float64:
        return f"expected numbers, found {values.dtype}"
    return "holds infinite values" if name in FINITE and np.isinf(values).any() else ""
