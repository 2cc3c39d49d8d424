"""Reactions of more than one phase: from the first point on, or after a short artefact.

From the first point on: the rate law asked for, two phases of which neither is as short as an
artefact, or, where the cut before one phase would be longer than an artefact or take much of the
change, any slow relaxation. After a short artefact: any slow relaxation.
"""

from collections.abc import Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.many.time_blocks import STRIDE
from stopflow.kinetics.many.two_phases import TwoPhases, fit_two_phases
from stopflow.kinetics.solver.result import predict
from stopflow.kinetics.start.accepted_cuts import FirstCuts, ProposedStart, initial_deviation
from stopflow.kinetics.start.artefact_end import artefact_end
from stopflow.kinetics.start.course import AT_ONCE, Course, Phases
from stopflow.kinetics.start.detected_start import Explanation
from stopflow.kinetics.start.flow import FEWER_PARAMETERS, LOUDER_IN_FLOW, chi_squared, flow_stop
from stopflow.kinetics.start.reasons import because
from stopflow.kinetics.start.relaxation import (
    SHORTEST_PHASE_S,
    explains_more_than_a_line,
    follows_slowly,
    follows_within,
    is_tested,
)
from stopflow.trace import FloatArray

# Laws that the search for the first cut assumes anyway.
ASSUMED = ("", "auto", "single", "single-slope")
# A rate must be known to this relative error to be told from that of an artefact.
KNOWN = 0.3
# Speed at first, over that of the faster of two phases, below which they are a lag: before the flow
# stops the signal stands still, and two phases whose speeds cancel at first describe that too.
LEAST_SPEED = 0.8
# Share of the change that an artefact may take before other explanations are looked for.
MUCH = 0.2
# Share of the change before a start from which what is seen of it counts, and no extrapolation.
SEEN = 0.1
# Of the first accepted cut: earlier than that another must be to be better.
EARLIER = 0.5
# A flexible law hides part of an artefact: so many times the first cut that follows it.
MARGIN = 1.3


def reactions(
    first_cuts: FirstCuts, lagging: NDArray[np.bool_]
) -> tuple[dict[int, ProposedStart], dict[int, tuple[Course, tuple[float, float]]]]:
    """Find the traces that a reaction describes from the first point on.

    Parameters
    ----------
    lagging
        (B,) where the points before the first accepted cut lag behind, as in a flow.

    Returns
    -------
    tuple
        Starts by trace; and of other traces that two phases describe, one of them as short as an
        artefact, their course, and ln of the rate of the short one with its standard error.
    """
    batch, accepted = first_cuts.batch, first_cuts.accepted
    rows = np.flatnonzero(accepted != 0)
    found: dict[int, ProposedStart] = {}
    hidden: dict[int, tuple[Course, tuple[float, float]]] = {}
    if not len(rows):
        return found, hidden
    stop = first_cuts.looked_at[rows]
    both = fit_two_phases(batch.blocks, batch.means[rows], np.zeros_like(rows))
    residual = batch.means[rows] - both.expected
    follow = follows_within(batch, rows, residual, start=np.zeros_like(rows), stop=stop)
    error = np.sqrt(both.log_k_variance[:, 0]) * batch.white_sd[rows]
    # What is over after one point may be an artefact, however far apart the points are.
    shortest_s = max(SHORTEST_PHASE_S, float(batch.blocks.edge_s[1]) - batch.blocks.first_s)
    known = follow & (error < KNOWN) & (both.k_per_s[:, 0] < 1 / shortest_s)
    slowly = _slowly(first_cuts, rows, lagging, both, known)
    reaction = known & moves_at_once(both) & first_cuts.is_short[rows]
    for i, row in enumerate(rows.tolist()):
        course = course_of(both, i, from_s=batch.blocks.first_s)
        if _follows_law(first_cuts, row, stop=int(stop[i])):
            why = because("law", law=first_cuts.law)
        elif reaction[i]:
            why = because("two-phases", fast_per_s=float(both.k_per_s[i, 0]))
        elif slowly[i]:
            why = because("relaxation")
        else:
            if follow[i]:
                hidden[row] = (course, (float(both.log_k[i, 0]), float(error[i])))
            continue
        found[row] = ProposedStart(
            explanation=Explanation.REACTION, start_s=batch.blocks.first_s, why=why, course=course
        )
    return found, hidden


def course_of(both: TwoPhases, at: int, *, from_s: float) -> Course:
    """Two phases of a trace, fitted from a time on."""
    return Course(
        from_s=from_s,
        phases=tuple(zip(both.k_per_s[at].tolist(), both.amplitudes[at].tolist(), strict=True)),
        slope_per_s=float(both.slope_per_s[at]),
    )


def _slowly(
    first_cuts: FirstCuts,
    rows: NDArray[np.intp],
    lagging: NDArray[np.bool_],
    both: TwoPhases,
    known: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Whether (R,) a slow relaxation describes a trace that one phase would cut by too much.

    Where the points are too far apart to tell one from an artefact, the two phases must be known.
    """
    batch = first_cuts.batch
    slowly = ~first_cuts.is_short[rows] | (first_cuts.share_cut[rows] > MUCH)
    at = np.flatnonzero(slowly)
    if len(at):
        slowly[at] = follows_slowly(batch, rows[at], 0, stop=first_cuts.looked_at[rows[at]])
        slowly[at] &= explains_more_than_a_line(batch, rows[at])
        tested = is_tested(batch.blocks, 0, stop=first_cuts.edge[rows[at]])
        # Too long for an artefact and ahead of the fit: nothing but a reaction is left.
        too_long = ~first_cuts.is_short[rows[at]] & ~lagging[rows[at]]
        slowly[at] &= known[at] | tested | too_long
    for i in np.flatnonzero(slowly & lagging[rows] & (first_cuts.accepted[rows] > 0)).tolist():
        slowly[i] = not _is_flow(first_cuts, int(rows[i]), both, i, first=0)
    return slowly


def _is_flow(first_cuts: FirstCuts, row: int, both: TwoPhases, at: int, *, first: int) -> bool:
    """Whether a flow that stops describes the blocks before the cut better than two phases.

    Compared by ``-2 ln L``: while liquid flows the noise is louder, by how much the blocks say.
    """
    cut = int(first_cuts.accepted[row])
    count = int(first_cuts.blocks.cuts[cut])
    misfit = flow_stop(first_cuts.batch, row, cut, first=first)[1]
    expected = both.expected[at, :count]
    louder = min(max(misfit / max(count - first, 1), 1.0), LOUDER_IN_FLOW)
    flowing = misfit / louder + (count - first) * log(louder)
    return (
        flowing
        < float(chi_squared(first_cuts.batch, row, expected, first=first)) + FEWER_PARAMETERS
    )


def moves_at_once(both: TwoPhases) -> NDArray[np.bool_]:
    """Whether (R,) two phases are no lag."""
    speeds = both.k_per_s * both.amplitudes
    return np.asarray(np.abs(speeds.sum(axis=1)) > LEAST_SPEED * np.abs(speeds).max(axis=1))


def _follows_law(first_cuts: FirstCuts, row: int, *, stop: int) -> bool:
    """Whether the law asked for describes the trace from the first point on."""
    if first_cuts.law in ASSUMED:
        return False
    batch, blocks = first_cuts.batch, first_cuts.blocks
    unit, zero = batch.unit[row], batch.zero[row]
    fit = fit_trace(
        blocks.time_s,
        unit * batch.means[row] + zero,
        law=first_cuts.law,
        start_s=0.0,
        weights=blocks.counts,
    )
    if not fit.ok:
        return False
    residual = (batch.means[row] - (predict(fit, blocks.time_s) - zero) / unit)[None]
    begin, end = np.array([0]), np.array([stop])
    return bool(follows_within(batch, np.array([row]), residual, start=begin, stop=end)[0])


def after_short_artefacts(
    first_cuts: FirstCuts, rows: NDArray[np.intp], lagging: NDArray[np.bool_]
) -> dict[int, ProposedStart]:
    """Find the traces that a slow relaxation describes from the end of a short artefact on.

    Parameters
    ----------
    rows
        (R,) traces that one phase would cut by too much.
    lagging
        (B,) as in `reactions`.
    """
    batch, blocks = first_cuts.batch, first_cuts.blocks
    cuts = _first_slow_cuts(
        first_cuts, rows[explains_more_than_a_line(batch, rows)] if len(rows) else rows
    )
    doubtful = first_cuts.is_short | lagging
    earlier_s = np.where(doubtful, EARLIER, 1.0) * first_cuts.duration_s
    at = [row for row, cut in cuts.items() if first_cuts.cut_s(np.array(cut)) <= earlier_s[row]]
    found: dict[int, ProposedStart] = {}
    if not at:
        return found
    cut = np.array([cuts[row] for row in at])
    both = fit_two_phases(blocks, batch.means[at], cut)
    residual = batch.means[at] - both.expected
    start = blocks.cuts[cut]
    follow = follows_within(batch, np.array(at), residual, start=start, stop=start + 4 * STRIDE)
    for i, row in enumerate(at):
        edge = int(start[i])
        if lagging[row] and _is_flow(first_cuts, row, both, i, first=edge):
            continue
        from_s = float(blocks.edge_s[edge])
        known = (residual[i], course_of(both, i, from_s=from_s)) if follow[i] else None
        found[row] = _after_short(first_cuts, row, edge, known)
    return found


def _first_slow_cuts(
    first_cuts: FirstCuts, rows: Sequence[int] | NDArray[np.intp]
) -> dict[int, int]:
    """Find the first cut, by trace, after which a slow relaxation describes the points."""
    blocks = first_cuts.blocks
    found: dict[int, int] = {}
    for cut in range(1, len(blocks.cuts)):
        late_s = float(first_cuts.cut_s(np.array(cut)))
        still = [row for row in rows if row not in found and late_s <= first_cuts.latest_s[row]]
        if not still:
            break
        at = np.array(still)
        stop = np.maximum(first_cuts.looked_at[at], blocks.cuts[cut] + 2 * STRIDE)
        good = follows_slowly(first_cuts.batch, at, cut, stop=np.minimum(stop, blocks.edges - 1))
        good &= is_tested(blocks, cut, stop=first_cuts.edge[at])
        found.update(dict.fromkeys(at[good].tolist(), cut))
    return found


def _after_short(
    first_cuts: FirstCuts, row: int, edge: int, known: tuple[FloatArray, Course] | None
) -> ProposedStart:
    """Start after an artefact before a reaction of more than one phase.

    `known` are the residuals of two phases that follow, and their course.
    """
    batch, blocks = first_cuts.batch, first_cuts.blocks
    from_s = float(blocks.edge_s[edge])
    initial = None
    start_s = blocks.first_s + MARGIN * (from_s - blocks.first_s)
    why = because("short-artefact", seen_ms=1e3 * from_s)
    if known is not None:
        first = blocks.edges - 1
        initial = initial_deviation(
            batch, row, edge, deviation=known[0][:first], error=batch.block_sd[row, :first]
        )
        start_s, why = artefact_end(initial)
    # What is seen of the change, artefact and all: phases may miss one that was cut away.
    at = min(int(np.searchsorted(blocks.edge_s, start_s)), len(blocks.counts) - 1)
    levels = batch.means[row, [0, at, -1]]
    before, after = abs(float(levels[0] - levels[1])), abs(float(levels[1] - levels[2]))
    phases: Phases = ((AT_ONCE, before), (0.0, after))
    course = Course(from_s=blocks.first_s, phases=phases)
    if known is not None and before <= SEEN * (before + after):
        course = known[1]
    latest_s = blocks.first_s + float(first_cuts.latest_s[row])
    return ProposedStart(
        explanation=Explanation.ARTEFACT,
        start_s=min(start_s, latest_s),
        latest_s=latest_s,
        why=why.within("more-phases"),
        course=course,
        follows_from_s=from_s,
        initial=initial,
    )
