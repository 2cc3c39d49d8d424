"""What the data say of each constant, and what they leave open: profile likelihood.

For every constant the sum of squares is followed away from the minimum with all other constants
fitted again (Venzon and Moolgavkar, Appl. Stat. 37, 87 (1988), 10.2307/2347496; Raue et al.,
Bioinformatics 25, 1923 (2009), 10.1093/bioinformatics/btp358). Where it rises by the 95 % point of
chi squared there is an end of the interval; where it does not within a factor of `FAR` there is
none, and the constant has only a bound, or no bound at all. Squares are measured in units in which
that point is the end of a 95 % interval with the errors of `stopflow.mechanism.scatter`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import exp, inf, isfinite, isnan, log, nan, sqrt
from typing import TypeAlias

import numpy as np
from scipy.stats import chi2

from stopflow.mechanism.constants import Constants, describe_theta
from stopflow.mechanism.fit import GlobalFit
from stopflow.mechanism.minimise import FAIR, Minimum, minimise, move_along, search_bounds
from stopflow.trace import FloatArray

FAR = 1e4
"""A constant that may be larger or smaller by this factor is not determined on that side."""
AT_END = 1.0
"""A best value so close to an end of its range is any value of a valley: all of it is followed."""
RISE = float(chi2.ppf(0.95, 1))
FINE = 1e-3
"""To how much of the rise at one standard error a point of the profile is followed down."""
FIRST_STEP = 1e-3
"""Least first step of a profile: at the end of its range a number has no standard error."""
MOST_STEPS = 40
BEYOND_END = 0.05
"""Share of an interval's side beyond its end from which a point that is inside says it is none."""
PULL = 0.5
"""Change of the squares with the logarithm of a constant that shows it would go on: about as much
as is left to gain, since what remains of a constant at the end of its range is proportional."""
TIED = 0.2
"""Standard error of the logarithm of a product or quotient that counts as determined."""
CLOSER = 0.2
"""Share of the smaller error of two constants below which that of their product is worth saying."""


_Walked: TypeAlias = tuple[float, list[tuple[float, float]]]
"""Where a walk along a profile ended, infinite where it does not, and the points of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """The 95 % interval of a free number.

    Attributes
    ----------
    value, low, high
        Of the constant itself, or of an enthalpy in kJ/mol; 0 and infinity (minus infinity for an
        enthalpy) where the interval is open.
    stderr
        From the width of the interval, relative for constants; NaN where it is open.
    open_below, open_above
        Whether the data end it there; where they do not, a bound that was stated may.
    """

    name: str
    unit: str
    value: float
    stderr: float
    low: float
    high: float
    open_below: bool
    open_above: bool

    @property
    def determined(self) -> bool:
        """Whether the interval is closed on both sides."""
        return not (self.open_below or self.open_above)


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """A product or quotient of two constants that is determined though they are not.

    Attributes
    ----------
    alone
        Whether neither constant has a closed interval; else one has, but a wide one.
    """

    name: str
    value: float
    stderr: float
    alone: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Determination:
    """What is determined.

    Attributes
    ----------
    intervals
        One for each free number.
    combinations
        What the data determine of those that are open.
    profiles
        For each free number (n, 2): its value in the fit's own coordinate, and the rise of the sum
        of squares in units of the rise at one standard error.
    sentences
        The same in words; empty when everything is determined.
    """

    intervals: tuple[Interval, ...]
    combinations: tuple[Combination, ...]
    profiles: tuple[FloatArray, ...]
    sentences: tuple[str, ...]


def determine(fit: GlobalFit) -> Determination:
    """Follow the profile of every free number and say what is open."""
    constants = fit.problem.constants
    regions = [fit.measure([place]) for place in range(constants.count)]
    units = [region.inflation * region.limit / RISE for region in regions]
    walks = _follow_all(fit, units)
    intervals, profiles = [], []
    for place, name in enumerate(constants.names):
        (low, below), (high, above) = walks[place, -1], walks[place, +1]
        widths = 2 * sqrt(regions[place].limit)
        profiles.append(np.array(sorted([*below, (float(fit.best.theta[place]), 0.0), *above])))
        intervals.append(
            Interval(
                name=name,
                unit=constants.units[place],
                value=_value(constants, place, fit.best.theta[place]),
                stderr=(high - low) / widths if isfinite(high - low) else nan,
                low=_value(constants, place, low if isfinite(low) else constants.low[place]),
                high=_value(constants, place, high if isfinite(high) else constants.high[place]),
                open_below=not isfinite(low),
                open_above=not isfinite(high),
            )
        )
    combined = _combinations(fit, intervals)
    return Determination(
        intervals=tuple(intervals),
        combinations=combined,
        profiles=tuple(profiles),
        sentences=tuple(_sentences(fit, intervals, combined)),
    )


def _value(constants: Constants, place: int, theta: float) -> float:
    return exp(theta) if constants.is_logarithm[place] else float(theta)


def profile_rise(fit: GlobalFit, place: int, value: float, start: Minimum) -> Minimum:
    """Fit again with one free number held at a value."""
    theta = move_along(fit.problem, start.theta, start.normal, (place,), np.array([value]))
    gain = FINE * fit.errors.pooled / max(fit.best.squares, 1e-300)
    return minimise(
        fit.problem,
        theta,
        held=(place,),
        turns=60,
        tolerance=FAIR,
        negligible=gain,
        near=start.path,
    )


def _follow_all(fit: GlobalFit, units: Sequence[float]) -> dict[tuple[int, int], _Walked]:
    """Follow the profiles of all free numbers both ways.

    A valley may divide, and a walk end in a part of it that is the shorter one. Where another walk
    came by a point beyond that end that is inside, the walk goes on from there.
    """
    seen: list[Minimum] = []
    walks = {
        (place, direction): _follow(fit, place, direction, unit=unit, begin=fit.best, seen=seen)
        for place, unit in enumerate(units)
        for direction in (-1, 1)
    }
    for (place, direction), (end, walked) in walks.items():
        apart = direction * (end - float(fit.best.theta[place]))
        limit = fit.best.squares + RISE * units[place]
        beyond = [
            item
            for item in seen
            if item.squares < limit
            and direction * (float(item.theta[place]) - end) > BEYOND_END * apart
        ]
        if beyond:
            begin = max(beyond, key=lambda item: direction * float(item.theta[place]))
            unit = units[place]
            end, further = _follow(fit, place, direction, unit=unit, begin=begin, seen=seen)
            inside = [point for point in walked if point[1] < RISE]
            walks[place, direction] = end, [*inside, *further]
    return walks


def _follow(
    fit: GlobalFit,
    place: int,
    direction: int,
    *,
    unit: float,
    begin: Minimum,
    seen: list[Minimum],
) -> _Walked:
    """Walk away from where it begins until the squares have risen enough: (end, profile).

    Where the walk came by is added to what is seen.
    """
    is_logarithm = fit.problem.constants.is_logarithm[place]
    centre = float(fit.best.theta[place])
    bounds = search_bounds(fit.problem)
    edge = float(bounds[direction > 0][place])
    at_end = min(centre - float(bounds[0][place]), float(bounds[1][place]) - centre) < AT_END
    far = 300.0 if at_end or not is_logarithm else log(FAR)
    reach = min(far, abs(edge - centre))
    step = min(max(float(fit.stderr[place]), FIRST_STEP), 0.25 * reach)
    here = direction * (float(begin.theta[place]) - centre)
    start, rise = begin, max((begin.squares - fit.best.squares) / unit, 0.0)
    walked: list[tuple[float, float]] = []
    for _ in range(MOST_STEPS):
        ahead = min(here + step, reach)
        found = profile_rise(fit, place, centre + direction * ahead, start)
        new = max((found.squares - fit.best.squares) / unit, 0.0) if found.squares < inf else inf
        doubtful = new > 9 * RISE or (new >= RISE and not found.converged)
        if doubtful and step > 1e-7:
            step /= 3
            continue
        to_zero, to_fast = _left_to_gain(fit, found.theta, bounds, besides=place, unit=unit)
        if to_fast > PULL and new - to_fast < RISE:
            return direction * inf, walked
        if to_zero > PULL:
            new = max(new - to_zero, rise)
        walked.append((centre + direction * ahead, new))
        seen.append(found)
        if new >= RISE:
            return centre + direction * _crossing(here, rise, ahead, new), walked
        if ahead >= reach:
            return direction * inf, walked
        step *= 2.5 if new - rise < 0.3 * RISE else 1.2
        here, rise, start = ahead, new, found
    return direction * inf, walked


def _left_to_gain(
    fit: GlobalFit,
    theta: FloatArray,
    bounds: tuple[FloatArray, FloatArray],
    *,
    besides: int,
    unit: float,
) -> tuple[float, float]:
    """How far the rise would fall if the search for the other free numbers did not end here.

    The slope of the squares along those that stand at the lower and at the upper end of their
    range, the others following. What is left of a constant at its lower end enters in proportion:
    the slope along its logarithm is then all that is gained on the way to 0.
    """
    stated = fit.problem.constants
    at_low = (theta < bounds[0] + 1e-6) & (stated.low < bounds[0])
    at_high = (theta > bounds[1] - 1e-6) & (stated.high > bounds[1])
    at_low[besides] = at_high[besides] = False
    stuck = np.flatnonzero(at_low | at_high)
    if not len(stuck):
        return 0.0, 0.0
    point = fit.problem.evaluate(theta)
    slope, normal = point.jacobian.T @ point.residual, point.jacobian.T @ point.jacobian
    others = np.array([i for i in range(len(theta)) if i != besides and i not in stuck], dtype=int)
    follow = np.linalg.lstsq(normal[np.ix_(others, others)], slope[others], rcond=None)[0]
    outward = 2 * (slope[stuck] - normal[np.ix_(stuck, others)] @ follow) / unit
    down, up = at_low[stuck], at_high[stuck]
    return (float(np.maximum(outward[down], 0.0).sum()), float(np.maximum(-outward[up], 0.0).sum()))


def _crossing(here: float, rise: float, ahead: float, new: float) -> float:
    """Interpolate where the root of the rise, nearly straight, crosses its 95 % value."""
    a, b, wanted = sqrt(rise), sqrt(new), sqrt(RISE)
    return here + (ahead - here) * (wanted - a) / max(b - a, 1e-12)


def _combinations(fit: GlobalFit, intervals: Sequence[Interval]) -> tuple[Combination, ...]:
    """Find products and quotients that have a small error, of constants that have a large one."""
    constants = fit.problem.constants
    jacobian = fit.point.jacobian
    places = [
        place
        for place, item in enumerate(intervals)
        if constants.is_logarithm[place] and not item.stderr < TIED
    ]
    if not places:
        return ()
    values, vectors = np.linalg.eigh(jacobian.T @ jacobian)
    floor = max(1e-13 * float(values.max()), 1e-300)
    found = []
    for i, j in combinations(places, 2):
        apart = min(
            (intervals[i].stderr, intervals[j].stderr), key=lambda error: (isnan(error), error)
        )
        most = TIED if isnan(apart) else min(TIED, CLOSER * apart)
        for sign, mark in ((-1, "/"), (1, " ")):
            direction = np.zeros(constants.count)
            direction[[i, j]] = 1.0, sign
            along = vectors.T @ direction
            error = sqrt(float((along**2 / np.maximum(values, floor)).sum()) * fit.errors.pooled)
            if error < most:
                theta = fit.best.theta
                found.append(
                    Combination(
                        name=f"{constants.names[i]}{mark}{constants.names[j]}",
                        value=exp(float(theta[i] + sign * theta[j])),
                        stderr=error,
                        alone=not (intervals[i].determined or intervals[j].determined),
                    )
                )
    return tuple(found)


def _sentences(
    fit: GlobalFit, intervals: Sequence[Interval], combined: Sequence[Combination]
) -> list[str]:
    said = []
    for both in combined:
        known = f"{both.name} = {both.value:.4g} (± {100 * both.stderr:.2g} %) is determined"
        said.append(f"only {known}" if both.alone else f"{known} far more closely than either")
    for item in intervals:
        low, high = (_quantity(end, item.unit) for end in (item.low, item.high))
        below = f" above its bound of {low}" if item.low and isfinite(item.low) else ""
        above = f" below its bound of {high}" if isfinite(item.high) else ""
        joint = " and" if below and above else ""
        if item.open_below and item.open_above:
            said.append(f"{item.name} is not determined{below}{joint}{above}")
        elif item.open_above:
            said.append(f"{item.name} >= {low}, with no upper end{above}")
        elif item.open_below:
            said.append(f"{item.name} <= {high}, with no lower end{below}")
    said += _contradicted(fit)
    for other in fit.others:
        named = describe_theta(fit.problem.constants, other.theta)
        values = ", ".join(f"{name} = {value:.4g}" for name, value in named.items())
        said.append(f"another solution fits as well: {values}")
    return said


def _quantity(value: float, unit: str) -> str:
    return f"{value:.3g}" if unit == "1" else f"{value:.3g} {unit}"


def find_held(fit: GlobalFit) -> list[int]:
    """Places of the free numbers that stand at a bound that was stated."""
    theta, stated = fit.best.theta, fit.problem.constants
    return np.flatnonzero((theta == stated.low) | (theta == stated.high)).tolist()


def _contradicted(fit: GlobalFit) -> list[str]:
    """Say which stated bounds the shots would leave, and where they would lead."""
    held, stated = find_held(fit), fit.problem.constants
    if not held:
        return []
    problem = replace(fit.problem, constants=stated.unbounded)
    loose = minimise(problem, fit.best.theta, tolerance=FAIR)
    if fit.best.squares - loose.squares < RISE * fit.errors.pooled:
        return []
    return [
        f"the shots contradict the bound of {stated.names[place]}: without bounds it would be "
        + _quantity(_value(stated, place, loose.theta[place]), stated.units[place])
        for place in held
    ]
