"""Ways of fitting a problem, each from the same start to the same end: here, and by scipy.

scipy's LSODA has the Jacobian of the rate equations, and its `least_squares` seeks the constants
alone, responses and offsets being projected out at every step as they are here. Times are of the
processor.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

from stopflow.mechanism.bench.cases import MICRO
from stopflow.mechanism.minimise import minimise
from stopflow.mechanism.problem import FitProblem
from stopflow.trace import FloatArray

TOLERANCE = 1e-8
END = 1e-2 * TOLERANCE
"""Share of the squares, and of the constants, at which every way ends its search."""
TIMED_S = 0.05
"""Processor time that is measured at least: reading the clock may take milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reached:
    """Where a way ended: constants in M and s, weighted sum of squares, processor time."""

    constants: FloatArray
    squares: float
    seconds: float


Found = TypeVar("Found")
Way = Callable[[FitProblem, FloatArray], Reached]


def fit_here(problem: FitProblem, start: FloatArray, *, tolerance: float = TOLERANCE) -> Reached:
    """Follow the squares down with this program."""
    found, spent = clock(
        lambda: minimise(
            problem, start, tolerance=tolerance, negligible=END * tolerance / TOLERANCE
        )
    )
    return Reached(constants=np.exp(found.theta), squares=found.squares, seconds=spent)


def fit_with_scipy(problem: FitProblem, start: FloatArray) -> Reached:
    """Follow the squares down with LSODA and `least_squares`."""
    rest = _ScipyResidual(problem)
    found, spent = clock(
        lambda: least_squares(rest, start, method="lm", xtol=END, ftol=END, gtol=END)
    )
    return Reached(constants=np.exp(found.x), squares=float(2 * found.cost), seconds=spent)


def clock(run: Callable[[], Found]) -> tuple[Found, float]:
    """Run something as often as the clock needs to tell its processor time: (result, seconds)."""
    begun, spent, times, done = time.process_time(), 0.0, 1, 0
    while spent < TIMED_S:
        for _ in range(times):
            found = run()
        done, times = done + times, 4 * times
        spent = time.process_time() - begun
    return found, spent / done


class _ScipyResidual:
    """Weighted residuals at logarithms of constants, linear parameters projected out."""

    def __init__(self, problem: FitProblem) -> None:
        scheme = problem.scheme
        self._problem = problem
        self._net = scheme.stoichiometry()
        self._orders = np.zeros((len(scheme.steps), len(scheme.species)))
        for number, step in enumerate(scheme.steps):
            for name, count in step.reactants.items():
                self._orders[number, scheme.species.index(name)] = count
        self._seen = scheme.species.index(problem.observed[0])
        self._met = [np.repeat(np.arange(len(row)), row.astype(int)) for row in self._orders]

    def __call__(self, theta: FloatArray) -> FloatArray:
        problem, k = self._problem, np.exp(theta)
        columns, signals = [], []
        for number, shot in enumerate(problem.shots):
            first = problem.starts.given[problem.windows.mixture[number]] / MICRO
            scaled = k * MICRO ** (self._orders.sum(axis=1) - 1)
            found = solve_ivp(
                self._slope,
                (0.0, float(shot.time_s[-1])),
                first,
                method="LSODA",
                t_eval=shot.time_s,
                args=(scaled,),
                jac=self._jacobian,
                rtol=TOLERANCE,
                atol=TOLERANCE * float(first.max()),
            )
            weighted = found.y[self._seen] / shot.noise_sd
            columns.append(weighted - weighted.mean())
            signals.append(problem.windows.signal[number])
        column, signal = np.concatenate(columns), np.concatenate(signals)
        return np.asarray(signal - column * float(column @ signal) / float(column @ column))

    def _slope(self, _time: float, c: FloatArray, k: FloatArray) -> FloatArray:
        rates = [value * c[met].prod() for value, met in zip(k, self._met, strict=True)]
        return np.asarray(self._net @ rates)

    def _jacobian(self, _time: float, c: FloatArray, k: FloatArray) -> FloatArray:
        slopes = np.zeros_like(self._orders)
        for number, (value, met) in enumerate(zip(k, self._met, strict=True)):
            for place, species in enumerate(met):
                slopes[number, species] += value * np.delete(c[met], place).prod()
        return np.asarray(self._net @ slopes)
