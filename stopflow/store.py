"""The dataset that ingest writes: typed tables, traces that load at once, and their provenance.

A dataset is a folder::

    shots.parquet       one row a shot: file, verdict, rates, conditions, where its trace lies
    conditions.parquet  one row a set of replicates
    secondary.parquet   lines, hyperbolas, Arrhenius and Eyring plots, one row a parameter
    cuts.parquet        k against the cut, the evidence for each start time
    problems.parquet    every fault found in the input
    inputs.parquet      every file that was read, workbooks and decisions too, with its SHA-256
    time.f64            recorded times in s, little-endian float64, equal grids stored once
    signal.f64          recorded signals, little-endian float64, one after the other
    folders.zip         results of the folders, so that the next ingest does only what changed
    drawn.zip           parts of reports, so that the next report makes only what changed
    ingest.json         version, command, settings, library versions, digest

The columns are those of `stopflow.schema`. Tables and traces are written folder by folder and read
part by part, so that memory holds the largest folder and not the lab.

A dataset is written beside the old one and takes its place only when it is complete; a folder that
holds any other file is not replaced. The digest identifies a dataset. Code that reopens a dataset
by its path to continue earlier work passes the digest as well, in case another dataset has taken
its place.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from stopflow import column_names as col
from stopflow.display import html_table
from stopflow.errors import FormatError, StoreError
from stopflow.frames import AGAIN, Columns, StoredTable, TableWriter
from stopflow.io.atomic import Owned
from stopflow.io.json_files import json_text, load_json
from stopflow.io.locks import leftovers
from stopflow.io.results import Lab, parse_lab
from stopflow.io.switch import recover_folder
from stopflow.schema import TABLES, TRACE_PLACES
from stopflow.seal import (
    DIGEST,
    DISK_FLOAT,
    PROVENANCE,
    SIGNAL,
    TIME,
    GridDigests,
    Seal,
    trace_digest,
)
from stopflow.trace import FloatArray, Trace

if TYPE_CHECKING:  # whoever only writes a dataset, as worker processes do, does without
    import pandas as pd

FORMAT_VERSION = 4
LAB = "lab"
OPENINGS = 5
"""Times that a dataset is opened while other runs keep putting new ones in its place."""
KEPT = "folders.zip"
DRAWN = "drawn.zip"
FILES = frozenset({PROVENANCE, TIME, SIGNAL, KEPT, DRAWN, *(f"{name}.parquet" for name in TABLES)})
FITTED_PART = ("start_s", "end_s")
"""Columns of a shot that say from when to when its trace is fitted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Dataset:
    """An ingested lab, opened: traces mapped from disk, a table read when it is first asked for.

    Attributes
    ----------
    folder
        Where the dataset lies; for one that is only in memory, the folder that was analysed.
    tables
        Those of `stopflow.schema.TABLES` by name, in their files; the properties of these names
        read them.
    """

    folder: Path
    tables: Mapping[str, StoredTable]
    provenance: Mapping[str, Any]
    time_s: NDArray[np.float64]
    signal: NDArray[np.float64]
    _places: NDArray[np.int64] = field(init=False)
    _fitted_s: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        # A row of a table takes longer to look up than a trace takes to be read.
        shots = self.tables["shots"].columns((*TRACE_PLACES, *FITTED_PART))
        places = shots[list(TRACE_PLACES)].to_numpy(dtype=np.int64)
        object.__setattr__(self, "_places", places)
        fitted_s = shots[list(FITTED_PART)].to_numpy(dtype=np.float64)
        object.__setattr__(self, "_fitted_s", fitted_s)

    def __repr__(self) -> str:
        return f"Dataset('{self.folder}': {len(self.shots)} shots{self._verdicts()})"

    def _repr_html_(self) -> str:
        return html_table(
            repr(self),
            [
                (name, f"table of {len(table)} rows: {', '.join(map(str, table.columns[:6]))}, ...")
                for name, table in ((name, getattr(self, name)) for name in TABLES)
            ],
        )

    def _verdicts(self) -> str:
        counts = self.shots[col.VERDICT].value_counts()
        return "".join(f", {count} {verdict}" for verdict, count in counts.items())

    @property
    def shots(self) -> "pd.DataFrame":
        """One row a shot; row numbers are the indices that `trace` and `trimmed` take."""
        return self.tables["shots"].frame()

    @property
    def conditions(self) -> "pd.DataFrame":
        """One row a set of replicates."""
        return self.tables["conditions"].frame()

    @property
    def secondary(self) -> "pd.DataFrame":
        """One row a parameter of each secondary plot."""
        return self.tables["secondary"].frame()

    @property
    def problems(self) -> "pd.DataFrame":
        """One row a fault found in the input."""
        return self.tables["problems"].frame()

    @property
    def inputs(self) -> "pd.DataFrame":
        """One row a file that was read."""
        return self.tables["inputs"].frame()

    @property
    def cuts(self) -> "pd.DataFrame":
        """How k depends on the cut: some 20 rows a shot."""
        return self.tables["cuts"].frame()

    @property
    def digest(self) -> str:
        """What tells this dataset from any other."""
        return str(self.provenance[DIGEST])

    @property
    def lab(self) -> Lab | None:
        """The lab that it is of; None where it does not say."""
        return parse_lab(self.provenance.get(LAB), self.folder)

    def trace(self, row: int) -> tuple[FloatArray, FloatArray] | None:
        """Return (time_s, signal) as recorded, or None for a shot that could not be read.

        Raises
        ------
        StoreError
            When the stored values are no trace: not finite, or times that do not increase.
        """
        first, points, time_first = self._places[row].tolist()
        if points == 0:
            return None
        time_s = self.time_s[time_first : time_first + points]
        signal = self.signal[first : first + points]
        if not (np.isfinite(signal).all() and np.isfinite(time_s).all()):
            name = f"{self.shots['experiment'].iloc[row]}/{self.shots['file'].iloc[row]}"
            raise StoreError(f"{self.folder}: the trace of {name} holds no numbers; {AGAIN}")
        return time_s, signal

    def trimmed(self, row: int) -> tuple[FloatArray, FloatArray] | None:
        """Return (time_s, signal) of the part that is fitted; None where there is none."""
        recorded = self.trace(row)
        start_s, end_s = self._fitted_s[row].tolist()
        if recorded is None or np.isnan(start_s):
            return None
        time_s, signal = recorded
        kept = (time_s >= start_s) & (time_s <= end_s)
        return time_s[kept], signal[kept]


class DatasetWriter:
    """Writes a dataset trace by trace; made by `writing_into`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._time: BinaryIO = (folder / TIME).open("wb")
        self._signal: BinaryIO = (folder / SIGNAL).open("wb")
        self._grids: dict[bytes, int] = {}
        self._times = GridDigests()
        self._seal = Seal()

    def add_trace(self, trace: Trace | None, digest: str = "") -> tuple[int, int, int]:
        """Append a trace; return where it lies, the values of `schema.TRACE_PLACES`.

        `digest` is that of `trace_digests`, where it is known.
        """
        if trace is None:
            return 0, 0, 0
        grid = self._times.digest(trace.time_s)
        if grid not in self._grids:
            self._grids[grid] = self._time.tell() // DISK_FLOAT.itemsize
            self._time.write(trace.time_s.astype(DISK_FLOAT, copy=False).data)
        first = self._signal.tell() // DISK_FLOAT.itemsize
        signal = trace.signal.astype(DISK_FLOAT, copy=False)
        self._signal.write(signal.data)
        self._seal.add_trace(digest or trace_digest(grid, trace.signal))
        return first, len(trace), self._grids[grid]

    def add_traces(
        self, traces: Sequence[Trace | None], digests: Sequence[str] | None = None
    ) -> Columns:
        """Append the traces of a folder; return the columns of its shots with where they lie.

        `digests` are those of `trace_digests`, where they are known.
        """
        added = zip(traces, digests or [""] * len(traces), strict=True)
        places = np.array([self.add_trace(*one) for one in added], dtype=np.int64)
        return dict(zip(TRACE_PLACES, places.reshape(-1, len(TRACE_PLACES)).T, strict=True))

    def table(self, name: str, *, further: Sequence[str] = ()) -> TableWriter:
        """Return a writer of one of the tables; every one is to be written."""
        return TableWriter(self._folder / f"{name}.parquet", name, further=further)

    def describe(self, provenance: Mapping[str, Any]) -> None:
        """Write how the dataset was made; the last of its files, which tells it from others."""
        described = {"format": FORMAT_VERSION, **provenance}
        described[DIGEST] = self._seal.close(self._folder, described)
        text = json_text(dict(sorted(described.items())))
        (self._folder / PROVENANCE).write_text(text, encoding="utf-8")

    def close(self) -> None:
        """Close the trace files."""
        self._time.close()
        self._signal.close()


@contextmanager
def writing_into(folder: Path) -> Iterator[DatasetWriter]:
    """Yield a writer of the dataset in the empty folder `folder`."""
    writer = DatasetWriter(folder)
    try:
        yield writer
    finally:
        writer.close()


def is_dataset(folder: Path) -> bool:
    """Tell whether ingest wrote `folder`; the dataset may be damaged."""
    return (folder / PROVENANCE).is_file()


def _own_files(folder: Path) -> frozenset[str]:
    present = [name for name in FILES if (folder / name).is_file()]
    if PROVENANCE not in present or len(present) < 2:
        return frozenset()
    return FILES | {path.name for path in leftovers(folder / DRAWN)}


REPLACEABLE = Owned(option="--out", what="an earlier dataset", files=_own_files)


def lab_of(folder: Path) -> Lab | None:
    """Return the lab of the dataset in a folder; None where there is none, or it does not say."""
    try:
        return parse_lab(load_json(folder / PROVENANCE).get(LAB), folder)
    except FormatError:
        return None


def load_dataset(folder: Path, *, digest: str | None = None) -> Dataset:
    """Open the dataset that ingest left in `folder`.

    Parameters
    ----------
    digest
        That of the dataset that is wanted; None: whichever is there.

    Raises
    ------
    StoreError
        When there is none, when it is damaged or of another format version, and when it is not
        the one with `digest`.
    """
    recover_folder(folder)
    if not is_dataset(folder):
        raise StoreError(f"{folder} holds no dataset; make one with: stopflow ingest FOLDER")
    for _ in range(OPENINGS):
        provenance = _provenance(folder)
        if digest is not None and provenance[DIGEST] != digest:
            raise StoreError(f"{folder} was replaced by another run; repeat the command")
        try:
            dataset = _open(folder, provenance)
            _require_whole(dataset)
        except StoreError:
            if _provenance(folder) == provenance:
                raise
            continue
        if _provenance(folder) == provenance:
            return dataset
    raise StoreError(f"{folder} is being replaced by other runs again and again; wait for them")


def _provenance(folder: Path) -> dict[str, Any]:
    """Read how the dataset was made; last of all its files, this one says which it is."""
    try:
        provenance = load_json(folder / PROVENANCE)
    except FormatError as error:
        raise StoreError(f"{folder / PROVENANCE} is not ingest's ({error}); {AGAIN}") from error
    if provenance.get("format") != FORMAT_VERSION:
        raise StoreError(
            f"{folder} has format {provenance.get('format')!r}, this version reads "
            f"{FORMAT_VERSION}; {AGAIN}"
        )
    for name, kind in ((DIGEST, str), ("version", str), ("settings", dict)):
        if not isinstance(provenance.get(name), kind):
            raise StoreError(f"{folder / PROVENANCE} gives no {name}; {AGAIN}")
    if not isinstance(provenance.get("libraries", {}), dict):
        raise StoreError(f"{folder / PROVENANCE}: libraries is no table; {AGAIN}")
    return provenance


def _open(folder: Path, provenance: Mapping[str, Any]) -> Dataset:
    return Dataset(
        folder=folder,
        provenance=provenance,
        time_s=_mapped(folder / TIME),
        signal=_mapped(folder / SIGNAL),
        tables={name: StoredTable(folder / f"{name}.parquet", name) for name in TABLES},
    )


def _mapped(path: Path) -> NDArray[np.float64]:
    try:
        whole = path.stat().st_size // DISK_FLOAT.itemsize
        if whole == 0:
            return np.empty(0)
        # As a plain array over the same pages: a slice of a memmap itself takes its time.
        return np.asarray(np.memmap(path, dtype=DISK_FLOAT, mode="r", shape=(whole,)))
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror}); {AGAIN}") from error


def _require_whole(dataset: Dataset) -> None:
    """Refuse traces that lie beyond the stored values; the sum of two places may be past int64."""
    shots = dataset.tables["shots"].columns(TRACE_PLACES)
    points = shots[col.TRACE_POINTS].astype(float)
    for first, array in (("trace_first", dataset.signal), ("time_first", dataset.time_s)):
        needed = int((shots[first].astype(float) + points).max()) if len(shots) else 0
        if needed > len(array):
            raise StoreError(
                f"{dataset.folder} is cut off ({len(array)} of {needed} values); {AGAIN}"
            )
