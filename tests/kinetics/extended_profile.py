"""The profile interval of a rate by a route of its own: extended precision, plain Newton.

Exponentials, an optional slope and a constant on block means, all parameters at once with the
exact Hessian, solved by elimination in `numpy.longdouble`. Nothing of the program's solvers is
used: only the block means and the definition of the interval are shared.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

EXTENDED = np.longdouble
STEPS = 200
FINISHED = 1e-17


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums:
    """Weighted least squares of `phases` exponentials, an optional slope and a constant."""

    time: np.ndarray
    signal: np.ndarray
    weights: np.ndarray
    phases: int
    slope: bool

    def rows(self, rates: np.ndarray) -> np.ndarray:
        """Rows (f, N) of the linear terms."""
        lines = [self.time] if self.slope else []
        return np.stack([*(np.exp(-k * self.time) for k in rates), *lines, np.ones_like(self.time)])

    def linear(self, rates: np.ndarray) -> np.ndarray:
        """Find the best linear coefficients (f,)."""
        rows = self.rows(rates)
        return solve((rows * self.weights) @ rows.T, (rows * self.weights) @ self.signal)

    def squares(self, rates: np.ndarray, linear: np.ndarray) -> np.longdouble:
        """Sum of squares."""
        rest = self.signal - linear @ self.rows(rates)
        return (self.weights * rest * rest).sum()

    def minimum(self, rates: np.ndarray, *, held: int | None = None) -> tuple[np.ndarray, object]:
        """Follow `rates` down by Newton with halved steps, one of them `held`."""
        rates = rates.astype(EXTENDED)
        linear = self.linear(rates)
        free = [i for i in range(self.phases) if i != held]
        lowest = self.squares(rates, linear)
        for _ in range(STEPS):
            step = self._newton(rates, linear, free)
            for halved in range(60):
                part = EXTENDED(0.5) ** halved * step
                there = rates.copy()
                there[free] = rates[free] * np.exp(np.clip(part[: len(free)] / rates[free], -1, 1))
                moved = linear + part[len(free) :]
                tried = self.squares(there, moved)
                if tried <= lowest * (1 + EXTENDED(1e-18)):
                    break
            change = np.abs(there / rates - 1).max()
            rates, linear, lowest = there, moved, min(tried, lowest)
            if change < FINISHED:
                break
        return rates, self.squares(rates, linear)

    def _newton(self, rates: np.ndarray, linear: np.ndarray, free: list[int]) -> np.ndarray:
        rows = self.rows(rates)
        rest = self.signal - linear @ rows
        slopes = [-linear[i] * self.time * rows[i] for i in free]
        columns = np.stack([*slopes, *rows])
        gradient = (columns * self.weights) @ rest
        normal = (columns * self.weights) @ columns.T
        bent = normal.copy()
        for a, i in enumerate(free):
            second = linear[i] * self.time**2 * rows[i]
            mixed = -self.time * rows[i]
            bent[a, a] -= (self.weights * rest * second).sum()
            b = len(free) + i
            bent[a, b] -= (self.weights * rest * mixed).sum()
            bent[b, a] = bent[a, b]
        step = solve(bent, gradient)
        return step if step @ gradient > 0 else solve(normal, gradient)


def solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Gaussian elimination with pivots, in the precision given, scaled to a unit diagonal."""
    scale = 1 / np.sqrt(np.abs(np.diag(matrix)))
    a = np.concatenate((matrix * scale * scale[:, None], (right * scale)[:, None]), axis=1)
    n = len(a)
    for j in range(n):
        pivot = j + int(np.argmax(np.abs(a[j:, j])))
        a[[j, pivot]] = a[[pivot, j]]
        for i in range(j + 1, n):
            a[i] = a[i] - a[j] * (a[i, j] / a[j, j])
    x = np.zeros(n, dtype=a.dtype)
    for i in range(n - 1, -1, -1):
        x[i] = (a[i, n] - a[i, i + 1 : n] @ x[i + 1 :]) / a[i, i]
    return x * scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """An end of an interval.

    Attributes
    ----------
    ratio
        The end over the rate itself.
    sensitivity
        Relative change of the end for a relative change of the two sums of squares.
    """

    ratio: float
    sensitivity: float


def profile_sides(
    sums: Sums, rates: np.ndarray, *, index: int, variance: float, quantile: float, error: float
) -> tuple[Side, Side]:
    """Where the best sum of squares has risen by ``quantile^2 variance`` on either side."""
    best, lowest = sums.minimum(rates)
    target = EXTENDED(variance) * EXTENDED(quantile) ** 2

    def root(x: np.longdouble) -> np.longdouble:
        start = best.copy()
        start[index] = best[index] * np.exp(x)
        risen = sums.minimum(start, held=index)[1] - lowest
        return np.sqrt(np.maximum(risen, 0) / target)

    def side(sign: int) -> Side:
        before, x = EXTENDED(0), EXTENDED(sign * error * quantile)
        value_before, value = EXTENDED(0), root(x)
        for _ in range(60):
            slope = (value - value_before) / (x - before)
            before, value_before = x, value
            x = x + (1 - value) / slope
            value = root(x)
            if abs(x - before) < 1e-15:
                break
        return Side(ratio=float(np.exp(x)), sensitivity=float(lowest / target / abs(slope) / 2))

    return side(-1), side(1)


def student_quantile(dof: float, factor: float) -> float:
    """Student's 97.5 % for `factor` times too few independent points, times the factor."""
    return float(stdtrit(max(dof / factor**2, 1.0), 0.975)) * factor
