"""Verdicts: PASS, WARN or FAIL, each rule with its number, its meaning and its threshold.

`SHOT_RULES` judge one shot. `SERIES_RULES` judge shots against each other and are applied by
`stopflow.kinetics.series`; both are one numbered list, `RULES`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import inf

import numpy as np

from stopflow.kinetics.settings import QualityThresholds
from stopflow.kinetics.shot import ShotAnalysis, ShotResult


class Verdict(StrEnum):
    """How far a number can be trusted; in rising order of trouble."""

    PASS = "PASS"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule that spoke up: its id, its verdict and the reason in words, with numbers."""

    rule: str
    verdict: Verdict
    text: str


Judge = Callable[[ShotResult, QualityThresholds], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Attributes
    ----------
    id, number
        How it is quoted.
    verdict
        What it leads to.
    means
        What the chemist should think of.
    thresholds
        Names of the settings it uses.
    judge
        Reason, or None when all is well; None for rules about several shots.
    """

    id: str
    number: int
    verdict: Verdict
    means: str
    thresholds: tuple[str, ...]
    judge: Judge | None = None

    def finding(self, text: str) -> Finding:
        """Speak up."""
        return Finding(rule=self.id, verdict=self.verdict, text=text)


def _slope(result: ShotResult, limits: QualityThresholds) -> str | None:
    fit = result.fit
    error = fit.stderr.get("slope_per_s", 0.0) * result.k_stderr_per_s / fit.k_stderr_per_s
    change = abs(fit.slope_per_s) * fit.window_s / abs(fit.amplitude)
    if change <= limits.slope_share or abs(fit.slope_per_s) <= limits.slope_sigma * error:
        return None
    return (
        f"the baseline is not flat: it changes by {change:.0%} of the amplitude over the window "
        "(reaction not finished, a slower step, or drift)"
    )


def _window(result: ShotResult, limits: QualityThresholds) -> str | None:
    kt = result.fit.k_per_s * result.fit.window_s
    if kt >= limits.short_window_kt:
        return None
    return (
        f"the window holds only {kt:.2g} times 1/k; below {limits.short_window_kt:g} a slow "
        "reaction cannot be told from a slope: record longer"
    )


def _sampling(result: ShotResult, limits: QualityThresholds) -> str | None:
    per_step = result.fit.k_per_s * result.step_s
    if per_step <= limits.fast_sampling:
        return None
    return (
        f"k is {per_step:.2g} times the sampling rate: the decay falls between the points; "
        "sample faster"
    )


def _uncertain(result: ShotResult, limits: QualityThresholds) -> str | None:
    error = result.k_stderr_per_s / result.fit.k_per_s
    if not limits.uncertain_warn < error <= limits.uncertain_fail:
        return None
    return f"k is known to {error:.0%} only"


def _undetermined(result: ShotResult, limits: QualityThresholds) -> str | None:
    error = result.k_stderr_per_s / result.fit.k_per_s
    if error > limits.uncertain_fail:
        return f"k is not determined: its standard error is {error:.0%} of it"
    if result.k_low_per_s <= 0 or not result.k_high_per_s < inf:
        side = "lower" if result.k_low_per_s <= 0 else "upper"
        return f"k is not determined: the data set no {side} limit to it"
    return None


def _misfit(result: ShotResult, limits: QualityThresholds) -> str | None:
    checks = result.checks
    if checks.misfit_chance >= limits.misfit_chance:
        return None
    return (
        "the residuals run in waves the noise does not explain (mean square "
        f"{checks.misfit_ratio:.1f} times the expected): another law, a bubble, or an early start"
    )


def _clipped(result: ShotResult, limits: QualityThresholds) -> str | None:
    share = result.checks.clipped_share
    # Few levels make runs of equal values without any clipping.
    if share <= limits.clipped_share or result.checks.noise_steps < limits.coarse_steps:
        return None
    return f"{share:.1%} of the points stand at the end of the range: the detector is saturated"


def _coarse(result: ShotResult, limits: QualityThresholds) -> str | None:
    checks = result.checks
    if checks.noise_steps >= limits.coarse_steps or checks.levels >= limits.few_levels:
        return None
    return (
        f"the signal has {checks.levels} levels only, and its noise is below one step: raise the "
        "gain"
    )


def _noisy(result: ShotResult, limits: QualityThresholds) -> str | None:
    ratio = result.fit.signal_to_noise
    if ratio >= limits.low_signal_to_noise:
        return None
    return f"signal to noise is {ratio:.1f}, below {limits.low_signal_to_noise:g}"


def _start(result: ShotResult, limits: QualityThresholds) -> str | None:
    if result.start_shift_sigma <= limits.start_shift_sigma:
        return None
    return (
        "the given start lies in the artefact: from the detected start on, k differs by "
        f"{result.start_shift_sigma:.1f} standard errors"
    )


def _law(result: ShotResult, limits: QualityThresholds) -> str | None:
    shift = result.law_shift_sigma
    share = shift * result.k_stderr_per_s / result.fit.k_per_s
    if not (shift > limits.law_shift_sigma and share > limits.law_shift_share):
        return None
    return (
        f"k depends on the law: another one that fits as well or better moves it by {share:.1%} "
        f"({shift:.1f} standard errors)"
    )


def _rule(
    number: int,
    rule_id: str,
    verdict: Verdict,
    means: str,
    *thresholds: str,
    judge: Judge | None = None,
) -> Rule:
    return Rule(
        id=rule_id,
        number=number,
        verdict=verdict,
        means=means,
        thresholds=thresholds,
        judge=judge,
    )


_W, _F = Verdict.WARN, Verdict.FAIL
RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        _rule(1, "refused", _F, "there is no rate, and the reason why"),
        _rule(
            2,
            "slope",
            _W,
            "reaction not finished, a slower step, or drift",
            "slope_share",
            "slope_sigma",
            judge=_slope,
        ),
        _rule(3, "short-window", _W, "record longer", "short_window_kt", judge=_window),
        _rule(4, "slow-sampling", _W, "sample faster", "fast_sampling", judge=_sampling),
        _rule(
            5,
            "uncertain",
            _W,
            "more shots or less noise are needed",
            "uncertain_warn",
            "uncertain_fail",
            judge=_uncertain,
        ),
        _rule(
            6,
            "undetermined",
            _F,
            "the data do not say what k is",
            "uncertain_fail",
            judge=_undetermined,
        ),
        _rule(
            7,
            "residual-runs",
            _W,
            "the law does not describe the trace",
            "misfit_chance",
            judge=_misfit,
        ),
        _rule(
            8,
            "saturated",
            _F,
            "the detector was at its limit",
            "clipped_share",
            "coarse_steps",
            judge=_clipped,
        ),
        _rule(
            9,
            "quantised",
            _W,
            "the digitiser is too coarse for the signal",
            "coarse_steps",
            "few_levels",
            judge=_coarse,
        ),
        _rule(
            10,
            "noisy",
            _W,
            "amplitude small against the noise",
            "low_signal_to_noise",
            judge=_noisy,
        ),
        _rule(
            11,
            "early-start",
            _W,
            "the workbook's start is still in the artefact",
            "start_shift_sigma",
            judge=_start,
        ),
        _rule(
            12,
            "law-shift",
            _W,
            "the rate depends on the law chosen",
            "law_shift_sigma",
            "law_shift_share",
            judge=_law,
        ),
        _rule(13, "no-start", _W, "no part of the trace is free of artefact"),
        _rule(14, "workbook-rate", _W, "the lab's own rate differs", "workbook_share"),
        _rule(20, "outlier-shot", _W, "one shot is not like its replicates", "replicate_chance"),
        _rule(
            21,
            "replicate-drift",
            _W,
            "the replicates drift: temperature not settled, or a solution that ages",
            "replicate_chance",
        ),
        _rule(
            22,
            "replicate-scatter",
            _W,
            "the replicates scatter more than those of other conditions",
            "replicate_chance",
        ),
        _rule(23, "scatter", _W, "the replicates scatter widely", "scatter_share"),
        _rule(
            24,
            "amplitude-falls",
            _W,
            "part of the reaction is over before the first point",
            "amplitude_fall",
        ),
        _rule(25, "shots", _W, "some of the shots carry a warning of their own"),
        _rule(26, "none-fitted", _F, "no shot of the condition has a rate to trust"),
    )
}


def judge_shot(shot: ShotAnalysis, thresholds: QualityThresholds) -> tuple[Finding, ...]:
    """Apply every rule about single shots."""
    result = shot.result
    if result is None:
        return (RULES["refused"].finding(shot.refusal),)
    findings = []
    for rule in RULES.values():
        text = rule.judge(result, thresholds) if rule.judge else None
        if text:
            findings.append(rule.finding(text))
    if shot.window and shot.window.source == "first point":
        findings.append(RULES["no-start"].finding(shot.window.reason))
    theirs = shot.workbook_rate_per_s
    if theirs is not None and np.isfinite(theirs) and theirs > 0:
        mine, error = result.fit.k_per_s, result.k_stderr_per_s
        if abs(mine - theirs) > max(thresholds.workbook_share * theirs, 3 * error):
            text = f"the workbook's rate is {theirs:.4g}/s, the fit's {mine:.4g}/s"
            findings.append(RULES["workbook-rate"].finding(text))
    return tuple(findings)


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """Return the worst verdict; PASS without findings."""
    order = list(Verdict)
    return max((finding.verdict for finding in findings), key=order.index, default=Verdict.PASS)


def reasons(findings: Iterable[Finding]) -> str:
    """Join the reasons by "; "."""
    return "; ".join(finding.text for finding in findings)
