"""Fits of many traces, kept as arrays."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from math import nan

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.laws import RateLaw
from stopflow.kinetics.many.rows import Rows
from stopflow.kinetics.solver.result import Fit
from stopflow.kinetics.solver.statistics import small_sample_aic
from stopflow.trace import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Columns:
    """Results of B traces.

    Attributes
    ----------
    rate_law
        Of all traces.
    values, errors
        (B, p) parameters and standard errors in the order of ``rate_law.parameters``.
    noise_sd, rss, points, start_s, window_s
        (B,) as in `Fit`.
    inverse
        (B, p, p) ``inverse @ inverse.T * noise_sd**2`` is the covariance.
    """

    rate_law: RateLaw
    values: FloatArray
    errors: FloatArray
    noise_sd: FloatArray
    rss: FloatArray
    points: NDArray[np.intp]
    start_s: FloatArray
    window_s: FloatArray
    inverse: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class BatchFit(_Columns):
    """Fits of a batch; ``batch[i]`` is the `Fit` of trace i.

    Attributes
    ----------
    alone
        Fits of the rows that were fitted one by one: every refused one is among them.
    """

    alone: Mapping[int, Fit]

    def __repr__(self) -> str:
        return f"BatchFit({self.rate_law.key}: {int(self.ok.sum())} of {len(self)} traces fitted)"

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
        rss, points = float(self.rss[at]), int(self.points[at])
        return Fit(
            rate_law=self.rate_law,
            parameters=dict(zip(names, self.values[at].tolist(), strict=True)),
            stderr=dict(zip(names, self.errors[at].tolist(), strict=True)),
            covariance=deviations @ deviations.T,
            noise_sd=float(self.noise_sd[at]),
            points=points,
            dof=points - len(names),
            rss=rss,
            aicc=small_sample_aic(
                points, numbers=len(names) + 1, information=float(np.log(rss / points))
            ),
            start_s=float(self.start_s[at]),
            window_s=float(self.window_s[at]),
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Collected(_Columns):
    """Results of a batch while they come in; `sure` marks the rows that have theirs."""

    sure: NDArray[np.bool_]

    def enter(
        self,
        at: NDArray[np.intp] | slice,
        rows: Rows,
        *,
        sure: NDArray[np.bool_],
        points: NDArray[np.intp] | int,
        start_s: FloatArray | float,
        window_s: FloatArray | float,
        centre: FloatArray,
        unit: FloatArray,
    ) -> None:
        """Enter solutions of dimensionless windows for the rows `at`, in the traces' units."""
        names = self.rate_law.parameters
        rates = np.array([name.endswith("_per_s") for name in names])
        lengths = np.broadcast_to(np.asarray(window_s)[..., None], (len(unit), 1))
        units = np.where(np.arange(len(names)) == 0, 1.0, unit[:, None])
        units = units / np.where(rates, lengths, 1.0)
        values = np.concatenate((rows.theta[:, None], rows.coefficients), axis=1) * units
        values[:, -1] += centre
        noise = np.sqrt(np.maximum(rows.rss, 0) / (points - len(names)))
        spread = np.sqrt(np.einsum("bij,bij->bi", rows.inverse, rows.inverse))
        self.sure[at], self.values[at] = sure, values
        self.errors[at] = spread * units * noise[:, None]
        self.noise_sd[at], self.rss[at] = noise * unit, rows.rss * unit * unit
        self.points[at], self.start_s[at], self.window_s[at] = points, start_s, window_s
        self.inverse[at] = rows.inverse * (units / unit[:, None])[:, :, None]

    def finish(self, fit_alone: Callable[[int], Fit]) -> BatchFit:
        """Fit the rows still open one by one."""
        alone = {int(i): fit_alone(int(i)) for i in np.flatnonzero(~self.sure)}
        for i, fit in alone.items():
            self.values[i] = list(fit.parameters.values())
            self.errors[i] = list(fit.stderr.values())
            self.noise_sd[i], self.rss[i] = fit.noise_sd, fit.rss
            self.points[i], self.start_s[i], self.window_s[i] = (
                fit.points,
                fit.start_s,
                fit.window_s,
            )
        own = {item.name: getattr(self, item.name) for item in fields(_Columns)}
        return BatchFit(**own, alone=alone)


def collect(law: RateLaw, count: int) -> Collected:
    """Make room for `count` fits."""
    size = len(law.parameters)
    return Collected(
        rate_law=law,
        sure=np.zeros(count, dtype=bool),
        values=np.full((count, size), nan),
        errors=np.full((count, size), nan),
        noise_sd=np.full(count, nan),
        rss=np.full(count, nan),
        points=np.zeros(count, dtype=np.intp),
        start_s=np.full(count, nan),
        window_s=np.full(count, nan),
        inverse=np.full((count, size, size), nan),
    )
