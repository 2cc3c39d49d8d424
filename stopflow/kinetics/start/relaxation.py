"""Whether the beginning of a trace is reaction: can a slow relaxation describe it, artefact or not.

A mixing artefact is short. What a sum of exponentials no faster than 1/3 ms describes from the
first point, whatever their number and signs, holds nothing short, and nothing that a cut would
have to take away: two phases that lie close, a lag, a second order. The test is one linear
projection and knows no rate law.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.many.time_blocks import TimeBlocks
from stopflow.kinetics.start.backward_extrapolation import RUNS, SURPRISING, Batch
from stopflow.trace import FloatArray, frozen_array

# A phase that lasts longer than this is a reaction, a shorter one before another an artefact.
SHORTEST_PHASE_S = 3e-3
# The slowest exponential beside the straight line, and the ratio of neighbouring rates.
SLOWEST_KT = 0.5
RATE_RATIO = 1.7
# Fewer blocks than this for every function tell nothing.
LEAST_BLOCKS = 2
# Share of the noise in the beginning that relaxations must leave, to tell it from one.
LEAST_LEFT = 0.5


@lru_cache(maxsize=64)
def slow_space(blocks: TimeBlocks, cut: int) -> FloatArray:
    """Orthonormal weighted rows (r, K) of the relaxations from a cut on; zero before it."""
    start = int(blocks.cuts[cut])
    since = blocks.time_s[start:] - (blocks.edge_s[start] - blocks.first_s)
    fastest, slowest = 1 / SHORTEST_PHASE_S, SLOWEST_KT / since[-1]
    count = max(int(np.log(fastest / slowest) / np.log(RATE_RATIO)), 0) if fastest > slowest else 0
    rates = fastest / RATE_RATIO ** np.arange(count + 1)
    decays = np.exp(-np.minimum(rates[:, None] * since, 300))
    decays *= 1 + np.minimum(rates[:, None] ** 2 * blocks.half_variance[start:], 1)
    rows = np.concatenate((np.ones((1, len(since))), since[None] / since[-1], decays))
    rows *= np.sqrt(blocks.counts[start:])
    left, size, _ = np.linalg.svd(rows.T, full_matrices=False)
    kept = left[:, size > 1e-7 * size[0]].T
    return frozen_array(np.concatenate((np.zeros((len(kept), start)), kept), axis=1))


def is_tested(blocks: TimeBlocks, cut: int, *, stop: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether (R,) noise could not be a slow relaxation from a cut to edge number `stop` (R,).

    Where few points are as far apart as the shortest phase lasts, every beginning is one.
    """
    start, space = int(blocks.cuts[cut]), slow_space(blocks, cut)
    left = np.concatenate(([0.0], np.cumsum(1 - np.einsum("rk,rk->k", space, space)[start:])))
    count = np.maximum(stop - start, 0)
    return np.asarray(left[count] >= LEAST_LEFT * np.maximum(count, 1))


def follows_slowly(
    batch: Batch, rows: NDArray[np.intp], cut: int, *, stop: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Whether (R,) the blocks from a cut to edge number `stop` (R,) follow a slow relaxation."""
    blocks = batch.blocks
    start = int(blocks.cuts[cut])
    space = slow_space(blocks, cut)
    root = np.sqrt(blocks.counts)
    weighted = batch.means[rows] * root
    rest = (weighted - (weighted @ space.T) @ space) / root
    free = 1 - np.einsum("rk,rk->k", space, space)
    return follows_within(batch, rows, rest, start=np.full(len(rows), start), stop=stop, free=free)


def follows_within(
    batch: Batch,
    rows: NDArray[np.intp],
    residual: FloatArray,
    *,
    start: NDArray[np.intp],
    stop: NDArray[np.intp],
    free: FloatArray | float = 1.0,
) -> NDArray[np.bool_]:
    """Whether (R,) residuals (R, K) from block `start` to `stop` (R,) are noise.

    Parameters
    ----------
    free
        (K,) the share of the noise that the fit leaves in each block.
    """
    counts, sd = batch.blocks.counts, batch.block_sd[rows]
    number = np.arange(residual.shape[1])
    inside = (number >= start[:, None]) & (number < stop[:, None])
    share = np.broadcast_to(free, residual.shape)
    # Against a signal without noise every deviation is infinitely surprising, which is right.
    with np.errstate(over="ignore"):
        scaled = np.where(inside, residual / sd, 0)
        expected = np.where(inside, share, 0).sum(axis=1)
        total = (scaled**2).sum(axis=1)
        # The noise is an estimate, known to a few per cent.
        good = total <= 1.1 * expected + SURPRISING * np.sqrt(2 * expected) + 1
        mass, power = (
            np.where(inside, counts * residual, 0),
            np.where(inside, (counts * sd) ** 2, 0),
        )
        for run in RUNS:
            if run > 1:
                half = run // 2
                mass = np.concatenate((mass[:, :half], mass[:, half:] + mass[:, :-half]), axis=1)
                power = np.concatenate(
                    (power[:, :half], power[:, half:] + power[:, :-half]), axis=1
                )
            ends = inside & (number >= start[:, None] + run - 1)
            good &= ~((np.abs(mass) > SURPRISING * np.sqrt(power)) & ends).any(axis=1)
    return good & (stop - start >= LEAST_BLOCKS)


def explains_more_than_a_line(batch: Batch, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether (R,) there is a relaxation at all, which noise about a line would not give."""
    blocks = batch.blocks
    space, root = slow_space(blocks, 0), np.sqrt(blocks.counts)
    line = np.linalg.qr((np.stack((np.ones_like(root), blocks.time_s)) * root).T)[0].T
    weighted = batch.means[rows] * root
    in_space, on_line = ((weighted @ item.T) ** 2 for item in (space, line))
    explained = (in_space.sum(axis=1) - on_line.sum(axis=1)) / batch.white_sd[rows] ** 2
    more = len(space) - len(line)
    return np.asarray(explained > more + 2 * SURPRISING * np.sqrt(2 * max(more, 1)))
