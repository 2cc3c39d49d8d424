"""Long traces in few points that look the same on paper."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def bucket_starts(x: FloatArray, edges: FloatArray) -> NDArray[np.intp]:
    """First index of every bucket between `edges` that holds a point; `x` must be ascending."""
    starts = np.searchsorted(x, edges[:-1], side="left")
    return np.unique(starts[starts < len(x)])


def decimate_min_max(
    x: FloatArray, y: FloatArray, *, buckets: int
) -> tuple[FloatArray, FloatArray]:
    """Keep the lowest and the highest point of each bucket, in order of x.

    Spikes and the width of the noise survive; what falls between is hidden under a line anyway.

    Parameters
    ----------
    x, y
        (N,), `x` ascending.
    buckets
        At most ``2 * buckets`` points come back.

    Returns
    -------
    x, y
        (M,) with M <= max(N, 2 * buckets); the arrays themselves when they are short.
    """
    if len(x) <= 2 * buckets:
        return x, y
    starts = np.linspace(0, len(x), buckets, endpoint=False).astype(np.intp)
    flat = np.unique(np.concatenate(find_extremes(y, starts)))
    return x[flat], y[flat]


def find_extremes(
    y: FloatArray, starts: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the places of the first lowest and first highest value from each start to the next.

    Parameters
    ----------
    y
        (N,); the first NaN of a piece counts as its lowest and highest.
    starts
        (B,) ascending from 0, all below N, each once; the last piece ends with `y`.
    """
    lengths, lost = np.diff([*starts, len(y)]), np.isnan(y)
    low, high = (
        np.flatnonzero((y == np.repeat(extreme.reduceat(y, starts), lengths)) | lost)
        for extreme in (np.minimum, np.maximum)
    )
    return low[np.searchsorted(low, starts)], high[np.searchsorted(high, starts)]


def envelope(x: FloatArray, y: FloatArray, *, edges: FloatArray) -> tuple[FloatArray, ...]:
    """Lowest and highest value between `edges`.

    Parameters
    ----------
    x, y
        (N,), `x` ascending.
    edges
        (B + 1,), ascending.

    Returns
    -------
    middle, low, high
        (M,) each, M <= B: mean x, min y and max y of the buckets that hold points.
    """
    inside = slice(*np.searchsorted(x, [edges[0], edges[-1]], side="left"))
    x, y = x[inside], y[inside]
    if not len(x):
        empty = np.empty(0)
        return empty, empty, empty
    starts = bucket_starts(x, edges)
    counts = np.diff([*starts, len(x)])
    middle = np.add.reduceat(x, starts) / counts
    return middle, np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)


def bucket_sums(
    x: FloatArray, y: FloatArray, *, edges: FloatArray
) -> tuple[NDArray[np.intp], FloatArray]:
    """Count and add up the points between each pair of `edges`.

    Parameters
    ----------
    x, y
        (N,), `x` ascending; a point belongs to the bucket that begins at its x or before.
    edges
        (B + 1,), ascending.

    Returns
    -------
    counts, sums
        (B,) each.
    """
    known = np.isfinite(y)
    if not known.all():
        x, y = x[known], y[known]
    bounds = np.searchsorted(x, edges, side="left")
    counts = np.diff(bounds)
    sums, filled = np.zeros(len(counts)), np.flatnonzero(counts)
    if len(filled):
        sums[filled] = np.add.reduceat(y[: bounds[-1]], bounds[filled])
    return counts, sums
