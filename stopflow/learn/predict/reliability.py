"""Reasons not to believe a predicted rate, read from the trace and the prediction alone.

A network answers whatever it is shown. So its k is put back into the trace: on log-spaced blocks
of relative time, {1, tau, exp(-k T tau)} is fitted by linear least squares, and what is left is
asked, each question by its own statistic, whether it knows of a better k, of a second phase, of a
start that was too early, or of no reaction at all. The unit of noise is the scatter of what is left
between neighbouring blocks, so correlated noise raises no alarm of its own.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from stopflow.bins import EDGES
from stopflow.features import relative_times, window_of
from stopflow.learn.pretraining.prior import Prior
from stopflow.trace import FloatArray

BLOCKS: Final = 128
PHASES: Final = np.exp(np.linspace(math.log(0.5), math.log(4000.0), 19))
GAP_STEPS: Final = 8.0
EARLY_SHARE: Final = 0.02
TINY: Final = 1e-300
MEDIAN_SQUARE: Final = 0.4549364
"""Median of the square of a standard normal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityLimits:
    """Where a rate stops being reliable.

    Attributes
    ----------
    prior
        What the model was trained on.
    window_s, k_per_s
        Windows a stopped-flow record can have, and the fastest rate behind a dead time of about a
        millisecond; others are probably in another unit.
    amplitude_sigma
        Least amplitude over its error: less is no reaction.
    better_k_sigma
        Largest distance, in joint standard errors, of the best k from the predicted one.
    better_k_share
        Distances below this share of k are never reported.
    phase_sigma, phase_share
        A second phase is reported above this many errors and this share of the amplitude.
    early_sigma
        Largest deviation of the first points, root mean square in errors.
    spike_share, spike_times
        A point that leaves the mean of its neighbours by more than this part of what the trace
        spans, and by so many times the usual distance, is no signal.
    log_sd
        Largest predicted SD of log k.
    """

    prior: Prior = field(default_factory=Prior)
    window_s: tuple[float, float] = (2e-3, 1e4)
    k_per_s: float = 3000.0
    amplitude_sigma: float = 5.0
    better_k_sigma: float = 5.0
    better_k_share: float = 0.01
    phase_sigma: float = 8.0
    phase_share: float = 0.03
    early_sigma: float = 4.0
    spike_share: float = 0.6
    spike_times: float = 20.0
    log_sd: float = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class Residue:
    """What {1, tau, exp(-k T tau)} leaves of a trace, in units of its error.

    Attributes
    ----------
    amplitude_sigma
        |amplitude| / its error.
    log_k_step, log_k_error
        How far the best log k lies from the predicted one, and its error.
    phase_sigma, phase_share, phase_kt
        The second exponential that explains most: amplitude over its error, over the amplitude of
        the first, and its k T.
    early_sigma
        Root mean square of what is left at the very start, over its error.
    slope, slope_error, slope_log_k
        Change over the window (in the unit of the signal) of the least-squares line under the
        exponential, its standard error with log k free, and its covariance with log k.
    """

    amplitude_sigma: float
    log_k_step: float
    log_k_error: float
    phase_sigma: float
    phase_share: float
    phase_kt: float
    early_sigma: float
    slope: float
    slope_error: float
    slope_log_k: float


def check_reliability(
    time_s: FloatArray,
    signals: FloatArray,
    *,
    k_per_s: FloatArray,
    log_sd: FloatArray,
    left: Sequence[Residue | None],
    limits: ReliabilityLimits | None = None,
) -> list[tuple[str, ...]]:
    """Reasons not to believe rates of trimmed traces on one grid; empty where there is none.

    Parameters
    ----------
    time_s, signals
        (n,) and (B, n) as given to the features.
    k_per_s, log_sd
        (B,) predicted rates and SDs of log k; NaN for a model without.
    left
        (B,) what `residues` says of them.
    """
    limits = limits or ReliabilityLimits()
    of_all = _record_warnings(time_s, limits)
    rates = zip(signals, k_per_s.tolist(), log_sd.tolist(), left, strict=True)
    return [
        (*of_all, *_rate_warnings(time_s, signal, k_per_s=k, log_sd=sd, limits=limits, left=own))
        for signal, k, sd, own in rates
    ]


def _rate_warnings(
    time_s: FloatArray,
    signal: FloatArray,
    *,
    k_per_s: float,
    log_sd: float,
    limits: ReliabilityLimits,
    left: Residue | None,
) -> list[str]:
    """Reasons not to believe the rate itself; `left` is what it leaves of the trace, if a rate."""
    if left is None:
        return ["the network gave no number"]
    found: list[str] = []
    kt = k_per_s * window_of(time_s)
    if k_per_s > limits.k_per_s:
        found.append(
            f"k = {k_per_s:.3g} 1/s: over within the dead time of any mixer; check the time unit"
        )
    found += _range_warnings(time_s, kt=kt, log_sd=log_sd, prior=limits.prior)
    if log_sd > limits.log_sd:
        found.append(f"the trace hardly determines k: the network's own error is {log_sd:.0%}")
    found += _spike_warnings(time_s, signal, limits)
    found += _residue_warnings(left, kt=kt, log_sd=log_sd, limits=limits)
    return found


def disagreement(
    *,
    k_per_s: float,
    log_sd: float,
    k_fit_per_s: float,
    k_fit_stderr_per_s: float,
    sigmas: float = 4.0,
    share: float = 0.01,
) -> str:
    """Reason when network and fit differ beyond their joint error and by more than `share`.

    Empty when they agree, or when one of them has no number.
    """
    distance = abs(math.log(k_per_s / k_fit_per_s)) if k_per_s > 0 and k_fit_per_s > 0 else math.nan
    error = math.hypot(log_sd, k_fit_stderr_per_s / k_fit_per_s) if k_fit_per_s > 0 else math.nan
    if distance > max(sigmas * error, share):
        return (
            f"network ({k_per_s:.4g} 1/s) and fit ({k_fit_per_s:.4g} 1/s) differ by "
            f"{distance / error:.0f} of their joint errors"
        )
    return ""


def residues(
    grids: Sequence[tuple[FloatArray, FloatArray]], *, kt: FloatArray
) -> list[Residue | None]:
    """Look at what rates leave of traces; None where k T is no positive number.

    Parameters
    ----------
    grids
        Times (n,) and the signals (B, n) recorded at them.
    kt
        (M,) one for each signal, in this order.
    """
    known = np.isfinite(kt) & (kt > 0)
    kt = np.where(known, kt, 1.0)
    alike: dict[int, list[_Blocks]] = defaultdict(list)
    rows: dict[int, list[int]] = defaultdict(list)
    begin = 0
    for time_s, signals in grids:
        blocks = _blocks(relative_times(time_s), signals)
        size, end = blocks.place.shape[1], begin + len(signals)
        alike[size].append(blocks)
        rows[size] += range(begin, end)
        begin = end
    found: dict[int, Residue] = {}
    for size, parts in alike.items():
        whole = _Blocks(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        found |= dict(zip(rows[size], _residues_of(whole, kt[rows[size]]), strict=True))
    return [found[i] if sure else None for i, sure in enumerate(known)]


class _Blocks(NamedTuple):
    """Mean relative time, mean signal and number of points of the filled blocks, (M, b) each."""

    place: FloatArray
    mean: FloatArray
    weight: FloatArray


def _residues_of(blocks: _Blocks, kt: FloatArray) -> Iterator[Residue]:
    """Yield what is left of the blocks of M traces."""
    place, root = blocks.place, np.sqrt(blocks.weight)
    decay = np.exp(-kt[:, None] * place)
    basis, triangle = np.linalg.qr(
        np.stack([np.ones_like(place), place, decay], axis=-1) * root[..., None]
    )
    values = root * (blocks.mean - blocks.mean.mean(axis=1, keepdims=True))
    inside = np.einsum("mbi,mb->mi", basis, values)
    left = values - np.einsum("mbi,mi->mb", basis, inside)
    last = triangle[:, 2, 2]
    amplitude = np.divide(inside[:, 2], last, out=np.zeros_like(last), where=last != 0)
    sd = np.sqrt(np.mean(np.diff(left, axis=1) ** 2, axis=1) / 2)

    turn = -kt[:, None] * place * decay * root
    along_basis = np.einsum("mbi,mb->mi", basis, turn)
    turn -= np.einsum("mbi,mi->mb", basis, along_basis)
    norm = np.linalg.norm(turn, axis=1)
    known = np.where((norm > 0) & (amplitude != 0), norm**2 * amplitude, np.nan)
    along = np.einsum("mb,mb->m", turn, left)
    step = along / known
    line = _line(triangle, inside, along_basis * amplitude[:, None])
    log_k_error = sd / np.maximum(norm * np.abs(amplitude), TINY)
    slope_error = np.hypot(sd * line.error, line.by_log_k * log_k_error)
    turn /= np.maximum(norm, TINY)[:, None]
    left -= turn * (along / np.maximum(norm, TINY))[:, None]

    frame = np.concatenate([basis, turn[..., None]], axis=-1)
    others = np.exp(-PHASES * place[..., None]) * root[..., None]
    plain = np.linalg.norm(others, axis=1)
    others -= frame @ (frame.swapaxes(1, 2) @ others)
    norms = np.linalg.norm(others, axis=1)
    seen = norms > 0.02 * plain
    products = np.abs(np.einsum("mbp,mb->mp", others, left))
    scores = np.divide(products, norms, out=np.zeros_like(norms), where=seen)
    first = place <= np.maximum(EARLY_SHARE, place[:, 3:4])
    early = np.sqrt(np.sum(left**2, axis=1, where=first) / first.sum(axis=1))
    usual = np.sqrt(np.median(np.diff(left, axis=1) ** 2, axis=1) / (2 * MEDIAN_SQUARE))
    height = np.maximum(np.abs(amplitude), TINY)
    for i, best in enumerate(np.argmax(scores, axis=1)):
        yield Residue(
            amplitude_sigma=float(abs(amplitude[i]) * max(abs(last[i]), TINY) / max(sd[i], TINY)),
            log_k_step=float(step[i]),
            log_k_error=float(log_k_error[i]),
            phase_sigma=float(scores[i, best] / max(sd[i], TINY)),
            phase_share=float(scores[i, best] / max(norms[i, best], TINY) / height[i]),
            phase_kt=float(PHASES[best]),
            early_sigma=float(early[i] / max(usual[i], TINY)),
            slope=float(line.slope[i]),
            slope_error=float(slope_error[i]),
            slope_log_k=float(line.by_log_k[i] * log_k_error[i] ** 2),
        )


class _Line(NamedTuple):
    """Of the straight line of M traces: slope, its error for noise of SD 1, d slope / d log k."""

    slope: FloatArray
    error: FloatArray
    by_log_k: FloatArray


def _line(triangle: FloatArray, inside: FloatArray, by_log_k: FloatArray) -> _Line:
    """Solve R c = Q^T y of {1, tau, exp} for the slope, (M, 3, 3) and (M, 3) each."""
    sound = np.abs(np.diagonal(triangle, axis1=1, axis2=2)).min(axis=1) > TINY
    inverse = np.full_like(triangle, np.nan)
    inverse[sound] = np.linalg.inv(triangle[sound])
    row = inverse[:, 1]
    return _Line(
        slope=np.einsum("mi,mi->m", row, inside),
        error=np.linalg.norm(row, axis=1),
        by_log_k=-np.einsum("mi,mi->m", row, by_log_k),
    )


def _blocks(tau: FloatArray, signals: FloatArray) -> _Blocks:
    starts = np.unique(np.searchsorted(tau, EDGES["blocks"](BLOCKS)[:-1]))
    count = np.diff(np.append(starts, len(tau))).astype(np.float64)
    mean = np.add.reduceat(signals, starts, axis=1) / count
    place = np.add.reduceat(tau, starts) / count
    return _Blocks(np.broadcast_to(place, mean.shape), mean, np.broadcast_to(count, mean.shape))


def _record_warnings(time_s: FloatArray, limits: ReliabilityLimits) -> list[str]:
    found = []
    points, window = len(time_s), window_of(time_s)
    low, high = limits.prior.points
    if points < low:
        found.append(f"{points} points, while the model was trained on {low} to {high}")
    if not limits.window_s[0] <= window <= limits.window_s[1]:
        found.append(f"a window of {window:.3g} s is no stopped-flow record: check the time unit")
    steps = np.diff(time_s)
    if steps.max() > GAP_STEPS * steps.min():
        usual = np.maximum(steps[:-2], steps[2:])
        wide = np.flatnonzero(steps[1:-1] > GAP_STEPS * usual)
        if wide.size:
            at = int(wide[np.argmax(steps[1:-1][wide])]) + 1
            found.append(f"a gap of {steps[at]:.3g} s in the record after {time_s[at]:.4g} s")
    return found


def _spike_warnings(time_s: FloatArray, signal: FloatArray, limits: ReliabilityLimits) -> list[str]:
    """Look for a single point larger than the reaction; the very start has a warning of its own."""
    first = int(np.searchsorted(time_s, time_s[0] + EARLY_SHARE * window_of(time_s)))
    late = signal[first:]
    if len(late) < 3:
        return []
    least = limits.spike_share * float(np.ptp(signal))
    steps = late[1:] - late[:-1]
    if max(float(steps.max()), -float(steps.min())) <= least:
        return []  # no point can leave the mean of its neighbours by more than a step
    away = 0.5 * np.abs(steps[1:] - steps[:-1])
    worst = int(np.argmax(away))
    if away[worst] <= least or away[worst] <= limits.spike_times * float(np.median(away)):
        return []
    at = time_s[first + worst + 1]
    return [f"a spike at {at:.4g} s is larger than the reaction: without it k may be another"]


def _range_warnings(time_s: FloatArray, *, kt: float, log_sd: float, prior: Prior) -> list[str]:
    first = (time_s[:6] - time_s[0]) / window_of(time_s)
    slack = 0.0 if math.isnan(log_sd) else log_sd
    slowest, fastest = prior.kt[0], prior.fastest(first)
    if math.log(kt) - slack < math.log(slowest) + 0.1:
        return [
            f"k T = {kt:.2g} is at or below the {slowest:g} the model was trained on: "
            "too little of the reaction is recorded, record longer"
        ]
    if math.log(kt) + slack > math.log(fastest) - 0.05:
        return [
            f"k T = {kt:.4g} is at or above the {fastest:.4g} this time grid resolves: "
            "the reaction is over within the first points"
        ]
    return []


def _residue_warnings(
    left: Residue, *, kt: float, log_sd: float, limits: ReliabilityLimits
) -> list[str]:
    if left.amplitude_sigma < limits.amplitude_sigma:
        return [
            f"no reaction to see: an amplitude of {left.amplitude_sigma:.1f} times its error "
            f"(at least {limits.amplitude_sigma:g} expected)"
        ]
    found = []
    spread = 0.0 if math.isnan(log_sd) else log_sd
    error = math.hypot(left.log_k_error, spread)
    away = abs(left.log_k_step)
    if away > max(limits.better_k_sigma * error, limits.better_k_share):
        found.append(
            f"another k explains the trace better: {left.log_k_step:+.1%} from the predicted one, "
            f"{away / error:.0f} times the joint error"
        )
    if left.phase_sigma > limits.phase_sigma and left.phase_share > limits.phase_share:
        kind = "faster" if left.phase_kt > kt else "slower"
        found.append(
            f"two phases, or a start too early: a {kind} one with {left.phase_share:.0%} of the "
            f"amplitude is left over ({left.phase_sigma:.0f} times its error)"
        )
    elif left.early_sigma > limits.early_sigma:
        found.append(
            f"start too early: the first points lie {left.early_sigma:.0f} errors off the curve"
        )
    return found
