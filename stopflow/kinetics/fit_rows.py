"""The fit of many traces at once, in the compressed space of their common time grid.

The formulas are those of `fit_rate`, with a row for every trace. Rows that need a closer look
(no clear decay, a rate at an edge, two rival maxima, lost digits) are marked for it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.fit_compress import GridSpace
from stopflow.kinetics.fit_rate import CANCELLED, CONVERGED, NEWTON_STEPS
from stopflow.kinetics.fit_scan import GRID_STEP, highest
from stopflow.trace import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Solutions of many traces, dimensionless; see `fit_rate.Solution`.

    Attributes
    ----------
    sure
        (B,) True where everything below holds; other rows need `fit_trace`.
    theta, coefficients, rss
        (B,) k T, (B, f), (B,).
    inverse
        (B, 1 + f, 1 + f).
    """

    sure: NDArray[np.bool_]
    theta: FloatArray
    coefficients: FloatArray
    inverse: FloatArray
    rss: FloatArray


@dataclass(slots=True, eq=False)
class RowTerms:
    """See `fit_rate.Terms`; a row for every trace."""

    ye: FloatArray
    yd: FloatArray
    yh: FloatArray
    ee: FloatArray
    ed: FloatArray
    dd: FloatArray
    eh: FloatArray
    inside_e: FloatArray
    inside_d: FloatArray


def _dot(first: FloatArray, second: FloatArray) -> FloatArray:
    return np.einsum("br,br->b", first, second)


def row_terms(space: GridSpace, rest: FloatArray, x: FloatArray) -> RowTerms:
    """Evaluate the sums at x (B,) for projected signals `rest` (B, r)."""
    scaled = -np.exp(x)[:, None] * space.nodes
    decay = np.exp(scaled)
    first = scaled * decay
    second = first * (1 + scaled)
    e, d, h = decay @ space.lift, first @ space.lift, second @ space.lift
    b = space.lines
    inside_e, inside_d = e[:, :b], d[:, :b]
    e, d, h = e[:, b:], d[:, b:], h[:, b:]
    return RowTerms(
        ye=_dot(rest, e),
        yd=_dot(rest, d),
        yh=_dot(rest, h),
        ee=_dot(e, e),
        ed=_dot(e, d),
        dd=_dot(d, d),
        eh=_dot(e, h),
        inside_e=inside_e,
        inside_d=inside_d,
    )


def solve_rows(space: GridSpace, coordinates: FloatArray, *, total: FloatArray) -> Rows:
    """Fit every row.

    Parameters
    ----------
    coordinates
        (B, b + r) signals in the space.
    total
        (B,) sums of squares of the signals.
    """
    b = space.lines
    inside, rest = coordinates[:, :b], coordinates[:, b:]
    left = total - _dot(inside, inside)
    x, clear = highest((rest @ space.vectors) ** 2, space.log_rates)
    x, terms, step, converged = _climb_rows(space, rest, x)
    amplitude = terms.ye / terms.ee
    slope = (terms.yd - 2 * amplitude * terms.ed) / terms.ee
    gain = 2 * amplitude * (terms.yd - amplitude * terms.ed)
    explained = terms.ye * amplitude + step * gain / 2
    amplitude = amplitude + step * slope
    inside_e = terms.inside_e + step[:, None] * terms.inside_d
    theta = np.exp(x + step)
    baseline = (inside - amplitude[:, None] * inside_e) @ np.linalg.inv(space.triangle)
    rss = left - explained
    spread = terms.dd - terms.ed**2 / terms.ee
    raw = terms.dd + _dot(terms.inside_d, terms.inside_d)
    low, high = space.log_rates[0], space.log_rates[-1]
    sure = (
        clear
        & converged
        & (x > low + GRID_STEP)
        & (x < high - GRID_STEP)
        & (rss > CANCELLED * left)
        & (spread > CANCELLED * raw)
        & (left > CANCELLED * total)
        & (explained > space.enough * left)
    )
    return Rows(
        sure=sure,
        theta=theta,
        coefficients=np.concatenate((amplitude[:, None], baseline[:, ::-1]), axis=1),
        inverse=_inverse(space, terms, inside_e, scale=amplitude / theta, spread=spread),
        rss=rss,
    )


def _inverse(
    space: GridSpace,
    terms: RowTerms,
    inside_e: FloatArray,
    *,
    scale: FloatArray,
    spread: FloatArray,
) -> FloatArray:
    """Inverse of the triangle of `fit_rate.close_solution`, rows by parameter."""
    b = space.lines
    inverse = np.zeros((len(scale), b + 2, b + 2))
    back = np.linalg.inv(space.triangle)
    root, along = np.sqrt(terms.ee), terms.ed / terms.ee
    last = scale * np.sqrt(np.maximum(spread, 1e-300))
    line_e, line_d = inside_e @ back, terms.inside_d @ back
    inverse[:, 0, -1] = 1 / last
    inverse[:, 1, b] = 1 / root
    inverse[:, 1, -1] = -along * scale / last
    inverse[:, 2:, :b] = back.T[::-1]
    inverse[:, 2:, b] = -(line_e / root[:, None])[:, ::-1]
    inverse[:, 2:, -1] = ((along[:, None] * line_e - line_d) * (scale / last)[:, None])[:, ::-1]
    return inverse


def _climb_rows(
    space: GridSpace, rest: FloatArray, x: FloatArray
) -> tuple[FloatArray, RowTerms, FloatArray, NDArray[np.bool_]]:
    """Newton for all rows; the step left is below `CONVERGED` where it converged."""
    start = x
    for _ in range(NEWTON_STEPS):
        terms = row_terms(space, rest, x)
        c = terms.ye / terms.ee
        c1 = (terms.yd - 2 * c * terms.ed) / terms.ee
        first = 2 * c * (terms.yd - c * terms.ed)
        second = (
            2 * (c1 * terms.yd + c * terms.yh)
            - 4 * c * c1 * terms.ed
            - 2 * c * c * (terms.dd + terms.eh)
        )
        step = np.where(second < 0, -first / np.where(second < 0, second, 1), np.inf)
        lost = np.abs(x + step - start) > 2 * GRID_STEP
        converged = np.abs(step) < CONVERGED
        step = np.where(lost, 0.0, step)
        if (converged | lost).all():
            break
        x = x + step
    return x, terms, np.where(converged, step, 0.0), converged & ~lost
