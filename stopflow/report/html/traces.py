"""The traces of a lab for the page: all of them thinned, as many as the budget allows in full."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stopflow.report.data import KineticsReportData
from stopflow.report.html.arrays import pack_exactly, pack_integers
from stopflow.report.paper.decimate import find_extremes
from stopflow.trace import FloatArray

FULL_BUDGET = 8_500_000
"""Characters of traces in full resolution; with everything else of a large lab below 12 MB."""
DRAWN_TRACES = 6_000
"""Traces that a page holds at all, the doubtful ones first; the tables have every shot."""
BUCKETS, LIGHT_BUCKETS = 300, 75
LEVELS = 65535
NO_CUT = -(2**30)
CUT_SCALE = 1e5
_URGENCY = {"FAIL": 0, "WARN": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedTraces:
    """What the page is given.

    Attributes
    ----------
    grids
        Packed times in s, one for all traces that share them.
    lines
        A line a shot, parted by TABs: number of its grid, thinned trace, trace in full or "",
        k against the cut; empty for a shot without a trace.
    full
        How many traces are there in full.
    """

    grids: tuple[str, ...]
    lines: tuple[str, ...]
    full: int


class PackedBefore:
    """Texts of the page before, by the bytes that they were packed from.

    A page that follows a folder is built again for every new shot; the others are as they were.
    """

    def __init__(self) -> None:
        self._before: dict[bytes, str] = {}
        self._now: dict[bytes, str] = {}

    def begin(self) -> None:
        """Begin a page: what the page before did not need is forgotten."""
        self._before, self._now = self._now, {}

    def text(self, pack: Callable[..., str], *arrays: FloatArray, **options: float) -> str:
        """Return ``pack(*arrays, **options)``."""
        digest = blake2b(f"{pack.__name__} {options}".encode())
        for array in arrays:
            digest.update(np.ascontiguousarray(array).data)
        key = digest.digest()
        text = self._now.get(key) or self._before.get(key) or pack(*arrays, **options)
        self._now[key] = text
        return text


def pack_traces(
    data: KineticsReportData, *, light: bool, before: PackedBefore | None = None
) -> PackedTraces:
    """Pack every trace; failed and warned shots are the first to get full resolution.

    What `before` has packed is not packed again.
    """
    before = before or PackedBefore()
    before.begin()
    grids: dict[bytes, int] = {}
    packed: list[str] = []
    cuts = _cuts_of_shots(data)
    heads, thinned, shared = [], [], []
    starts_s = data.shots["start_s"].to_numpy(dtype=float)
    drawn = set(_by_urgency(data, range(len(data.shots)))[:DRAWN_TRACES])
    for row in range(len(data.shots)):
        pair = data.trace(row) if row in drawn else None
        if pair is None or not len(pair[0]):
            heads.append("")
            thinned.append("")
            shared.append(-1)
            continue
        time_s, signal = (np.asarray(array, dtype=np.float64) for array in pair)
        key = time_s.tobytes()
        if key not in grids:
            grids[key] = len(grids)
            packed.append(before.text(pack_exactly, time_s))
        shared.append(grids[key])
        heads.append(str(grids[key]))
        buckets = LIGHT_BUCKETS if light else BUCKETS
        start_s = float(starts_s[row])
        thinned.append(before.text(_thin, time_s, signal, start_s=start_s, buckets=buckets))
    full = {} if light else _in_full(data, heads, before)
    lines = [
        "\t".join((head, thin, full.get(row, ""), _pack_cuts(cuts[row]))) if head else ""
        for row, (head, thin) in enumerate(zip(heads, thinned, strict=True))
    ]
    return PackedTraces(grids=tuple(packed), lines=tuple(lines), full=len(full))


def _by_urgency(data: KineticsReportData, rows: Sequence[int]) -> list[int]:
    """Sort rows of shots: failed ones, then warned ones, then the others."""
    verdicts = data.shots["verdict"].tolist()
    return sorted(rows, key=lambda row: (_URGENCY.get(str(verdicts[row]), 2), row))


def _in_full(
    data: KineticsReportData, heads: Sequence[str], before: PackedBefore
) -> dict[int, str]:
    """Pack traces in full, the doubtful ones first, until the budget is used up."""
    rows = _by_urgency(data, [row for row, head in enumerate(heads) if head])
    found: dict[int, str] = {}
    left = FULL_BUDGET
    for row in rows:
        pair = data.trace(row)
        if pair is None:
            continue
        text = before.text(pack_exactly, np.asarray(pair[1], dtype=np.float64))
        left -= len(text)
        if left < 0:
            break
        found[row] = text
    return found


def _thin(time_s: FloatArray, signal: FloatArray, *, start_s: float, buckets: int) -> str:
    """Pack the extremes of each bucket: ``low|high|indices|levels``, 65536 levels between."""
    at = thin_indices(time_s, signal, start_s, buckets=buckets)
    values = signal[at]
    low, high = (float(values.min()), float(values.max())) if len(at) else (0.0, 0.0)
    levels = np.rint((values - low) * (LEVELS / (high - low) if high > low else 0.0))
    return "|".join(
        (
            repr(low),
            repr(high),
            pack_integers(at, order=1),
            pack_integers(levels.astype(np.int64)),
        )
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


def _cuts_of_shots(data: KineticsReportData) -> list[pd.DataFrame | None]:
    """Give each shot its rows of the table of cuts."""
    keys = ["experiment", "file", "channel"]
    found = {tuple(key): part for key, part in data.cuts.groupby(keys, sort=False)}
    return [found.get(key) for key in zip(*(data.shots[name] for name in keys), strict=True)]


def _pack_cuts(part: pd.DataFrame | None) -> str:
    """Pack k against the cut: ``scale|times|k / scale|error / scale`` in steps of 1e-5."""
    if part is None or not part["k_per_s"].notna().any():
        return ""
    k = part["k_per_s"].to_numpy(float)
    scale = float(np.nanmedian(k))
    ratios = [
        np.where(np.isfinite(values), np.clip(np.nan_to_num(values / scale * CUT_SCALE), *_RANGE),
                 NO_CUT)
        for values in (k, part["k_stderr_per_s"].to_numpy(float))
    ]  # fmt: skip
    packed = (pack_integers(np.rint(values).astype(np.int64)) for values in ratios)
    return "|".join((repr(scale), pack_exactly(part["cut_s"].to_numpy(float)), *packed))


_RANGE = (-1e9, 1e9)
