"""How constants go together, two at a time: 95 % regions.

The edge is followed as a curve (predictor and corrector; Allgower and Georg, Introduction to
Numerical Continuation Methods, 2003, chapter 2): a step along it, then steps down or up the slope
of the squares back to it, all other constants fitted again at every point. So it goes round valleys
that bend. At the ends of the range of the search the region is open; there the edge is that end.
Where a region is too narrow to go round its tips, its edge is found on ribs across it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np

from stopflow.mechanism.determined import Determination, find_held
from stopflow.mechanism.fit import GlobalFit
from stopflow.mechanism.level import CLOSE, TRIES, Edge, EdgePoint, Level
from stopflow.mechanism.ribs import follow_ribs
from stopflow.trace import FloatArray

FIRST_STEP, LEAST_STEP, MOST_STEP = 0.25, 0.01, 1.0
"""Steps along the edge; 1 is the radius of the region where it is an ellipse."""
OUTWARD = np.pi * np.array([0.5, 1.5, 0.0, 1.0, 0.25, 1.25, 0.75, 1.75])
"""Directions from the minimum in which the edge is searched until it is met."""
MOST_PAIRS = 15
MOST_POINTS, CORRECTIONS = 200, 6
BEND, STRAIGHT = 0.8, 0.97
"""Cosine of the turn between two steps below which a step is too long, and above which short."""
NARROW = 0.5
"""Share of the radius across which a region ends in a corner."""
ON_A_SIDE = 16
"""Fewest steps in which a side of the range is walked."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contour:
    """A joint 95 % region of two free numbers.

    Attributes
    ----------
    places
        Of the two among the free numbers.
    points
        (n, 2) on its edge in the fit's own coordinates, in order round the minimum.
    is_open
        (n,) whether the region goes on beyond the point.
    is_whole
        Whether the edge was followed all the way round.
    """

    places: tuple[int, int]
    points: FloatArray
    is_open: tuple[bool, ...]
    is_whole: bool = True


def follow_contours(fit: GlobalFit, found: Determination) -> Iterator[Contour]:
    """Yield the contours of pairs of constants, those that are determined least first.

    `MOST_PAIRS` at most. Enthalpies come in where there is one constant alone; what stands at a
    bound that was stated does not move.
    """
    held = find_held(fit)
    ranked = [place for place in rank_numbers(found) if place not in held] if fit.ok else []
    for pair in islice(combinations(ranked, 2), MOST_PAIRS):
        yield _follow(fit, (min(pair), max(pair)))


def _follow(fit: GlobalFit, places: tuple[int, int]) -> Contour:
    level = Level.of(fit, places)
    points, is_open, is_whole = _walk_round(level)
    if not is_whole:
        points, is_open, is_whole = follow_ribs(level)
    return Contour(places=places, points=points, is_open=is_open, is_whole=is_whole)


def _walk_round(level: Level) -> Edge:
    points, is_open, is_whole = _Walk(level).around()
    return level.centre + np.array(points) @ level.axes.T, tuple(is_open), is_whole


def rank_numbers(found: Determination) -> list[int]:
    """Places of the constants, those with the most open ends first, then the widest intervals."""
    constants = [(i, item) for i, item in enumerate(found.intervals) if item.unit != "kJ/mol"]
    chosen = constants if len(constants) > 1 else list(enumerate(found.intervals))
    ranked = sorted(
        chosen,
        key=lambda pair: (
            -(pair[1].open_below + pair[1].open_above),
            -pair[1].stderr if pair[1].determined else 0.0,
            pair[0],
        ),
    )
    return [place for place, _ in ranked]


class _Walk:
    """Once round the edge, the region on the left."""

    def __init__(self, level: Level) -> None:
        self._level = level
        self._points: list[FloatArray] = []
        self._open: list[bool] = []
        self._hits: list[float] = []

    def around(self) -> tuple[list[FloatArray], list[bool], bool]:
        """Points, whether each lies at an end of the range, and whether the round was closed."""
        here = self._begin()
        if here is None:
            low, high = self._level.low, self._level.high
            corners = [low, np.array([high[0], low[1]]), high, np.array([low[0], high[1]])]
            back = np.linalg.inv(self._level.axes)
            return [back @ (item - self._level.centre) for item in corners], [True] * 4, True
        first, short = here, FIRST_STEP
        length = short
        self._add(here.y, is_open=False)
        while len(self._points) < MOST_POINTS:
            room = self._level.room(here.y, length * here.along)
            if room < 1.0:
                met = self._along_walls(here, here.y + room * length * here.along)
                if met is None:
                    return self._points, self._open, True
                if np.hypot(*(met.y - first.y)) < short and len(self._points) > 4:
                    return self._points, self._open, True
                here, length = met, short
                self._add(here.y, is_open=False)
                continue
            ahead = self._correct(here, length)
            if ahead is None:
                length *= 0.4
                if length < LEAST_STEP:
                    ahead = self._across(here)
                    if ahead is None:
                        return self._points, self._open, False
                    here, length = ahead, short
                    self._add(here.y, is_open=False)
                continue
            if len(self._points) > 4 and _passes(here, ahead, first):
                return self._points, self._open, True
            if here.along @ ahead.along > STRAIGHT:
                length = min(1.6 * length, MOST_STEP)
            here = ahead
            self._add(here.y, is_open=False)
        return self._points, self._open, False

    def _add(self, y: FloatArray, *, is_open: bool) -> None:
        self._points.append(y)
        self._open.append(is_open)

    def _begin(self) -> EdgePoint | None:
        """Find a point of the edge straight out from the minimum; None where all is inside."""
        for angle in OUTWARD:
            direction = np.array([np.cos(angle), np.sin(angle)])
            found = self._level.outward(np.zeros(2), direction, self._level.fit.best)
            if found is not None:
                return found
        return None

    def _correct(self, here: EdgePoint, length: float) -> EdgePoint | None:
        """Step along the edge and return to it; None where that step was too long."""
        y = here.y + length * here.along
        for _ in range(CORRECTIONS):
            found = self._level.at(y, here)
            if not np.isfinite(found.level):
                return None
            if abs(found.level - 1) < CLOSE:
                straight = (found.y - here.y) @ here.along > 0.5 * length
                fits = here.along @ found.along > BEND and straight
                return found if fits else None
            size = max(float(np.hypot(*found.slope)), 1e-300)
            back = (1 - found.level) * found.slope / size**2
            too_far = np.hypot(*back) > length + 2 * CLOSE / size
            if too_far or self._level.room(y, back) < 1:
                return None
            y = y + back
        return None

    def _across(self, here: EdgePoint) -> EdgePoint | None:
        """Cross the region at a corner too sharp to go round; None where it is not narrow there."""
        inward = -here.slope / max(float(np.hypot(*here.slope)), 1e-300)
        start, inside, widest = here, 0.0, NARROW
        ahead = 2 * LEAST_STEP
        while ahead < widest:
            found = self._level.at(here.y + ahead * inward, start)
            if found.level > 1 and inside:
                break
            if found.level <= 1:
                inside, start = ahead, found
            ahead *= 1.5
        else:
            return None
        base = here.y + inside * inward
        met = self._level.outward(base, (ahead - inside) * inward, start) if inside else None
        return met if met is not None and float(met.along @ here.along) < 0 else None

    def _along_walls(self, here: EdgePoint, hit: FloatArray) -> EdgePoint | None:
        """Walk the ends of the range until the edge comes back in; None after a whole round."""
        level, start, inside = self._level, here, False
        begun = before = level.wall_place(hit)
        step = level.least_side_step()
        if any(abs(begun - earlier) < step for earlier in self._hits):
            return None
        self._hits.append(begun)
        ahead = begun + step
        while ahead < begun + 4:
            found = level.at(level.on_wall(ahead), start)
            if found.level > 1 and inside:
                return self._leave_wall(before, ahead, start)
            if found.level <= 1:
                if not inside:
                    self._add(hit, is_open=True)
                inside, before, start = True, ahead, found
                self._add(found.y, is_open=True)
            step = min(1.5 * step, 1 / ON_A_SIDE)
            ahead += step
        return None

    def _leave_wall(self, inside: float, outside: float, start: EdgePoint) -> EdgePoint:
        """Halve the way between two places on the ends of the range, in and out of the region."""
        level = self._level
        for _ in range(TRIES):
            middle = 0.5 * (inside + outside)
            found = level.at(level.on_wall(middle), start)
            if abs(found.level - 1) < CLOSE:
                break
            if found.level > 1:
                outside = middle
            else:
                inside, start = middle, found
        return found


def _passes(here: EdgePoint, ahead: EdgePoint, goal: EdgePoint) -> bool:
    """Whether a step along the edge leads past a point of it, in the same direction."""
    step = ahead.y - here.y
    along = float((goal.y - here.y) @ step) / max(float(step @ step), 1e-300)
    aside = np.hypot(*(goal.y - here.y - along * step))
    near = bool(aside < 0.3 * np.hypot(*step))
    return 0 < along < 1.001 and near and float(goal.along @ ahead.along) > 0
