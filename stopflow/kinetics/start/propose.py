"""Starts proposed for traces on one time grid: after an artefact, or from the first point on."""

from dataclasses import dataclass, replace
from math import exp, inf

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.many.time_blocks import STRIDE, build_blocks
from stopflow.kinetics.start.accepted_cuts import FirstCuts, ProposedStart, initial_deviation
from stopflow.kinetics.start.artefact_end import artefact_end
from stopflow.kinetics.start.backward_extrapolation import Batch, build_batch, first_accepted
from stopflow.kinetics.start.course import Course
from stopflow.kinetics.start.detected_start import Explanation, StartDetection, undetected
from stopflow.kinetics.start.flow import flow_ends, lags_behind
from stopflow.kinetics.start.hidden_phase import find_hidden_phases
from stopflow.kinetics.start.noise import noise_of_steps, robust_mass
from stopflow.kinetics.start.reaction import MUCH, after_short_artefacts, reactions
from stopflow.kinetics.start.reasons import StartReason, because
from stopflow.kinetics.start.residual_artefact import deviations, shifts_of_k
from stopflow.kinetics.start.trimming import TrimWindow
from stopflow.kinetics.uncertainty.noise import Noise, estimate_noise
from stopflow.trace import FloatArray

# Noise below this is rounding of a signal of size 1.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TraceGroup:
    """Traces on one time grid.

    Attributes
    ----------
    time_s, signals
        (N,) and (B, N).
    law
        Key of the rate law asked for, or empty.
    longest_s
        (B,) how long a mixing artefact may last.
    robust
        Blocks that deviate from their neighbourhood count less.
    with_shift
        Also estimate how far the residual artefact may shift k.
    """

    time_s: FloatArray
    signals: FloatArray
    law: str
    longest_s: FloatArray
    robust: bool
    with_shift: bool


def propose_starts(group: TraceGroup) -> list[StartDetection]:
    """Find the start of every trace."""
    batch = _build_batch(group)
    accepted = first_accepted(batch)
    first_cuts = FirstCuts(batch=batch, law=group.law, accepted=accepted, longest_s=group.longest_s)
    proposals: dict[int, ProposedStart] = {
        int(row): _one_phase(batch, int(row), 0, because("first-points"))
        for row in np.flatnonzero(accepted == 0)
    }
    cut = np.flatnonzero(accepted > 0)
    lagging = np.zeros(len(batch), dtype=bool)
    lagging[cut] = lags_behind(batch, cut, accepted[cut])
    found, hidden = reactions(first_cuts, lagging)
    proposals |= found
    too_much = ~first_cuts.is_short | (first_cuts.share_cut > MUCH)
    proposals |= after_short_artefacts(first_cuts, _without(proposals, too_much), lagging)
    # Longer than an artefact only a flow is, in which the points lag behind.
    left = _without(proposals, (accepted > 0) & (first_cuts.is_short | lagging))
    artefacts = _artefacts(first_cuts, left, lagging)
    for row, (course, short_phase) in hidden.items():
        if row in artefacts:
            artefacts[row] = replace(
                artefacts[row], course=course, onset_s=-inf, short_phase=short_phase
            )
    # Where all starts are given nothing is removed.
    if group.with_shift:
        artefacts |= find_hidden_phases(
            first_cuts, {row: item for row, item in artefacts.items() if row not in hidden}
        )
    proposals |= artefacts
    rows = np.array(sorted(artefacts) if group.with_shift else [], dtype=np.intp)
    shifts = dict(zip(rows.tolist(), shifts_of_k(batch, rows, accepted[rows]), strict=True))
    return [
        _detection(group, batch, row, proposals.get(row), shifts.get(row))
        for row in range(len(batch))
    ]


def _without(proposals: dict[int, ProposedStart], wanted: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Numbers of the wanted traces that have no proposal."""
    return np.array([row for row in np.flatnonzero(wanted) if row not in proposals], dtype=np.intp)


def _build_batch(group: TraceGroup) -> Batch:
    """Make signals dimensionless: the mean of the last quarter becomes 0 and the range 1."""
    blocks = build_blocks(group.time_s)
    largest = np.abs(group.signals).max(axis=1, keepdims=True)
    signals = group.signals / largest
    size = np.ptp(signals, axis=1, keepdims=True)
    last = signals[:, -(signals.shape[1] // 4) :].mean(axis=1, keepdims=True)
    signals = (signals - last) / size
    noise = tuple(
        Noise(sd=max(item.sd, ROUNDING), rho=item.rho)
        for item in (estimate_noise(signal) for signal in signals)
    )
    means = blocks.means(signals)
    return build_batch(
        blocks,
        means,
        noise,
        unit=(largest * size)[:, 0],
        zero=(largest * last)[:, 0],
        mass=robust_mass(blocks, means, noise) if group.robust else None,
        louder=noise_of_steps(group.time_s, signals, blocks),
    )


def _one_phase(batch: Batch, row: int, cut: int, why: StartReason) -> ProposedStart:
    """One phase from a cut on."""
    fits = batch.fits
    start_s = float(batch.blocks.edge_s[batch.blocks.cuts[cut]])
    return ProposedStart(
        explanation=Explanation.ARTEFACT if cut else Explanation.NOTHING_SEEN,
        start_s=start_s,
        why=why,
        course=Course(
            from_s=start_s,
            phases=((exp(fits.log_k[row, cut]), float(fits.amplitude[row, cut])),),
            slope_per_s=float(fits.slope_per_s[row, cut]),
        ),
        follows_from_s=start_s,
    )


def _artefacts(
    first_cuts: FirstCuts, rows: NDArray[np.intp], lagging: NDArray[np.bool_]
) -> dict[int, ProposedStart]:
    """Traces (R,) with an artefact, or a flow, and one phase after it."""
    batch, blocks, accepted = first_cuts.batch, first_cuts.blocks, first_cuts.accepted
    cut_s = blocks.edge_s[blocks.cuts]
    found: dict[int, ProposedStart] = {}
    if not len(rows):
        return found
    count = min(int(blocks.cuts[accepted[rows]].max()) + STRIDE, blocks.edges - 1)
    deviation, error = deviations(batch, rows, accepted[rows], blocks=count)
    onsets = np.full(len(batch), blocks.first_s)
    flowing = rows[lagging[rows]]
    onsets[flowing] = flow_ends(batch, flowing, accepted[flowing])
    for i, row in enumerate(rows.tolist()):
        cut = int(accepted[row])
        initial = initial_deviation(
            batch, row, int(blocks.cuts[cut]), deviation=deviation[i], error=error[i]
        )
        start_s, why = artefact_end(initial)
        late = min(int(np.searchsorted(cut_s, start_s, side="right")) - 1, len(cut_s) - 1)
        # Without a decay after it the cut took the reaction rather than an artefact.
        if batch.fits.found[row, late]:
            onset_s = float(onsets[row])
            latest_s = onset_s + float(first_cuts.latest_s[row])
            # A flow that does not stand still may last longer.
            latest_s = latest_s if initial.follows_from_s <= latest_s else inf
            found[row] = replace(
                _one_phase(batch, row, cut, why),
                start_s=min(start_s, latest_s),
                latest_s=latest_s,
                initial=initial,
                onset_s=onset_s,
            )
    return found


def _detection(
    group: TraceGroup,
    batch: Batch,
    row: int,
    proposal: ProposedStart | None,
    shifts: tuple[FloatArray, FloatArray] | None,
) -> StartDetection:
    """Put the proposal and the curve of k against the cut together."""
    time_s, blocks = group.time_s, batch.blocks
    found = undetected(time_s, because("nowhere"))
    if proposal is not None:
        last = len(time_s) - 1
        start_s = float(time_s[min(int(np.searchsorted(time_s, proposal.start_s)), last)])
        shift_s, shift_sigma = shifts or (np.empty(0), np.empty(0))
        found = StartDetection(
            window=TrimWindow(
                start_s=start_s, stop_s=float(time_s[-1]), source="detected", because=proposal.why
            ),
            explanation=proposal.explanation,
            first_s=blocks.first_s,
            follows_from_s=min(proposal.follows_from_s, start_s),
            latest_s=proposal.latest_s,
            course=proposal.course.back_to(max(proposal.onset_s, blocks.first_s)),
            shift_s=shift_s,
            shift_sigma=shift_sigma,
            initial=proposal.initial,
            short_phase=proposal.short_phase,
            hidden=proposal.hidden,
        )
    return replace(
        found,
        cut_s=blocks.edge_s[blocks.cuts],
        k_per_s=batch.fits.k_per_s[row],
        k_stderr_per_s=batch.k_stderr_per_s[row],
    )
