"""Descent of the sum of squares, by Levenberg and Marquardt in the logarithms of the constants."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stopflow.mechanism.point import Point
from stopflow.mechanism.problem import FitProblem
from stopflow.mechanism.trajectory import Trajectory
from stopflow.trace import FloatArray, frozen_array

MOST_TURNS = 200
EXACT = 1e-8
"""Tolerance of the rate equations at a minimum."""
FAIR = 1e-7
"""Tolerance of the rate equations where 0.001 of a standard error is enough."""
COARSE, COARSELY = 2e-3, 1e-3
"""Tolerance with which a search begins, and share of the squares to which it goes on with that."""
FIRST_DAMPING, MOST_DAMPING = 1e-3, 1e10
LONGEST_STEP = 2.5
"""In the logarithm of a constant; enthalpies are scaled to 10 kJ/mol."""
BEYOND = 5.0
"""How far, in logarithms, the search may leave the range of what the shots could show."""
FARTHER, TOLD_APART = 3.0, 1e-6
"""How much farther than what is moved others may follow, and the share of the largest eigenvalue
below which the squares do not tell where to."""
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
    slope, normal
        (p,) half the derivative of the squares: 0, but along numbers that were held; (p, p) half
        the second one, as Gauss and Newton see it.
    path
        The solution of the rate equations there; None where it is exact.
    """

    theta: FloatArray
    squares: float
    converged: bool
    slope: FloatArray
    normal: FloatArray
    path: Trajectory | None = None

    def __post_init__(self) -> None:
        for name in ("theta", "slope", "normal"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))

    @classmethod
    def at(cls, point: Point, *, converged: bool) -> "Minimum":
        """Call a point a minimum."""
        return cls(
            theta=point.theta,
            squares=point.squares,
            converged=converged,
            slope=point.jacobian.T @ point.residual,
            normal=point.jacobian.T @ point.jacobian,
            path=point.path,
        )


def minimise(
    problem: FitProblem,
    theta: FloatArray,
    *,
    held: Sequence[int] = (),
    turns: int = MOST_TURNS,
    tolerance: float = EXACT,
    negligible: float = NEGLIGIBLE,
    near: Trajectory | None = None,
) -> Minimum:
    """Follow the sum of squares down to a minimum, coarsely first.

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
    near
        The solution of the rate equations for constants close by.
    """
    theta = np.array(theta, dtype=np.float64)
    free = np.array([i for i in range(len(theta)) if i not in held], dtype=int)
    descent = _Descent(
        problem=problem,
        free=free,
        scale=np.where(np.array(problem.constants.is_logarithm), 1.0, 10.0)[free],
        bounds=search_bounds(problem),
    )
    if near is None and tolerance < COARSE:
        rough = problem.evaluate(theta, tolerance=COARSE)
        rough, theta, _ = descent.follow(rough, turns, COARSE, max(negligible, COARSELY))
        near = rough.path
    point = problem.evaluate(theta, tolerance=tolerance, near=near)
    found, _, converged = descent.follow(point, turns, tolerance, negligible)
    return Minimum.at(found, converged=converged)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Descent:
    """What stays the same on the way down: free numbers, their scale, the range of the search."""

    problem: FitProblem
    free: NDArray[np.intp]
    scale: FloatArray
    bounds: tuple[FloatArray, FloatArray]

    def follow(
        self, point: Point, turns: int, tolerance: float, negligible: float
    ) -> tuple[Point, FloatArray, bool]:
        """Step down until little is promised: (point, where the next step leads, whether ended)."""
        damping, harder, ahead = FIRST_DAMPING, 2.0, point.theta
        for _ in range(turns):
            if not np.isfinite(point.squares):
                break
            model = self._model(point)
            while True:
                ahead, promised = model.step(damping)
                if promised <= negligible * point.squares or damping > MOST_DAMPING:
                    return point, ahead, True
                after = self.problem.evaluate(ahead, tolerance=tolerance, near=point.path)
                if after.squares <= point.squares:
                    kept = (point.squares - after.squares) / promised
                    eased = min(max(1 - (2 * kept - 1) ** 3, 0.1), 2.0)
                    damping, harder, point = max(damping * eased, 1e-12), 2.0, after
                    break
                damping, harder = damping * harder, 2 * harder
        return point, ahead, False

    def _model(self, point: Point) -> "_QuadraticModel":
        """Leave out what stands at the end of its range and would go on."""
        slope = (point.jacobian.T @ point.residual)[self.free]
        theta, (low, high) = point.theta[self.free], (end[self.free] for end in self.bounds)
        going = ~(((theta <= low) & (slope > 0)) | ((theta >= high) & (slope < 0)))
        free, scale = self.free[going], self.scale[going]
        jacobian = point.jacobian[:, free] * scale
        return _QuadraticModel(
            theta=point.theta,
            free=free,
            scale=scale,
            normal=jacobian.T @ jacobian,
            slope=slope[going] * scale,
            low=low[going],
            high=high[going],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _QuadraticModel:
    """The sum of squares about a point as Gauss and Newton see it, within the search's range."""

    theta: FloatArray
    free: NDArray[np.intp]
    scale: FloatArray
    normal: FloatArray
    slope: FloatArray
    low: FloatArray
    high: FloatArray

    def step(self, damping: float) -> tuple[FloatArray, float]:
        """Take a damped step; return where it leads and by how much the squares should fall."""
        if not len(self.free):
            return self.theta, 0.0
        step = self._solve(damping, slice(None))
        there = self.theta[self.free] + step * self.scale
        if (there < self.low).any() or (there > self.high).any():
            step, there = self._step_inside(damping, step)
        ahead = self.theta.copy()
        ahead[self.free] = there
        return ahead, -float(2 * self.slope @ step + step @ self.normal @ step)

    def _step_inside(self, damping: float, step: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Shorten a step to where a number meets an end; one that is there already stays."""
        here, going = self.theta[self.free], np.ones(len(step), dtype=bool)
        while True:
            wall = np.where(step > 0, self.high, self.low)
            room = np.full(len(step), np.inf)
            np.divide(wall - here, step * self.scale, out=room, where=step != 0)
            going &= room > 0
            if (room > 0).all():
                share = min(1.0, float(room.min()))
                there = np.where(room <= share, wall, here + share * step * self.scale)
                return share * step, there
            step = np.zeros(len(step))
            if going.any():
                step[going] = self._solve(damping, going)

    def _solve(self, damping: float, going: Any) -> FloatArray:
        """Solve for a step of the numbers that are going, no longer than is allowed."""
        normal = self.normal[going][:, going]
        own = normal.diagonal()
        weight = np.maximum(own, 1e-12 * max(float(own.max()), 1e-300))
        damped = normal + damping * np.diag(weight)
        step: FloatArray = -np.linalg.lstsq(damped, self.slope[going], rcond=None)[0]
        return step * min(1.0, LONGEST_STEP / max(float(np.abs(step).max()), 1e-300))


def move_along(
    problem: FitProblem,
    theta: FloatArray,
    normal: FloatArray,
    places: Sequence[int],
    values: FloatArray,
) -> FloatArray:
    """Move some free numbers to values that they are held at, the others along the tangent: (p,).

    They begin at `theta` (p,), where the squares have the normal matrix `normal` (p, p). Valleys
    bend: where the others stay, what is held may come to lie on a slope so far from the valley that
    the way down does not end. They move by `FARTHER` times as much at most.
    """
    ahead, held = np.array(theta), list(places)
    others = [place for place in range(len(ahead)) if place not in held]
    step = values - ahead[held]
    ahead[held] = values
    if others:
        pull = normal[np.ix_(others, held)] @ step
        moved = -np.linalg.lstsq(normal[np.ix_(others, others)], pull, rcond=TOLD_APART)[0]
        most = FARTHER * float(np.abs(step).max())
        moved *= min(1.0, most / max(float(np.abs(moved).max()), 1e-300))
        low, high = search_bounds(problem)
        ahead[others] = np.clip(ahead[others] + moved, low[others], high[others])
    return ahead


def search_bounds(problem: FitProblem) -> tuple[FloatArray, FloatArray]:
    """Give the ends, (p,) each, that the search does not pass."""
    (centre, width), constants = problem.box, problem.constants
    return (
        np.clip(centre - width - BEYOND, constants.low, constants.high),
        np.clip(centre + width + BEYOND, constants.low, constants.high),
    )
