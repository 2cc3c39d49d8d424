"""One time grid, many traces: all exponentials of a grid in some forty numbers.

Every ``exp(-k t)`` between the slowest and the fastest rate, with its derivatives in k, lies to
rounding in a space of few dimensions. Its coordinates follow from the values at as many well
chosen points: the discrete empirical interpolation of Drmac and Gugercin, SIAM J. Sci. Comput.
38, A631 (2016), 10.1137/15M1019271. A trace enters once, by its projection on that space.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from stopflow.kinetics.many.rows import (
    RowInnerProducts,
    Rows,
    build_row_inner_products,
    close_rows,
    dot_rows,
)
from stopflow.kinetics.solver.one_rate import CANCELLED, CONVERGED, NEWTON_STEPS
from stopflow.kinetics.solver.projection import OneRate, line_frame
from stopflow.kinetics.solver.scan import GRID_STEP, highest, rate_grid, scan_vectors
from stopflow.kinetics.solver.significance import enough_explained
from stopflow.kinetics.solver.window import fastest_kt
from stopflow.trace import FloatArray

# Share of a unit exponential that the space may miss.
MISSED = 1e-15
# Spacing of the scan, in ln k: cheap here, and a better start saves a Newton step.
SCAN_STEP = 0.1
# Spacing of the exponentials that build the space, in ln k.
BUILD_STEP = 0.2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GridSpace:
    """The space of a time grid.

    Attributes
    ----------
    basis
        (N, b + r) orthonormal columns: the straight line first, then what exponentials add.
    lines
        b, dimension of the straight line.
    triangle
        (b, b) the line's rows 1, t in the frame, lower triangular.
    nodes
        (b + r,) the times at which an exponential is evaluated.
    lift
        (b + r, b + r) values at the nodes (rows) to coordinates.
    log_rates
        (G,) grid of the scan.
    vectors
        (r, G) coordinates of the projected unit exponentials of the scan.
    enough
        Explained part of a signal that noise cannot reach.
    """

    basis: FloatArray
    lines: int
    triangle: FloatArray
    nodes: FloatArray
    lift: FloatArray
    log_rates: FloatArray
    vectors: FloatArray
    enough: float


def build_space(time: FloatArray, *, slope: bool, intercept: bool) -> GridSpace:
    """Build the space of the dimensionless `time` (N,)."""
    frame, triangle = line_frame(time, slope=slope, intercept=intercept)
    lines, fastest = len(frame), fastest_kt(time)
    grid = rate_grid(fastest, step=SCAN_STEP)
    fine = np.linspace(grid[0] - 1, grid[-1] + 1, int((grid[-1] - grid[0] + 2) / BUILD_STEP))
    scaled = np.exp(fine)[:, None] * time
    decays = np.exp(-scaled)
    shapes = np.concatenate((decays, scaled * decays, scaled * scaled * decays))
    shapes /= np.sqrt(np.einsum("sn,sn->s", shapes, shapes))[:, None] + 1e-300
    for _ in range(2):
        shapes -= (shapes @ frame.T) @ frame
    columns, upper, _ = qr(shapes.T, mode="economic", pivoting=True)
    rank = int(np.count_nonzero(np.abs(np.diag(upper)) > MISSED * sqrt(len(fine))))
    basis = np.concatenate((frame.T, columns[:, :rank]), axis=1)
    picked = np.sort(qr(basis.T, mode="r", pivoting=True)[1][: lines + rank])
    problem = OneRate(
        time=time,
        root_weights=None,
        frame=frame,
        triangle=triangle,
        signal=np.zeros(len(time)),
        inside=np.zeros(lines),
        proportional=None,
    )
    vectors, length = scan_vectors(problem, grid)
    return GridSpace(
        basis=basis,
        lines=lines,
        triangle=triangle,
        nodes=time[picked],
        lift=np.linalg.inv(basis[picked]).T,
        log_rates=grid,
        vectors=(vectors @ basis[:, lines:]).T,
        enough=enough_explained(length, free=len(time) - lines),
    )


def space_inner_products(space: GridSpace, rest: FloatArray, x: FloatArray) -> RowInnerProducts:
    """Evaluate the sums at x (B,) for projected signals `rest` (B, r)."""
    scaled = -np.exp(x)[:, None] * space.nodes
    decay = np.exp(scaled)
    first = scaled * decay
    second = first * (1 + scaled)
    e, d, h = decay @ space.lift, first @ space.lift, second @ space.lift
    b = space.lines
    inside_e, inside_d, inside_h = e[:, :b], d[:, :b], h[:, :b]
    e, d, h = e[:, b:], d[:, b:], h[:, b:]
    return build_row_inner_products(rest, (e, d, h), (inside_e, inside_d, inside_h))


def solve_in_space(
    space: GridSpace, coordinates: FloatArray, *, total: FloatArray
) -> tuple[Rows, NDArray[np.bool_]]:
    """Fit every row of `coordinates` (B, b + r) with sums of squares `total` (B,).

    Returns
    -------
    tuple
        Solutions, and (B,) where they hold; other rows need `fit_trace`.
    """
    b = space.lines
    inside, rest = coordinates[:, :b], coordinates[:, b:]
    left = total - dot_rows(inside, inside)
    x, clear = highest((rest @ space.vectors) ** 2, space.log_rates)
    begin = x
    for _ in range(NEWTON_STEPS):
        products = space_inner_products(space, rest, x)
        step = products.newton_step()
        kept = np.abs(x + step - begin) < 2 * GRID_STEP
        step = np.where(kept, step, 0.0)
        if (np.abs(step) < CONVERGED).all():
            break
        x = x + step
    rows = close_rows(
        products, x, step, inside=inside, left=left, back=np.linalg.inv(space.triangle)
    )
    low, high = space.log_rates[0], space.log_rates[-1]
    sure = rows.sure & clear & kept & (np.abs(step) < CONVERGED)
    sure &= (x > low + GRID_STEP) & (x < high - GRID_STEP)
    sure &= (left > CANCELLED * total) & (rows.explained > space.enough * left)
    return rows, sure
