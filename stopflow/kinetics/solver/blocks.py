"""Block means of a window, for the scan: hundreds of numbers instead of thousands of points.

Blocks grow with the distance from the start, so that a decay of any rate is resolved where it
happens: no block is wider than a tenth of its distance from the start, nor than 1/128 of the
window.
"""

import numpy as np
from numpy.typing import NDArray

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
    starts = _block_starts(time)
    if root_weights is None:
        mass = np.diff(starts, append=len(time)).astype(np.float64)
        weighted_time, weighted_signal = time, signal
    else:
        weights = root_weights**2
        mass = np.add.reduceat(weights, starts)
        weighted_time, weighted_signal = weights * time, weights * signal
    return (
        np.add.reduceat(weighted_time, starts) / mass,
        np.add.reduceat(weighted_signal, starts) / mass,
        np.sqrt(mass),
    )


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
