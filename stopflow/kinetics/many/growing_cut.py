"""One exponential and a straight line, fitted to many traces from many cuts at once.

All traces share one time grid, reduced to blocks. The sums over what comes after a cut are
cumulative sums from the end, so the scan of all rates costs the same for one cut as for all. From
the best rate of the scan, Newton's method climbs to the maximum of the explained sum of squares,
all cuts of all traces together (variable projection; see `stopflow.kinetics.solver.one_rate`).
"""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.laws import RealArray
from stopflow.kinetics.many.cut_fits import LARGEST_EXPONENT, CutFits
from stopflow.kinetics.many.tail_rows import TailRows
from stopflow.kinetics.many.time_blocks import TimeBlocks
from stopflow.kinetics.solver.scan import GRID_STEP
from stopflow.kinetics.solver.window import FASTEST_EXPONENT, SLOWEST_KT
from stopflow.trace import FloatArray

# Rate times the width of the first block after the cut: beyond it the mean is not known.
FASTEST_IN_BLOCK = 1.5
# Decays that noise alone explains as much of with a chance of 1e-4, over all rates: the tube
# formula of `stopflow.kinetics.solver.significance` with a length of 15, for noise that is known.
LEAST_EXPLAINED = 22.0
NEWTON_STEPS = 12
# Newton's error after a step is about the square of the step.
CONVERGED = 1e-6
# Traces that are worked on together: their blocks stay in the processor's cache.
TOGETHER = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tails:
    """Sums over what comes after each cut: (B or 1, C) without the signal, (B, C) with it."""

    mass: FloatArray
    centre: FloatArray
    spread: FloatArray
    line: FloatArray
    left: FloatArray


def fit_growing_cuts(
    blocks: TimeBlocks, means: FloatArray, *, noise_sd: FloatArray, mass: FloatArray | None = None
) -> CutFits:
    """Fit from every cut to the end.

    Parameters
    ----------
    means
        (B, K) block means.
    noise_sd
        (B,) standard deviation of a point, of white noise that does as much to a mean over many.
    mass
        (B, K) weights of the blocks in points; None: their points, for all traces.
    """
    parts = [
        _fit_part(
            blocks,
            means[first : first + TOGETHER],
            noise_sd=noise_sd[first : first + TOGETHER],
            mass=blocks.counts[None] if mass is None else mass[first : first + TOGETHER],
        )
        for first in range(0, len(means), TOGETHER)
    ]
    joined = {
        item.name: np.concatenate([getattr(part, item.name) for part in parts])
        for item in fields(CutFits)
        if item.name != "cut_s"
    }
    return CutFits(cut_s=parts[0].cut_s, **joined)


def _fit_part(
    blocks: TimeBlocks, means: FloatArray, *, noise_sd: FloatArray, mass: FloatArray
) -> CutFits:
    cut_s = blocks.edge_s[blocks.cuts] - blocks.first_s
    with np.errstate(all="ignore"):
        tails = _sum_tails(blocks, means, mass)
        slowest, fastest = _rate_limits(blocks, cut_s)
        x, seen = _scan(blocks, means, mass, tails, slowest, fastest)
        # What is far below notice is not climbed to.
        wanted = seen > LEAST_EXPLAINED / 2 * noise_sd[:, None] ** 2
        fits = _climb(blocks, means, mass, tails, x, cut_s=cut_s, wanted=wanted)
        explained = fits.amplitude**2 * fits.ee
        found = wanted & fits.found & (explained > LEAST_EXPLAINED * noise_sd[:, None] ** 2)
        found &= (fits.log_k > slowest) & (fits.log_k < fastest)
        found &= fits.dd - fits.ed**2 / fits.ee > 1e-12 * fits.dd
    return replace(fits, found=found)


def _after(blocks: TimeBlocks, values: FloatArray) -> FloatArray:
    """Add up (..., C) the blocks (..., K) after each cut."""
    segments = np.add.reduceat(values, blocks.cuts, axis=-1)
    return np.cumsum(segments[..., ::-1], axis=-1)[..., ::-1]


def _sum_tails(blocks: TimeBlocks, means: FloatArray, mass: FloatArray) -> _Tails:
    time = blocks.time_s
    total, of_time = _after(blocks, mass), _after(blocks, mass * time)
    centre = of_time / total
    squares = _after(blocks, mass * time**2)
    spread = np.sqrt(np.maximum(squares - centre * of_time, 1e-300))
    weighted = mass * means
    of_signal, crossed = _after(blocks, weighted), _after(blocks, weighted * time)
    line = np.stack((of_signal / np.sqrt(total), (crossed - centre * of_signal) / spread), axis=-1)
    left = _after(blocks, weighted * means) - (line**2).sum(axis=-1)
    return _Tails(mass=total, centre=centre, spread=spread, line=line, left=left)


def _rate_limits(blocks: TimeBlocks, cut_s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ln k (C,) of the slowest and the fastest decay that can be seen from each cut."""
    first = blocks.cuts
    window = blocks.time_s[-1] - cut_s
    gap = np.maximum(blocks.width_s[first], 0) + 1e-300
    step = (blocks.time_s[first + 1] - blocks.time_s[first]) / np.maximum(
        (blocks.counts[first] + blocks.counts[first + 1]) / 2, 1
    )
    fastest = np.minimum(FASTEST_EXPONENT / (2 * step), FASTEST_IN_BLOCK / gap)
    return np.log(SLOWEST_KT / window), np.log(fastest)


def _scan(
    blocks: TimeBlocks,
    means: FloatArray,
    mass: FloatArray,
    tails: _Tails,
    slowest: FloatArray,
    fastest: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Find the best rate of a grid, all cuts together: ln k (B, C), and what it explains."""
    low, high = float(slowest.min()), float(fastest.max())
    grid = np.linspace(low, high, max(int((high - low) / GRID_STEP) + 2, 4))
    rates = np.exp(grid)[:, None]
    e = np.exp(-np.minimum(rates * blocks.time_s, LARGEST_EXPONENT))
    e *= 1 + np.minimum(rates**2 * blocks.half_variance, 1.0)
    heavy = mass[:, None] * e
    of_e, of_te = _after(blocks, heavy), _after(blocks, heavy * blocks.time_s)
    of_ee = _after(blocks, heavy * e)
    total, centre, spread = (item[:, None] for item in (tails.mass, tails.centre, tails.spread))
    level, tilt = of_e / np.sqrt(total), (of_te - centre * of_e) / spread
    own = of_ee - level**2 - tilt**2
    weighted = mass * means
    # (B, G, C): one product for each segment between two cuts.
    ends = np.append(blocks.cuts[1:], len(blocks.time_s))
    segments = np.stack(
        [weighted[:, a:b] @ e[:, a:b].T for a, b in zip(blocks.cuts, ends, strict=True)], axis=-1
    )
    shared = np.cumsum(segments[..., ::-1], axis=-1)[..., ::-1]
    shared = shared - level * tails.line[:, None, :, 0] - tilt * tails.line[:, None, :, 1]
    allowed = (grid[:, None] >= slowest) & (grid[:, None] <= fastest)
    alive = allowed & (own > 1e-11 * of_ee)
    explained = np.where(alive, shared**2 / np.where(alive, own, 1), -1.0)
    top = np.argmax(explained, axis=1)
    inner = np.clip(top, 1, len(grid) - 2)
    before, at, behind = (
        np.take_along_axis(explained, (inner + move)[:, None], axis=1)[:, 0] for move in (-1, 0, 1)
    )
    bend = before - 2 * at + behind
    usable = (bend < 0) & (before >= 0) & (behind >= 0)
    shift = np.where(usable, (before - behind) / (2 * np.where(usable, bend, 1)), 0.0)
    x = grid[top] + np.clip(np.where(inner == top, shift, 0), -1, 1) * (grid[1] - grid[0])
    return x, np.take_along_axis(explained, top[:, None], axis=1)[:, 0]


def _tail_rows(
    blocks: TimeBlocks,
    means: FloatArray,
    mass: FloatArray,
    tails: _Tails,
    *,
    cut_s: FloatArray,
    count: int,
) -> TailRows:
    """Lay out the cuts of `count` traces."""
    after = np.arange(len(blocks.time_s)) >= blocks.cuts[:, None]

    def flat(values: FloatArray) -> FloatArray:
        whole = np.broadcast_to(values, (count, *values.shape[1:]))
        return whole.reshape(count * len(cut_s), -1)

    return TailRows(
        weight=flat(np.where(after, mass[:, None], 0.0)),
        signal=flat(np.where(after, (mass * means)[:, None], 0.0)),
        since=flat(np.where(after, blocks.time_s - cut_s[:, None], 0.0)[None]),
        root=np.sqrt(flat(tails.mass)),
        centre=flat(tails.centre),
        spread=flat(tails.spread),
        line=tails.line.reshape(-1, 2),
    )


def _climb(
    blocks: TimeBlocks,
    means: FloatArray,
    mass: FloatArray,
    tails: _Tails,
    x: FloatArray,
    *,
    cut_s: FloatArray,
    wanted: NDArray[np.bool_],
) -> CutFits:
    """Newton's steps for all cuts of all traces until the wanted ones settle, as `found` says."""
    count, cuts = x.shape
    rows = _tail_rows(blocks, means, mass, tails, cut_s=cut_s, count=count)
    x, wanted = x.reshape(-1).copy(), wanted.reshape(-1)
    at = np.arange(len(x))
    sums = rows.at(x, blocks)
    settled = np.abs(sums.step) < CONVERGED
    for _ in range(NEWTON_STEPS - 1):
        moving = ~settled[at] & wanted[at]
        at = at[moving]
        step = sums.step[at]
        # The last step is not taken: the sums belong to x.
        if not np.isfinite(step).any():
            break
        x[at] += np.clip(np.nan_to_num(step), -GRID_STEP, GRID_STEP)
        sums.enter(at, rows.some(at).at(x[at], blocks))
        settled[at] = np.abs(sums.step[at]) < CONVERGED

    def shaped(values: RealArray) -> RealArray:
        return values.reshape(count, cuts, *values.shape[1:])

    return CutFits(
        cut_s=cut_s,
        found=shaped(settled) & np.isfinite(shaped(sums.amplitude)),
        log_k=shaped(x),
        amplitude=shaped(sums.amplitude),
        mass=shaped(rows.root[:, 0] ** 2),
        centre=shaped(rows.centre[:, 0]),
        spread=shaped(rows.spread[:, 0]),
        line=tails.line,
        line_e=shaped(sums.line_e),
        line_d=shaped(sums.line_d),
        ee=shaped(sums.ee),
        ed=shaped(sums.ed),
        dd=shaped(sums.dd),
    )
