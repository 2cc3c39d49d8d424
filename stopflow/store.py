"""What ingest leaves on disk: typed tables, traces that load at once, and how they were made.

A dataset is a folder::

    shots.parquet       one row a shot: file, verdict, rates, conditions, where its trace lies
    conditions.parquet  one row a set of replicates
    secondary.parquet   lines, hyperbolas, Arrhenius and Eyring plots, one row a parameter
    cuts.parquet        k against the cut, the evidence for each start time
    problems.parquet    everything in the input that was not as it should be
    time.f64            recorded times in s, little-endian float64, equal grids stored once
    signal.f64          recorded signals, little-endian float64, one after the other
    ingest.json         version, command, settings, inputs with SHA-256, library versions

It is written beside the old one and takes its place only when it is whole; a folder with anything
else in it is not replaced.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stopflow.errors import StoreError
from stopflow.io.atomic import Owned, recover_folder, replacing_folder
from stopflow.trace import FloatArray, Trace

FORMAT_VERSION = 1
TABLES = ("shots", "conditions", "secondary", "cuts", "problems")
PROVENANCE = "ingest.json"
TIME, SIGNAL = "time.f64", "signal.f64"
FILES = frozenset({PROVENANCE, TIME, SIGNAL, *(f"{name}.parquet" for name in TABLES)})
DISK_FLOAT = np.dtype("<f8")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """An ingested lab, opened: tables in memory, traces mapped from disk.

    `shots` has one row a shot; row numbers are the indices that `trace` and `trimmed` take.
    """

    folder: Path
    shots: pd.DataFrame
    conditions: pd.DataFrame
    secondary: pd.DataFrame
    cuts: pd.DataFrame
    problems: pd.DataFrame
    provenance: Mapping[str, Any]
    time_s: NDArray[np.float64]
    signal: NDArray[np.float64]

    def trace(self, row: int) -> tuple[FloatArray, FloatArray] | None:
        """Return (time_s, signal) as recorded, or None for a shot that could not be read."""
        shot = self.shots.iloc[row]
        points = int(shot["trace_points"])
        if points == 0:
            return None
        time_first, first = int(shot["time_first"]), int(shot["trace_first"])
        return self.time_s[time_first : time_first + points], self.signal[first : first + points]

    def trimmed(self, row: int) -> tuple[FloatArray, FloatArray] | None:
        """Return (time_s, signal) of the part that is fitted; None where there is none."""
        recorded = self.trace(row)
        start_s = float(self.shots.iloc[row]["start_s"])
        if recorded is None or np.isnan(start_s):
            return None
        time_s, signal = recorded
        kept = (time_s >= start_s) & (time_s <= float(self.shots.iloc[row].get("end_s", np.inf)))
        return time_s[kept], signal[kept]


class DatasetWriter:
    """Writes a dataset trace by trace; made by `writing_dataset`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._time: BinaryIO = (folder / TIME).open("wb")
        self._signal: BinaryIO = (folder / SIGNAL).open("wb")
        self._grids: dict[bytes, int] = {}

    def add_trace(self, trace: Trace | None) -> dict[str, int]:
        """Append a trace; return the columns of its shot that tell where it lies."""
        if trace is None:
            return {"trace_first": 0, "trace_points": 0, "time_first": 0}
        time_bytes = trace.time_s.astype(DISK_FLOAT).tobytes()
        grid = hashlib.sha256(time_bytes).digest()
        if grid not in self._grids:
            self._grids[grid] = self._time.tell() // DISK_FLOAT.itemsize
            self._time.write(time_bytes)
        first = self._signal.tell() // DISK_FLOAT.itemsize
        self._signal.write(trace.signal.astype(DISK_FLOAT).tobytes())
        return {
            "trace_first": first,
            "trace_points": len(trace),
            "time_first": self._grids[grid],
        }

    def write_tables(
        self, tables: Mapping[str, pd.DataFrame], *, provenance: Mapping[str, Any]
    ) -> None:
        """Write the five tables and how they were made."""
        for name in TABLES:
            tables[name].to_parquet(self._folder / f"{name}.parquet", index=False)
        described = {"format": FORMAT_VERSION, **provenance}
        (self._folder / PROVENANCE).write_text(
            json.dumps(described, indent=1, sort_keys=True, ensure_ascii=False), encoding="utf-8"
        )

    def close(self) -> None:
        """Close the trace files."""
        self._time.close()
        self._signal.close()


@contextmanager
def writing_dataset(folder: Path) -> Iterator[DatasetWriter]:
    """Yield a writer; the dataset takes the place of an old one when the block ends well.

    An error or an interruption in the block leaves an earlier dataset untouched.

    Raises
    ------
    SettingsError
        When `folder` holds anything that is not of an earlier dataset.
    """
    with replacing_folder(folder, owned=REPLACEABLE) as partial:
        writer = DatasetWriter(partial)
        try:
            yield writer
        finally:
            writer.close()


def is_dataset(folder: Path) -> bool:
    """Tell whether ingest wrote `folder`; the dataset may be damaged."""
    return (folder / PROVENANCE).is_file()


def _own_files(folder: Path) -> frozenset[str]:
    present = [name for name in FILES if (folder / name).is_file()]
    return FILES if PROVENANCE in present and len(present) > 1 else frozenset()


REPLACEABLE = Owned(option="--out", what="an earlier dataset", files=_own_files)


def load_dataset(folder: Path) -> Dataset:
    """Open the dataset that ingest left in `folder`.

    Raises
    ------
    StoreError
        When there is none, it is incomplete, or it is of another format version.
    """
    recover_folder(folder)
    if not is_dataset(folder):
        raise StoreError(f"{folder} holds no dataset; make one with: stopflow ingest FOLDER")
    try:
        provenance = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder} cannot be read ({error}); run stopflow ingest again") from error
    if not isinstance(provenance, dict):
        raise StoreError(f"{folder / PROVENANCE} is not ingest's; run stopflow ingest again")
    if provenance.get("format") != FORMAT_VERSION:
        raise StoreError(
            f"{folder} has format {provenance.get('format')!r}, this version reads "
            f"{FORMAT_VERSION}; run stopflow ingest again"
        )
    dataset = Dataset(
        folder=folder,
        provenance=provenance,
        time_s=_mapped(folder / TIME),
        signal=_mapped(folder / SIGNAL),
        **tables,
    )
    _require_whole(dataset)
    return dataset


def _mapped(path: Path) -> NDArray[np.float64]:
    if not path.is_file():
        raise StoreError(f"{path} is missing; run stopflow ingest again")
    whole = path.stat().st_size // DISK_FLOAT.itemsize
    if whole == 0:
        return np.empty(0)
    return np.memmap(path, dtype=DISK_FLOAT, mode="r", shape=(whole,))


def _require_whole(dataset: Dataset) -> None:
    shots = dataset.shots
    for column in ("trace_first", "time_first", "trace_points"):
        if column not in shots:
            raise StoreError(
                f"{dataset.folder}: no {column} of its shots; run stopflow ingest again"
            )
    for first, array in (("trace_first", dataset.signal), ("time_first", dataset.time_s)):
        needed = int((shots[first] + shots["trace_points"]).max()) if len(shots) else 0
        if needed > len(array):
            raise StoreError(
                f"{dataset.folder} is cut off ({len(array)} of {needed} values); "
                "run stopflow ingest again"
            )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Build a table whose columns exist in the given order even when there are no rows."""
    frame = pd.DataFrame(list(rows))
    return frame.reindex(columns=[*columns, *(c for c in frame.columns if c not in columns)])
