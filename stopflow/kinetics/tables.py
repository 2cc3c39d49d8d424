"""Analyses as table rows: plain dicts with the columns of `stopflow.schema`, missing NaN and ""."""

from math import log, nan
from typing import Any

from stopflow.columns import foreign_name
from stopflow.kinetics.verdicts.rules import reasons, verdict_of
from stopflow.kinetics.verdicts.series import ConditionAnalysis, ExperimentAnalysis, JudgedShot
from stopflow.kinetics.verdicts.shot import ShotAnalysis
from stopflow.trace import Conditions

Row = dict[str, Any]


def shot_rows(analysis: ExperimentAnalysis) -> list[Row]:
    """One row a shot, refused ones too."""
    return [_shot_row(analysis, shot) for shot in analysis.shots]


def condition_rows(analysis: ExperimentAnalysis) -> list[Row]:
    """One row a condition."""
    return [_condition_row(analysis, item) for item in analysis.conditions]


def cut_rows(analysis: ExperimentAnalysis) -> list[Row]:
    """Tell how k depends on the cut: one row for each cut tried on each shot."""
    return [
        {
            "experiment": analysis.name,
            "file": judged.shot.file,
            "channel": judged.shot.channel,
            "cut_s": float(cut),
            "k_per_s": float(k),
            "k_stderr_per_s": float(error),
        }
        for judged in analysis.shots
        if judged.shot.detection is not None
        for cut, k, error in zip(
            judged.shot.detection.cut_s,
            judged.shot.detection.k_per_s,
            judged.shot.detection.k_stderr_per_s,
            strict=True,
        )
    ]


def _number(value: float | None) -> float:
    return nan if value is None else float(value)


def _shot_row(analysis: ExperimentAnalysis, judged: JudgedShot) -> Row:
    shot = judged.shot
    condition = analysis.conditions[judged.condition]
    return {
        "experiment": analysis.name,
        "file": shot.file,
        "channel": shot.channel,
        "verdict": judged.verdict.value,
        "reason": reasons(judged.findings),
        **_fit_columns(shot),
        "workbook_rate_per_s": _number(shot.workbook_rate_per_s),
        **_condition_columns(
            shot.conditions, concentration_M=condition.concentration_after_mixing_M
        ),
        "mixture": condition.mixture,
        "replicate": _number(shot.conditions.replicate),
        "dead_time_s": _number(shot.conditions.dead_time_s),
        **{foreign_name(header): text for header, text in shot.conditions.extra.items()},
        "law": shot.law,
        "end_s": shot.window.stop_s if shot.window else nan,
        **_detection_columns(shot),
        **_error_columns(shot),
        **_law_columns(shot),
        "condition": judged.condition,
        "rules": "; ".join(finding.rule for finding in judged.findings),
        "signal_unit": shot.signal_unit,
        "fit_status": shot.status,
    }


def _condition_columns(conditions: Conditions, *, concentration_M: float | None) -> Row:
    return {
        "concentration_M": _number(concentration_M),
        "temperature_K": _number(conditions.temperature_K),
        "substrate": conditions.substrate or "",
        "ionic_strength_M": _number(conditions.ionic_strength_M),
    }


def _fit_columns(shot: ShotAnalysis) -> Row:
    fit, result = shot.fitted, shot.result
    return {
        "start_s": shot.window.start_s if shot.window else nan,
        "start_source": shot.window.source if shot.window else "",
        "points": fit.points if fit else 0,
        "window_s": fit.window_s if fit else nan,
        "k_per_s": result.fit.k_per_s if result else nan,
        "k_stderr_per_s": result.k_stderr_per_s if result else nan,
        "k_low95_per_s": result.k_low_per_s if result else nan,
        "k_high95_per_s": result.k_high_per_s if result else nan,
        "amplitude": result.fit.amplitude if result else nan,
        "slope_per_s": result.fit.slope_per_s if result else nan,
        "intercept": result.fit.intercept if result else nan,
        "noise_sd": result.fit.noise_sd if result else nan,
        "signal_to_noise": result.fit.signal_to_noise if result else nan,
    }


def _detection_columns(shot: ShotAnalysis) -> Row:
    detection, result = shot.detection, shot.result
    return {
        "detected_start_s": detection.window.start_s if detection and detection.found else nan,
        "detected_reason": detection.reason if detection else "",
        "amplitude_at_mixing": result.amplitude_at_mixing if result else nan,
    }


def _error_columns(shot: ShotAnalysis) -> Row:
    result = shot.result
    if result is None:
        names = ("half_life_s", "noise_correlation", "noise_inflation", "start_inflation")
        errors = ("k_stderr_white_per_s", "k_bound_per_s", "efficiency")
        return dict.fromkeys((*names, *errors), nan)
    return {
        "half_life_s": result.half_life_s,
        "noise_correlation": result.noise.rho,
        "noise_inflation": result.noise.inflation if result.noise.significant else 1.0,
        "start_inflation": result.start_inflation,
        "k_stderr_white_per_s": result.fit.k_stderr_per_s,
        "k_bound_per_s": result.k_bound_per_s,
        "efficiency": result.efficiency,
    }


def _law_columns(shot: ShotAnalysis) -> Row:
    names = (
        "k_single_per_s",
        "k_slope_per_s",
        "k_double_per_s",
        "k2_per_s",
        "amplitude2",
        "beta",
        "aicc_single",
        "aicc_slope",
        "aicc_double",
        "model_shift_sigma",
    )
    if shot.result is None:
        return dict.fromkeys(names, nan)
    laws = shot.result.laws
    single, slope, double = laws["single"], laws["single-slope"], laws["double"]
    values = (
        single.k_per_s,
        slope.k_per_s,
        double.k_per_s,
        double.k2_per_s,
        double.amplitude2,
        laws["stretched"].beta,
        single.aicc,
        slope.aicc,
        double.aicc,
        shot.result.law_shift_sigma,
    )
    return dict(zip(names, values, strict=True))


def _condition_row(analysis: ExperimentAnalysis, item: ConditionAnalysis) -> Row:
    mean = item.mean
    return {
        "experiment": analysis.name,
        "condition": item.index,
        **_condition_columns(item.conditions, concentration_M=item.concentration_after_mixing_M),
        "mixture": item.mixture,
        "shots": len(item.members),
        "fitted": mean.shots,
        "k_per_s": mean.k_per_s,
        "k_stderr_per_s": mean.k_stderr_per_s,
        "k_low95_per_s": mean.k_low_per_s,
        "k_high95_per_s": mean.k_high_per_s,
        "uncertainty_source": mean.source,
        "between_shot_sd_per_s": mean.between_shot_sd_per_s,
        "scatter_ratio": mean.scatter_ratio,
        "half_life_s": _half_life(mean.k_per_s),
        "amplitude": item.amplitude,
        "signal_to_noise": item.signal_to_noise,
        "verdict": verdict_of(item.findings).value,
        "reason": reasons(item.findings),
    }


def _half_life(k_per_s: float) -> float:
    return log(2) / k_per_s
