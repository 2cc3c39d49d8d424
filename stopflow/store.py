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

It is written beside the old one and takes its place only when it is whole.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stopflow.errors import StoreError
from stopflow.trace import FloatArray, Trace

FORMAT_VERSION = 1
TABLES = ("shots", "conditions", "secondary", "cuts", "problems")
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
        """Return (time_s, signal) from the start time on; None where either is missing."""
        recorded = self.trace(row)
        start_s = float(self.shots.iloc[row]["start_s"])
        if recorded is None or np.isnan(start_s):
            return None
        time_s, signal = recorded
        kept = time_s >= start_s
        return time_s[kept], signal[kept]


class DatasetWriter:
    """Writes a dataset trace by trace; the folder appears only after `finish`.

    Used as a context manager: leaving it without `finish` (an error, an interruption) removes
    what was written and leaves an earlier dataset untouched.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        for stale in folder.parent.glob(f".{folder.name}.partial-*"):
            shutil.rmtree(stale)
        self._partial = Path(
            tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent)
        )
        self._partial.chmod(0o755)
        self._time: BinaryIO = (self._partial / "time.f64").open("wb")
        self._signal: BinaryIO = (self._partial / "signal.f64").open("wb")
        self._grids: dict[bytes, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._time.close()
        self._signal.close()
        shutil.rmtree(self._partial, ignore_errors=True)

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

    def finish(
        self, tables: Mapping[str, pd.DataFrame], *, provenance: Mapping[str, Any]
    ) -> Dataset:
        """Write the tables, put the new dataset in the place of an old one, and open it."""
        self._time.close()
        self._signal.close()
        for name in TABLES:
            tables[name].to_parquet(self._partial / f"{name}.parquet", index=False)
        described = {"format": FORMAT_VERSION, **provenance}
        (self._partial / "ingest.json").write_text(
            json.dumps(described, indent=1, sort_keys=True, ensure_ascii=False), encoding="utf-8"
        )
        replace_folder(self._partial, self.folder)
        return load_dataset(self.folder)


def replace_folder(new: Path, target: Path) -> None:
    """Put the folder `new` in the place of `target`; an old `target` is never half overwritten."""
    old = target.with_name(f".{target.name}.old")
    if old.exists():
        shutil.rmtree(old)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def save_text(path: Path, text: str) -> None:
    """Write a text file beside `path`, then rename: readers see the old or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        file.write(text)
    partial = Path(file.name)
    partial.chmod(0o644)
    os.replace(partial, path)


def load_dataset(folder: Path) -> Dataset:
    """Open the dataset that ingest left in `folder`.

    Raises
    ------
    StoreError
        When there is none, it is incomplete, or it is of another format version.
    """
    recovered = folder.with_name(f".{folder.name}.old")
    if not folder.exists() and recovered.exists():
        recovered.rename(folder)
    if not (folder / "ingest.json").is_file():
        raise StoreError(f"{folder} holds no dataset; make one with: stopflow ingest FOLDER")
    try:
        provenance = json.loads((folder / "ingest.json").read_text(encoding="utf-8"))
        tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder} cannot be read ({error}); run stopflow ingest again") from error
    if provenance.get("format") != FORMAT_VERSION:
        raise StoreError(
            f"{folder} has format {provenance.get('format')!r}, this version reads "
            f"{FORMAT_VERSION}; run stopflow ingest again"
        )
    dataset = Dataset(
        folder=folder,
        provenance=provenance,
        time_s=_mapped(folder / "time.f64"),
        signal=_mapped(folder / "signal.f64"),
        **tables,
    )
    _require_whole(dataset)
    return dataset


def _mapped(path: Path) -> NDArray[np.float64]:
    if not path.is_file():
        raise StoreError(f"{path} is missing; run stopflow ingest again")
    if path.stat().st_size == 0:
        return np.empty(0)
    return np.memmap(path, dtype=DISK_FLOAT, mode="r")


def _require_whole(dataset: Dataset) -> None:
    shots = dataset.shots
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
