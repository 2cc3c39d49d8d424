"""What the beginnings of traces on one time grid are: artefact, reaction, or nothing at all."""

from dataclasses import dataclass, replace
from math import inf, nan

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.laws import LAWS
from stopflow.kinetics.many.time_blocks import STRIDE, TimeBlocks, build_blocks
from stopflow.kinetics.many.two_phases import TwoPhases, fit_two_phases
from stopflow.kinetics.solver.result import predict
from stopflow.kinetics.start.artefact_end import artefact_end
from stopflow.kinetics.start.backward_extrapolation import (
    Batch,
    build_batch,
    first_accepted,
    last_cuts,
)
from stopflow.kinetics.start.detection import (
    Beginning,
    Explanation,
    StartDetection,
    undetected,
)
from stopflow.kinetics.start.relaxation import (
    SHORTEST_PHASE_S,
    explains_more_than_a_line,
    follows_slowly,
    follows_within,
)
from stopflow.kinetics.start.residual_artefact import deviations, shifts_of_k
from stopflow.kinetics.start.robust import noise_of_steps, robust_mass
from stopflow.kinetics.uncertainty.noise import Noise, estimate_noise
from stopflow.trace import FloatArray
from stopflow.trimming import TrimWindow

# Laws that the search for the first cut assumes anyway.
ASSUMED = ("", "auto", "single", "single-slope")
# Noise below this is rounding of a signal of size 1.
ROUNDING = 1e-12
# A rate must be known to this relative error to be told from that of an artefact.
KNOWN = 0.3
# Speed at first, over that of the faster of two phases, below which they are a lag: before the flow
# stops the signal stands still, and two phases whose speeds cancel at first describe that too.
LEAST_SPEED = 0.8
# In standard errors.
AHEAD = 3.0
# Share of the change that an artefact may take before other explanations are looked for.
MUCH = 0.2
# What the fits of what comes later, not adjusted to these blocks, may be worse in chi-squared.
FEWER_PARAMETERS = 6.0
# A flexible law hides part of an artefact: so many times the first cut that follows it.
MARGIN = 1.3
# A rate, in 1/s, at which what is lost is lost at once.
AT_ONCE = 1e12
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
    """

    time_s: FloatArray
    signals: FloatArray
    law: str
    longest_s: FloatArray
    robust: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Answer:
    """One trace: where it starts and why, and what decays after the onset."""

    explanation: Explanation
    start_s: float
    reason: str
    phases: tuple[tuple[float, float], ...] = ()
    phases_from_s: float = nan
    follows_from_s: float = inf
    onset_s: float = -inf
    beginning: Beginning | None = None


def explain(question: Question) -> list[StartDetection]:
    """Find the start of every trace."""
    blocks = build_blocks(question.time_s)
    means, noise = _dimensionless(question, blocks)
    mass = robust_mass(blocks, means, noise) if question.robust else None
    batch = build_batch(
        blocks,
        means,
        noise,
        mass=mass,
        louder=noise_of_steps(question.time_s, question.signals, blocks),
    )
    accepted = first_accepted(batch)
    answers: dict[int, _Answer] = {
        int(row): _single(batch, int(row), 0, "no artefact seen: the first points follow the fit")
        for row in np.flatnonzero(accepted == 0)
    }
    duration = np.where(accepted >= 0, _cut_s(blocks, accepted), np.inf)
    # One cut is tried even where the sampling is coarser than an artefact is long.
    longest_s = np.maximum(question.longest_s, blocks.edge_s[STRIDE] - blocks.first_s)
    reactions, hidden = _without_artefact(
        question, batch, accepted, short=duration <= longest_s
    )
    answers |= reactions
    open_rows = _open(answers, len(batch))
    flowing = np.zeros(len(batch), dtype=bool)
    cut = open_rows[accepted[open_rows] > 0]
    flowing[cut] = _stands_still(batch, cut, accepted[cut])
    long = open_rows[(duration > longest_s)[open_rows]]
    greedy = cut[_share_cut(batch, cut, accepted[cut]) > MUCH]
    shorter = _short_artefact(batch, np.union1d(long, greedy), accepted, longest_s)
    for row in list(shorter):
        from_s = shorter[row].follows_from_s
        doubtful = duration[row] <= longest_s[row] or flowing[row]
        late = doubtful and from_s - blocks.first_s > duration[row] / 2
        if late or (flowing[row] and _flow_stop(batch, row, int(accepted[row]), from_s)[1]):
            del shorter[row]
    answers |= shorter
    left = np.setdiff1d(cut, [*answers, *long[~flowing[long]]]).astype(np.intp)
    answers |= _artefacts(batch, left, accepted)
    for row in left[flowing[left]].tolist():
        if row in answers:
            stop_s = _flow_stop(batch, row, int(accepted[row]), blocks.first_s)[0]
            answers[row] = replace(answers[row], onset_s=stop_s)
    for row, phases in hidden.items():
        if row in answers:
            answers[row] = replace(
                answers[row], phases=phases, phases_from_s=blocks.first_s, onset_s=-inf
            )
    shifts = dict(zip(left.tolist(), shifts_of_k(batch, left, accepted[left]), strict=True))
    return [
        _detection(question, batch, row, answers.get(row), shifts.get(row))
        for row in range(len(batch))
    ]


def _open(answers: dict[int, "_Answer"], count: int) -> NDArray[np.intp]:
    """Traces without an answer."""
    return np.array([row for row in range(count) if row not in answers], dtype=np.intp)


def _dimensionless(
    question: Question, blocks: TimeBlocks
) -> tuple[FloatArray, tuple[Noise, ...]]:
    """Block means (B, K) of signals of range 1 whose last quarter has the mean 0, and noises."""
    signals = question.signals
    largest = np.abs(signals).max(axis=1, keepdims=True)
    signals = signals / largest
    size = np.ptp(signals, axis=1, keepdims=True)
    signals = (signals - signals[:, -(signals.shape[1] // 4) :].mean(axis=1, keepdims=True)) / size
    noise = [estimate_noise(signal) for signal in signals]
    return blocks.means(signals), tuple(
        Noise(sd=max(item.sd, ROUNDING), rho=item.rho) for item in noise
    )


def _cut_s(blocks: TimeBlocks, cut: NDArray[np.intp]) -> FloatArray:
    return blocks.edge_s[blocks.cuts[cut]] - blocks.first_s


def _single(batch: Batch, row: int, cut: int, reason: str) -> _Answer:
    """One phase from a cut on."""
    fits = batch.fits
    phase = (float(np.exp(fits.log_k[row, cut])), float(fits.amplitude[row, cut]))
    start = float(batch.blocks.edge_s[batch.blocks.cuts[cut]])
    explanation = Explanation.ARTEFACT if cut else Explanation.NOTHING_SEEN
    return _Answer(
        explanation=explanation,
        start_s=start,
        reason=reason,
        phases=(phase,),
        phases_from_s=start,
        follows_from_s=start,
    )


def _without_artefact(
    question: Question,
    batch: Batch,
    accepted: NDArray[np.intp],
    *,
    short: NDArray[np.bool_],
) -> tuple[dict[int, _Answer], dict[int, tuple[tuple[float, float], ...]]]:
    """Traces that a reaction of more than one phase describes from the first point on.

    And the two phases of those where one of them is as short as an artefact.
    """
    blocks = batch.blocks
    first_s = float(question.time_s[0])
    rows = np.flatnonzero(accepted != 0)
    found: dict[int, _Answer] = {}
    hidden: dict[int, tuple[tuple[float, float], ...]] = {}
    if not len(rows):
        return found, hidden
    stop = _looked_at(batch, accepted[rows])
    both = fit_two_phases(blocks, batch.means[rows], np.zeros(len(rows), dtype=np.intp))
    residual = batch.means[rows] - both.expected
    follow = follows_within(batch, rows, residual, start=np.zeros_like(rows), stop=stop)
    reaction = follow & _is_reaction(batch, rows, both)
    short = short[rows]
    slowly = np.zeros(len(rows), dtype=bool)
    at = np.flatnonzero(~short | (_share_cut(batch, rows, accepted[rows]) > MUCH))
    if len(at):
        slowly[at] = follows_slowly(batch, rows[at], 0, stop=stop[at])
        slowly[at] &= explains_more_than_a_line(batch, rows[at])
    for i in np.flatnonzero(slowly & (accepted[rows] > 0)):
        row, cut = rows[i], accepted[rows[i]]
        if _stands_still(batch, rows[[i]], accepted[rows[[i]]])[0]:
            slowly[i] = not _flow_stop(batch, int(row), int(cut), first_s)[1]
    asked = np.array([_follows_law(question, batch, row, stop=int(end)) for row, end in zip(rows, stop, strict=True)])
    for i, row in enumerate(rows.tolist()):
        phases = tuple(zip(both.k_per_s[i].tolist(), both.amplitudes[i].tolist(), strict=True))
        if asked[i]:
            reason = f"no artefact seen: {question.law} describes the trace from the first point"
        elif short[i] and reaction[i]:
            reason = (
                "no artefact seen: two phases describe the trace from the first point, the faster "
                f"one of about {both.k_per_s[i, 0]:.3g}/s"
            )
        elif slowly[i]:
            reason = "no artefact seen: a slow relaxation describes the trace from the first point"
        elif follow[i]:
            hidden[row] = phases
            continue
        else:
            continue
        found[row] = _Answer(
            explanation=Explanation.REACTION,
            start_s=first_s,
            reason=reason,
            phases=phases,
            phases_from_s=first_s,
        )
    return found, hidden


def _share_cut(
    batch: Batch, rows: NDArray[np.intp], accepted: NDArray[np.intp]
) -> FloatArray:
    """Share (R,) of the change before the first accepted cut, by the fit of what comes after it."""
    passed = np.exp(batch.fits.log_k[rows, accepted]) * _cut_s(batch.blocks, accepted)
    return np.where(accepted > 0, -np.expm1(-passed), 0.0)


def _looked_at(batch: Batch, accepted: NDArray[np.intp]) -> NDArray[np.intp]:
    """Number of the block up to which the beginning must be explained."""
    last = last_cuts(batch.blocks)[np.maximum(accepted, 0)] * STRIDE
    return np.where(accepted >= 0, last, batch.blocks.edges - 1)


def _is_reaction(batch: Batch, rows: NDArray[np.intp], both: TwoPhases) -> NDArray[np.bool_]:
    """Whether (R,) the faster of two phases is known, slower than an artefact, and no lag."""
    error = np.sqrt(both.log_k_variance) * batch.white_sd[rows, None]
    speeds = both.k_per_s * both.amplitudes
    moves = np.abs(speeds.sum(axis=1)) > LEAST_SPEED * np.abs(speeds).max(axis=1)
    slow = both.k_per_s[:, 0] < 1 / SHORTEST_PHASE_S
    known: NDArray[np.bool_] = error[:, 0] < KNOWN
    return known & moves & slow


def _follows_law(question: Question, batch: Batch, row: int, *, stop: int) -> bool:
    """Whether the law asked for describes the trace from the first point on."""
    if question.law in ASSUMED or question.law not in LAWS:
        return False
    blocks = batch.blocks
    fit = fit_trace(
        blocks.time_s,
        batch.means[row],
        law=question.law,
        start_s=0.0,
        weights=blocks.counts,
    )
    if not fit.ok:
        return False
    residual = (batch.means[row] - predict(fit, blocks.time_s))[None]
    one = np.array([row])
    return bool(
        follows_within(batch, one, residual, start=np.array([0]), stop=np.array([stop]))[0]
    )


def _short_artefact(
    batch: Batch, rows: NDArray[np.intp], accepted: NDArray[np.intp], longest_s: FloatArray
) -> dict[int, _Answer]:
    """Traces that any slow relaxation describes from the end of a short artefact on."""
    blocks = batch.blocks
    found: dict[int, _Answer] = {}
    for cut in range(1, len(blocks.cuts)):
        late_s = blocks.edge_s[blocks.cuts[cut]] - blocks.first_s
        still = np.array(
            [row for row in rows if row not in found and late_s <= longest_s[row]], dtype=np.intp
        )
        if not len(still):
            break
        stop = np.maximum(_looked_at(batch, accepted[still]), blocks.cuts[cut] + 2 * STRIDE)
        good = follows_slowly(batch, still, cut, stop=np.minimum(stop, blocks.edges - 1))
        good &= explains_more_than_a_line(batch, still)
        for row in still[good].tolist():
            found[row] = _after_short(batch, row, cut, longest_s[row])
    return found


def _after_short(batch: Batch, row: int, cut: int, longest_s: float) -> _Answer:
    """The start after an artefact before a reaction of more than one phase."""
    blocks = batch.blocks
    one = np.array([row])
    both = fit_two_phases(blocks, batch.means[one], np.array([cut]))
    residual = batch.means[one] - both.expected
    start = np.array([blocks.cuts[cut]])
    follow = follows_within(batch, one, residual, start=start, stop=start + 4 * STRIDE)[0]
    edge = int(blocks.cuts[cut])
    beginning = None
    start_s = blocks.first_s + MARGIN * (blocks.edge_s[edge] - blocks.first_s)
    reason = f"an artefact is seen up to {1e3 * blocks.edge_s[edge]:.4g} ms"
    if follow:
        error = batch.block_sd[row, : blocks.edges - 1]
        beginning = _beginning(batch, row, edge, residual[0, : blocks.edges - 1], error)
        start_s, reason = artefact_end(beginning)
    start_s = min(start_s, blocks.first_s + longest_s)
    phases = tuple(zip(both.k_per_s[0].tolist(), both.amplitudes[0].tolist(), strict=True))
    from_s = float(blocks.edge_s[edge])
    levels = batch.means[row, [0, edge, -1]]
    seen = abs(levels[0] - levels[1]) / (abs(levels[0] - levels[1]) + abs(levels[1] - levels[2]))
    if not follow or seen > MUCH:
        # What is seen of the change, artefact and all: the phases may miss the one cut away.
        phases = ((AT_ONCE, float(levels[0] - levels[1])), (0.0, float(levels[1] - levels[2])))
        from_s = blocks.first_s
    return _Answer(
        explanation=Explanation.ARTEFACT,
        start_s=start_s,
        reason=f"{reason}; then a reaction of more than one phase",
        phases=phases,
        phases_from_s=from_s,
        follows_from_s=float(blocks.edge_s[edge]),
        beginning=beginning,
    )


def _stands_still(
    batch: Batch, rows: NDArray[np.intp], accepted: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Whether (R,) the points before the cut mostly lag behind the fit of what comes after it.

    While liquid flows the signal stands still, and that may last longer than an artefact does.
    What runs ahead of the fit is a faster phase, or an artefact too long to be one.
    """
    blocks = batch.blocks
    if not len(rows):
        return np.zeros(0, dtype=bool)
    edge = blocks.cuts[accepted]
    count = int(edge.max())
    deviation, error = deviations(batch, rows, accepted, blocks=count)
    ahead = deviation * np.sign(batch.fits.amplitude[rows, accepted])[:, None] / error
    lasts = np.diff(blocks.edge_s[: count + 1]) * (np.arange(count) < edge[:, None])
    behind_s, ahead_s = (
        np.where(far, lasts, 0).sum(axis=1) for far in (ahead < -AHEAD, ahead > AHEAD)
    )
    return np.asarray(behind_s > ahead_s)


def _flow_stop(batch: Batch, row: int, cut: int, from_s: float) -> tuple[float, bool]:
    """Find where the flow stops, if the signal stands still before it.

    Returns
    -------
    tuple
        The time up to which the fit of what comes after the cut, held at its value there, is
        nearest to the blocks from `from_s` on; and whether it describes them better than two
        phases that cancel at first.
    """
    blocks = batch.blocks
    edge = int(blocks.cuts[cut])
    number = np.arange(edge)
    judged = blocks.edge_s[:edge] >= from_s
    first = int(np.searchsorted(blocks.edge_s[blocks.cuts], from_s))
    both = fit_two_phases(blocks, batch.means[[row]], np.array([first])).expected[0, :edge]
    expected, _ = batch.fits.of_traces(np.array([row])).extrapolate(
        np.full((1, edge), cut), blocks, number
    )
    held = np.where(number < number[:, None], expected[0][:, None], expected[0])

    def misfit(values: FloatArray) -> FloatArray:
        rest = (batch.means[row, :edge] - values) / batch.block_sd[row, :edge]
        return np.asarray((rest**2 * judged).sum(axis=-1))

    of_stop = misfit(held)
    stop_s = float(blocks.edge_s[int(np.argmin(of_stop))])
    return stop_s, bool(of_stop.min() < misfit(both) + FEWER_PARAMETERS)


def _artefacts(
    batch: Batch, rows: NDArray[np.intp], accepted: NDArray[np.intp]
) -> dict[int, _Answer]:
    """Traces with an artefact, and one phase after it."""
    blocks, cut_s = batch.blocks, batch.blocks.edge_s[batch.blocks.cuts]
    found: dict[int, _Answer] = {}
    if not len(rows):
        return found
    count = min(int(blocks.cuts[accepted[rows]].max()) + STRIDE, blocks.edges - 1)
    deviation, error = deviations(batch, rows, accepted[rows], blocks=count)
    for i, row in enumerate(rows.tolist()):
        cut = int(accepted[row])
        beginning = _beginning(batch, row, int(blocks.cuts[cut]), deviation[i], error[i])
        start_s, reason = artefact_end(beginning)
        late = min(int(np.searchsorted(cut_s, start_s, side="right")) - 1, len(cut_s) - 1)
        # Without a decay after it the cut took the reaction rather than an artefact.
        if batch.fits.found[row, late]:
            single = _single(batch, row, cut, reason)
            found[row] = replace(single, start_s=start_s, beginning=beginning)
    return found


def _beginning(
    batch: Batch, row: int, edge: int, deviation: FloatArray, error: FloatArray
) -> Beginning:
    """The blocks up to a few after the first edge that follows, over the noise."""
    blocks = batch.blocks
    count = min(edge + STRIDE, len(deviation))
    return Beginning(
        edge=edge,
        edge_s=blocks.edge_s[: count + 1],
        middle_s=blocks.first_s + blocks.time_s[:count],
        deviation=deviation[:count] / batch.noise[row].sd,
        error=error[:count] / batch.noise[row].sd,
    )


def _detection(
    question: Question,
    batch: Batch,
    row: int,
    answer: _Answer | None,
    shifts: tuple[FloatArray, FloatArray] | None,
) -> StartDetection:
    """Put the answer and the curve of k against the cut together."""
    time_s = question.time_s
    curve = {
        "cut_s": batch.blocks.edge_s[batch.blocks.cuts],
        "k_per_s": batch.fits.k_per_s[row],
        "k_stderr_per_s": batch.k_stderr_per_s[row],
    }
    if answer is None:
        return undetected(time_s, reason=NOWHERE, **curve)
    first_s = float(time_s[0])
    at = min(int(np.searchsorted(time_s, answer.start_s)), len(time_s) - 1)
    start_s = float(time_s[at])
    onset_s = max(answer.onset_s, first_s)
    back = answer.phases_from_s - onset_s
    shift_s, shift_sigma = shifts or (np.empty(0), np.empty(0))
    return StartDetection(
        window=TrimWindow(
            start_s=start_s, stop_s=float(time_s[-1]), source="detected", reason=answer.reason
        ),
        explanation=answer.explanation,
        first_s=first_s,
        follows_from_s=min(answer.follows_from_s, start_s),
        onset_s=onset_s,
        phases=tuple(
            (rate, size * float(np.exp(min(rate * back, 300.0)))) for rate, size in answer.phases
        ),
        reason=answer.reason,
        shift_s=shift_s,
        beginning=answer.beginning,
        shift_sigma=shift_sigma,
        **curve,
    )
