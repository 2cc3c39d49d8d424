"""The first cut after which a trace follows the fit of what comes later, for many traces at once.

What comes after each cut is fitted (`stopflow.kinetics.many.growing_cut`), extrapolated back over
the points before the cut and compared with them. Under the rate law those recursive residuals are
independent of what was fitted (Brown, Durbin and Evans, J. R. Stat. Soc. B 37, 149 (1975)). The
first cut is accepted

- after which every run of points, up to twice the cut, follows the fits of what comes later, and
- whose k agrees with that of twice the cut within the error of their difference.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.many.cut_fits import CutFits
from stopflow.kinetics.many.growing_cut import fit_growing_cuts
from stopflow.kinetics.many.time_blocks import TimeBlocks
from stopflow.kinetics.uncertainty.noise import Noise
from stopflow.trace import FloatArray

# How far after the cut the points must follow, as a part of the trace, at least.
LEAST_SPAN = 1 / 25
FEWEST_AFTER = 8
# Runs of so many blocks are tested; each length is twice the one before.
RUNS = (1, 2, 4, 8)
# In standard errors; many runs are tested in each trace.
SURPRISING = 4.3
AGREEING = 2.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Traces on one time grid, their noise, and their fits from every cut.

    Signals are dimensionless: the mean of the last quarter is 0 and the range 1.

    Attributes
    ----------
    means
        (B, K) block means.
    unit, zero
        (B,) what turns them back: ``unit * mean + zero``.
    noise
        B noises of single points.
    white_sd
        (B,) standard deviation of a point of white noise that does as much to a long mean.
    block_sd
        (B, K) noise of the block means.
    fits
        From every cut.
    """

    blocks: TimeBlocks
    means: FloatArray
    unit: FloatArray
    zero: FloatArray
    noise: tuple[Noise, ...]
    white_sd: FloatArray
    block_sd: FloatArray
    fits: CutFits

    def __len__(self) -> int:
        return len(self.means)

    @property
    def k_stderr_per_s(self) -> FloatArray:
        """(B, C) standard errors of k for the noise of the traces, its correlation included."""
        return np.sqrt(self.fits.k_variance) * self.white_sd[:, None]


def build_batch(
    blocks: TimeBlocks,
    means: FloatArray,
    noise: tuple[Noise, ...],
    *,
    unit: FloatArray,
    zero: FloatArray,
    mass: FloatArray | None = None,
    louder: FloatArray | float = 1.0,
) -> Batch:
    """Fit from every cut.

    Parameters
    ----------
    means, noise, unit, zero
        As in `Batch`.
    mass
        (B, K) weights of the blocks, in points.
    louder
        (B, K) noise of the points of each block over `noise`.
    """
    white = np.array([item.sd * item.inflation for item in noise])
    return Batch(
        blocks=blocks,
        means=means,
        unit=unit,
        zero=zero,
        noise=noise,
        white_sd=white,
        block_sd=np.array([item.mean_sd(blocks.counts) for item in noise]) * louder,
        fits=fit_growing_cuts(blocks, means, noise_sd=white, mass=mass),
    )


def first_accepted(batch: Batch) -> NDArray[np.intp]:
    """Find the number (B,) of the first accepted cut of each trace; -1 where none is."""
    blocks, fits = batch.blocks, batch.fits
    cuts = len(blocks.cuts)
    last = last_cuts(blocks)
    tried = np.flatnonzero((last > np.arange(cuts)) & (blocks.cuts < blocks.edges - 2))
    follows = _follows(batch, last)[:, tried]
    rates, variance = fits.k_per_s, fits.k_variance * batch.white_sd[:, None] ** 2
    early, late = rates[:, tried], rates[:, last[tried]]
    between = variance[:, last[tried]] - variance[:, tried]
    with np.errstate(invalid="ignore"):
        margin = AGREEING * np.sqrt(np.maximum(between, 0)) + 1e-9 * early
        agrees = np.isnan(late) | (np.abs(early - late) <= margin)
    good = follows & agrees & fits.found[:, tried]
    first = np.argmax(good, axis=1)
    return np.where(good.any(axis=1), tried[first], -1)


def last_cuts(blocks: TimeBlocks) -> NDArray[np.intp]:
    """Find the cut (C,) up to which the points must follow: twice as late, or later."""
    edges = blocks.bounds[: blocks.edges]
    start = edges[blocks.cuts]
    least = max(FEWEST_AFTER, int(blocks.bounds[-1] * LEAST_SPAN))
    span = np.maximum(2 * start, start + least)
    return blocks.cut_until(np.minimum(np.searchsorted(edges, span), blocks.edges - 2))


def recursive_residuals(batch: Batch) -> tuple[FloatArray, FloatArray]:
    """Means of the blocks less the fit from the next cut: (B, E - 1), and the fits' errors.

    NaN where that fit was refused.
    """
    block = np.arange(batch.blocks.edges - 1)
    later = batch.blocks.cut_after(block)
    expected, variance = batch.fits.extrapolate(later[None], batch.blocks, block)
    with np.errstate(invalid="ignore"):
        return batch.means[:, block] - expected, np.sqrt(variance) * batch.white_sd[:, None]


def _follows(batch: Batch, last: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether (B, C) every run of blocks from each cut to its last follows what comes later."""
    residual, fit_sd = recursive_residuals(batch)
    known = np.isfinite(residual)
    # An infinite continuation is none to follow.
    broken = ~known & np.isfinite(fit_sd) & ~np.isnan(residual)
    points = np.where(known, batch.blocks.counts[: residual.shape[1]], 0.0)
    total = np.where(known, points * np.nan_to_num(residual), 0.0)
    power = (points * batch.block_sd[:, : residual.shape[1]]) ** 2
    largest = np.where(known, fit_sd, 0.0)
    begin, stop = batch.blocks.cuts, np.minimum(batch.blocks.cuts[last], residual.shape[1])
    counted = _running(known)
    good = counted[:, stop] > counted[:, begin]
    for run in RUNS:
        if run > 1:
            total, power, points = (_doubled(item, run // 2) for item in (total, power, points))
            largest = np.maximum(largest, _shifted(largest, run // 2))
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            limit = SURPRISING * np.sqrt(power + (points * largest) ** 2)
            surprising = _running((np.abs(total) > limit) | (broken if run == 1 else False))
        ends = np.minimum(begin + run - 1, stop)
        good &= surprising[:, stop] == surprising[:, ends]
    return good


def _running(flags: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Count (B, n + 1) the flags before each place."""
    return np.concatenate((np.zeros((len(flags), 1), dtype=np.intp), flags.cumsum(axis=1)), axis=1)


def _shifted(values: FloatArray, places: int) -> FloatArray:
    return np.concatenate((np.zeros((len(values), places)), values[:, :-places]), axis=1)


def _doubled(values: FloatArray, places: int) -> FloatArray:
    """Double the length of runs whose sums stand at their last blocks."""
    return values + _shifted(values, places)
