"""How wide the 95 % interval has to be: a factor on the SD that a network gives.

A network sees a trace in some dozen smooth directions, so two things escape it: how many points
there were, and whether the noise of neighbouring points is correlated. Both are read from the trace
itself, and a factor

    exp(constant + points log(n) + correlation arctanh(rho))

is fitted by quantile regression on simulated traces, such that 95 % of the errors lie inside
1.96 SD whatever n and rho are (Koenker & Bassett 1978, doi:10.2307/1913643).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from stopflow.trace import FloatArray, frozen_array

NORMAL_95: Final = 1.959963984540054
LEVEL: Final = 0.95
LARGEST_CORRELATION: Final = 0.98
MOST_POINTS: Final = 4000
MOST_ITERATIONS: Final = 5000
NEAR: Final = 1e-5
"""Residuals below this count as squares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalScale:
    """Coefficients of the factor; as they are by default it is 1."""

    constant: float = 0.0
    points: float = 0.0
    correlation: float = 0.0

    def factor(self, points: ArrayLike, correlation: ArrayLike) -> FloatArray:
        """Factor on the SD for traces of n points with correlation rho, 0 to 0.98; (M,)."""
        weights = np.array([self.constant, self.points, self.correlation])
        return np.exp(_terms(points, correlation) @ weights)


def _terms(points: ArrayLike, correlation: ArrayLike) -> FloatArray:
    count, rho = np.broadcast_arrays(np.asarray(points, float), np.asarray(correlation, float))
    return np.stack([np.ones(count.shape), np.log(count), np.arctanh(rho)], axis=-1)


def neighbour_correlation(signal: FloatArray) -> float:
    """AR(1) correlation of the noise, 0 to 0.98, from the end of a trace (n,).

    Only the second half is used, and at most the last 4,000 points. With the steps
    d_i = y_(i+1) - y_i, freed from a straight line of their own (a parabola in the trace), the mean
    of (d_i + d_(i+1))^2 over that of d_i^2 is 1 + rho.
    """
    late = signal[-min(len(signal) // 2, MOST_POINTS) :]
    count = len(late) - 1
    if count < 5:
        return 0.0
    steps = late[1:] - late[:-1]
    steps -= (late[-1] - late[0]) / count
    line = _unit_line(count)
    steps -= line * _dot(line, steps)
    near, both = _dot(steps, steps) / count, steps[1:] + steps[:-1]
    if near <= (1e-12 * (abs(late[0]) + abs(late[-1]))) ** 2:
        return 0.0
    found = _dot(both, both) / len(both) / near - 1.0
    return float(np.clip(found, 0.0, LARGEST_CORRELATION))


@lru_cache(maxsize=32)
def _unit_line(count: int) -> FloatArray:
    line = np.linspace(-1.0, 1.0, count)
    return frozen_array(line / np.linalg.norm(line))


def _dot(one: FloatArray, other: FloatArray) -> float:
    return float(np.einsum("i,i->", one, other))  # BLAS threads would wait for each other


def fit_interval(
    errors: FloatArray, spreads: FloatArray, *, points: ArrayLike, correlation: ArrayLike
) -> IntervalScale:
    """Fit the factor to |errors| (M,) of predictions whose network gave the SDs `spreads` (M,)."""
    terms = _terms(points, correlation)
    wanted = np.log(np.maximum(np.abs(errors) / spreads, 1e-9) / NORMAL_95)
    constant, of_points, of_correlation = quantile_line(terms, wanted, level=LEVEL).tolist()
    return IntervalScale(constant=constant, points=of_points, correlation=of_correlation)


def quantile_line(terms: FloatArray, values: FloatArray, *, level: float) -> FloatArray:
    """Weights (p,) of `terms` (M, p) such that a share `level` of `values` (M,) lies below.

    Quantile regression by majorised least squares (Hunter & Lange 2000,
    doi:10.1080/10618600.2000.10474866).
    """
    weights = np.zeros(terms.shape[1])
    pull = (2 * level - 1) * terms.sum(axis=0)
    for _ in range(MOST_ITERATIONS):
        near = terms / (NEAR + np.abs(values - terms @ weights))[:, None]
        before, weights = weights, np.linalg.solve(near.T @ terms, near.T @ values + pull)
        if np.abs(weights - before).max() < 1e-9:
            break
    return weights
