"""The residual artefact: what is left of it after each possible start, and how far it may shift k.

The deviations of the first points from the fit of what comes later are described as noise whose
size falls exponentially, with a likelihood for each size and decay time. Continued past a start,
such noise, all of one sign, shifts k by its projection on the sensitivity of k.

A fit that begins within the artefact hides part of it: the deviations are taken from the start at
which the mean square error of k is smallest, with the shift three times as large as it seems.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.many.cut_fits import block_decays
from stopflow.kinetics.many.time_blocks import STRIDE
from stopflow.kinetics.start.backward_extrapolation import Batch
from stopflow.trace import FloatArray

# The decay is looked at from the last block on that deviates by so many of its errors.
TALL = 10.0
SPIKE = 4.3
# So many errors two neighbours deviate by at least in an artefact.
PAIRED = 2.0
# Decay times and sizes that are tried.
DECAYS, SIZES = 24, 12
# In steps between blocks.
SHORTEST_DECAY = 0.1
# In deviations of the first block.
LARGEST_SIZE = 4.0
SMALLEST_SIZE = 0.1
# Starts are tried up to so many times the first that is possible.
LATEST = 6
CAUTION = 3.0
# In standard errors; beyond it nothing is known but that the start is too early.
LARGEST_SHIFT = 5.0
ROUNDS = 4
# Keeps the normal equations solvable where nothing of the decay is left.
RIDGE = 1e-13
# Traces that are worked on together: their numbers stay in the processor's cache.
TOGETHER = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Envelope:
    """Root mean square deviations ``size exp(-(t - origin) / decay)`` of R traces.

    Attributes
    ----------
    seen
        (R,) False where no two neighbouring blocks deviate.
    origin_s
        (R,) where the sizes hold; before it they are as large.
    decay_s, square, weight
        (R, D) decay times, the mean square size for each, and their posterior weights of sum 1.
    """

    seen: NDArray[np.bool_]
    origin_s: FloatArray
    decay_s: FloatArray
    square: FloatArray
    weight: FloatArray


def shifts_of_k(
    batch: Batch, rows: NDArray[np.intp], accepted: NDArray[np.intp]
) -> list[tuple[FloatArray, FloatArray]]:
    """Find how far the residual artefact may shift k, for starts before 6 times the first cut.

    Parameters
    ----------
    rows
        (R,) numbers of the traces.
    accepted
        (R,) numbers of their first accepted cuts, above 0.

    Returns
    -------
    list of tuple
        For each trace starts (M,) in seconds and root mean square shifts (M,) in standard errors
        of k for the noise of the trace, at most 5; empty where there is no artefact.
    """
    found: list[tuple[FloatArray, FloatArray]] = []
    for first in range(0, len(rows), TOGETHER):
        part = slice(first, first + TOGETHER)
        with np.errstate(all="ignore"):
            found += _shifts(batch, rows[part], accepted[part])
    return found


def _shifts(
    batch: Batch, rows: NDArray[np.intp], accepted: NDArray[np.intp]
) -> list[tuple[FloatArray, FloatArray]]:
    blocks = batch.blocks
    edges = blocks.bounds[: blocks.edges]
    edge = blocks.cuts[accepted]
    last = np.minimum(np.searchsorted(edges, LATEST * edges[edge]), blocks.edges - 2)
    cut, quiet = accepted.copy(), edge.copy()
    number = np.arange(blocks.edges)
    variance, square = np.ones((2, len(rows), blocks.edges))
    seen = np.ones(len(rows), dtype=bool)
    running, tried = seen.copy(), [cut]
    for _ in range(ROUNDS):
        stop = np.maximum(np.searchsorted(edges, 2 * edges[quiet]), edge + STRIDE)
        stop = np.minimum(stop, blocks.edges - 1)
        at = np.flatnonzero(running)
        envelope = fit_envelope(batch, rows[at], cut[at], edge=edge[at], stop=stop[at])
        seen[at] &= envelope.seen
        variance[at], square[at] = square_errors(batch, rows[at], cut[at], envelope)
        cost = np.nan_to_num(variance + CAUTION**2 * square, nan=np.inf)
        tried_here = (number >= edge[:, None]) & (number <= last[:, None])
        quiet = np.argmin(np.where(tried_here, cost, np.inf), axis=1)
        later = blocks.cut_from(quiet)
        fresh = ~np.any([later == item for item in tried], axis=0)
        running &= seen & fresh & batch.fits.found[rows, later]
        cut = np.where(running, later, cut)
        tried.append(cut)
        if not running.any():
            break
    shift = np.minimum(np.sqrt(square / variance), LARGEST_SHIFT)
    empty = np.empty(0)
    return [
        (blocks.edge_s[: stop + 1], shift[i, : stop + 1]) if seen[i] else (empty, empty)
        for i, stop in enumerate(last)
    ]


def fit_envelope(
    batch: Batch,
    rows: NDArray[np.intp],
    cut: NDArray[np.intp],
    *,
    edge: NDArray[np.intp],
    stop: NDArray[np.intp],
) -> Envelope:
    """Describe the deviations from the fits after `cut` of the blocks before edge number `stop`.

    A single block that deviates is a spike, and so is what deviates more than noise does from edge
    number `edge` on.
    """
    count = int(stop.max())
    number = np.arange(count)
    middle = batch.blocks.time_s[:count]
    mean, error = deviations(batch, rows, cut, blocks=count)
    limit = SPIKE * error
    mean = np.where(number >= edge[:, None], np.clip(mean, -limit, limit), mean)
    height = np.nan_to_num(np.abs(mean) / error, posinf=0)
    height = np.where(number <= edge[:, None], height, 0)
    beside = np.maximum(
        np.pad(height[:, 1:], ((0, 0), (0, 1))), np.pad(height, ((0, 0), (1, 0)))[:, :-1]
    )
    height = np.where(np.minimum(height, beside) > PAIRED, height, 0)
    tall = height > TALL
    first = np.where(
        tall.any(axis=1), count - 1 - np.argmax(tall[:, ::-1], axis=1), np.argmax(height, axis=1)
    )
    at = np.arange(len(rows))
    seen = height[at, first] > 0
    unknown = ~np.isfinite(mean / error) & (number < stop[:, None])
    known = np.where(unknown.any(axis=1), count - np.argmax(unknown[:, ::-1], axis=1), 0)
    first = np.minimum(np.maximum(first, known), stop - 2)
    inside = (number >= first[:, None]) & (number < stop[:, None])
    since = middle - middle[first][:, None]
    steps = np.linspace(0, 1, DECAYS)
    shortest = SHORTEST_DECAY * since[at, first + 1]
    longest = 2 * since[at, stop - 1]
    decay = shortest[:, None] * (longest / shortest)[:, None] ** steps
    largest = np.maximum(np.abs(mean[at, first]), error[at, first])
    size = np.geomspace(SMALLEST_SIZE, LARGEST_SIZE, SIZES) * largest[:, None]
    shape = np.exp(-2 * np.where(inside, since, 0)[:, None] / decay[..., None])
    error_square = np.where(inside, error**2, 1.0)[:, None, None]
    variance = error_square + (size**2)[..., None, None] * (shape * inside[:, None])[:, None]
    chance = np.log(variance) + np.where(inside, mean**2, 0.0)[:, None, None] / variance
    likelihood = -chance.sum(axis=-1) / 2
    weight = np.exp(likelihood - likelihood.max(axis=(1, 2), keepdims=True))
    of_decay = weight.sum(axis=1)
    return Envelope(
        seen=seen & np.isfinite(of_decay).all(axis=1),
        origin_s=middle[first],
        decay_s=decay,
        square=np.einsum("rs,rsd->rd", size**2, weight) / np.maximum(of_decay, 1e-300),
        weight=of_decay / of_decay.sum(axis=1, keepdims=True),
    )


def deviations(
    batch: Batch, rows: NDArray[np.intp], cut: NDArray[np.intp], *, blocks: int
) -> tuple[FloatArray, FloatArray]:
    """Means of the first blocks less the fits after `cut` (R,), and their errors: (R, blocks)."""
    block = np.arange(blocks)
    expected, variance = batch.fits.of_traces(rows).extrapolate(
        np.broadcast_to(cut[:, None], (len(rows), blocks)), batch.blocks, block
    )
    with np.errstate(all="ignore"):
        noise = batch.block_sd[rows, :blocks]
        error = np.sqrt(noise**2 + variance * batch.white_sd[rows, None] ** 2)
    return batch.means[rows, :blocks] - expected, error


def square_errors(
    batch: Batch, rows: NDArray[np.intp], cut: NDArray[np.intp], envelope: Envelope
) -> tuple[FloatArray, FloatArray]:
    """Variance of k and mean square of its shift, for starts at all edges: (R, E), in one unit."""
    blocks, fits = batch.blocks, batch.fits
    time, counts = blocks.time_s, blocks.counts
    rate = np.exp(fits.log_k[rows, cut])[:, None]
    e, d, _ = block_decays(
        rate, time - fits.cut_s[cut][:, None], blocks.half_variance, curved=False
    )
    ones = np.broadcast_to(np.ones_like(time), e.shape)
    jacobian = np.stack((ones, np.broadcast_to(time, e.shape), e, d), axis=1)
    jacobian = jacobian / np.sqrt(np.einsum("rpk,rpk->rp", jacobian, jacobian))[..., None]
    heavy = jacobian * counts
    since = np.maximum(time - envelope.origin_s[:, None], 0)
    artefact = np.exp(-since[:, None] / envelope.decay_s[..., None])

    def from_each_edge(values: FloatArray) -> FloatArray:
        return np.cumsum(values[..., ::-1], axis=-1)[..., ::-1][..., : blocks.edges]

    information = from_each_edge(heavy[:, :, None] * jacobian[:, None])
    information = np.moveaxis(information, -1, 1)
    scale = np.einsum("repp->re", information)[..., None, None] * RIDGE
    sensitivity = np.linalg.inv(information + scale * np.eye(4))[..., 3, :]
    # The row of the inverse that belongs to ln k, on what the artefact does to each parameter.
    pull = from_each_edge(heavy[:, :, None] * artefact[:, None])
    shift = np.einsum("rep,rpde->red", sensitivity, pull)
    variance = batch.white_sd[rows, None] ** 2 * sensitivity[..., 3]
    square = np.einsum("red,rd,rd->re", shift**2, envelope.square, envelope.weight)
    return variance, square
