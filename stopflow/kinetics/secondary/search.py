"""The parameters of a curve that do not enter linearly: sought on a grid, then refined.

At every point of the grid the linear parameters are solved for, all points at once; from the best
one, all parameters are refined together by the Levenberg-Marquardt method of MINPACK (Moré, Lecture
Notes in Mathematics 630, 105 (1978), 10.1007/BFb0067700) with the slopes of the curve.
"""

from itertools import product
from math import log

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import leastsq

from stopflow.kinetics.secondary.curve_model import SecondaryCurve
from stopflow.trace import FloatArray

REACH = 30.0
"""A half point is sought down to 1/30 of the smallest and up to 30 times the largest x."""
HILL_SPAN = (0.3, 6.0)
SCAN = 24
HILL_SCAN = 12
PH_REACH = 1.5
"""A pKa is sought so far beyond the first and the last pH."""
PH_SCAN = 40
INDEPENDENT = 1e-14
"""A column of which less is left beside the others adds nothing to them."""
PRECISE = 1e-14
"""Relative change of the sum of squares, and of the parameters, at which a refinement ends."""
STEPS = 200
"""Evaluations in a refinement; what has found no minimum by then runs to the end of its grid."""
ASTRAY = 1.0
"""A refinement is not followed farther than this beyond the ends of the grid."""


def find_minimum(
    model: SecondaryCurve, values: FloatArray, x: FloatArray, y: FloatArray, errors: FloatArray
) -> FloatArray | None:
    """Find the minimum of the weighted sum of squares.

    Parameters
    ----------
    values
        (p,) what is held, 0 elsewhere.
    x, y, errors
        (M,) the points.

    Returns
    -------
    sought
        The parameters of the model that have a grid, in order; None at the end of a grid.
    """
    places = [place for place, item in enumerate(model.parameters) if item.scanned]
    grids = [_grid(str(model.parameters[place].scanned), x) for place in places]
    logarithmic = np.array([model.parameters[place].scanned != "pH" for place in places])
    tried = np.array(list(product(*grids)))
    every = np.tile(values, (len(tried), 1))
    every[:, places] = _as_parameters(tried, logarithmic)
    misfits, linear = _solve_each(model, every, x, y, errors)
    best = int(np.argmin(misfits))
    low, high = (np.array([grid[end] for grid in grids]) for end in (0, -1))
    if (tried[best] == low).any() or (tried[best] == high).any():
        return None
    start = np.concatenate((tried[best], linear[best]))
    free = [*places, *model.linear]

    def parameters(at: FloatArray) -> FloatArray:
        found = values.copy()
        sought = np.clip(at[: len(places)], low - ASTRAY, high + ASTRAY)
        found[places] = _as_parameters(sought, logarithmic)
        found[list(model.linear)] = at[len(places) :]
        return found

    def residuals(at: FloatArray) -> FloatArray:
        return (model.function(x, parameters(at))[0] - y) / errors

    def slopes(at: FloatArray) -> FloatArray:
        found = parameters(at)
        columns = model.function(x, found)[1][:, free] / errors[:, None]
        columns[:, : len(places)] *= np.where(logarithmic, found[places], 1.0)
        return columns

    refined = leastsq(
        residuals, start, Dfun=slopes, ftol=PRECISE, xtol=PRECISE, maxfev=STEPS, full_output=True
    )[0][: len(places)]
    if (refined <= low).any() or (refined >= high).any():
        return None
    return _as_parameters(refined, logarithmic)


def _grid(scanned: str, x: FloatArray) -> FloatArray:
    """Values that are tried: a pH as it is, everything else by its logarithm."""
    if scanned == "pH":
        return np.linspace(x.min() - PH_REACH, x.max() + PH_REACH, PH_SCAN)
    if scanned == "number":
        return np.linspace(log(HILL_SPAN[0]), log(HILL_SPAN[1]), HILL_SCAN)
    return np.linspace(log(x[x > 0].min() / REACH), log(x.max() * REACH), SCAN)


def _as_parameters(sought: FloatArray, logarithmic: NDArray[np.bool_]) -> FloatArray:
    """Return the parameters that (..., s) places on the grids stand for."""
    return np.exp(sought, where=logarithmic, out=sought.copy())


def _solve_each(
    model: SecondaryCurve, values: FloatArray, x: FloatArray, y: FloatArray, errors: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Solve for the linear parameters beside each of (G, p) others.

    Returns
    -------
    squares
        (G,) weighted sums of squares.
    linear
        (G, l) the linear parameters.
    """
    repeated = np.broadcast_to(x, (len(values), len(x)))
    offset, slopes = model.function(repeated, values.T[:, :, None])
    columns = slopes[..., list(model.linear)] / errors[:, None]
    rest = (y - offset) / errors
    directions, triangle = _orthogonal(columns)
    along = np.einsum("gml,gm->gl", directions, rest)
    rest = rest - np.einsum("gml,gl->gm", directions, along)
    return np.einsum("gm,gm->g", rest, rest), _solve_triangle(triangle, along)


def _orthogonal(columns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Orthonormalise (G, M, l) columns: directions of the same shape and triangles (G, l, l).

    Gram-Schmidt, each column twice. What adds nothing to the others has the direction 0.
    """
    directions = np.zeros_like(columns)
    triangle = np.zeros((len(columns), columns.shape[2], columns.shape[2]))
    for place in range(columns.shape[2]):
        left = columns[:, :, place]
        length = np.sqrt(np.einsum("gm,gm->g", left, left))
        for _ in range(2):
            shared = np.einsum("gml,gm->gl", directions, left)
            left = left - np.einsum("gml,gl->gm", directions, shared)
            triangle[:, :, place] += shared
        remains = np.sqrt(np.einsum("gm,gm->g", left, left))
        adds = remains > INDEPENDENT * length
        directions[:, :, place] = left * np.where(adds, 1 / np.where(adds, remains, 1), 0)[:, None]
        triangle[:, place, place] = np.where(adds, remains, 0)
    return directions, triangle


def _solve_triangle(triangle: FloatArray, along: FloatArray) -> FloatArray:
    """Solve (G, l, l) upper triangles for (G, l); 0 where a column adds nothing."""
    solved = np.zeros_like(along)
    for place in reversed(range(along.shape[1])):
        wanted = along[:, place] - np.einsum("gl,gl->g", triangle[:, place], solved)
        pivot = triangle[:, place, place]
        solved[:, place] = np.where(pivot > 0, wanted / np.where(pivot > 0, pivot, 1), 0)
    return solved
