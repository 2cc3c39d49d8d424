"""A common time grid in blocks: a hundred or two means instead of thousands of points.

The first half is divided where a fit may begin (`cut_edges`), at first evenly and then growing with
the distance from the first point; the second half evenly. The mean of ``exp(-k t)`` over a block is
taken as ``exp(-k tm) (1 + k^2 v / 2)`` with the mean tm and the variance v of its times: the next
term is below ``(k w)^4 / 1920`` of it for even points over a width w.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.solver.kept_times import kept_by_value
from stopflow.trace import FloatArray

GROWTH = 1.07
# The finest edge is at least this part of the trace: cutting less changes nothing.
FINEST_PART = 1 / 5000
# Blocks of the second half are no wider than this part of the trace.
WIDEST_PART = 1 / 128
# Edges at which a fit begins: every third, and of few points each of the first.
STRIDE = 3
SINGLE_CUTS = 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TimeBlocks:
    """The blocks of one time grid of N points.

    Attributes
    ----------
    bounds
        (K + 1,) index of the first point of each block, and N.
    edges
        E, how many of the first bounds are possible cuts.
    cuts
        (C,) numbers of the edges at which a fit begins.
    first_s
        The first time; the times below count from it.
    edge_s
        (E,) times of the edges.
    time_s, counts, half_variance
        (K,) mean times, points, and half the variance of the times within each block.
    """

    bounds: NDArray[np.intp]
    edges: int
    cuts: NDArray[np.intp]
    first_s: float
    edge_s: FloatArray
    time_s: FloatArray
    counts: FloatArray
    half_variance: FloatArray

    def means(self, signals: FloatArray) -> FloatArray:
        """Average (B, N) signals over the blocks: (B, K)."""
        return np.add.reduceat(signals, self.bounds[:-1], axis=1) / self.counts

    def cut_after(self, block: NDArray[np.intp]) -> NDArray[np.intp]:
        """Numbers of the first cuts that lie behind blocks; the last cut where none does."""
        return np.minimum(np.searchsorted(self.cuts, block, side="right"), len(self.cuts) - 1)

    def cut_from(self, edge: NDArray[np.intp]) -> NDArray[np.intp]:
        """Numbers of the first cuts not before edges; the last cut where none is."""
        return np.minimum(np.searchsorted(self.cuts, edge), len(self.cuts) - 1)

    def cut_until(self, edge: NDArray[np.intp]) -> NDArray[np.intp]:
        """Numbers of the last cuts not after edges."""
        return np.searchsorted(self.cuts, edge, side="right") - 1

    @property
    def width_s(self) -> FloatArray:
        """(K,) widths of blocks of even points; 0 for a single point."""
        return np.sqrt(24 * self.half_variance)


def cut_edges(points: int) -> NDArray[np.intp]:
    """List the indices of possible cuts: even steps at first, then growing, to half."""
    finest = max(int(points * FINEST_PART), 1)
    edges = [0]
    while edges[-1] < points // 2:
        edges.append(max(edges[-1] + finest, round(edges[-1] * GROWTH)))
    return np.array(edges)


def _cuts(edges: NDArray[np.intp]) -> NDArray[np.intp]:
    """Choose the edges at which a fit begins.

    Where the first blocks are single points, an artefact may be over after one of them.
    """
    single = min(SINGLE_CUTS, len(edges) - 1) if edges[1] == 1 else 0
    return np.concatenate((np.arange(single), np.arange(single, len(edges) - 1, STRIDE)))


@kept_by_value
def build_blocks(time_s: FloatArray) -> TimeBlocks:
    """Divide the times (N,), in seconds and increasing; those of the last grids are kept."""
    points = len(time_s)
    edges = cut_edges(points)
    widest = max(int(points * WIDEST_PART), 1)
    bounds = np.concatenate((edges[:-1], np.arange(edges[-1], points, widest), [points]))
    starts, counts = bounds[:-1], np.diff(bounds).astype(np.float64)
    since = time_s - time_s[0]
    mean = np.add.reduceat(since, starts) / counts
    square = np.add.reduceat((since - np.repeat(mean, np.diff(bounds))) ** 2, starts) / counts
    return TimeBlocks(
        bounds=bounds,
        edges=len(edges),
        cuts=_cuts(edges),
        first_s=float(time_s[0]),
        edge_s=time_s[edges],
        time_s=mean,
        counts=counts,
        half_variance=square / 2,
    )
