"""Block means of a window, for the scan: hundreds of numbers instead of thousands of points.

Blocks grow with the distance from the start, so that a decay of any rate is resolved where it
happens: no block is wider than a tenth of its distance from the start, nor than 1/128 of the
window.
"""

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.solver.kept_times import OfTimes
from stopflow.kinetics.solver.window import Window
from stopflow.trace import FloatArray

UNIFORM_BLOCKS = 128
GROWTH = 1.1
# Below this many points the points themselves are used.
SMALLEST_COMPRESSED = 400


def block_means(window: Window) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    """Compress a window.

    Returns
    -------
    tuple
        (time (B,), signal (B,), root weights (B,) or None for equal weights).
    """
    time, signal, root_weights = window.time, window.signal, window.root_weights
    if len(time) <= SMALLEST_COMPRESSED:
        return time, signal, root_weights
    if root_weights is None:
        starts, mass, means, roots = _blocks_of(time)
        return means, np.add.reduceat(signal, starts) / mass, roots
    starts, weights = _block_starts(time), root_weights**2
    mass = np.add.reduceat(weights, starts)
    return (
        np.add.reduceat(weights * time, starts) / mass,
        np.add.reduceat(weights * signal, starts) / mass,
        np.sqrt(mass),
    )


def _plain_blocks(time: FloatArray) -> tuple[NDArray[np.intp], FloatArray, FloatArray, FloatArray]:
    """First indices, numbers of points, mean times and roots of the numbers: (B,) each."""
    starts = _block_starts(time)
    mass = np.diff(starts, append=len(time)).astype(np.float64)
    means, roots = np.add.reduceat(time, starts) / mass, np.sqrt(mass)
    for values in (starts, mass, means, roots):
        values.setflags(write=False)
    return starts, mass, means, roots


_blocks_of = OfTimes(_plain_blocks)


def block_edges(step: float) -> FloatArray:
    """Where blocks start, 0 to 1, for times whose first `step` is known."""
    step = max(step, 1e-9)
    growing = step * GROWTH ** np.arange(int(np.log(1 / step) / np.log(GROWTH)))
    uniform = np.arange(UNIFORM_BLOCKS) / UNIFORM_BLOCKS
    return np.sort(np.concatenate((uniform, growing)))


def _block_starts(time: FloatArray) -> NDArray[np.intp]:
    """First index of every block that is not empty."""
    step = (time[1] - time[0]) / time[-1]
    starts = np.searchsorted(time, time[0] + (time[-1] - time[0]) * block_edges(float(step)))
    used = starts[np.flatnonzero(np.diff(starts, prepend=-1))]
    return used[used < len(time)]
