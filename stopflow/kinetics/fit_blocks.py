"""Block means of a window, for the scan: hundreds of numbers instead of thousands of points.

Blocks grow with the distance from the start, so that a decay of any rate is resolved where it
happens: no block is wider than a tenth of its distance from the start, nor than 1/128 of the
window.
"""

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.fit_screen import Window
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


def _block_starts(time: FloatArray) -> NDArray[np.intp]:
    """First index of every block."""
    step = max(time[1] - time[0], 1 / len(time) ** 2)
    growing = step * GROWTH ** np.arange(int(np.log(1 / step) / np.log(GROWTH)))
    uniform = np.arange(1, UNIFORM_BLOCKS) / UNIFORM_BLOCKS
    edges = time[0] + (1 - time[0]) * np.sort(np.concatenate((growing, uniform)))
    starts = np.searchsorted(time, edges)
    starts = starts[np.flatnonzero(np.diff(starts, prepend=0))]
    return np.concatenate(([0], starts[starts < len(time)]))
