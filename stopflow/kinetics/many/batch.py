"""Fit many traces recorded on one time grid."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.laws import Proportional, RateLaw, find_law
from stopflow.kinetics.many.collect import BatchFit, Collected, collect
from stopflow.kinetics.many.grid_space import GridSpace, build_space, solve_in_space
from stopflow.kinetics.solver.refusals import Refusal
from stopflow.kinetics.solver.result import Fit
from stopflow.kinetics.solver.window import LARGEST_NUMBER, MIN_POINTS, ROUNDING, validate_times

__all__ = ["BatchFit", "fit_batch"]

# Values that are worked on together: a few megabytes, which the processor's cache holds.
CHUNK_VALUES = 256 * 1024
# Fewer rows than this do not pay for the space of their grid.
SMALLEST_BATCH = 24


def fit_batch(
    time_s: ArrayLike,
    signals: ArrayLike,
    *,
    law: str | RateLaw = "single-slope",
    start_s: float | None = None,
    fixed: Mapping[str, float | Proportional] | None = None,
    workers: int = 1,
) -> BatchFit:
    """Fit every row of `signals` (B, N) on the common times (N,).

    The answers are those of `fit_trace`. Laws with one rate and nothing held are fitted all at
    once, by `workers` threads; others one by one.

    Raises
    ------
    SettingsError
        Unknown law or parameter name.
    ValueError
        Arrays that do not fit together.
    """
    rate_law = find_law(law)
    time = np.asarray(time_s, dtype=np.float64)
    rows = np.asarray(signals)
    if rows.ndim != 2 or time.ndim != 1 or rows.shape[1] != len(time):
        raise ValueError(f"times {time.shape} and signals {rows.shape} must be (N,) and (B, N)")
    times = validate_times(
        time, start_s=start_s, needed=max(MIN_POINTS, len(rate_law.parameters) + 1)
    )
    result = collect(rate_law, len(rows))
    together = rate_law.exponentials == 1 and not fixed and len(rows) >= SMALLEST_BATCH
    if together and not isinstance(times, Refusal):
        kept, keep, start = times
        kept = kept[keep] - start
        window = float(kept[-1])
        space = build_space(
            kept / window,
            slope="slope_per_s" in rate_law.linear,
            intercept="intercept" in rate_law.linear,
        )
        step = max(CHUNK_VALUES // len(kept), 1)

        def fit_part(first: int) -> None:
            part = slice(first, first + step)
            # A row in which a division fails is not sure, and is fitted alone.
            with np.errstate(all="ignore"):
                _fit_chunk(rows[part, keep], space, result, part, start_s=start, window_s=window)

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(fit_part, range(0, len(rows), step)))

    def fit_alone(at: int) -> Fit:
        return fit_trace(time, rows[at], law=rate_law, start_s=start_s, fixed=fixed)

    return result.finish(fit_alone)


def _fit_chunk(
    rows: NDArray[np.floating],
    space: GridSpace,
    result: Collected,
    at: slice,
    *,
    start_s: float,
    window_s: float,
) -> None:
    """Fit some rows and enter them; rows with bad numbers are left to `fit_trace`."""
    low, high = rows.min(axis=1), rows.max(axis=1)
    largest = np.maximum(np.abs(low), np.abs(high))
    good = (largest < LARGEST_NUMBER) & (high - low > ROUNDING * largest)
    if not good.all():
        rows = np.where(good[:, None], rows, space.basis[:, -1])
        low, high = rows.min(axis=1), rows.max(axis=1)
    centre, unit = rows[:, ::16].mean(axis=1), high - low
    shifted = rows - centre[:, None]
    solved, sure = solve_in_space(
        space,
        (shifted @ space.basis) / unit[:, None],
        total=np.einsum("bn,bn->b", shifted, shifted) / (unit * unit),
    )
    result.enter(
        at,
        solved,
        sure=good & sure,
        points=rows.shape[1],
        start_s=start_s,
        window_s=window_s,
        centre=centre,
        unit=unit,
    )
