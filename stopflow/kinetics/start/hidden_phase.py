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
from stopflow.kinetics.start.course import AT_ONCE
from stopflow.kinetics.start.flow import FAR
from stopflow.kinetics.start.proposals import FirstCuts, ProposedStart
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

    Where two known phases describe a trace from half of its first accepted cut on, the earliest
    such cut is found by bisection. Of an artefact of a few points nothing is known but its size.

    Parameters
    ----------
    artefacts
        By trace, of one phase after an artefact.
    """
    found: dict[int, ProposedStart] = {}
    sizes: dict[int, float] = {}
    looked_for = []
    stop_s = first_cuts.blocks.first_s + float(first_cuts.blocks.time_s[-1])
    for row, item in artefacts.items():
        blocks, size = _deviation(first_cuts, row, item)
        course = item.course.back_to(max(item.onset_s, first_cuts.blocks.first_s))
        change = course.change(stop_s)
        lost = course.share_lost(item.start_s, stop_s=stop_s) * change
        if size + lost <= NOTICED * (size + change):
            continue
        sizes[row] = size
        if blocks > FEWEST_BLOCKS:
            looked_for.append(row)
        else:
            found[row] = _at_once(item, size, first_s=first_cuts.blocks.first_s)
    rows = np.array(looked_for, dtype=np.intp)
    first, last = np.zeros_like(rows), first_cuts.accepted[rows]
    while len(rows):
        cut = (first + last) // 2
        both, known = _known_phases(first_cuts, rows, cut)
        for at in np.flatnonzero(known).tolist():
            row = int(rows[at])
            found[row] = replace(
                artefacts[row],
                hidden=course_of(
                    both,
                    at,
                    from_s=float(first_cuts.blocks.edge_s[first_cuts.blocks.cuts[cut[at]]]),
                ),
            )
        seen = np.array([row in found for row in rows.tolist()])
        first, last = np.where(known | ~seen, first, cut), np.where(known | ~seen, cut, last)
        still = last - first > 1
        rows, first, last = rows[still], first[still], last[still]
    for row in looked_for:
        if row not in found and _to_one_side(artefacts[row]):
            found[row] = _at_once(artefacts[row], sizes[row], first_s=first_cuts.blocks.first_s)
    return found


def _to_one_side(item: ProposedStart) -> bool:
    """Whether an artefact lies to one side of the fit, as a phase does and a wave does not."""
    if item.initial is None:
        return False
    far = np.abs(item.initial.deviation) > FAR * item.initial.error
    sides = np.sign(item.initial.deviation[: item.initial.edge][far[: item.initial.edge]])
    return bool(np.abs(sides.sum()) == len(sides))


def _deviation(first_cuts: FirstCuts, row: int, item: ProposedStart) -> tuple[int, float]:
    """Count the blocks of an artefact; their largest deviation from one phase."""
    initial = item.initial
    if initial is None:
        return 0, 0.0
    # Standing still looks no different from a phase before a line.
    deviation = np.abs(initial.deviation[: initial.edge])
    return len(deviation), first_cuts.batch.noise[row].sd * float(deviation.max(initial=0.0))


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
