"""Weights of blocks for traces with a bubble or a spike in them."""

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


def robust_mass(
    blocks: TimeBlocks, means: FloatArray, noise: Sequence[Noise]
) -> FloatArray:
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
            weight[start:] = blocks.counts[start:] / np.maximum(rest[start:] / (2 * typical), 1) ** 2
        wide = median_filter((rest > DISTURBED * typical).astype(float), size=3) > 0
        wide[:start] = False
        mass[row, wide] *= LEFT
    return mass
