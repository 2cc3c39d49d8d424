"""What the beginnings of traces on one time grid are: artefact, reaction, or nothing at all."""

from dataclasses import dataclass, replace
from math import exp, inf

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.many.time_blocks import STRIDE, build_blocks
from stopflow.kinetics.start.artefact_end import artefact_end
from stopflow.kinetics.start.backward_extrapolation import Batch, build_batch, first_accepted
from stopflow.kinetics.start.detection import (
    CutCurve,
    Explanation,
    StartDetection,
    undetected,
)
from stopflow.kinetics.start.flow import flow_end, lags_behind
from stopflow.kinetics.start.noise import noise_of_steps, robust_mass
from stopflow.kinetics.start.reaction import MUCH, after_short_artefacts, reactions
from stopflow.kinetics.start.residual_artefact import deviations, shifts_of_k
from stopflow.kinetics.start.subject import Answer, Subject, beginning_of
from stopflow.kinetics.uncertainty.noise import Noise, estimate_noise
from stopflow.trace import FloatArray
from stopflow.trimming import TrimWindow

# Noise below this is rounding of a signal of size 1.
ROUNDING = 1e-12
NOWHERE = "no start detected: no part of the trace follows the fit of what comes after"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
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


def explain(question: Question) -> list[StartDetection]:
    """Find the start of every trace."""
    batch = _build_batch(question)
    accepted = first_accepted(batch)
    subject = Subject(
        batch=batch, law=question.law, accepted=accepted, longest_s=question.longest_s
    )
    answers: dict[int, Answer] = {
        int(row): _one_phase(
            batch, int(row), 0, "no artefact seen: the first points follow the fit"
        )
        for row in np.flatnonzero(accepted == 0)
    }
    cut = np.flatnonzero(accepted > 0)
    lagging = np.zeros(len(batch), dtype=bool)
    lagging[cut] = lags_behind(batch, cut, accepted[cut])
    found, hidden = reactions(subject, lagging)
    answers |= found
    too_much = ~subject.is_short | (subject.share_cut > MUCH)
    answers |= after_short_artefacts(subject, _without(answers, too_much), lagging)
    # Longer than an artefact only a flow is, in which the points lag behind.
    left = _without(answers, (accepted > 0) & (subject.is_short | lagging))
    artefacts = _artefacts(subject, left, lagging)
    for row, phases in hidden.items():
        if row in artefacts:
            artefacts[row] = replace(
                artefacts[row], phases=phases, phases_from_s=batch.blocks.first_s, onset_s=-inf
            )
    answers |= artefacts
    rows = np.array(sorted(artefacts) if question.with_shift else [], dtype=np.intp)
    shifts = dict(zip(rows.tolist(), shifts_of_k(batch, rows, accepted[rows]), strict=True))
    return [
        _detection(question, batch, row, answers.get(row), shifts.get(row))
        for row in range(len(batch))
    ]


def _without(answers: dict[int, Answer], wanted: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Numbers of the wanted traces that have no answer."""
    return np.array([row for row in np.flatnonzero(wanted) if row not in answers], dtype=np.intp)


def _build_batch(question: Question) -> Batch:
    """Make signals dimensionless: the mean of the last quarter becomes 0 and the range 1."""
    blocks = build_blocks(question.time_s)
    largest = np.abs(question.signals).max(axis=1, keepdims=True)
    signals = question.signals / largest
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
        mass=robust_mass(blocks, means, noise) if question.robust else None,
        louder=noise_of_steps(question.time_s, signals, blocks),
    )


def _one_phase(batch: Batch, row: int, cut: int, reason: str) -> Answer:
    """One phase from a cut on."""
    fits = batch.fits
    start_s = float(batch.blocks.edge_s[batch.blocks.cuts[cut]])
    return Answer(
        explanation=Explanation.ARTEFACT if cut else Explanation.NOTHING_SEEN,
        start_s=start_s,
        reason=reason,
        phases=((exp(fits.log_k[row, cut]), float(fits.amplitude[row, cut])),),
        phases_from_s=start_s,
        follows_from_s=start_s,
    )


def _artefacts(
    subject: Subject, rows: NDArray[np.intp], lagging: NDArray[np.bool_]
) -> dict[int, Answer]:
    """Traces (R,) with an artefact, or a flow, and one phase after it."""
    batch, blocks, accepted = subject.batch, subject.blocks, subject.accepted
    cut_s = blocks.edge_s[blocks.cuts]
    found: dict[int, Answer] = {}
    if not len(rows):
        return found
    count = min(int(blocks.cuts[accepted[rows]].max()) + STRIDE, blocks.edges - 1)
    deviation, error = deviations(batch, rows, accepted[rows], blocks=count)
    for i, row in enumerate(rows.tolist()):
        cut = int(accepted[row])
        beginning = beginning_of(
            batch, row, int(blocks.cuts[cut]), deviation=deviation[i], error=error[i]
        )
        start_s, reason = artefact_end(beginning)
        late = min(int(np.searchsorted(cut_s, start_s, side="right")) - 1, len(cut_s) - 1)
        # Without a decay after it the cut took the reaction rather than an artefact.
        if batch.fits.found[row, late]:
            onset_s = flow_end(batch, row, cut) if lagging[row] else blocks.first_s
            latest_s = onset_s + float(subject.latest_s[row])
            # A flow that does not stand still may last longer.
            latest_s = latest_s if beginning.follows_from_s <= latest_s else inf
            found[row] = replace(
                _one_phase(batch, row, cut, reason),
                start_s=min(start_s, latest_s),
                latest_s=latest_s,
                beginning=beginning,
                onset_s=onset_s,
            )
    return found


def _detection(
    question: Question,
    batch: Batch,
    row: int,
    answer: Answer | None,
    shifts: tuple[FloatArray, FloatArray] | None,
) -> StartDetection:
    """Put the answer and the curve of k against the cut together."""
    time_s, blocks = question.time_s, batch.blocks
    curve = CutCurve(
        cut_s=blocks.edge_s[blocks.cuts],
        k_per_s=batch.fits.k_per_s[row],
        k_stderr_per_s=batch.k_stderr_per_s[row],
    )
    if answer is None:
        return undetected(time_s, reason=NOWHERE, curve=curve)
    start_s = float(time_s[min(int(np.searchsorted(time_s, answer.start_s)), len(time_s) - 1)])
    onset_s = max(answer.onset_s, blocks.first_s)
    back_s = answer.phases_from_s - onset_s
    shift_s, shift_sigma = shifts or (np.empty(0), np.empty(0))
    return StartDetection(
        window=TrimWindow(
            start_s=start_s, stop_s=float(time_s[-1]), source="detected", reason=answer.reason
        ),
        explanation=answer.explanation,
        first_s=blocks.first_s,
        follows_from_s=min(answer.follows_from_s, start_s),
        latest_s=answer.latest_s,
        onset_s=onset_s,
        phases=tuple((rate, size * exp(min(rate * back_s, 300.0))) for rate, size in answer.phases),
        reason=answer.reason,
        shift_s=shift_s,
        shift_sigma=shift_sigma,
        beginning=answer.beginning,
        cut_s=curve.cut_s,
        k_per_s=curve.k_per_s,
        k_stderr_per_s=curve.k_stderr_per_s,
    )
