"""Fit the shots of an experiment together: one time grid, and a start of its own for each.

For tens of traces; for thousands that share their start as well, `stopflow.kinetics.many.batch` is
faster.
"""

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.laws import RateLaw, find_law
from stopflow.kinetics.many.collect import BatchFit, Collected, collect
from stopflow.kinetics.many.common_grid import build_grid
from stopflow.kinetics.many.common_rows import CommonRows, build_rows, solve_rows
from stopflow.kinetics.solver.result import Fit
from stopflow.kinetics.solver.window import LARGEST_NUMBER, MIN_POINTS, ROUNDING
from stopflow.trace import FloatArray

# Traces that are worked on together: their numbers stay in the processor's cache.
TOGETHER = 8
# Fewer traces than this do not pay for the blocks of their grid.
SMALLEST_BATCH = 6


class CommonTraces:
    """Traces on one grid, projected once for all laws that are fitted to them.

    Parameters
    ----------
    time_s
        (N,) increasing times.
    signals
        (B, N).
    starts_s
        (B,) where each fit starts.
    """

    def __init__(
        self, time_s: FloatArray, signals: NDArray[np.floating], starts_s: FloatArray
    ) -> None:
        self.time_s, self.signals, self.starts_s = time_s, signals, starts_s
        self.parts: list[tuple[NDArray[np.intp], CommonRows]] = []
        usable = self._usable_rows()
        if len(usable) < SMALLEST_BATCH:
            return
        grid = build_grid(time_s)
        for first in range(0, len(usable), TOGETHER):
            at = usable[first : first + TOGETHER]
            rows = build_rows(grid, signals[at], starts_s=starts_s[at])
            self.parts.append((at, rows))

    def _usable_rows(self) -> NDArray[np.intp]:
        """Numbers of the traces without bad values; the others are left to `fit_trace`."""
        if len(self.time_s) < MIN_POINTS or not (np.diff(self.time_s) > 0).all():
            return np.empty(0, dtype=np.intp)
        low, high = self.signals.min(axis=1), self.signals.max(axis=1)
        largest = np.maximum(np.abs(low), np.abs(high))
        with np.errstate(invalid="ignore"):
            good = (largest < LARGEST_NUMBER) & (high - low > ROUNDING * largest)
        first = np.searchsorted(self.time_s, self.starts_s)
        good &= (len(self.time_s) - first > 2 * MIN_POINTS) & np.isfinite(self.starts_s)
        return np.flatnonzero(good & (first < len(self.time_s) // 2))

    def fit(self, law: str | RateLaw) -> BatchFit:
        """Fit a law with one rate; the answers are those of `fit_trace`."""
        rate_law = find_law(law)
        result = collect(rate_law, len(self.signals))
        if rate_law.exponentials == 1:
            for at, rows in self.parts:
                # A row in which a division fails is not sure, and is fitted alone.
                with np.errstate(all="ignore"):
                    _enter(result, at, rows)

        def fit_alone(at: int) -> Fit:
            start_s = float(self.starts_s[at])
            return fit_trace(self.time_s, self.signals[at], law=rate_law, start_s=start_s)

        return result.finish(fit_alone)


def _enter(result: Collected, at: NDArray[np.intp], rows: CommonRows) -> None:
    """Solve some rows and enter them."""
    linear = result.rate_law.linear
    solved, sure = solve_rows(rows, slope="slope_per_s" in linear)
    sure &= "intercept" in linear
    result.enter(
        at,
        solved,
        sure=sure,
        points=rows.points,
        start_s=rows.starts_s,
        window_s=rows.length_s,
        centre=rows.centre,
        unit=rows.unit,
    )
