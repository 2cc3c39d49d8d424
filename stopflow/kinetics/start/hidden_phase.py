"""A fast phase that an artefact may hide: what a cut takes away beside the artefact.

The first cut from which one phase describes a trace lies behind whatever is faster, artefact and
first phase alike. From an earlier cut on, two phases may describe it: after the rise of an artefact
a short phase of the reaction looks like the artefact's fall. Which of the two it is one trace alone
does not say, so that what is lost of it before the start counts as lost.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import exp

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.many.time_blocks import STRIDE
from stopflow.kinetics.many.two_phases import TwoPhases, fit_two_phases
from stopflow.kinetics.start.detection import AT_ONCE, recorded_change
from stopflow.kinetics.start.proposals import FirstCuts, ProposedStart
from stopflow.kinetics.start.reaction import KNOWN, moves_at_once, phases_of
from stopflow.kinetics.start.relaxation import follows_within

# Share of the change by which the first blocks must deviate for a phase to be looked for.
NOTICED = 0.1
# Fewer blocks tell no phase from an artefact.
FEWEST_BLOCKS = 3
LARGEST = 300.0


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
    looked_for = []
    lasting_s = float(first_cuts.blocks.time_s[-1])
    for row, item in artefacts.items():
        blocks, size = _deviation(first_cuts, row, item)
        if size <= NOTICED * (size + recorded_change(item.phases, lasting_s)):
            continue
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
                hidden_phases=phases_of(both, at),
                hidden_from_s=float(first_cuts.blocks.edge_s[first_cuts.blocks.cuts[cut[at]]]),
            )
        first, last = np.where(known, first, cut), np.where(known, cut, last)
        still = (last - first > 1) & np.array([row in found for row in rows.tolist()])
        rows, first, last = rows[still], first[still], last[still]
    return found


def _deviation(first_cuts: FirstCuts, row: int, item: ProposedStart) -> tuple[int, float]:
    """Count the blocks of an artefact after the flow; their largest deviation from one phase."""
    initial = item.initial
    if initial is None:
        return 0, 0.0
    first = int(np.searchsorted(initial.edge_s, item.onset_s))
    if initial.edge <= FEWEST_BLOCKS:
        # Standing still looks no different from a phase that is over at the next point.
        first = 0
    deviation = np.abs(initial.deviation[first : initial.edge])
    return len(deviation), first_cuts.batch.noise[row].sd * float(deviation.max(initial=0.0))


def _at_once(item: ProposedStart, size: float, *, first_s: float) -> ProposedStart:
    """Count what a few points deviate by as a phase that is over at once."""
    onset_s = max(item.onset_s, first_s)
    back_s = item.phases_from_s - onset_s
    later = tuple((rate, own * exp(min(rate * back_s, LARGEST))) for rate, own in item.phases)
    return replace(item, hidden_phases=((AT_ONCE, size), *later), hidden_from_s=onset_s)


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
