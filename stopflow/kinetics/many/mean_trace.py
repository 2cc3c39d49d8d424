"""The mean of replicate traces on the grid that they have in common.

Traces with the same times are averaged point by point. Where times differ, the trace with the
fewest points lends its grid: of every other trace the points between the middles of neighbouring
times become one, at their own mean time. That is right to second order in k times the step, without
the correlated noise that interpolation makes. The mean covers only what all traces cover: elsewhere
it would step by the difference of their baselines.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stopflow.kinetics.solver.refusals import Refusal, refuse
from stopflow.trace import FloatArray, Trace, frozen_array

LEAST_SHARED = 0.5
"""Part of the coarsest grid at whose points every trace has to have been measured."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeanTrace:
    """The mean of n traces at N common times.

    Attributes
    ----------
    time_s, signal
        (N,) mean times and signals.
    member_times_s, members
        (n, N) times and signals of each trace, as they went into the mean.
    """

    time_s: FloatArray
    signal: FloatArray
    member_times_s: FloatArray
    members: FloatArray

    def __post_init__(self) -> None:
        for name in ("time_s", "signal", "member_times_s", "members"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))


def average_traces(traces: Sequence[Trace], *, start_s: float) -> MeanTrace | Refusal:
    """Average traces from a time on, up to the end of the shortest.

    Returns
    -------
    MeanTrace or Refusal
        Why there is no mean, where the traces hardly share any times.
    """
    stop_s = min(float(trace.time_s[-1]) for trace in traces)
    parts = []
    for trace in traces:
        kept = (trace.time_s >= start_s) & (trace.time_s <= stop_s)
        parts.append((trace.time_s[kept], trace.signal[kept]))
    grid = min((time for time, _ in parts), key=len)
    if not len(grid):
        return refuse("no-overlap")
    if all(np.array_equal(time, grid) for time, _ in parts):
        members = np.array([signal for _, signal in parts])
        times = np.array([time for time, _ in parts])
    else:
        edges = np.concatenate(([-np.inf], (grid[1:] + grid[:-1]) / 2, [np.inf]))
        cells = [_cell_means(time, signal, edges) for time, signal in parts]
        filled = np.all([counts > 0 for _, _, counts in cells], axis=0)
        if filled.sum() < LEAST_SHARED * len(grid):
            return refuse("few-shared-times", points=int(filled.sum()), start_s=start_s)
        times = np.array([time[filled] for time, _, _ in cells])
        members = np.array([signal[filled] for _, signal, _ in cells])
    return MeanTrace(
        time_s=times.mean(axis=0),
        signal=members.mean(axis=0),
        member_times_s=times,
        members=members,
    )


def _cell_means(
    time_s: FloatArray, signal: FloatArray, edges: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean time, mean signal and number of points in each cell; 0 where a cell is empty."""
    cell = np.searchsorted(edges, time_s, side="right") - 1
    size = len(edges) - 1
    counts = np.bincount(cell, minlength=size).astype(np.float64)
    over = np.maximum(counts, 1)
    times = np.bincount(cell, weights=time_s, minlength=size) / over
    signals = np.bincount(cell, weights=signal, minlength=size) / over
    return times, signals, counts
