"""A fast phase that an artefact may hide: what a cut takes away beside the artefact.

The first cut from which one phase describes a trace lies behind whatever is faster, artefact and
first phase alike. From an earlier cut on, two phases may describe it: after the rise of an artefact
a short phase of the reaction looks like the artefact's fall. Which of the two it is one trace alone
does not say, so that what is lost of it before the start counts as lost.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.many.time_blocks import STRIDE
from stopflow.kinetics.many.two_phases import TwoPhases, fit_two_phases
from stopflow.kinetics.start.accepted_cuts import FirstCuts, ProposedStart
from stopflow.kinetics.start.course import AT_ONCE, Course
from stopflow.kinetics.start.flow import FAR
from stopflow.kinetics.start.reaction import KNOWN, course_of, moves_at_once
from stopflow.kinetics.start.relaxation import follows_within

# Share of the change that may be lost, with all that the first blocks deviate by, before a phase is
# looked for.
NOTICED = 0.15
# Fewer blocks tell no phase from an artefact.
FEWEST_BLOCKS = 3


def find_hidden_phases(
    first_cuts: FirstCuts, artefacts: Mapping[int, ProposedStart]
) -> dict[int, ProposedStart]:
    """Find the phases that describe traces from behind the rise of their artefacts on.

    The earliest cut from which two known phases describe a trace is found by bisection. Of an
    artefact of a few points, or to one side, without such phases nothing is known but its size.

    Parameters
    ----------
    artefacts
        By trace, of one phase after an artefact.
    """
    sizes = {
        row: size
        for row, item in artefacts.items()
        if _may_lose_much(first_cuts, item, size := _deviation(first_cuts, row, item))
    }
    few = {row for row in sizes if _blocks(artefacts[row]) <= FEWEST_BLOCKS}
    looked_for = [row for row in sizes if row not in few]
    known = _earliest_phases(first_cuts, np.array(looked_for, dtype=np.intp))
    found = {row: replace(artefacts[row], hidden=course) for row, course in known.items()}
    for row, size in sizes.items():
        if row in few or (row not in known and _to_one_side(artefacts[row])):
            found[row] = _at_once(artefacts[row], size, first_s=first_cuts.blocks.first_s)
    return found


def _earliest_phases(first_cuts: FirstCuts, rows: NDArray[np.intp]) -> dict[int, Course]:
    """Find the course of two known phases from the earliest cut that they describe (R,) from."""
    found: dict[int, Course] = {}
    first, last = np.zeros_like(rows), first_cuts.accepted[rows]
    while len(rows):
        cut = (first + last) // 2
        both, known = _known_phases(first_cuts, rows, cut)
        for at in np.flatnonzero(known).tolist():
            from_s = float(first_cuts.blocks.edge_s[first_cuts.blocks.cuts[cut[at]]])
            found[int(rows[at])] = course_of(both, at, from_s=from_s)
        # Too late a cut leaves too little of the phase to know it.
        earlier = known | np.array([row not in found for row in rows.tolist()])
        first, last = np.where(earlier, first, cut), np.where(earlier, cut, last)
        still = last - first > 1
        rows, first, last = rows[still], first[still], last[still]
    return found


def _may_lose_much(first_cuts: FirstCuts, item: ProposedStart, size: float) -> bool:
    """Whether the start may take much of the change, if the whole deviation is a phase."""
    blocks = first_cuts.blocks
    stop_s = blocks.first_s + float(blocks.time_s[-1])
    course = item.course.back_to(max(item.onset_s, blocks.first_s))
    change = course.change(stop_s)
    lost = course.share_lost(item.start_s, stop_s=stop_s) * change
    return size + lost > NOTICED * (size + change)


def _to_one_side(item: ProposedStart) -> bool:
    """Whether an artefact lies to one side of the fit, as a phase does and a wave does not."""
    if item.initial is None:
        return False
    deviation, error = (
        values[: item.initial.edge] for values in (item.initial.deviation, item.initial.error)
    )
    sides = np.sign(deviation[np.abs(deviation) > FAR * error])
    return bool(np.abs(sides.sum()) == len(sides))


def _blocks(item: ProposedStart) -> int:
    """Count the blocks of an artefact."""
    return 0 if item.initial is None else item.initial.edge


def _deviation(first_cuts: FirstCuts, row: int, item: ProposedStart) -> float:
    """Largest deviation of the blocks of an artefact from one phase.

    Standing still in a flow looks no different from a short phase before a line, and counts too.
    """
    if item.initial is None:
        return 0.0
    deviation = np.abs(item.initial.deviation[: item.initial.edge])
    return first_cuts.batch.noise[row].sd * float(deviation.max(initial=0.0))


def _at_once(item: ProposedStart, size: float, *, first_s: float) -> ProposedStart:
    """Count what a few points deviate by as a phase that is over at once."""
    onset_s = max(item.onset_s, first_s)
    later = item.course.back_to(onset_s)
    return replace(item, hidden=replace(later, phases=((AT_ONCE, size), *later.phases)))


def _known_phases(
    first_cuts: FirstCuts, rows: NDArray[np.intp], cut: NDArray[np.intp]
) -> tuple[TwoPhases, NDArray[np.bool_]]:
    """Fit two phases from cuts (R,) on; whether (R,) they follow and the fast one is known."""
    batch, blocks = first_cuts.batch, first_cuts.blocks
    both = fit_two_phases(blocks, batch.means[rows], cut)
    start = blocks.cuts[cut]
    stop = np.maximum(first_cuts.looked_at[rows], start + 2 * STRIDE)
    follow = follows_within(
        batch,
        rows,
        batch.means[rows] - both.expected,
        start=start,
        stop=np.minimum(stop, blocks.edges - 1),
    )
    error = np.sqrt(both.log_k_variance[:, 0]) * batch.white_sd[rows]
    return both, follow & (error < KNOWN) & moves_at_once(both)
