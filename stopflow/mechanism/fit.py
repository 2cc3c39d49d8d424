"""The global fit: Levenberg and Marquardt in the logarithms of the constants, from many starts.

No starting value is asked for: a scrambled Sobol sequence over the range of constants that the
shots could show is tried on thinned data, the best points are refined there, and the distinct
minima again on all points. Several minima that are as good are all returned.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, qmc

from stopflow.mechanism.problem import MechanismShot, Point, Problem, build_problem
from stopflow.trace import FloatArray, frozen_array

TRIES_A_NUMBER = 32
REFINED, MOST_MINIMA = 6, 3
THIN_POINTS, THIN_SHOTS = 48, 16
MOST_TURNS = 200
TOGETHER = 32
ROUGH, FAIR = 1e-5, 1e-7
"""Tolerances of the rate equations in the search, and where 0.001 of a standard error is enough."""
FIRST_DAMPING, MOST_DAMPING = 1e-3, 1e10
LONGEST_STEP = 2.5
"""In the logarithm of a constant; enthalpies are scaled to 10 kJ/mol."""
BEYOND = 5.0
"""How far, in logarithms, the search may leave the range of what the shots could show."""
SAME_MINIMUM = 0.02
NEGLIGIBLE, NEGLIGIBLE_ROUGHLY = 1e-14, 1e-6
"""Share of the sum of squares; a step that promises no more ends the search."""
AS_GOOD = float(chi2.ppf(0.95, 1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Minimum:
    """A local minimum: free numbers, sum of squares, whether the search ended there."""

    theta: FloatArray
    squares: float
    converged: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "theta", frozen_array(self.theta))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GlobalFit:
    """A scheme fitted to all shots together.

    Attributes
    ----------
    problem
        What was fitted.
    best
        The lowest minimum.
    others
        Further minima that the data do not rule out at 95 %, lowest first.
    point
        The problem at the best minimum.
    covariance
        (p, p) of the free numbers for white noise, scaled up where the residuals are larger than
        the noise of the points, never down.
    spread
        (p, p) the same from the scatter between shots (White, Econometrica 48, 817 (1980),
        10.2307/1912934, with a shot as a cluster); NaN for fewer than 4 shots.
    reason
        Why there is no fit; empty when there is one.
    """

    problem: Problem
    best: Minimum
    others: tuple[Minimum, ...] = ()
    point: Point
    covariance: FloatArray
    spread: FloatArray
    reason: str = ""
    scale: float = field(default=1.0)

    @property
    def ok(self) -> bool:
        """Whether there are numbers."""
        return not self.reason

    @property
    def dof(self) -> int:
        """Points less all parameters."""
        problem = self.problem
        return problem.points - problem.linear - problem.constants.count

    @property
    def stderr(self) -> FloatArray:
        """(p,) standard errors: the larger of white noise and of scatter between shots."""
        white, shots = (np.sqrt(np.diag(item)) for item in (self.covariance, self.spread))
        return np.asarray(np.fmax(white, shots))

    @property
    def inflation(self) -> float:
        """By how much squares have to rise for a confidence region, over those of white noise."""
        white = np.sqrt(np.maximum(np.diag(self.covariance), 1e-300))
        ratio = self.stderr / white
        return self.scale * float(np.median(ratio[np.isfinite(ratio)], axis=0)) ** 2


def fit_mechanism(
    problem: Problem, *, generator: np.random.Generator, negligible: float = NEGLIGIBLE
) -> GlobalFit:
    """Fit a scheme to all shots, globally in its constants.

    Parameters
    ----------
    generator
        For the starts of the search.
    negligible
        Share of the sum of squares below which a promised gain ends the search.
    """
    thin = _thinned(problem)
    centre, width = search_box(problem)
    tries = 2 ** int(np.ceil(np.log2(TRIES_A_NUMBER * problem.constants.count)))
    unit = qmc.Sobol(d=problem.constants.count, rng=generator).random(tries)
    grid = centre + width * (2 * unit - 1)
    squares = _scan(thin, grid)
    order = np.argsort(squares)[:REFINED]
    rough = _distinct(
        [
            minimise(thin, grid[at], turns=60, tolerance=ROUGH, negligible=NEGLIGIBLE_ROUGHLY)
            for at in order
            if np.isfinite(squares[at])
        ]
    )
    chosen = _valleys(thin, rough)[:MOST_MINIMA]
    found = [
        minimise(problem, item.theta, tolerance=FAIR, negligible=NEGLIGIBLE_ROUGHLY)
        for item in chosen
    ]
    if negligible < NEGLIGIBLE_ROUGHLY:
        found = [minimise(problem, item.theta, negligible=negligible) for item in found]
    return _conclude(problem, _distinct(found))


def _scan(problem: Problem, grid: FloatArray) -> FloatArray:
    """Evaluate the squares of all starts in groups; a group without a solution one by one."""
    found = []
    for first in range(0, len(grid), TOGETHER):
        group = grid[first : first + TOGETHER]
        squares = problem.scan(group, tolerance=ROUGH)
        if not np.isfinite(squares).any():
            squares = np.concatenate([problem.scan(one[None], tolerance=ROUGH) for one in group])
        found.append(squares)
    return np.concatenate(found)


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
                return Minimum(theta=theta, squares=point.squares, converged=True)
            after = problem.evaluate(ahead, tolerance=tolerance)
            if after.squares <= point.squares:
                kept = (point.squares - after.squares) / promised
                damping = max(damping * float(np.clip(1 - (2 * kept - 1) ** 3, 0.1, 2.0)), 1e-12)
                theta, point, harder = ahead, after, 2.0
                break
            damping, harder = damping * harder, 2 * harder
    return Minimum(theta=theta, squares=point.squares, converged=False)


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


def _thinned(problem: Problem) -> Problem:
    """Take fewer shots, spread over the mixtures, and fewer points, dense at the beginning."""
    by_mixture: dict[int, list[int]] = {}
    for number, window in enumerate(problem.windows):
        by_mixture.setdefault(window.mixture, []).append(number)
    firsts = [members[0] for members in by_mixture.values()]
    at = np.unique(np.linspace(0, len(firsts) - 1, THIN_SHOTS).astype(int))
    shots = [_thin(problem.shots[firsts[place]]) for place in at]
    return build_problem(
        problem.scheme,
        problem.constants,
        shots,
        observed=problem.observed,
        shared=problem.shared,
        drift=problem.windows[0].basis.shape[1] > 1,
        pre_equilibrated=[
            (problem.scheme.species[pair.first], problem.scheme.species[pair.second])
            for pair in problem.equilibria
        ],
    )


def _thin(shot: MechanismShot) -> MechanismShot:
    count = len(shot.time_s)
    edges = np.unique(np.geomspace(1, count, min(THIN_POINTS, count)).astype(int))
    edges = np.concatenate(([0], edges))
    blocks = [slice(int(a), int(b)) for a, b in pairwise(edges) if b > a]
    return replace(
        shot,
        time_s=np.array([shot.time_s[block].mean() for block in blocks]),
        signal=np.array([shot.signal[block].mean() for block in blocks]),
    )


def _distinct(minima: Sequence[Minimum]) -> list[Minimum]:
    """Sort minima, lowest first, each of them once."""
    found: list[Minimum] = []
    for item in sorted(minima, key=lambda item: item.squares):
        if np.isfinite(item.squares) and all(
            np.abs(item.theta - other.theta).max() > SAME_MINIMUM for other in found
        ):
            found.append(item)
    return found


def _valleys(problem: Problem, minima: Sequence[Minimum]) -> list[Minimum]:
    """Keep one minimum of each valley, lowest first."""
    if not minima:
        return []
    dof = max(problem.points - problem.linear - problem.constants.count, 1)
    limit = minima[0].squares + AS_GOOD * max(minima[0].squares / dof, 1.0)
    kept: list[Minimum] = []
    for item in minima:
        if item.squares >= limit or not any(
            _same_valley(problem, other, item, limit) for other in kept
        ):
            kept.append(item)
    return kept


def _same_valley(problem: Problem, best: Minimum, other: Minimum, limit: float) -> bool:
    """Whether the way between two minima is as good as they are: then they are one."""
    middle = 0.5 * (best.theta + other.theta)
    return minimise(problem, middle, turns=0).squares < limit


def _conclude(problem: Problem, minima: Sequence[Minimum]) -> GlobalFit:
    free = problem.constants.count
    nothing = np.full((free, free), np.nan)
    if not minima:
        none = Minimum(theta=np.full(free, np.nan), squares=inf, converged=False)
        empty = Point(
            squares=inf,
            residual=np.zeros(0),
            jacobian=np.zeros((0, free)),
            responses=np.zeros(0),
        )
        return GlobalFit(
            problem=problem,
            best=none,
            point=empty,
            covariance=nothing,
            spread=nothing,
            reason="the rate equations of the scheme have no finite solution for any constants "
            "that these shots could show",
        )
    best = minima[0]
    point = problem.evaluate(best.theta)
    dof = max(problem.points - problem.linear - free, 1)
    scale = max(point.squares / dof, 1.0)
    limit = best.squares + AS_GOOD * scale
    others = [
        item
        for item in minima[1:]
        if item.squares < limit and not _same_valley(problem, best, item, limit)
    ]
    normal = point.jacobian.T @ point.jacobian
    inverse: FloatArray = np.asarray(np.linalg.pinv(normal, rcond=1e-14, hermitian=True))
    return GlobalFit(
        problem=problem,
        best=best,
        others=tuple(others),
        point=point,
        covariance=np.asarray(scale * inverse),
        spread=_spread(problem, point, inverse),
        scale=scale,
        reason="" if best.converged else "the search for the minimum did not end",
    )


def _spread(problem: Problem, point: Point, inverse: FloatArray) -> FloatArray:
    """Estimate the covariance of the free numbers from the scatter between shots."""
    bounds, count = problem.bounds, len(problem.windows)
    if count < 4:
        return np.full_like(inverse, np.nan)
    pulls = np.array([point.jacobian[a:b].T @ point.residual[a:b] for a, b in pairwise(bounds)])
    return np.asarray(count / (count - 1) * inverse @ (pulls.T @ pulls) @ inverse)
