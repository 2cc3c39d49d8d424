"""Where two free numbers stand towards the edge of their joint 95 % region."""

from dataclasses import dataclass
from math import sqrt
from typing import TypeAlias

import numpy as np

from stopflow.mechanism.fit import GlobalFit
from stopflow.mechanism.minimise import FAIR, Minimum, minimise, move_along, search_bounds
from stopflow.mechanism.scatter import Region
from stopflow.mechanism.trajectory import Trajectory
from stopflow.trace import FloatArray

EXACT = 1e-6
"""To how much of the rise of one error the other numbers are fitted, for the sake of the slope."""
CLOSE = 0.005
"""Difference of the level from 1 within which a point counts as on the edge."""
TRIES = 12
LONGEST = 0.5
"""Radius of an ellipse, in logarithms or in 10 kJ/mol, from which it no longer is one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EdgePoint:
    """A point y (2,): its level, 1 on the edge, the slope of that, and the fit there.

    Of the fit it keeps the free numbers, their normal matrix, and the solution of the equations.
    """

    y: FloatArray
    level: float
    slope: FloatArray
    theta: FloatArray
    normal: FloatArray
    path: Trajectory | None

    @property
    def along(self) -> FloatArray:
        """Unit vector along the edge, with the region on its left."""
        return np.array([-self.slope[1], self.slope[0]]) / max(np.hypot(*self.slope), 1e-300)


Edge: TypeAlias = tuple[FloatArray, tuple[bool, ...], bool]
"""Points (n, 2) in free numbers, where the region goes on beyond them, and whether it is whole."""

Fitted: TypeAlias = EdgePoint | Minimum
"""Where a fit with two numbers held may begin."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Level:
    """Root of the rise over that at the edge, in coordinates where the region is about a circle.

    Attributes
    ----------
    axes
        (2, 2) free numbers are ``centre + axes y``.
    low, high
        (2,) ends of the range, in free numbers.
    """

    fit: GlobalFit
    places: tuple[int, int]
    region: Region
    centre: FloatArray
    axes: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def of(cls, fit: GlobalFit, places: tuple[int, int]) -> "Level":
        """Stretch coordinates by the radii that errors alone would give."""
        region = fit.measure(places)
        logarithms = np.array(fit.problem.constants.is_logarithm)[list(places)]
        scale = np.where(logarithms, 1.0, 10.0)[:, None]
        sizes, vectors = np.linalg.eigh(scale * region.found * scale.T)
        radii = np.sqrt(region.limit / np.maximum(sizes, 1e-300))
        radii = np.clip(radii, 1e-9, LONGEST)
        axes = scale * vectors * radii
        axes[:, 1] *= np.sign(np.linalg.det(axes))
        low, high = (bound[list(places)] for bound in search_bounds(fit.problem))
        return cls(
            fit=fit,
            places=places,
            region=region,
            centre=np.asarray(fit.best.theta)[list(places)],
            axes=axes,
            low=low,
            high=high,
        )

    def at(self, y: FloatArray, start: Fitted) -> EdgePoint:
        """Fit all other numbers again with the two held at y."""
        fit, step = self.fit, self.axes @ y
        held = self.centre + step
        theta = move_along(fit.problem, start.theta, start.normal, self.places, held)
        gain = EXACT * fit.errors.pooled / max(fit.best.squares, 1e-300)
        found = minimise(
            fit.problem,
            theta,
            held=self.places,
            turns=60,
            tolerance=FAIR,
            negligible=gain,
            near=start.path,
        )
        rise = max(found.squares - fit.best.squares, 1e-12)
        if not np.isfinite(rise):
            return EdgePoint(
                y=y,
                level=np.inf,
                slope=y,
                theta=start.theta,
                normal=start.normal,
                path=start.path,
            )
        unit, noise = self.region.unit(step), float(step @ self.region.noise @ step)
        by_unit = 2 * (self.region.noise @ step - unit * (self.region.found @ step))
        by_unit = unit * by_unit / noise
        squared = rise / unit / self.region.limit
        slope = 2 * found.slope[list(self.places)] / rise - by_unit / unit
        return EdgePoint(
            y=y,
            level=sqrt(squared),
            slope=self.axes.T @ (0.5 * sqrt(squared) * slope),
            theta=np.asarray(found.theta),
            normal=np.asarray(found.normal),
            path=found.path,
        )

    def outward(
        self, base: FloatArray, step: FloatArray, start: Fitted, *, inner: float = 0.0
    ) -> EdgePoint | None:
        """Search the edge along a step from a point inside, where the level is `inner`.

        None where the range ends before.
        """
        room = self.room(base, step)
        if not room > 0:
            return None
        inside, outside, share = 0.0, np.inf, min(1.0, room)
        for _ in range(TRIES):
            found = self.at(base + share * step, start)
            if abs(found.level - 1) < CLOSE:
                return found
            if found.level > 1:
                outside = share
            else:
                inside, start = share, found
                if share >= room:
                    return None
            risen = (found.level**2 - inner**2) / max(1 - inner**2, 1e-6)
            guess = share / max(sqrt(max(risen, 0.0)), 0.2)
            if np.isfinite(outside) and not inside < guess < outside:
                guess = 0.5 * (inside + outside)
            share = min(guess, room)
        return found

    def room(self, y: FloatArray, step: FloatArray) -> float:
        """How many times a step fits in before the range ends."""
        here, ahead = self.centre + self.axes @ y, self.axes @ step
        wall = np.where(ahead > 0, self.high, self.low)
        with np.errstate(divide="ignore", invalid="ignore"):
            return max(float(np.nanmin(np.where(ahead != 0, (wall - here) / ahead, np.inf))), 0.0)

    def on_wall(self, place: float) -> FloatArray:
        """Point of the range's ends, counted in sides from the lower corner, anticlockwise: y."""
        side, share = int(place) % 4, place % 1.0
        corners = (self.low, [self.high[0], self.low[1]], self.high, [self.low[0], self.high[1]])
        first, second = np.asarray(corners[side]), np.asarray(corners[(side + 1) % 4])
        here = first + share * (second - first)
        return np.asarray(np.linalg.solve(self.axes, here - self.centre))

    def least_side_step(self) -> float:
        """Step along the range's ends, in sides, that is short against the region's width."""
        width = np.linalg.svd(self.axes, compute_uv=False).min()
        return float(0.3 * width / (self.high - self.low).max())

    def wall_place(self, y: FloatArray) -> float:
        """Where on the range's ends a point lies."""
        x = self.centre + self.axes @ y
        share = (x - self.low) / (self.high - self.low)
        apart = np.abs([share[1], 1 - share[0], 1 - share[1], share[0]])
        along = np.clip([share[0], share[1], 1 - share[0], 1 - share[1]], 0.0, 1.0 - 1e-9)
        side = int(apart.argmin())
        return side + float(along[side])
