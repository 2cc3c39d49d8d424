"""The digest of a dataset, which tells it from any other and whether it is still as it was made.

It is of every trace, of the tables and of the provenance, so of every byte that a result is read
from. Neither pandas nor what fits is loaded here.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np

from stopflow.errors import StopflowError
from stopflow.frames import read_values
from stopflow.io.json_files import json_text, load_json
from stopflow.io.results import file_sha256
from stopflow.schema import TABLES, TRACE_PLACES
from stopflow.trace import FloatArray, Trace

DIGEST: Final = "digest"
PROVENANCE: Final = "ingest.json"
TIME: Final = "time.f64"
SIGNAL: Final = "signal.f64"
DISK_FLOAT: Final = np.dtype("<f8")


class GridDigests:
    """Digests of times; those that one trace after the other shares are digested once."""

    def __init__(self) -> None:
        self._last: FloatArray | None = None
        self._digest = b""

    def digest(self, time_s: FloatArray) -> bytes:
        """Return the digest of times as they are stored."""
        if time_s is not self._last:
            stored = time_s.astype(DISK_FLOAT, copy=False)
            self._last, self._digest = time_s, hashlib.sha256(stored.data).digest()
        return self._digest


def trace_digests(traces: Sequence[Trace | None]) -> tuple[str, ...]:
    """Return digests of times and signals as they are stored; "" where there is no trace."""
    grids = GridDigests()
    return tuple(
        "" if trace is None else trace_digest(grids.digest(trace.time_s), trace.signal)
        for trace in traces
    )


def trace_digest(grid: bytes, signal: FloatArray) -> str:
    """Return the digest of a trace from that of its times."""
    digest = hashlib.sha256(grid)
    digest.update(signal.astype(DISK_FLOAT, copy=False).data)
    return digest.hexdigest()


class Seal:
    """The digest of a dataset while its traces are written."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=16)

    def add_trace(self, digest: str) -> None:
        """Take in the next trace by its `trace_digest`."""
        self._digest.update(digest.encode())

    def close(self, folder: Path, described: Mapping[str, Any]) -> str:
        """Take in the tables in the folder and the provenance; return the digest."""
        for name in TABLES:
            self._digest.update(bytes.fromhex(file_sha256(folder / f"{name}.parquet")))
        self._digest.update(json_text(dict(sorted(described.items()))).encode())
        return self._digest.hexdigest()


def is_unbroken(folder: Path) -> bool:
    """Tell whether a dataset is, byte by byte, the one that its digest is of."""
    try:
        described = load_json(folder / PROVENANCE)
        digest = described.pop(DIGEST, None)
        seal = Seal()
        for one in _stored_digests(folder):
            seal.add_trace(one)
        return bool(seal.close(folder, described) == digest)
    except (StopflowError, OSError, ValueError):
        return False


def _stored_digests(folder: Path) -> list[str]:
    """Return the digests of the traces that the table of shots says there are, in its order."""
    time_s, signal = (np.fromfile(folder / TIME, DISK_FLOAT), _mapped(folder / SIGNAL))
    columns = read_values(folder / "shots.parquet", TRACE_PLACES)
    places = [place for place in zip(*columns, strict=True) if place[1] > 0]
    grids = {
        (begin, points): hashlib.sha256(time_s[begin : begin + points].data).digest()
        for begin, points in {(begin, points) for _, points, begin in places}
    }

    def digest(place: tuple[int, int, int]) -> str:
        first, points, begin = place
        return trace_digest(grids[begin, points], signal[first : first + points])

    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:  # hashing leaves the interpreter free
        return list(threads.map(digest, places))


def _mapped(path: Path) -> FloatArray:
    if path.stat().st_size < DISK_FLOAT.itemsize:
        return np.empty(0)
    return np.asarray(np.memmap(path, DISK_FLOAT, mode="r"))
