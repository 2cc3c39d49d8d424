"""Verdicts: PASS, WARN or FAIL, each rule with its number, its meaning and its threshold.

Rules about one shot carry the function that judges it
(`stopflow.kinetics.verdicts.shot_rules`); rules from number 20 on compare shots and are applied
by `stopflow.kinetics.verdicts.series_rules` and `stopflow.kinetics.secondary.judge`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from stopflow.kinetics.settings import QualityThresholds
from stopflow.kinetics.verdicts import shot_rules
from stopflow.kinetics.verdicts.findings import Finding, Value, Values, Verdict
from stopflow.kinetics.verdicts.shot import ShotAnalysis, ShotResult

Judge = Callable[[ShotResult, QualityThresholds], Values | None]


class Rule(NamedTuple):
    """One rule.

    Attributes
    ----------
    number, id
        How it is quoted.
    verdict
        What it leads to.
    means
        What the user should consider.
    thresholds
        Names of the settings it uses.
    judge
        Gives the values of its sentence, or None when all is well; None for rules about several
        shots.
    """

    number: int
    id: str
    verdict: Verdict
    means: str
    thresholds: tuple[str, ...] = ()
    judge: Judge | None = None

    def finding(self, **values: Value) -> Finding:
        """Make a finding of this rule, with the values for its sentence."""
        return Finding(rule=self.id, verdict=self.verdict, values=values)


_W, _F = Verdict.WARN, Verdict.FAIL
RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule(1, "refused", _F, "there is no rate, and the reason why"),
        Rule(
            2,
            "slope",
            _W,
            "reaction not finished, a slower step, or drift",
            ("slope_share", "slope_sigma"),
            shot_rules.slope_not_flat,
        ),
        Rule(3, "short-window", _W, "record longer", ("short_window_kt",), shot_rules.short_window),
        Rule(4, "slow-sampling", _W, "sample faster", ("fast_sampling",), shot_rules.slow_sampling),
        Rule(
            5,
            "uncertain",
            _W,
            "more shots or less noise are needed",
            ("uncertain_warn", "uncertain_fail"),
            shot_rules.uncertain,
        ),
        Rule(
            6,
            "undetermined",
            _F,
            "the data do not say what k is",
            ("uncertain_fail",),
            shot_rules.undetermined,
        ),
        Rule(
            7,
            "residual-runs",
            _W,
            "the rate law does not describe the trace",
            ("misfit_chance",),
            shot_rules.residual_runs,
        ),
        Rule(
            8,
            "saturated",
            _F,
            "the detector was at its limit",
            ("clipped_share", "coarse_steps"),
            shot_rules.saturated,
        ),
        Rule(
            9,
            "quantised",
            _W,
            "the digitiser is too coarse for the signal",
            ("coarse_steps", "few_levels"),
            shot_rules.quantised,
        ),
        Rule(
            10,
            "noisy",
            _W,
            "amplitude small against the noise",
            ("low_signal_to_noise",),
            shot_rules.noisy,
        ),
        Rule(
            11,
            "early-start",
            _W,
            "the workbook's start is still in the artefact",
            ("start_shift_sigma",),
            shot_rules.early_start,
        ),
        Rule(
            12,
            "law-shift",
            _W,
            "the rate depends on the law chosen",
            ("law_shift_sigma", "law_shift_share"),
            shot_rules.law_shift,
        ),
        Rule(
            16,
            "wrong-law",
            _F,
            "another rate law is clearly better and gives another k",
            ("law_gain",),
            shot_rules.wrong_law,
        ),
        Rule(17, "omitted-points", _W, "points that were never measured are left out"),
        Rule(
            18,
            "time-zero",
            _W,
            "k of this rate law depends on when the reaction began",
            ("time_zero_kt",),
        ),
        Rule(13, "no-start", _W, "no part of the trace is free of artefact"),
        Rule(
            15,
            "artefact-inside",
            _F,
            "no start was found, and the fit does not follow the trace",
            ("misfit_chance",),
        ),
        Rule(
            19,
            "start-removes",
            _W,
            "part of the reaction lies before the detected start",
            ("removed_change", "removed_time"),
        ),
        Rule(14, "workbook-rate", _W, "the lab's own rate differs", ("workbook_share",)),
        Rule(20, "outlier-shot", _W, "one shot is not like its replicates", ("replicate_chance",)),
        Rule(
            21,
            "replicate-drift",
            _W,
            "the replicates drift: temperature not settled, or a solution that ages",
            ("replicate_chance",),
        ),
        Rule(
            22,
            "replicate-scatter",
            _W,
            "the replicates scatter more than those of other conditions",
            ("replicate_chance",),
        ),
        Rule(23, "scatter", _W, "the replicates scatter widely", ("scatter_share",)),
        Rule(
            24,
            "amplitude-falls",
            _W,
            "part of the reaction is over before the first point",
            ("amplitude_fall",),
        ),
        Rule(
            27,
            "off-curve",
            _W,
            "k_obs against concentration does not follow the curve reported",
            ("misfit_chance", "scatter_share"),
        ),
        Rule(
            28,
            "little-excess",
            _W,
            "neither reagent is in clear excess, so that k is only roughly pseudo-first order",
            ("excess_warn",),
        ),
        Rule(
            29,
            "no-excess",
            _F,
            "neither reagent is in excess: one exponential does not describe the reaction",
            ("excess_fail",),
        ),
        Rule(
            31,
            "left-out",
            _W,
            "the shot is left out of the mean of its condition",
            ("left_out_chance",),
        ),
        Rule(
            32,
            "without-outliers",
            _W,
            "the mean of the condition leaves shots out",
            ("left_out_chance",),
        ),
        Rule(30, "not-together", _W, "the shots of the condition are not fitted as one"),
        Rule(25, "shots", _W, "some of the shots carry a warning of their own"),
        Rule(26, "none-fitted", _F, "no shot of the condition has a rate to trust"),
    )
}


FOLLOWED = ("residual-runs", "law-shift", "wrong-law")
"""Rules about how a rate law follows the trace."""


def judge_shot(shot: ShotAnalysis, thresholds: QualityThresholds) -> tuple[Finding, ...]:
    """Apply every rule about single shots."""
    result = shot.result
    if shot.refusal is not None:
        refusal = shot.refusal
        return (RULES["refused"].finding(because=refusal.because, **refusal.values),)
    if result is None:
        return ()
    findings = []
    for rule in RULES.values():
        values = rule.judge(result, thresholds) if rule.judge else None
        if values is not None:
            findings.append(rule.finding(**values))
    findings += [RULES["omitted-points"].finding(**omission) for omission in shot.omitted]
    ours = shot.window is not None and shot.window.source in ("detected", "first point")
    if ours and not result.fit.rate_law.memoryless:
        since = result.fit.start_s - min(shot.first_s, 0.0)
        if result.fit.k_per_s * since > thresholds.time_zero_kt:
            findings.append(RULES["time-zero"].finding(since_s=since))
    # Points at the limit of the detector follow no rate law: there is no other one to be had.
    limited = any(finding.rule == "saturated" for finding in findings)
    if limited:
        findings = [finding for finding in findings if finding.rule not in FOLLOWED]
    elif shot.window and shot.window.source == "first point":
        follows = shot_rules.follows(result, thresholds)
        rule = RULES["no-start" if follows else "artefact-inside"]
        why = shot.window.because
        findings.append(rule.finding(because=why.keys, **why.values))
    removed = start_removes(shot, thresholds)
    if removed is not None:
        findings.append(RULES["start-removes"].finding(**removed))
    theirs = shot.workbook_rate_per_s
    if theirs is not None and np.isfinite(theirs) and theirs > 0:
        mine, error = result.fit.k_per_s, result.k_stderr_per_s
        if abs(mine - theirs) > max(thresholds.workbook_share * theirs, 3 * error):
            findings.append(RULES["workbook-rate"].finding(theirs_per_s=theirs, k_per_s=mine))
    return tuple(findings)


def start_removes(shot: ShotAnalysis, thresholds: QualityThresholds) -> Values | None:
    """Find how much lies before a detected start that is used; None when it is little."""
    window, detection = shot.window, shot.detection
    if window is None or detection is None or window.source != "detected":
        return None
    change, time = detection.removed_change, detection.removed_time
    if change <= thresholds.removed_change and time <= thresholds.removed_time:
        return None
    return {"start_ms": 1e3 * window.start_s, "change": change, "time": time}
