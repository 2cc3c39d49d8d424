"""Reasons to distrust a predicted rate, found from the trace and the prediction alone.

A network gives a number for any input. The record is therefore checked against what the model was
trained on, and the rate against the residuals it leaves (`stopflow.learn.predict.residues`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from stopflow.features import window_of
from stopflow.learn.predict.residues import EARLY_SHARE, Residue
from stopflow.learn.pretraining.prior import Prior
from stopflow.trace import FloatArray

GAP_STEPS: Final = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityLimits:
    """Limits beyond which a rate is not reliable.

    Attributes
    ----------
    prior
        What the model was trained on.
    window_s, k_per_s
        Windows that a stopped-flow record can have, and the fastest rate that can be seen after a
        dead time of about a millisecond; values beyond are probably in another unit.
    amplitude_sigma
        Smallest ratio of the amplitude to its error that counts as a reaction.
    better_k_sigma
        Largest distance, in joint standard errors, of the best k from the predicted one.
    better_k_share
        Distances below this share of k are never reported.
    phase_sigma, phase_share
        A second phase is reported above this many errors and this share of the amplitude.
    early_sigma
        Largest deviation of the first points, root mean square in errors.
    spike_share, spike_times
        A point is a spike when it deviates from the mean of its neighbours by more than this share
        of the range of the trace and by more than this multiple of the median deviation.
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


def check_reliability(
    time_s: FloatArray,
    signals: FloatArray,
    *,
    k_per_s: FloatArray,
    log_sd: FloatArray,
    left: Sequence[Residue | None],
    limits: ReliabilityLimits | None = None,
) -> list[tuple[str, ...]]:
    """List the reasons to distrust the rates of trimmed traces on one grid; empty without any.

    Parameters
    ----------
    time_s, signals
        (n,) and (B, n) as given to the features.
    k_per_s, log_sd
        (B,) predicted rates and SDs of log k; NaN for a model that predicts none.
    left
        (B,) what `residues` found.
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
    """List the reasons to distrust the rate itself; `left` is None where there is no rate."""
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
    *, k_per_s: float, log_sd: float, k_fit_per_s: float, k_fit_stderr_per_s: float
) -> str:
    """Say that network and fit differ by more than four joint errors and more than 1 %.

    Empty where they agree, or where one of them gives no number.
    """
    distance = abs(math.log(k_per_s / k_fit_per_s)) if k_per_s > 0 and k_fit_per_s > 0 else math.nan
    error = math.hypot(log_sd, k_fit_stderr_per_s / k_fit_per_s) if k_fit_per_s > 0 else math.nan
    if distance > max(4 * error, 0.01):
        return (
            f"network ({k_per_s:.4g} 1/s) and fit ({k_fit_per_s:.4g} 1/s) differ by "
            f"{distance / error:.0f} of their joint errors"
        )
    return ""


def _record_warnings(time_s: FloatArray, limits: ReliabilityLimits) -> list[str]:
    found = []
    points, window = len(time_s), window_of(time_s)
    low, high = limits.prior.points
    if points < low:
        found.append(f"{points} points, while the model was trained on {low} to {high}")
    if not limits.window_s[0] <= window <= limits.window_s[1]:
        found.append(
            f"a window of {window:.3g} s is not that of a stopped-flow record: check the time unit"
        )
    steps = np.diff(time_s)
    if steps.max() > GAP_STEPS * steps.min():
        usual = np.maximum(steps[:-2], steps[2:])
        wide = np.flatnonzero(steps[1:-1] > GAP_STEPS * usual)
        if wide.size:
            at = int(wide[np.argmax(steps[1:-1][wide])]) + 1
            found.append(f"a gap of {steps[at]:.3g} s in the record after {time_s[at]:.4g} s")
    return found


def _spike_warnings(time_s: FloatArray, signal: FloatArray, limits: ReliabilityLimits) -> list[str]:
    """Look for a single point larger than the reaction, except at the very start."""
    first = int(np.searchsorted(time_s, time_s[0] + EARLY_SHARE * window_of(time_s)))
    late = signal[first:]
    if len(late) < 3:
        return []
    least = limits.spike_share * float(np.ptp(signal))
    steps = late[1:] - late[:-1]
    if max(float(steps.max()), -float(steps.min())) <= least:
        return []  # no point deviates from the mean of its neighbours by more than a step
    away = 0.5 * np.abs(steps[1:] - steps[:-1])
    worst = int(np.argmax(away))
    if away[worst] <= least or away[worst] <= limits.spike_times * float(np.median(away)):
        return []
    at = time_s[first + worst + 1]
    return [f"a spike at {at:.4g} s is larger than the reaction: without it, k may be different"]


def _range_warnings(time_s: FloatArray, *, kt: float, log_sd: float, prior: Prior) -> list[str]:
    first = (time_s[:6] - time_s[0]) / window_of(time_s)
    slack = 0.0 if math.isnan(log_sd) else log_sd
    slowest, fastest = prior.kt[0], prior.fastest(first)
    if math.log(kt) - slack < math.log(slowest) + 0.1:
        return [
            f"k T = {kt:.2g} {_is(kt <= slowest)} at or below the {slowest:g} the model was "
            "trained on: too little of the reaction is recorded, record longer"
        ]
    if math.log(kt) + slack > math.log(fastest) - 0.05:
        return [
            f"k T = {kt:.4g} {_is(kt >= fastest)} at or above the {fastest:.4g} this time grid "
            "resolves: the reaction is over within the first points"
        ]
    return []


def _is(itself: bool) -> str:  # noqa: FBT001
    """Say whether a number passes a limit itself, or with its error alone."""
    return "is" if itself else "may within its error be"


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
