"""Parts of reports that were made before: drawn pages and packed traces, by what they depend on."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stopflow import column_names as col
from stopflow.report.data import KineticsReportData
from stopflow.report.tables.tables import drop_stored


class KeptPages(Protocol):
    """Where parts are kept; a part that is not to be had is made again."""

    def find(self, key: str) -> bytes | None:
        """Return the part with this key; None where there is none."""
        ...

    def has(self, key: str) -> bool:
        """Tell whether there is a part with this key; it may be damaged."""
        ...

    def keep(self, key: str, part: bytes) -> None:
        """Keep a part for the next time."""
        ...


_READING = ("channel", "wavelength_nm", "blank", "time_unit")
"""Settings that decide how a file is read."""


class Parts:
    """Parts of a report that belong to single experiments, kept from one report to the next.

    The key of a part is a digest of the rows and traces of its experiment. Where traces lie in
    their file is no part of it, so that a change of one folder leaves the parts of the others. A
    trace that comes from a file alone, nothing subtracted, is told by the digest of the file, which
    is in its row, and by how the lab was read.
    """

    def __init__(self, data: KineticsReportData, kept: KeptPages | None = None) -> None:
        self._data, self._kept = data, kept
        self._traces: dict[int, bytes] = {}
        self._grids = GridNames()
        if kept is None:
            return
        self._tables = [
            _Rows(drop_stored(table)) for table in (data.shots, data.conditions, data.cuts)
        ]
        self._shots = data.shots.groupby(col.EXPERIMENT, sort=False).indices
        settings = data.provenance.get("settings")
        how = settings if isinstance(settings, Mapping) else {}
        self._reading = repr([how.get(name) for name in _READING]).encode()
        subtracted = how.get("blank", "unknown") is not None
        files = ["" if subtracted else name for name in data.shots.get(col.SHA256, ())]
        self._sources = files or [""] * len(data.shots)

    def find(self, experiment: str, *kind: object) -> bytes | None:
        """Return a part as it was made before; None where it is to be made."""
        return None if self._kept is None else self._kept.find(self._key(experiment, *kind))

    def has(self, experiment: str, *kind: object) -> bool:
        """Tell whether there is such a part; it may be damaged."""
        return self._kept is not None and self._kept.has(self._key(experiment, *kind))

    @property
    def drawings(self) -> KeptPages | None:
        """Where pictures are kept that are no experiment's own; None: nowhere."""
        return self._kept

    def keep(self, experiment: str, *kind: object, part: bytes) -> None:
        """Keep a part for the next report."""
        if self._kept is not None:
            self._kept.keep(self._key(experiment, *kind), part)

    def _key(self, experiment: str, *kind: object) -> str:
        digest = hashlib.blake2b(repr((experiment, kind)).encode(), digest_size=20)
        digest.update(self._reading)
        for table in self._tables:
            digest.update(table.digest(experiment))
        for row in self._shots[experiment]:
            if not self._sources[row]:
                digest.update(self._trace(int(row)))
        return digest.hexdigest()

    def _trace(self, row: int) -> bytes:
        found = self._traces.get(row)
        if found is None:
            pair = self._data.trace(row)
            found = b"none" if pair is None else self._digest(*pair)
            self._traces[row] = found
        return found

    def _digest(self, time_s: NDArray[np.float64], signal: NDArray[np.float64]) -> bytes:
        digest = hashlib.blake2b(self._grids.name(time_s).encode(), digest_size=16)
        digest.update(np.ascontiguousarray(signal).data)
        return digest.digest()


class GridNames:
    """Names of times by their content; those that many traces of a file share are read once."""

    def __init__(self) -> None:
        self._names: dict[tuple[int, int], tuple[str, object]] = {}

    def name(self, time_s: NDArray[np.float64]) -> str:
        """Return the name of the times of a trace."""
        if time_s.base is None:  # another array may come to lie in its place
            return _name(time_s)
        place = (int(time_s.__array_interface__["data"][0]), len(time_s))
        if place not in self._names:
            self._names[place] = _name(time_s), time_s.base
        return self._names[place][0]


def _name(time_s: NDArray[np.float64]) -> str:
    return hashlib.blake2b(np.ascontiguousarray(time_s).data, digest_size=12).hexdigest()


class _Rows:
    """Hashes of the rows of a table."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._names = repr([(str(name), str(table[name].dtype)) for name in table]).encode()
        self._hashes = pd.util.hash_pandas_object(table, index=False).to_numpy()
        self._rows = table.groupby(col.EXPERIMENT, sort=False).indices if len(table) else {}

    def digest(self, experiment: str) -> bytes:
        """Return what tells the rows of an experiment from any others."""
        own: Sequence[int] | Iterable[int] = self._rows.get(experiment, ())
        return self._names + self._hashes[np.asarray(own, dtype=np.intp)].tobytes() + b";"


def digest_value(value: object) -> str:
    """Tell pictures from each other by all that they hold."""
    digest = hashlib.blake2b(digest_size=16)
    for part in _flatten(value):
        digest.update(part)
        digest.update(b";")
    return digest.hexdigest()


def _flatten(value: object) -> Iterator[bytes]:
    if isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, list | tuple):
        yield f"{len(value)}".encode()
        for item in value:
            yield from _flatten(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for own in fields(value):
            yield from _flatten(getattr(value, own.name))
    else:
        yield repr(value).encode()
