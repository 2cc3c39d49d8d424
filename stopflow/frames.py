"""Tables of a dataset: made from rows, written part by part, and checked when they are read."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stopflow.columns import Column, further_column
from stopflow.errors import StoreError
from stopflow.schema import COLUMNS, TABLES

if TYPE_CHECKING:  # whoever only writes tables, as worker processes do, does without
    import pandas as pd

Columns = dict[str, NDArray[Any] | tuple[str, ...]]
"""Values of a table by column: numbers in arrays, texts in tuples."""

LARGEST_CELLS: Final = 200_000_000
"""A table that says it has more is not believed; 1,000,000 shots have 150,000,000."""
ROWS_AT_ONCE: Final = 1_024
"""Rows that are gathered for a part of a file; a folder's are never divided."""
FINITE: Final = ("k_per_s", "start_s", "cut_s", "concentration_M", "temperature_K")
"""Numbers that may be missing but never infinite."""
AGAIN: Final = "run stopflow ingest again"
_ARRAYS: Final = {"number": np.float64, "count": np.int64, "flag": np.bool_}
_ARROW: Final = {
    "text": pa.string(),
    "number": pa.float64(),
    "count": pa.int64(),
    "flag": pa.bool_(),
}


def build_columns(table: str, rows: Sequence[Mapping[str, Any]]) -> Columns:
    """Turn rows of a table into its columns, which take a tenth of the memory.

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
    columns = {name: _values(COLUMNS[name], [row[name] for row in rows]) for name in own}
    for name, column in further.items():
        missing = "" if column.kind == "text" else np.nan
        columns[name] = _values(column, [row.get(name, missing) for row in rows])
    return columns


def further_names(table: str, columns: Iterable[str]) -> list[str]:
    """Return the columns that are of workbooks or of laws that the user wrote."""
    return [name for name in columns if name not in TABLES[table]]


def _values(column: Column, values: Sequence[Any]) -> NDArray[Any] | tuple[str, ...]:
    """Make a column; bytes of a file name that are no UTF-8 become visible escapes."""
    if column.kind == "text":
        texts = ("" if value is None else str(value) for value in values)
        return tuple(text.encode("utf-8", "backslashreplace").decode("utf-8") for text in texts)
    return np.array(values, dtype=_ARRAYS[column.kind])


class TableWriter:
    """Writes a table of the dataset as a Parquet file, one group of rows after the other.

    Parameters
    ----------
    further
        Columns of all parts that the schema of the table does not name, see `further_names`.
    """

    def __init__(self, path: Path, table: str, *, further: Sequence[str] = ()) -> None:
        known = {name: COLUMNS[name] for name in TABLES[table]}
        known |= {name: column for name in further if (column := further_column(name)) is not None}
        self._kinds = {name: column.kind for name, column in known.items()}
        self._schema = pa.schema([(name, _ARROW[kind]) for name, kind in self._kinds.items()])
        self._file = _open(path, "wb")
        self._writer = pq.ParquetWriter(self._file, self._schema)
        self._waiting: list[pa.Table] = []

    def write(self, columns: Columns) -> None:
        """Append rows; a further column that they lack is empty there."""
        rows = len(next(iter(columns.values())))
        arrays = [
            pa.array(columns[name] if name in columns else _empty(kind, rows), type=_ARROW[kind])
            for name, kind in self._kinds.items()
        ]
        self._waiting.append(pa.Table.from_arrays(arrays, schema=self._schema))
        if sum(map(len, self._waiting)) >= ROWS_AT_ONCE:
            self._write_waiting()

    def _write_waiting(self) -> None:
        gathered = pa.concat_tables(self._waiting).combine_chunks()
        self._writer.write_table(gathered, row_group_size=max(len(gathered), 1))
        self._waiting.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        """Write what is left, and the list of the parts."""
        if sum(map(len, self._waiting)):
            self._write_waiting()
        self._writer.close()
        self._file.close()


def _open(path: Path, mode: Literal["rb", "wb"]) -> pa.OSFile:
    """Open a file for Arrow, which takes names that are no UTF-8 as bytes only."""
    return pa.OSFile(os.fsencode(path), mode)


def _empty(kind: str, rows: int) -> NDArray[Any] | tuple[str, ...]:
    return ("",) * rows if kind == "text" else np.full(rows, np.nan)


def read_values(path: Path, names: Sequence[str]) -> list[list[Any]]:
    """Read columns as lists; pandas, which Arrow loads for its arrays, is not needed for them.

    Raises
    ------
    StoreError
        When the file is no Parquet, says it is larger than any, or lacks one of them.
    """
    try:
        with pq.ParquetFile(_open(path, "rb")) as file:
            if file.metadata.num_rows <= LARGEST_CELLS:
                table = file.read(columns=list(names))
                return [table.column(name).to_pylist() for name in names]
    except Exception as error:  # the barrier of this file: Arrow's errors have no common class
        raise _unreadable(path, error) from error
    raise StoreError(f"{path} says it is larger than any; {AGAIN}")


class StoredTable:
    """A table of the dataset in its file, checked when it is opened and read when it is wanted.

    The file stays open, so that what is read is what was checked even when another dataset takes
    its place.

    Raises
    ------
    StoreError
        When the file is no Parquet, says it is larger than any, or has columns, types or values
        that the schema does not allow.
    """

    def __init__(self, path: Path, table: str) -> None:
        self._path, self._table = path, table
        self._frame: pd.DataFrame | None = None
        try:
            self._file = pq.ParquetFile(_open(path, "rb"))
            described = self._file.metadata
        except Exception as error:
            raise _unreadable(path, error) from error
        cells = described.num_rows * max(described.num_columns, 1)
        if cells > LARGEST_CELLS:
            raise StoreError(f"{path} says it has {cells} cells; {AGAIN}")
        for part in self.parts():
            require_frame(part, table, place=str(path))

    def parts(self) -> "Iterator[pd.DataFrame]":
        """Yield the rows in the groups in which they were written; at least one, if only empty."""
        try:
            groups = self._file.num_row_groups
            for number in range(groups):
                # A part is small: other threads would be waited for longer than they work.
                part = self._file.read_row_group(number, use_threads=False)
                yield part.to_pandas(ignore_metadata=True, use_threads=False)
            if not groups:
                yield self._file.read().to_pandas(ignore_metadata=True)
        except Exception as error:  # the barrier of this file: Arrow's errors have no common class
            raise _unreadable(self._path, error) from error

    def frame(self) -> "pd.DataFrame":
        """Return the whole table, which stays in memory."""
        if self._frame is None:
            self._frame = self._read(None)
        return self._frame

    def columns(self, names: Sequence[str]) -> "pd.DataFrame":
        """Return some of the columns, without the others being read."""
        wanted = list(names)
        return self._read(wanted) if self._frame is None else self._frame[wanted]

    def _read(self, columns: list[str] | None) -> "pd.DataFrame":
        try:
            return self._file.read(columns=columns).to_pandas(ignore_metadata=True)
        except Exception as error:  # the barrier of this file, as in `parts`
            raise _unreadable(self._path, error) from error


def _unreadable(path: Path, error: Exception) -> StoreError:
    return StoreError(f"{path} cannot be read ({error}); {AGAIN}")


def require_frame(frame: "pd.DataFrame", table: str, *, place: str) -> None:
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


def _all_texts(values: "pd.Series") -> bool:
    """Tell whether every value is a text; what Arrow has read as texts is, where it is there."""
    import pandas as pd

    if isinstance(values.dtype, pd.StringDtype):
        return not values.hasnans
    return all(isinstance(value, str) for value in values)


def _wrong(name: str, column: Column, values: "pd.Series") -> str:
    """Say what is wrong with the values of a column; "" where nothing is."""
    if column.kind == "text":
        if not (_all_texts(values) or values.empty):
            return f"expected texts, found {values.dtype}"
        if not column.choices:
            return ""
        strange = [value for value in values.unique() if value not in column.choices]
        return f"{strange[0]!r} is none of them" if strange else ""
    if column.kind == "flag":
        return "" if values.dtype == np.bool_ else f"expected yes or no, found {values.dtype}"
    if column.kind == "count":
        whole = values.dtype.kind in "iu"
        good = whole and not values.isna().any() and bool((values >= 0).all())
        return "" if good else "expected whole numbers from 0"
    if values.dtype != np.float64:
        return f"expected numbers, found {values.dtype}"
    return "holds infinite values" if name in FINITE and np.isinf(values).any() else ""
