"""The flow before the stop, during which the signal stands still.

That may last longer than a mixing artefact does, and nothing of the reaction is lost by cutting it
away. What runs ahead of the fit of what comes later, instead of lagging behind, is a faster phase,
or an artefact too long to be one.
"""

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.start.backward_extrapolation import Batch
from stopflow.kinetics.start.residual_artefact import deviations
from stopflow.trace import FloatArray

# In standard errors.
FAR = 3.0
# Time behind the fit over time ahead of it.
MOSTLY = 3.0
# What the fit of what comes later, which is not adjusted to these blocks, may be worse in
# chi-squared than two phases that are.
FEWER_PARAMETERS = 6.0
# The noise is up to three times as loud while liquid flows: in chi-squared of a block.
LOUDER_IN_FLOW = 10.0


def lags_behind(
    batch: Batch, rows: NDArray[np.intp], accepted: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Whether (R,) the points before the cut mostly lag behind the fit of what comes after it."""
    blocks = batch.blocks
    if not len(rows):
        return np.zeros(0, dtype=bool)
    edge = blocks.cuts[accepted]
    count = int(edge.max())
    deviation, error = deviations(batch, rows, accepted, blocks=count)
    ahead = deviation * np.sign(batch.fits.amplitude[rows, accepted])[:, None] / error
    lasts = np.diff(blocks.edge_s[: count + 1]) * (np.arange(count) < edge[:, None])
    behind_s, ahead_s = (np.where(far, lasts, 0).sum(axis=1) for far in (ahead < -FAR, ahead > FAR))
    return np.asarray(behind_s > MOSTLY * ahead_s)


def flow_stop(
    batch: Batch, row: int, cut: int, *, first: int = 0, expected: FloatArray | None = None
) -> tuple[float, float]:
    """Find where the flow stops, if the signal stands still before it.

    Parameters
    ----------
    cut
        The first accepted one of the trace `row`.
    first
        Number of the first block that is looked at.
    expected
        (M,) the fit of what comes after the cut, extrapolated to the blocks before it and to the
        first one after it; None: it is extrapolated here.

    Returns
    -------
    tuple of float
        The time up to which that fit, held at its value there, is nearest to the blocks before the
        cut; and its chi-squared. The flow may stop between two edges, where it is held at any
        value between those of the two blocks.
    """
    edge = int(batch.blocks.cuts[cut])
    if expected is None:
        expected = _up_to_the_cuts(batch, np.array([row]), np.array([cut]))[0]
    before = np.arange(edge) < np.arange(edge + 1)[:, None]
    number = np.arange(edge)
    weight = np.where(before & (number >= first), batch.block_sd[row, :edge] ** -2.0, 0)
    with np.errstate(invalid="ignore"):
        level = weight @ batch.means[row, :edge] / weight.sum(axis=1)
    ends = np.sort((np.roll(expected[: edge + 1], 1), expected[: edge + 1]), axis=0)
    level = np.clip(level, ends[0], ends[1])
    held = np.where(before, level[:, None], expected[:edge])
    misfit = chi_squared(batch, row, held, first=first)
    best = int(np.argmin(misfit))
    return float(batch.blocks.edge_s[best]), float(misfit[best])


def _up_to_the_cuts(batch: Batch, rows: NDArray[np.intp], cut: NDArray[np.intp]) -> FloatArray:
    """Extrapolate the fits after cuts (R,) to the first block after the latest of them: (R, M)."""
    count = int(batch.blocks.cuts[cut].max()) + 1
    expected, _ = batch.fits.of_traces(rows).extrapolate(
        np.broadcast_to(cut[:, None], (len(rows), count)), batch.blocks, np.arange(count)
    )
    return expected


def flow_ends(batch: Batch, rows: NDArray[np.intp], cut: NDArray[np.intp]) -> FloatArray:
    """Find the times (R,) up to which nothing happens; the first one where none is seen."""
    found = np.full(len(rows), batch.blocks.first_s)
    if not len(rows):
        return found
    expected = _up_to_the_cuts(batch, rows, cut)
    for i, (row, own) in enumerate(zip(rows.tolist(), cut.tolist(), strict=True)):
        stop_s = flow_stop(batch, row, own, expected=expected[i])[0]
        count = int(np.searchsorted(batch.blocks.edge_s, stop_s))
        if count < 1:
            continue
        before, weights = batch.means[row, :count], batch.blocks.counts[:count]
        level = np.full(count, before @ weights / weights.sum())
        if float(chi_squared(batch, row, level, first=0)) <= LOUDER_IN_FLOW * count:
            found[i] = stop_s
    return found


def chi_squared(batch: Batch, row: int, expected: FloatArray, *, first: int) -> FloatArray:
    """Chi-squared (...,) of expected means (..., M) of the first blocks, from block `first` on."""
    count = expected.shape[-1]
    with np.errstate(over="ignore"):
        rest = (batch.means[row, :count] - expected) / batch.block_sd[row, :count]
        return np.asarray((rest[..., first:] ** 2).sum(axis=-1))
