"""Fit many traces recorded on one time grid."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.fit_compress import GridSpace, build_space
from stopflow.kinetics.fit_result import Fit, Refusal
from stopflow.kinetics.fit_rows import solve_rows
from stopflow.kinetics.fit_screen import LARGEST_NUMBER, MIN_POINTS, ROUNDING, screen_times
from stopflow.kinetics.fit_statistics import small_sample_aic
from stopflow.kinetics.models import RateLaw, Tie, find_law
from stopflow.trace import FloatArray

# Rows that are worked on together: a few megabytes, which the processor's cache holds.
CHUNK_VALUES = 256 * 1024
# Fewer rows than this do not pay for the space of their grid.
SMALLEST_BATCH = 24


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchFit:
    """Fits of a batch; ``batch[i]`` is the `Fit` of trace i.

    Attributes
    ----------
    rate_law
        Of all traces.
    values, errors
        (B, p) parameters and standard errors in the order of ``rate_law.parameters``.
    noise_sd, rss
        (B,).
    points, start_s, window_s
        Of the common grid.
    inverse
        (B, p, p) ``inverse @ inverse.T * noise_sd**2`` is the covariance.
    alone
        Fits of the rows that were fitted one by one: every refused one is among them.
    """

    rate_law: RateLaw
    values: FloatArray
    errors: FloatArray
    noise_sd: FloatArray
    rss: FloatArray
    points: int
    start_s: float
    window_s: float
    inverse: FloatArray
    alone: Mapping[int, Fit]

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Fit]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Fit:
        at = range(len(self))[index]
        if at in self.alone:
            return self.alone[at]
        names = self.rate_law.parameters
        deviations = self.inverse[at] * self.noise_sd[at]
        rss = float(self.rss[at])
        return Fit(
            rate_law=self.rate_law,
            parameters=dict(zip(names, self.values[at].tolist(), strict=True)),
            stderr=dict(zip(names, self.errors[at].tolist(), strict=True)),
            covariance=deviations @ deviations.T,
            noise_sd=float(self.noise_sd[at]),
            points=self.points,
            dof=self.points - len(names),
            rss=rss,
            aicc=small_sample_aic(
                self.points, numbers=len(names) + 1, information=float(np.log(rss / self.points))
            ),
            start_s=self.start_s,
            window_s=self.window_s,
        )

    @property
    def k_per_s(self) -> FloatArray:
        """(B,) rate constants, NaN where refused."""
        return self.values[:, 0]

    @property
    def k_stderr_per_s(self) -> FloatArray:
        """(B,) their standard errors for white noise."""
        return self.errors[:, 0]

    @property
    def ok(self) -> NDArray[np.bool_]:
        """(B,) True where there are numbers."""
        return np.isfinite(self.values[:, 0])


def fit_batch(
    time_s: ArrayLike,
    signals: ArrayLike,
    *,
    law: str | RateLaw = "single-slope",
    start_s: float | None = None,
    fixed: Mapping[str, float | Tie] | None = None,
    workers: int = 1,
) -> BatchFit:
    """Fit every row of `signals` (B, N) on the common times (N,).

    The answers are those of `fit_trace`. Laws with one rate and nothing pinned are fitted all at
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
    size = len(rate_law.parameters)
    times = screen_times(time, start_s=start_s, needed=max(MIN_POINTS, size + 1))
    result = _Collected.empty(len(rows), size)
    together = rate_law.exponentials == 1 and not fixed and len(rows) >= SMALLEST_BATCH
    start = window = nan
    if together and not isinstance(times, Refusal):
        kept, keep, start = times
        kept = kept[keep] - start
        window = float(kept[-1])
        kept /= window
        space = build_space(
            kept,
            slope="slope_per_s" in rate_law.linear,
            intercept="intercept" in rate_law.linear,
        )
        step = max(CHUNK_VALUES // len(kept), 1)
        parts = [slice(first, first + step) for first in range(0, len(rows), step)]

        def fit_part(part: slice) -> None:
            _fit_chunk(rows[part, keep], rate_law, space, window, result.part(part))

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(fit_part, parts))
    alone = {}
    for i in np.flatnonzero(~result.sure):
        fit = fit_trace(time, rows[i], law=rate_law, start_s=start_s, fixed=fixed)
        alone[int(i)] = fit
        result.take(int(i), fit)
    points = 0 if isinstance(times, Refusal) else len(time[times[1]])
    return BatchFit(
        rate_law=rate_law,
        values=result.values,
        errors=result.errors,
        noise_sd=result.noise_sd,
        rss=result.rss,
        points=points,
        start_s=start,
        window_s=window,
        inverse=result.inverse,
        alone=alone,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Collected:
    """Results while they come in."""

    sure: NDArray[np.bool_]
    values: FloatArray
    errors: FloatArray
    noise_sd: FloatArray
    rss: FloatArray
    inverse: FloatArray

    @classmethod
    def empty(cls, count: int, size: int) -> "_Collected":
        return cls(
            np.zeros(count, dtype=bool),
            np.full((count, size), nan),
            np.full((count, size), nan),
            np.full(count, nan),
            np.full(count, nan),
            np.full((count, size, size), nan),
        )

    def part(self, part: slice) -> "_Collected":
        """Look at some rows only."""
        return _Collected(
            self.sure[part],
            self.values[part],
            self.errors[part],
            self.noise_sd[part],
            self.rss[part],
            self.inverse[part],
        )

    def take(self, at: int, fit: Fit) -> None:
        """Enter a fit made alone."""
        self.values[at] = list(fit.parameters.values())
        self.errors[at] = list(fit.stderr.values())
        self.noise_sd[at], self.rss[at] = fit.noise_sd, fit.rss


def _fit_chunk(
    rows: NDArray[np.floating],
    law: RateLaw,
    space: GridSpace,
    window: float,
    result: _Collected,
) -> None:
    """Fit some rows and enter them; rows with bad numbers are left to `fit_trace`."""
    points, size = rows.shape[1], len(law.parameters)
    low, high = rows.min(axis=1), rows.max(axis=1)
    largest = np.maximum(np.abs(low), np.abs(high))
    good = (largest < LARGEST_NUMBER) & (high - low > ROUNDING * largest)
    if not good.all():
        rows = np.where(good[:, None], rows, space.nodes[0] + space.basis[:, -1])
        low, high = rows.min(axis=1), rows.max(axis=1)
    centre, unit = rows[:, ::16].mean(axis=1), high - low
    shifted = rows - centre[:, None]
    solved = solve_rows(
        space,
        (shifted @ space.basis) / unit[:, None],
        total=np.einsum("bn,bn->b", shifted, shifted) / (unit * unit),
    )
    rates = np.array([name.endswith("_per_s") for name in law.parameters])
    units = np.where(np.arange(size) == 0, 1.0, unit[:, None]) / np.where(rates, window, 1.0)
    result.sure[:] = good & solved.sure
    result.values[:] = np.concatenate((solved.theta[:, None], solved.coefficients), axis=1) * units
    result.values[:, -1] += centre
    noise = np.sqrt(np.maximum(solved.rss, 0) / (points - size))
    result.noise_sd[:] = noise * unit
    result.rss[:] = solved.rss * unit * unit
    result.inverse[:] = solved.inverse * (units / unit[:, None])[:, :, None]
    result.errors[:] = (
        np.sqrt(np.einsum("bij,bij->bi", solved.inverse, solved.inverse)) * units * noise[:, None]
    )
