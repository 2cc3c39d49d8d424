"""Descent of the sum of squares, by Levenberg and Marquardt in the logarithms of the constants."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stopflow.mechanism.problem import Point, Problem
from stopflow.trace import FloatArray, frozen_array

MOST_TURNS = 200
FAIR = 1e-7
"""Tolerance of the rate equations where 0.001 of a standard error is enough."""
FIRST_DAMPING, MOST_DAMPING = 1e-3, 1e10
LONGEST_STEP = 2.5
"""In the logarithm of a constant; enthalpies are scaled to 10 kJ/mol."""
BEYOND = 5.0
"""How far, in logarithms, the search may leave the range of what the shots could show."""
NEGLIGIBLE = 1e-14
"""Share of the sum of squares; a step that promises no more ends the search."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Minimum:
    """A local minimum.

    Attributes
    ----------
    theta, squares
        (p,) free numbers, and their sum of squares.
    converged
        Whether the search ended there.
    slope
        (p,) half the derivative of the squares: 0, but along numbers that were held.
    """

    theta: FloatArray
    squares: float
    converged: bool
    slope: FloatArray

    def __post_init__(self) -> None:
        for name in ("theta", "slope"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))

    @classmethod
    def at(cls, theta: FloatArray, point: Point, *, converged: bool) -> "Minimum":
        """Call a point a minimum."""
        return cls(
            theta=theta,
            squares=point.squares,
            converged=converged,
            slope=point.jacobian.T @ point.residual,
        )


def minimise(
    problem: Problem,
    theta: FloatArray,
    *,
    held: Sequence[int] = (),
    turns: int = MOST_TURNS,
    tolerance: float = 1e-8,
    negligible: float = NEGLIGIBLE,
) -> Minimum:
    """Follow the sum of squares down to a minimum.

    The damping follows the share of the promised gain that was kept (Nielsen, IMM-REP-1999-05,
    Technical University of Denmark).

    Parameters
    ----------
    held
        Places of free numbers that stay where they are.
    turns
        How many steps are tried at most.
    tolerance
        Of the rate equations.
    negligible
        Share of the sum of squares below which a promised gain ends the search.
    """
    theta = np.array(theta, dtype=np.float64)
    free = np.array([i for i in range(len(theta)) if i not in held], dtype=int)
    bounds = search_bounds(problem)
    point, damping, harder = problem.evaluate(theta, tolerance=tolerance), FIRST_DAMPING, 2.0
    for _ in range(turns):
        if not np.isfinite(point.squares):
            break
        model = _QuadraticModel.about(problem, theta, point, free, bounds)
        while True:
            ahead, promised = model.step(damping)
            if promised <= negligible * point.squares or damping > MOST_DAMPING:
                return Minimum.at(theta, point, converged=True)
            after = problem.evaluate(ahead, tolerance=tolerance)
            if after.squares <= point.squares:
                kept = (point.squares - after.squares) / promised
                damping = max(damping * float(np.clip(1 - (2 * kept - 1) ** 3, 0.1, 2.0)), 1e-12)
                theta, point, harder = ahead, after, 2.0
                break
            damping, harder = damping * harder, 2 * harder
    return Minimum.at(theta, point, converged=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _QuadraticModel:
    """The sum of squares about a point as Gauss and Newton see it, within the search's range."""

    theta: FloatArray
    free: NDArray[np.intp]
    scale: FloatArray
    normal: FloatArray
    slope: FloatArray
    bounds: tuple[FloatArray, FloatArray]

    @classmethod
    def about(
        cls,
        problem: Problem,
        theta: FloatArray,
        point: Point,
        free: NDArray[np.intp],
        bounds: tuple[FloatArray, FloatArray],
    ) -> "_QuadraticModel":
        """Leave out what stands at the end of its range and would go on."""
        slope = point.jacobian.T @ point.residual
        stuck = ((theta <= bounds[0]) & (slope > 0)) | ((theta >= bounds[1]) & (slope < 0))
        free = free[~stuck[free]]
        scale = np.where(np.array(problem.constants.is_logarithm), 1.0, 10.0)[free]
        jacobian = point.jacobian[:, free] * scale
        return cls(
            theta=theta,
            free=free,
            scale=scale,
            normal=jacobian.T @ jacobian,
            slope=slope[free] * scale,
            bounds=bounds,
        )

    def step(self, damping: float) -> tuple[FloatArray, float]:
        """Take a damped step; return where it leads and by how much the squares should fall."""
        if not len(self.free):
            return self.theta, 0.0
        steepest = float(np.diag(self.normal).max())
        weight = np.maximum(np.diag(self.normal), 1e-12 * max(steepest, 1e-300))
        step = -np.linalg.lstsq(self.normal + damping * np.diag(weight), self.slope, rcond=None)[0]
        step *= min(1.0, LONGEST_STEP / max(float(np.abs(step).max()), 1e-300))
        low, high = (bound[self.free] for bound in self.bounds)
        ahead = self.theta.copy()
        ahead[self.free] = np.clip(self.theta[self.free] + step * self.scale, low, high)
        step = (ahead - self.theta)[self.free] / self.scale
        return ahead, -float(2 * self.slope @ step + step @ self.normal @ step)


def search_box(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Centre and half width, (p,), of the free numbers that the shots could show.

    A rate between a tenth of the reciprocal window and ten times the reciprocal first interval;
    for second-order constants divided by the largest concentration.
    """
    longest = max(float(shot.time_s[-1]) for shot in problem.shots)
    intervals = [float(np.diff(shot.time_s[:4]).min()) for shot in problem.shots]
    low, high = np.log(0.1 / longest), np.log(3.0 / max(min(intervals), 1e-9))
    units, names = problem.constants.units, problem.constants.names
    most = max(max(shot.start_M.values()) for shot in problem.shots)
    centre, width = np.zeros(len(names)), np.zeros(len(names))
    for place, unit in enumerate(units):
        shift = -np.log(most) if unit.startswith("M^-1") else 0.0
        is_rate = problem.constants.is_logarithm[place]
        centre[place] = 0.5 * (low + high) + shift if is_rate else 50.0
        width[place] = 0.5 * (high - low) if is_rate else 50.0
    return centre, width


def search_bounds(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Give the ends, (p,) each, that the search does not pass."""
    centre, width = search_box(problem)
    return centre - width - BEYOND, centre + width + BEYOND
