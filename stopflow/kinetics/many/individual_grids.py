"""Fit many long traces, each recorded on its own times.

What is small is done for many traces at once: the scan and a first Newton on sums over common
blocks of the window, and all that follows from the sums over the points. What is long, the sums
themselves, is one pass (at times two) over each trace.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.laws import RateLaw, find_law
from stopflow.kinetics.many.block_scan import scan_blocks
from stopflow.kinetics.many.collect import BatchFit, Collected, collect
from stopflow.kinetics.many.rows import RowInnerProducts, close_rows
from stopflow.kinetics.solver.blocks import block_edges
from stopflow.kinetics.solver.one_rate import COSTLY, COSTLY_RESIDUALS
from stopflow.kinetics.solver.refusals import Refusal
from stopflow.kinetics.solver.result import Fit
from stopflow.kinetics.solver.scan import GRID_STEP
from stopflow.kinetics.solver.significance import enough_explained
from stopflow.kinetics.solver.window import LARGEST_NUMBER, MIN_POINTS, fastest_kt, validate_times
from stopflow.trace import FloatArray

# Traces whose points stay in the processor's cache between the passes.
GROUP = 32
PASSES = 3
# A Newton step whose square is beyond the digits asked for.
SMALL_STEP = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Raw:
    """One usable trace: time and signal (N,) from the start on, as recorded."""

    at: int
    time: FloatArray
    signal: FloatArray
    start_s: float

    @property
    def length_s(self) -> float:
        return float(self.time[-1] - self.start_s)


def fit_traces(
    traces: Sequence[tuple[ArrayLike, ArrayLike]],
    *,
    law: str | RateLaw = "single-slope",
    starts_s: Sequence[float | None] | None = None,
    workers: int = 1,
) -> BatchFit:
    """Fit every (time (N_i,), signal (N_i,)); the answers are those of `fit_trace`.

    Laws with one rate gain from it; others are fitted one by one.

    Parameters
    ----------
    starts_s
        One for each trace; None: the first points.
    workers
        Threads.

    Raises
    ------
    SettingsError
        Unknown law.
    """
    rate_law = find_law(law)
    starts = list(starts_s) if starts_s is not None else [None] * len(traces)
    result = collect(rate_law, len(traces))

    def fit_share(worker: int) -> None:
        longest = max((np.size(time) for time, _ in traces), default=0)
        # Memory is taken once: fresh pages cost more than the sums.
        since, scratch = np.empty((GROUP, longest)), np.empty((3, longest))
        for first in range(worker * GROUP, len(traces), workers * GROUP):
            raws = []
            for at in range(first, min(first + GROUP, len(traces))):
                raw = _prepare(at, *traces[at], start_s=starts[at], law=rate_law)
                raws += [raw] if raw else []
            # A row in which a division fails is not sure, and is fitted alone.
            with np.errstate(all="ignore"):
                if raws:
                    _fit_group(raws, result, since=since, scratch=scratch)

    if rate_law.exponentials == 1:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(fit_share, range(workers)))

    def fit_alone(at: int) -> Fit:
        time, signal = traces[at]
        return fit_trace(time, signal, law=rate_law, start_s=starts[at])

    return result.finish(fit_alone)


def _prepare(
    at: int, time_s: ArrayLike, signal: ArrayLike, *, start_s: float | None, law: RateLaw
) -> _Raw | None:
    """Cut what lies before the start; None for whatever `fit_trace` may refuse."""
    needed = max(MIN_POINTS, len(law.parameters) + 1)
    times = validate_times(time_s, start_s=start_s, needed=needed)
    values = np.asarray(signal, dtype=np.float64)
    if isinstance(times, Refusal) or values.shape != times[0].shape:
        return None
    time, keep, start = times
    kept = values[keep]
    low, high = kept.min(), kept.max()
    # NaN fails every comparison.
    if not (-LARGEST_NUMBER < low < high < LARGEST_NUMBER):
        return None
    return _Raw(at=at, time=np.asarray(time[keep], dtype=np.float64), signal=kept, start_s=start)


def _fit_group(
    raws: Sequence[_Raw], result: Collected, *, since: FloatArray, scratch: FloatArray
) -> None:
    """Fit some traces and enter those that are sure; times since the start go to `since`."""
    slope = "slope_per_s" in result.rate_law.linear
    lengths = np.array([raw.length_s for raw in raws])
    points = np.array([len(raw.time) for raw in raws])
    sums, fastest = _block_sums(raws, lengths, since, scratch)
    scanned = scan_blocks(sums, fastest=fastest, slope=slope)
    squared = np.array([raw.signal @ raw.signal for raw in raws])
    baseline = _Baseline.of(sums.sum(axis=2), squared, slope=slope)
    x, open_rows = scanned.x.copy(), np.arange(len(raws))
    sums = np.empty((len(raws), 3, 6))
    for _ in range(PASSES):
        for i in open_rows.tolist():
            sums[i] = _decay_sums(
                since[i, : points[i]], raws[i].signal, float(np.exp(x[i]) / lengths[i]), scratch
            )
        products = baseline.inner_products(sums, lengths)
        step = products.newton_step()
        kept = np.abs(x + step - scanned.x) < GRID_STEP
        step = np.where(kept, step, 0.0)
        open_rows = np.flatnonzero(np.abs(step) > SMALL_STEP)
        if not len(open_rows):
            break
        x[open_rows] += step[open_rows]
    rows = close_rows(
        products, x, step, inside=baseline.inside, left=baseline.left, back=baseline.back
    )
    enough = np.array(
        [enough_explained(scanned.length, free=int(count) - 1 - slope) for count in {*points}]
    )
    sure = rows.sure & scanned.clear & kept & (baseline.left > COSTLY * baseline.total)
    sure &= rows.explained > enough.max() * baseline.left
    of_decay = products.ee / sums[:, 0, 3]
    sure &= np.minimum(of_decay, rows.kept) > COSTLY
    sure &= of_decay * rows.rss > COSTLY_RESIDUALS * baseline.left
    sure[open_rows] = False
    result.enter(
        np.array([raw.at for raw in raws]),
        rows,
        sure=sure,
        points=points,
        start_s=np.array([raw.start_s for raw in raws]),
        window_s=lengths,
        centre=np.zeros(len(raws)),
        unit=np.ones(len(raws)),
    )


def _decay_sums(
    time: FloatArray, signal: FloatArray, rate: float, scratch: FloatArray
) -> FloatArray:
    """Add up (3, 6) over the points; rows e, d = -k t e, h = (k t)^2 e.

    Columns: with t, 1, signal, e; then d d and d h in the last two of the second row.
    """
    h, e, d = scratch[:, : len(time)]
    np.multiply(time, -rate, out=h)
    np.exp(h, out=e)
    np.multiply(h, e, out=d)
    h *= d
    sums = np.zeros((3, 6))
    for row, shape in zip(sums, (e, d, h), strict=True):
        row[:4] = time @ shape, shape.sum(), signal @ shape, e @ shape
    sums[1, 4:] = d @ d, d @ h
    return sums


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Baseline:
    """What the straight line needs, for every trace; times in units of the window.

    Attributes
    ----------
    frame
        (B, 2, b) turns products with t and 1 into products with the frame.
    back
        (B, b, b) inverse of the triangle.
    inside, total, left
        Signals in the frame (B, b); sums of squares (B,) before and after projection.
    """

    frame: FloatArray
    back: FloatArray
    inside: FloatArray
    total: FloatArray
    left: FloatArray

    @classmethod
    def of(cls, sums: FloatArray, total: FloatArray, *, slope: bool) -> "_Baseline":
        """From sums (B, 5) of 1, t, y, t^2 and t y, and of y^2 (B,)."""
        count, of_time, of_signal, squares, crossed = sums.T
        root, mean = np.sqrt(count), of_time / count
        spread = np.sqrt(np.maximum(squares - mean * of_time, 1e-300))
        frame = np.zeros((len(sums), 2, 1 + slope))
        frame[:, 1, 0] = 1 / root
        back = np.zeros((len(sums), 1 + slope, 1 + slope))
        back[:, 0, 0] = 1 / root
        if slope:
            frame[:, 0, 1], frame[:, 1, 1] = 1 / spread, -mean / spread
            back[:, 1, 0], back[:, 1, 1] = -mean / spread, 1 / spread
        inside = (np.stack((crossed, of_signal), axis=1)[:, None] @ frame)[:, 0]
        return cls(
            frame=frame,
            back=back,
            inside=inside,
            total=total,
            left=total - np.einsum("gb,gb->g", inside, inside),
        )

    def inner_products(self, sums: FloatArray, lengths: FloatArray) -> RowInnerProducts:
        """Project the sums (B, 3, 6) of `_decay_sums`."""
        lines = sums[:, :, :2] / np.stack((lengths, np.ones_like(lengths)), axis=1)[:, None]
        inside = lines @ self.frame
        e, d, h = inside[:, 0], inside[:, 1], inside[:, 1] + inside[:, 2]
        signal = sums[:, :, 2] - np.einsum("gsb,gb->gs", inside, self.inside)
        with_e = sums[:, :, 3] - np.einsum("gsb,gb->gs", inside, e)
        dd = sums[:, 1, 4] - np.einsum("gb,gb->g", d, d)
        return RowInnerProducts(
            ye=signal[:, 0],
            yd=signal[:, 1],
            yh=signal[:, 1] + signal[:, 2],
            ee=np.maximum(with_e[:, 0], 1e-300),
            ed=with_e[:, 1],
            dd=dd,
            eh=with_e[:, 1] + with_e[:, 2],
            dh=sums[:, 1, 4] + sums[:, 1, 5] - np.einsum("gb,gb->g", d, h),
            inside_e=e,
            inside_d=d,
            inside_h=h,
        )


def _block_sums(
    raws: Sequence[_Raw], lengths: FloatArray, since: FloatArray, scratch: FloatArray
) -> tuple[FloatArray, float]:
    """Add up (B, 5, K) over blocks as `scan_blocks` takes them; and the largest common k T."""
    scaled = [
        (raw.time[:3] - raw.start_s) / length for raw, length in zip(raws, lengths, strict=True)
    ]
    edges = block_edges(min(times[1] - times[0] for times in scaled))
    sums = np.zeros((len(raws), 5, len(edges)))
    for raw, length, row, whole in zip(raws, lengths, sums, since, strict=False):
        points = len(raw.time)
        time, squares, crossed = whole[:points], *scratch[:2, :points]
        np.subtract(raw.time, raw.start_s, out=time)
        np.multiply(time, time, out=squares)
        np.multiply(time, raw.signal, out=crossed)
        starts = np.searchsorted(time, edges * length)
        row[0] = np.diff(starts, append=points)
        filled = np.flatnonzero(row[0])
        starts = starts[filled]
        for column, values in zip(row[1:], (time, raw.signal, squares, crossed), strict=True):
            column[filled] = np.add.reduceat(values, starts)
    sums[:, [1, 4]] /= lengths[:, None, None]
    sums[:, 3] /= lengths[:, None] ** 2
    return sums, min(fastest_kt(times) for times in scaled)
