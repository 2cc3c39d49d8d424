"""Blocks that are not like the others: louder noise at short steps, a bubble or a spike."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import median_filter

from stopflow.kinetics.many.time_blocks import TimeBlocks
from stopflow.kinetics.start.relaxation import slow_space
from stopflow.kinetics.uncertainty.noise import Noise
from stopflow.trace import FloatArray

# Blocks whose points scatter, or which stand away from their neighbours, by so much of their noise.
DISTURBED = 5.0
# What is left of a disturbed block's weight; 0 would leave cuts without points.
LEFT = 1e-6
ROUNDS = 4
# Fewer points of one step tell nothing of its noise.
FEWEST_OF_A_KIND = 24
# More is a signal that is all but free of noise where it was compared.
LOUDEST = 1e6


def robust_mass(blocks: TimeBlocks, means: FloatArray, noise: Sequence[Noise]) -> FloatArray:
    """Weigh blocks (B, K) by their points, disturbed ones by next to nothing.

    A relaxation is smooth in the second half of the blocks' numbers, where a bubble that the fits
    cannot follow stands out from a slow space fitted around it.
    """
    mass = np.broadcast_to(blocks.counts, means.shape).copy()
    space = slow_space(blocks, len(blocks.cuts) // 2) / np.sqrt(blocks.counts)
    start = int(blocks.cuts[len(blocks.cuts) // 2])
    for row, item in enumerate(noise):
        sd = item.mean_sd(blocks.counts)
        weight = blocks.counts.copy()
        weight[:start] = 0
        for _ in range(ROUNDS):
            rows = space * np.sqrt(weight)
            fitted = np.linalg.lstsq(rows.T, means[row] * np.sqrt(weight), rcond=None)[0] @ space
            rest = np.abs(means[row] - fitted) / sd
            typical = max(float(np.median(rest[start:])) * 1.4826, 1.0)
            weight[start:] = (
                blocks.counts[start:] / np.maximum(rest[start:] / (2 * typical), 1) ** 2
            )
        wide = median_filter((rest > DISTURBED * typical).astype(float), size=3) > 0
        wide[:start] = False
        mass[row, wide] *= LEFT
    return mass


def noise_of_steps(
    time_s: FloatArray, signals: FloatArray, blocks: TimeBlocks
) -> FloatArray | float:
    """Noise of the points of each block (B, K) over that of the last three quarters of the points.

    Instruments that sample in logarithmic steps average over each step: the first points are
    louder. 1 where all steps are alike.
    """
    steps = np.diff(time_s)
    octave = np.floor(np.log2(np.append(steps, steps[-1]) / np.median(steps)) + 0.5)
    starts = blocks.bounds[:-1]
    kinds = np.unique(octave)
    if len(kinds) == 1:
        return 1.0
    curved = np.diff(signals, n=2, axis=1, append=signals[:, -1:], prepend=signals[:, :1])
    curved = np.abs(curved)
    usual = np.median(curved[:, len(time_s) // 4 :], axis=1)
    louder = np.ones((len(signals), len(starts)))
    of_block = np.minimum.reduceat(octave, starts)
    for kind in kinds:
        points = octave == kind
        if np.count_nonzero(points) >= FEWEST_OF_A_KIND:
            own = np.median(curved[:, points], axis=1)
            # Where most of the points have no noise at all there is nothing to compare with.
            ratio = np.where(usual > 0, own / np.where(usual > 0, usual, 1.0), 1.0)
            louder[:, of_block == kind] = np.clip(ratio, 1.0, LOUDEST)[:, None]
    return louder
