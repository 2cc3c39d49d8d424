"""Single shots for the page, packed: thinned trace, trace in full, k against the cut."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stopflow.report.data import KineticsReportData, TracePair
from stopflow.report.html.arrays import pack_exactly, pack_integers
from stopflow.report.kept import GridNames, Parts
from stopflow.report.paper.decimate import find_extremes
from stopflow.trace import FloatArray

BUCKETS, LIGHT_BUCKETS = 300, 64
LEVELS = 65535
NO_CUT = -(2**30)
CUT_SCALE = 1e5
_RANGE = (-1e9, 1e9)
_KIND = "traces of the page"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedShot:
    """One shot.

    Attributes
    ----------
    grid
        What tells its times from others.
    full
        Its signal in full, where it was asked for.
    """

    grid: str
    thin: str
    cuts: str
    full: str = ""


class ShotPacker:
    """Packs shots one by one, or takes them as they were packed for an earlier page."""

    def __init__(self, data: KineticsReportData, *, light: bool, parts: Parts) -> None:
        self._data, self._parts, self._light = data, parts, light
        self._starts_s = data.shots["start_s"].to_numpy(dtype=float)
        self._shots: dict[int, PackedShot] = {}
        self._grids: dict[str, str] = {}
        self._names = GridNames()
        self._new: set[int] = set()
        found = data.shots.groupby("experiment", sort=False).indices
        self._rows = {str(name): [int(row) for row in rows] for name, rows in found.items()}
        for name, rows in self._rows.items():
            self._take(parts.find(name, _KIND, light), rows)

    def pack(self, row: int) -> PackedShot | None:
        """Return a shot without its signal in full; None where there is no trace."""
        found = self._shots.get(row)
        if found is not None:
            return found
        pair = self._data.trace(row)
        if pair is None or not len(pair[0]):
            return None
        time_s, signal = (np.asarray(array, dtype=np.float64) for array in pair)
        buckets = LIGHT_BUCKETS if self._light else BUCKETS
        packed = PackedShot(
            grid=self._name_grid(pair[0]),
            thin=_thin((time_s, signal), float(self._starts_s[row]), buckets=buckets),
            cuts=self._cuts.pack(row),
        )
        self._shots[row] = packed
        self._new.add(row)
        return packed

    def pack_full(self, row: int) -> str:
        """Return the signal of a shot with a trace, in full."""
        known = self._shots[row]
        if not known.full:
            pair = self._data.trace(row)
            signal = np.empty(0) if pair is None else np.asarray(pair[1], dtype=np.float64)
            known = self._shots[row] = replace(known, full=pack_exactly(signal))
            self._new.add(row)
        return known.full

    def grid(self, name: str) -> str:
        """Return packed times."""
        return self._grids[name]

    def keep(self) -> None:
        """Keep the experiments in which something was packed anew."""
        for name, rows in self._rows.items():
            if self._new.isdisjoint(rows):
                continue
            own = [self._shots.get(row) for row in rows]
            grids = {shot.grid: self._grids[shot.grid] for shot in own if shot is not None}
            told = {
                "grids": grids,
                "shots": [None if shot is None else asdict(shot) for shot in own],
            }
            part = json.dumps(told, separators=(",", ":")).encode()
            self._parts.keep(name, _KIND, self._light, part=part)

    def _take(self, part: bytes | None, rows: list[int]) -> None:
        """Take the shots of an experiment as they were kept; damaged ones are packed again."""
        if part is None:
            return
        try:
            told = json.loads(part)
            grids = {str(name): str(packed) for name, packed in told["grids"].items()}
            shots = {
                row: _read(shot, grids)
                for row, shot in zip(rows, told["shots"], strict=True)
                if shot is not None
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            return
        self._grids |= grids
        self._shots |= shots

    def _name_grid(self, time_s: FloatArray) -> str:
        name = self._names.name(time_s)
        if name not in self._grids:
            self._grids[name] = pack_exactly(np.asarray(time_s, dtype=np.float64))
        return name

    @cached_property
    def _cuts(self) -> "_Cuts":
        return _Cuts(self._data)


def _read(told: Mapping[str, Any], grids: Mapping[str, str]) -> PackedShot:
    shot = PackedShot(**{str(name): str(value) for name, value in told.items()})
    if shot.grid not in grids:
        raise KeyError(shot.grid)
    return shot


def _thin(pair: TracePair, start_s: float, *, buckets: int) -> str:
    """Pack the extremes of each bucket: ``low|high|indices|levels``, 65536 levels between."""
    time_s, signal = pair
    at = thin_indices(time_s, signal, start_s, buckets=buckets)
    values = signal[at]
    low, high = (float(values.min()), float(values.max())) if len(at) else (0.0, 0.0)
    levels = np.rint((values - low) * (LEVELS / (high - low) if high > low else 0.0))
    return "|".join(
        (repr(low), repr(high), pack_integers(at, order=1), pack_integers(levels.astype(np.int64)))
    )


def thin_indices(
    time_s: FloatArray, signal: FloatArray, start_s: float, *, buckets: int
) -> NDArray[np.intp]:
    """Choose the lowest and the highest point of every bucket.

    Parameters
    ----------
    time_s, signal
        (N,); points that are no finite numbers are left out.
    start_s
        Half of the buckets crowd behind it, evenly on a logarithmic axis; NaN: the first point.
    buckets
        At most ``2 * buckets`` indices come back, ascending; no extreme of a bucket is lost.
    """
    known = np.flatnonzero(np.isfinite(time_s) & np.isfinite(signal))
    if len(known) <= 2 * buckets:
        return known
    y, count = signal[known], len(known)
    first = int(np.searchsorted(time_s[known], start_s)) if np.isfinite(start_s) else 0
    even = np.linspace(0, count, buckets // 2, endpoint=False)
    steep = first + np.geomspace(1, max(count - first, 2), buckets // 2) - 1
    starts = np.unique(np.concatenate((even, steep)).astype(np.intp).clip(0, count - 1))
    return known[np.unique(np.concatenate(([0], *find_extremes(y, starts), [count - 1])))]


class _Cuts:
    """k against the cut of every shot, as arrays."""

    def __init__(self, data: KineticsReportData) -> None:
        keys = ["experiment", "file", "channel"]
        self._rows = data.cuts.groupby(keys, sort=False).indices
        self._shots = list(zip(*(data.shots[name] for name in keys), strict=True))
        self._k, self._stderr, self._cut_s = (
            data.cuts[name].to_numpy(float) for name in ("k_per_s", "k_stderr_per_s", "cut_s")
        )

    def pack(self, row: int) -> str:
        """Pack those of a shot: ``scale|times|k / scale|error / scale`` in steps of 1e-5."""
        own = self._rows.get(self._shots[row])
        if own is None or np.isnan(self._k[own]).all():
            return ""
        scale = float(np.nanmedian(self._k[own]))
        packed = (
            pack_integers(np.rint(_in_steps(values[own] / scale)).astype(np.int64))
            for values in (self._k, self._stderr)
        )
        return "|".join((repr(scale), pack_exactly(self._cut_s[own]), *packed))


def _in_steps(ratios: FloatArray) -> FloatArray:
    steps = np.clip(np.nan_to_num(ratios * CUT_SCALE), *_RANGE)
    return np.where(np.isfinite(ratios), steps, NO_CUT)
