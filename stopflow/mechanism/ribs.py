"""The edge of a joint region that is a narrow valley, on ribs across it.

One of the two numbers is moved along the valley, all others following, as in its profile; from each
such place the edge is searched up and down in the other number. That finds the edge wherever the
region is an interval of the other number, however long, bent and narrow it is.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from stopflow.mechanism.determined import profile_rise
from stopflow.mechanism.level import TRIES, Edge, EdgePoint, Level
from stopflow.mechanism.minimise import Minimum
from stopflow.trace import FloatArray

FIRST_STEP, GROWTH, MOST_RIBS = 0.1, 1.4, 40
"""Step along the valley in errors of the number, how it grows, and how often it is taken."""
TOWARDS_TIP = (0.5, 0.75, 0.9, 0.97)
"""Where ribs stand between the last whole step and the tip."""

_Rib: TypeAlias = tuple[tuple[FloatArray, bool], tuple[FloatArray, bool]]
"""The lower and the upper end of a rib, and whether the region goes on beyond each."""


def follow_ribs(level: Level) -> Edge:
    """Find the edge, in order round the minimum."""
    plain = replace(level, axes=np.eye(2))
    spread = np.diag(np.linalg.pinv(level.region.found, hermitian=True))
    along = int(spread.argmax())
    step = FIRST_STEP * min(float(np.sqrt(spread[along])), 10.0)
    sides = [_Side(plain, along, sign * step) for sign in (-1, 1)]
    below, above = (list(side.ribs()) for side in sides)
    is_end = any(side.reach == 0 for side in sides)
    ribs = [*below[::-1], sides[0].middle(is_end=is_end), *above]
    points = [*(rib[0] for rib in ribs), *(rib[1] for rib in reversed(ribs))]
    edge = plain.centre + np.array([y for y, _ in points])
    return edge, tuple(is_open for _, is_open in points), bool(below or above)


class _Side:
    """The valley from the minimum towards one of its ends."""

    def __init__(self, level: Level, along: int, step: float) -> None:
        self._level, self._along, self._step = level, along, step
        self._across = np.eye(2)[1 - along]
        self.reach = level.room(np.zeros(2), np.sign(step) * np.eye(2)[along])

    def middle(self, *, is_end: bool) -> _Rib:
        """Give the rib through the minimum."""
        best, nowhere = self._level.fit.best, np.zeros(2)
        point = EdgePoint(
            y=nowhere,
            level=0.0,
            slope=nowhere,
            theta=best.theta,
            normal=best.normal,
            path=best.path,
        )
        return self._rib(best, point, is_end=is_end)

    def ribs(self) -> Iterator[_Rib]:
        """Yield the lower and the upper end of each rib, from the minimum outwards."""
        here, step, start = 0.0, self._step, self._level.fit.best
        for _ in range(MOST_RIBS if self.reach > 0 else 0):
            ahead = float(np.clip(here + step, -self.reach, self.reach))
            found, point = self._valley(ahead, start)
            if point.level > 1:
                yield from self._tip(here, ahead, start)
                return
            is_end = abs(ahead) >= self.reach
            yield self._rib(found, point, is_end=is_end)
            if is_end:
                return
            here, start, step = ahead, found, GROWTH * step

    def _valley(self, value: float, start: Minimum) -> tuple[Minimum, EdgePoint]:
        """Fit all numbers but the one along the valley; return also the level there."""
        level = self._level
        place = level.places[self._along]
        held = float(level.centre[self._along]) + value
        found = profile_rise(level.fit, place, held, start)
        y = np.asarray(found.theta)[list(level.places)] - level.centre
        return found, level.at(y, found)

    def _rib(self, found: Minimum, point: EdgePoint, *, is_end: bool) -> _Rib:
        """Search the edge down and up from the middle of the valley."""
        lower, upper = (self._edge(point, sign, found, is_end=is_end) for sign in (-1, 1))
        return lower, upper

    def _edge(
        self, point: EdgePoint, sign: int, found: Minimum, *, is_end: bool
    ) -> tuple[FloatArray, bool]:
        level = self._level
        other = 1 - self._along
        width = np.sqrt(level.region.limit / level.region.found[other, other])
        met = level.outward(point.y, sign * width * self._across, found, inner=point.level)
        if met is None:
            away = sign * self._across
            return point.y + level.room(point.y, away) * away, True
        return met.y, is_end

    def _tip(self, inside: float, outside: float, start: Minimum) -> Iterator[_Rib]:
        """Halve the way to where the middle of the valley leaves the region; ribs before, tip."""
        last = inside
        for _ in range(TRIES):
            middle = 0.5 * (inside + outside)
            if self._valley(middle, start)[1].level > 1:
                outside = middle
            else:
                inside = middle
        for share in TOWARDS_TIP:
            found, point = self._valley(last + share * (inside - last), start)
            if point.level <= 1:
                yield self._rib(found, point, is_end=False)
        tip = self._valley(inside, start)[1].y
        yield (tip, False), (tip, False)
