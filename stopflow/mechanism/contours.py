"""How the two constants that are determined least go together: a 95 % region.

From the minimum the sum of squares is followed outwards in directions that would meet an ellipse
evenly, all other constants fitted again, until it has risen by the 95 % point of chi squared for
two numbers. Where it does not within the range of the search the region is open there.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.stats import chi2

from stopflow.mechanism.determined import FAR, FINE, Determination
from stopflow.mechanism.fit import GlobalFit
from stopflow.mechanism.minimise import FAIR, minimise, search_bounds
from stopflow.trace import FloatArray

RISE = float(chi2.ppf(0.95, 2))
DIRECTIONS, TRIES = 20, 8
CLOSE = 0.1
"""Share of `RISE` within which a point counts as on the contour."""


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
    """

    places: tuple[int, int]
    points: FloatArray
    is_open: tuple[bool, ...]


def follow_contour(fit: GlobalFit, found: Determination) -> Contour | None:
    """Follow the contour of the two free numbers that are determined least; None for fewer."""
    if not fit.ok or fit.problem.constants.count < 2:
        return None
    places = least_determined(found)
    axes = _axes(fit, places)
    turns = np.linspace(0, 2 * np.pi, DIRECTIONS, endpoint=False)
    points, is_open = [], []
    start = np.asarray(fit.best.theta)
    for turn in turns:
        along = axes @ np.array([np.cos(turn), np.sin(turn)])
        end, ended, start = _walk(fit, places, along, start)
        points.append(end)
        is_open.append(not ended)
    return Contour(places=places, points=np.array(points), is_open=tuple(is_open))


def least_determined(found: Determination) -> tuple[int, int]:
    """Places of the two numbers with the most open ends, then the widest intervals."""
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
    first, second = sorted(place for place, _ in ranked[:2])
    return first, second


def _axes(fit: GlobalFit, places: tuple[int, int]) -> FloatArray:
    """Half axes (2, 2) of the ellipse that white noise would give, no longer than the search."""
    normal = fit.point.jacobian.T @ fit.point.jacobian
    inverse = np.linalg.pinv(normal, rcond=1e-12, hermitian=True) * fit.inflation
    sizes, vectors = np.linalg.eigh(inverse[np.ix_(places, places)])
    longest = np.log(FAR) / sqrt(RISE)
    return np.asarray(vectors * np.clip(np.sqrt(np.maximum(sizes, 0)), 1e-9, longest))


def _walk(
    fit: GlobalFit, places: tuple[int, int], along: FloatArray, start: FloatArray
) -> tuple[FloatArray, bool, FloatArray]:
    """Walk in one direction: (point, whether the squares rose enough, where to begin the next)."""
    centre = np.asarray(fit.best.theta)[list(places)]
    low, high = (bound[list(places)] for bound in search_bounds(fit.problem))
    room = np.where(along > 0, high - centre, centre - low) / np.maximum(np.abs(along), 1e-12)
    reach = float(room.min())
    length, best, far = min(sqrt(RISE), reach), (0.0, 0.0), (np.inf, np.inf)
    gain = FINE * fit.inflation / max(fit.best.squares, 1e-300)
    for _ in range(TRIES):
        theta, tried = start.copy(), length
        theta[list(places)] = centre + tried * along
        found = minimise(fit.problem, theta, held=places, turns=60, tolerance=FAIR, negligible=gain)
        theta = np.asarray(found.theta)
        rise = max((found.squares - fit.best.squares) / fit.inflation, 1e-9)
        if abs(rise - RISE) < CLOSE * RISE or (rise < RISE and length >= reach):
            break
        if rise < RISE:
            best = (length, sqrt(rise))
        else:
            far = (length, sqrt(rise) if np.isfinite(rise) else np.inf)
        length = min(_between(best, far, length, rise), reach)
    ended = rise >= (1 - CLOSE) * RISE or bool(np.isfinite(far[0]))
    return centre + tried * along, ended, theta


def _between(
    best: tuple[float, float], far: tuple[float, float], length: float, rise: float
) -> float:
    """Guess the length at which the root of the rise, nearly straight, is that wanted."""
    if not np.isfinite(far[0]):
        return length * min(sqrt(RISE / rise), 4.0)
    if not np.isfinite(far[1]):
        return 0.5 * (best[0] + far[0])
    share = (sqrt(RISE) - best[1]) / max(far[1] - best[1], 1e-12)
    return best[0] + float(np.clip(share, 0.25, 0.75)) * (far[0] - best[0])
