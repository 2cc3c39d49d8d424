"""Traces on one time grid with the first accepted cut of each, and a start proposed for one."""

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.many.time_blocks import SINGLE_CUTS, STRIDE, TimeBlocks
from stopflow.kinetics.start.backward_extrapolation import Batch, last_cuts
from stopflow.kinetics.start.course import NOTHING_KNOWN, Course
from stopflow.kinetics.start.detected_start import Explanation, InitialDeviation
from stopflow.kinetics.start.reasons import StartReason
from stopflow.trace import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedStart:
    """Where one trace may start and why.

    Attributes
    ----------
    explanation, start_s, why
        What the first points are taken for, where the trace may start, and why there.
    course
        What changes from a time on.
    follows_from_s
        From here on the points follow.
    latest_s
        Later no artefact can be over.
    onset_s
        Where the flow stops; before the first point where it is not seen.
    initial
        Deviations of the first blocks of a trace with an artefact.
    short_phase, hidden
        As in `StartDetection`.
    """

    explanation: Explanation
    start_s: float
    why: StartReason
    course: Course = NOTHING_KNOWN
    follows_from_s: float = inf
    latest_s: float = inf
    onset_s: float = -inf
    initial: InitialDeviation | None = None
    short_phase: tuple[float, float] | None = None
    hidden: Course = NOTHING_KNOWN


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FirstCuts:
    """The first accepted cuts of B traces that are judged together.

    Attributes
    ----------
    law
        Key of the rate law asked for, or empty.
    accepted
        (B,) numbers of the first accepted cuts; -1 where none is.
    longest_s
        (B,) how long a mixing artefact may last.
    """

    batch: Batch
    law: str
    accepted: NDArray[np.intp]
    longest_s: FloatArray

    @property
    def blocks(self) -> TimeBlocks:
        """Of the time grid."""
        return self.batch.blocks

    def cut_s(self, cut: NDArray[np.intp]) -> FloatArray:
        """Give the times of cuts after the first point."""
        return self.blocks.edge_s[self.blocks.cuts[cut]] - self.blocks.first_s

    @property
    def duration_s(self) -> FloatArray:
        """(B,) from the first point to the first accepted cut; infinite without one."""
        return np.where(self.accepted >= 0, self.cut_s(self.accepted), np.inf)

    @property
    def edge(self) -> NDArray[np.intp]:
        """(B,) number of the edge of the first accepted cut; of the last edge without one."""
        cut = self.blocks.cuts[np.maximum(self.accepted, 0)]
        return np.where(self.accepted >= 0, cut, self.blocks.edges - 1)

    @property
    def is_short(self) -> NDArray[np.bool_]:
        """(B,) whether the first accepted cut is as short as an artefact."""
        # What is over between two points is cut at the second of them.
        return self.duration_s <= self.latest_s

    @property
    def latest_s(self) -> FloatArray:
        """(B,) how late after the first point a cut may be for an artefact."""
        single = self.blocks.edge_s[: SINGLE_CUTS + 1] - self.blocks.first_s
        # By chance the first point that is free of it may not follow.
        at = np.minimum(np.searchsorted(single, self.longest_s) + 1, len(single) - 1)
        return np.maximum(self.longest_s, single[at])

    @property
    def share_cut(self) -> FloatArray:
        """(B,) share of the change before the first cut, by the fit of what comes after it."""
        at = np.arange(len(self.batch))
        rate = np.nan_to_num(self.batch.fits.k_per_s[at, self.accepted])
        passed = rate * self.cut_s(self.accepted)
        return np.where(self.accepted > 0, -np.expm1(-passed), 0.0)

    @property
    def looked_at(self) -> NDArray[np.intp]:
        """(B,) number of the block up to which the beginning must be explained."""
        last = self.blocks.cuts[last_cuts(self.blocks)[np.maximum(self.accepted, 0)]]
        return np.where(self.accepted >= 0, last, self.blocks.edges - 1)


def initial_deviation(
    batch: Batch, row: int, edge: int, *, deviation: FloatArray, error: FloatArray
) -> InitialDeviation:
    """Keep the blocks up to a few after the first edge that follows, over the noise."""
    blocks = batch.blocks
    count = min(edge + STRIDE, len(deviation))
    return InitialDeviation(
        edge=edge,
        edge_s=blocks.edge_s[: count + 1],
        middle_s=blocks.first_s + blocks.time_s[:count],
        deviation=deviation[:count] / batch.noise[row].sd,
        error=error[:count] / batch.noise[row].sd,
    )
