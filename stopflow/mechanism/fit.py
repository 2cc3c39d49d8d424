"""The global fit: Levenberg and Marquardt in the logarithms of the constants, from many starts.

No starting value is asked for: a scrambled Sobol sequence over the range of constants that the
shots could show is tried on thinned data. From the best points, none of them near another, one way
down after the other is followed until hardly a minimum is left to be found; the lowest are refined,
and the distinct ones again on all points. Several minima that are as good are all returned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.stats import chi2, qmc

from stopflow.mechanism.minimise import COARSE, COARSELY, EXACT, FAIR, NEGLIGIBLE, Minimum, minimise
from stopflow.mechanism.point import Point
from stopflow.mechanism.problem import FitProblem
from stopflow.mechanism.scatter import Errors, Region, measure_errors
from stopflow.mechanism.tangents import measure_noise
from stopflow.mechanism.thin import thin_problem
from stopflow.trace import FloatArray

TRIES_A_NUMBER = 32
REFINED, MOST_MINIMA, MOST_STARTS = 6, 3, 20
NEIGHBOURS = 0.25
"""Largest difference of a free number, as a part of its range, between starts of one valley."""
SAME_LEVEL = 0.01
"""Relative difference of the squares of two ways down that are taken for one minimum."""
TOGETHER = 32
ROUGH, NEGLIGIBLE_ROUGHLY = 1e-5, 1e-6
"""Tolerance of the rate equations, and share of the sum of squares, in the search."""
FEW_TURNS = 60
"""Steps that are tried from a start before its place among others is looked at."""
GLANCE = 3e-3
"""Tolerance of the rate equations where starts are only put in order."""
SAME_MINIMUM, NEARLY_SAME = 0.02, 0.1
"""Largest difference of a free number between two minima that are one, found well or coarsely."""
HOPELESS = 3.0
"""Squares, in those of the best minimum, from which a start that was followed coarsely is dropped.
"""
BETWEEN = (0.25, 0.5, 0.75)
"""Where on the way between two minima the squares are looked at."""
AS_GOOD = float(chi2.ppf(0.95, 1))
UNDECIDED = 10.0
"""Difference of AICc below which nothing is ruled out: odds of 150 to 1."""


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
    errors
        Of the free numbers, from the noise or from the scatter between shots.
    reason
        Why there is no fit; empty when there is one.
    """

    problem: FitProblem
    best: Minimum
    others: tuple[Minimum, ...] = ()
    point: Point
    errors: Errors
    reason: str = ""

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
        """(p,) standard errors."""
        return self.errors.stderr

    def measure(self, places: Sequence[int]) -> Region:
        """Measure the joint 95 % region of some free numbers."""
        return self.errors.region(np.eye(self.problem.constants.count)[list(places)])


def fit_mechanism(
    problem: FitProblem, *, generator: np.random.Generator, negligible: float = NEGLIGIBLE
) -> GlobalFit:
    """Fit a scheme to all shots, globally in its constants.

    Parameters
    ----------
    generator
        For the starts of the search.
    negligible
        Share of the sum of squares below which a promised gain ends the search.
    """
    thin = thin_problem(problem)
    centre, width = problem.box
    tries = 2 ** int(np.ceil(np.log2(TRIES_A_NUMBER * problem.constants.count)))
    unit = qmc.Sobol(d=problem.constants.count, rng=generator).random(tries)
    grid = centre + width * (2 * unit - 1)
    squares = _scan(thin, grid)
    begun = _explore(thin, grid[_spread(unit, squares)])
    rough = _refine(thin, begun[:REFINED], tolerance=ROUGH, negligible=NEGLIGIBLE_ROUGHLY)
    chosen = _valleys(thin, rough, thin.points / problem.points)
    found = [
        minimise(problem, item.theta, tolerance=FAIR, negligible=NEGLIGIBLE_ROUGHLY)
        for item in chosen
    ]
    if negligible < NEGLIGIBLE_ROUGHLY:
        return conclude(problem, _refine(problem, found, tolerance=EXACT, negligible=negligible))
    return conclude(problem, _distinct(found))


def search_again(fit: GlobalFit, starts: Sequence[FloatArray]) -> GlobalFit:
    """Fit again from further starts, beside the minima that are known."""
    known = [fit.best, *fit.others]
    begun = [
        item
        for item in _distinct([_descend(fit.problem, start) for start in starts], NEARLY_SAME)
        if item.squares < HOPELESS * fit.best.squares and _is_new(item, known, NEARLY_SAME)
    ]
    found = _refine(fit.problem, begun, tolerance=FAIR, negligible=NEGLIGIBLE_ROUGHLY)
    return conclude(fit.problem, _distinct([*known, *found])) if found else fit


def _spread(unit: FloatArray, squares: FloatArray) -> list[int]:
    """Give the places of starts, the best first, none of them near a better one.

    The best ones alone may all lie in one valley.
    """
    kept: list[int] = []
    for place in np.argsort(squares).tolist():
        near = np.abs(unit[kept] - unit[place]).max(axis=1, initial=0.0) < NEIGHBOURS
        if np.isfinite(squares[place]) and not near.any():
            kept.append(place)
    return kept[:MOST_STARTS]


def _explore(problem: FitProblem, starts: Sequence[FloatArray]) -> list[Minimum]:
    """Step down coarsely from one start after the other until hardly a minimum is left to be found.

    Where n starts have led to w minima, w (n - 1) / (n - w - 2) are expected (Boender and Rinnooy
    Kan, Math. Program. 37, 59 (1987), 10.1007/BF02591684).
    """
    found: list[Minimum] = []
    for start in starts:
        found.append(_descend(problem, start))
        lowest = min(item.squares for item in found)
        levels = sorted(item.squares for item in found if item.squares < HOPELESS * lowest)
        kinds = 1 + sum(high > (1 + SAME_LEVEL) * low for low, high in pairwise(levels))
        left = len(levels) - kinds - 2
        if len(found) >= REFINED and kinds * (len(levels) - 1) <= (kinds + 1) * left:
            break
    return _distinct(found, NEARLY_SAME)


def _descend(problem: FitProblem, start: FloatArray) -> Minimum:
    return minimise(problem, start, turns=FEW_TURNS, tolerance=COARSE, negligible=COARSELY)


def _refine(
    problem: FitProblem, minima: Sequence[Minimum], *, tolerance: float, negligible: float
) -> list[Minimum]:
    """Step further down from minima that were found more coarsely."""
    found = [
        minimise(problem, item.theta, tolerance=tolerance, negligible=negligible, near=item.path)
        for item in minima
    ]
    return _distinct(found)


def _scan(problem: FitProblem, grid: FloatArray) -> FloatArray:
    """Evaluate the squares of all starts in groups; a group without a solution one by one."""
    found = []
    for first in range(0, len(grid), TOGETHER):
        group = grid[first : first + TOGETHER]
        squares = problem.scan(group, tolerance=GLANCE)
        if not np.isfinite(squares).any():
            squares = np.concatenate([problem.scan(one[None], tolerance=GLANCE) for one in group])
        found.append(squares)
    return np.concatenate(found)


def _distinct(minima: Sequence[Minimum], apart: float = SAME_MINIMUM) -> list[Minimum]:
    """Sort minima, lowest first, each of them once."""
    found: list[Minimum] = []
    for item in sorted(minima, key=lambda item: item.squares):
        if np.isfinite(item.squares) and _is_new(item, found, apart):
            found.append(item)
    return found


def _is_new(item: Minimum, known: Sequence[Minimum], apart: float) -> bool:
    return all(np.abs(item.theta - other.theta).max() > apart for other in known)


def _valleys(problem: FitProblem, minima: Sequence[Minimum], share: float) -> list[Minimum]:
    """Keep one minimum of each valley, the lowest few and all that are as good, lowest first.

    The problem is a share of the whole one, on which squares rise by as much less.
    """
    if not minima:
        return []
    dof = max(problem.points - problem.linear - problem.constants.count, 1)
    limit = minima[0].squares + share * AS_GOOD * measure_noise(minima[0].squares, dof)
    kept: list[Minimum] = []
    for item in minima:
        if item.squares >= limit or not any(
            _same_valley(problem, other, item, limit) for other in kept
        ):
            kept.append(item)
    return [item for place, item in enumerate(kept) if place < MOST_MINIMA or item.squares < limit]


def _same_valley(problem: FitProblem, best: Minimum, other: Minimum, limit: float) -> bool:
    """Whether a way between two minima is as good as they are: then they are one.

    The way leads through the values of the number that differs most, all others following.
    """
    apart = other.theta - best.theta
    place = int(np.abs(apart).argmax())
    before = best
    for share in BETWEEN:
        ahead = before.theta.copy()
        ahead[place] = best.theta[place] + share * apart[place]
        before = minimise(
            problem,
            ahead,
            held=(place,),
            turns=20,
            tolerance=FAIR,
            negligible=1e-6,
            near=before.path,
        )
        if not before.squares < limit:
            return False
    return True


def conclude(problem: FitProblem, minima: Sequence[Minimum]) -> GlobalFit:
    """Judge the minima found, lowest first: errors, and which of the others are as good."""
    free = problem.constants.count
    if not minima:
        empty = Point.nowhere(np.full(free, np.nan), 0)
        return GlobalFit(
            problem=problem,
            best=Minimum.at(empty, converged=False),
            point=empty,
            errors=Errors.unknown(free),
            reason="the rate equations of the scheme have no finite solution for any constants "
            "that these shots could show",
        )
    best = minima[0]
    point = problem.evaluate(best.theta, near=best.path)
    if not _changes(problem, best):
        return GlobalFit(
            problem=problem,
            best=best,
            point=point,
            errors=Errors.unknown(free),
            reason=f"the shots show no change beyond their noise that {', '.join(problem.observed)}"
            " could make; a signal that does not change describes them as well",
        )
    errors = measure_errors(problem, point)
    limit = best.squares + AS_GOOD * errors.white
    others = [
        item
        for item in minima[1:]
        if item.squares < limit and not _same_valley(problem, best, item, limit)
    ]
    return GlobalFit(
        problem=problem,
        best=best,
        others=tuple(others),
        point=point,
        errors=errors,
        reason="" if best.converged else "the search for the minimum did not end",
    )


def _changes(problem: FitProblem, best: Minimum) -> bool:
    """Whether shots change as the scheme says: by AICc, a signal that does not is ruled out."""
    flat = problem.windows.flatten(problem.windows.signal)
    offsets = len(problem.shots) * (1 + problem.detector.drift)
    numbers = problem.constants.count + problem.linear - offsets
    noise = measure_noise(best.squares, max(problem.points - offsets - numbers, 1))
    return (float(flat @ flat) - best.squares) / noise >= UNDECIDED + 2 * numbers
