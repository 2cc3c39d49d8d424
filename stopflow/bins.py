"""Means of a trace over bins of relative time, from 0 to 1.

Each bin holds the mean of the straight-line interpolant of the signal: one rule for bins with
many points and for bins with none, exact in position whatever the sampling. The bins are narrow
where fast reactions happen.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from stopflow.trace import FloatArray

BIN_WARP: Final = 8.0
FIRST_BLOCK_EDGE: Final = 3e-5
EVEN_WITHIN: Final = 1e-6


def warped_edges(pairs: int) -> FloatArray:
    """(pairs + 1,) edges of the shape bins in relative time: linear at first, then log-like."""
    return np.expm1(BIN_WARP * np.linspace(0.0, 1.0, pairs + 1)) / np.expm1(BIN_WARP)


def log_edges(pairs: int) -> FloatArray:
    """(pairs + 1,) log-spaced edges from 3e-5 to 1; the first block reaches down to 0."""
    edges = np.geomspace(FIRST_BLOCK_EDGE, 1.0, pairs + 1)
    edges[0], edges[-1] = 0.0, 1.0
    return edges


def bin_means(tau: FloatArray, signals: FloatArray, edges: FloatArray) -> FloatArray:
    """Mean of the straight-line interpolant over each bin.

    F(e) = integral of the interpolant from 0 to e is a parabola between two points, so the mean
    over a bin is (F(e_{j+1}) - F(e_j)) / (e_{j+1} - e_j).

    Parameters
    ----------
    tau
        (n,) increasing relative times from 0 to 1.
    signals
        (..., n) values at those times.
    edges
        (m + 1,) increasing bin edges from 0 to 1.

    Returns
    -------
    (..., m) bin means.
    """
    step, offset = np.diff(tau), signals.mean(axis=-1, keepdims=True)
    centred = signals - offset  # an offset would cost digits of the integral
    area, between = np.zeros(signals.shape), centred[..., 1:] + centred[..., :-1]
    between *= 0.5 * step
    np.cumsum(between, axis=-1, out=area[..., 1:])
    left = _point_before(tau, edges)
    ahead, slope = edges - tau.take(left), (np.diff(centred, axis=-1) / step).take(left, axis=-1)
    integral = 0.5 * ahead * slope
    integral += centred.take(left, axis=-1)
    integral *= ahead
    integral += area.take(left, axis=-1)
    means: FloatArray = np.diff(integral, axis=-1) / np.diff(edges) + offset
    return means


def bin_matrix(tau: FloatArray, edges: FloatArray) -> csr_array:
    """R (m, n) of `bin_means`: the weights of the points in each bin, for many signals.

    A bin takes the trapezia of all points from the one before it to the one after it, less what
    lies outside of it.
    """
    step, width = np.diff(tau), np.diff(edges)
    left = _point_before(tau, edges)
    ahead = edges - tau[left]
    bend = 0.5 * ahead**2 / step[left]  # weights of value and rise in the integral up to an edge
    first, last = left[:-1], left[1:]
    counts = last - first + 2
    ends = np.cumsum(counts)
    begins = ends - counts
    points = np.arange(ends[-1], dtype=np.int32)
    points += np.repeat((first - begins).astype(np.int32), counts)
    before, after = np.append(0.0, 0.5 * step), np.append(0.5 * step, 0.0)
    weights = (before + after)[points]
    weights[begins] -= before[first] + (ahead - bend)[:-1]
    weights[begins + 1] -= bend[:-1]
    weights[ends - 2] += (ahead - bend)[1:] - after[last]
    weights[ends - 1] += bend[1:] - (before + after)[last + 1]
    weights /= np.repeat(width, counts)
    rows = np.append(0, ends).astype(np.int32)
    return csr_array((weights, points, rows), shape=(len(width), len(tau)))


def _point_before(tau: FloatArray, edges: FloatArray) -> NDArray[np.intp]:
    """Find the point at or before each edge, never the last point."""
    intervals = len(tau) - 1
    if np.abs(tau * intervals - np.arange(intervals + 1)).max() < EVEN_WITHIN:
        found = (edges * intervals).astype(np.intp)  # an even grid needs no search
    else:
        found = np.searchsorted(tau, edges, side="right") - 1
    return np.minimum(found, intervals - 1)


EDGES: Final[Mapping[str, Callable[[int], FloatArray]]] = {
    "shape": lru_cache(maxsize=4)(warped_edges),
    "blocks": lru_cache(maxsize=4)(log_edges),
}
"""Kind of bins -> (number of bins) -> their edges."""
