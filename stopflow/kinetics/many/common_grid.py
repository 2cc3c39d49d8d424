"""One time grid, many traces: blocks of points as polynomials, to rounding.

Over a block no wider than a fifth of its distance from the first point, an exponential that is not
over yet is a polynomial of degree 7 to 1e-10. So a block of any number of points is its projection
on 8 orthonormal polynomials, and an exponential in it follows from its values at 8 Chebyshev
points. 15,001 points become some 350 numbers, whatever rate and law are tried, and wherever in the
grid a fit starts: the rest of the block in which it does is kept point by point.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.solver.kept_times import kept_by_value
from stopflow.trace import FloatArray

GROWTH = 1.2
# Polynomials of a block.
ORDER = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CommonGrid:
    """The blocks of a time grid of N points.

    Attributes
    ----------
    time_s
        (N,) the times.
    bounds
        (K + 1,) index of the first point of each block, and N.
    frames
        K arrays (n, p) of orthonormal polynomials, p up to 8.
    nodes_s
        (K, 8) times at which a function is evaluated.
    counts, mean_s, half_variance
        (K,) points, mean times, and half the variance of the times within each block.
    lift
        (K, 8, 8) values at the nodes to coordinates; rows beyond p are zero.
    """

    time_s: FloatArray
    bounds: NDArray[np.intp]
    frames: tuple[FloatArray, ...]
    nodes_s: FloatArray
    counts: FloatArray
    mean_s: FloatArray
    half_variance: FloatArray
    lift: FloatArray

    def coordinates(self, signals: NDArray[np.floating]) -> FloatArray:
        """Project signals (B, N) on the polynomials of every block: (B, K, 8)."""
        found = np.zeros((len(signals), len(self.frames), ORDER))
        for place, frame in enumerate(self.frames):
            part = signals[:, self.bounds[place] : self.bounds[place + 1]]
            found[:, place, : frame.shape[1]] = part @ frame
        return found


@kept_by_value
def build_grid(time_s: FloatArray) -> CommonGrid:
    """Divide increasing times (N,) into blocks that grow with the distance from the first."""
    points = len(time_s)
    bounds = [0]
    while bounds[-1] < points:
        since = time_s[bounds[-1]] - time_s[0]
        wide = int(np.searchsorted(time_s, time_s[0] + since * GROWTH))
        bounds.append(min(max(wide, bounds[-1] + ORDER), points))
    if len(bounds) > 2 and points - bounds[-2] < ORDER:
        del bounds[-2]
    chebyshev = np.cos(np.pi * (np.arange(ORDER) + 0.5) / ORDER)
    powers = np.polynomial.legendre.legvander
    from_chebyshev = np.linalg.inv(powers(chebyshev, ORDER - 1))
    nodes, lift, frames = [], [], []
    ends = list(pairwise(bounds))
    for first, stop in ends:
        part = time_s[first:stop]
        middle, half = (part[0] + part[-1]) / 2, max((part[-1] - part[0]) / 2, 1e-300)
        size = min(ORDER, len(part))
        frame, upper = np.linalg.qr(powers((part - middle) / half, size - 1))
        back = np.zeros((ORDER, ORDER))
        if len(part) <= ORDER:
            # The points themselves.
            places = np.append(part, np.full(ORDER - size, part[-1]))
            back[:size, :size] = frame.T
        else:
            places = middle + half * chebyshev
            back[:size] = upper @ from_chebyshev[:size]
        # The first polynomial is the level, whose sign is free.
        sign = np.sign(frame[0, 0])
        frame, back = frame * sign, back * sign
        frames.append(frame)
        nodes.append(places)
        lift.append(back)
    return CommonGrid(
        time_s=time_s,
        bounds=np.array(bounds),
        frames=tuple(frames),
        nodes_s=np.array(nodes),
        counts=np.diff(bounds).astype(np.float64),
        mean_s=np.array([time_s[a:b].mean() for a, b in ends]),
        half_variance=np.array([time_s[a:b].var() / 2 for a, b in ends]),
        lift=np.array(lift),
    )
