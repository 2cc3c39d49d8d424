"""Analyses as table rows: plain dicts with the columns of `stopflow.schema`, missing NaN and ""."""

from math import nan
from typing import Any

from stopflow.columns import foreign_name
from stopflow.kinetics.laws import COLUMNS, COMPARED, error_columns, find_law, parameter_column
from stopflow.kinetics.laws.phases import AMPLITUDES, FIRST_RATE, FURTHER
from stopflow.kinetics.verdicts.findings import verdict_of, write_findings
from stopflow.kinetics.verdicts.sentences import reasons
from stopflow.kinetics.verdicts.series import ConditionAnalysis, ExperimentAnalysis, JudgedShot
from stopflow.kinetics.verdicts.series_phases import amplitude_interval
from stopflow.kinetics.verdicts.shot import ShotAnalysis
from stopflow.kinetics.verdicts.workbook_columns import ph_of
from stopflow.trace import Conditions

Row = dict[str, Any]
JUDGED = ("verdict", "reason", "rules", "findings")


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


def judgements(analysis: ExperimentAnalysis) -> dict[str, tuple[str, ...]]:
    """Return the columns of the shots that change when experiments are compared."""
    rows = [_judgement(judged) for judged in analysis.shots]
    return {name: tuple(row[name] for row in rows) for name in JUDGED}


def _judgement(judged: JudgedShot) -> dict[str, str]:
    rules = "; ".join(finding.rule for finding in judged.findings)
    said, written = reasons(judged.findings), write_findings(judged.findings)
    values = (judged.verdict.value, said, rules, written)
    return dict(zip(JUDGED, values, strict=True))


def _number(value: float | None) -> float:
    return nan if value is None else float(value)


def _shot_row(analysis: ExperimentAnalysis, judged: JudgedShot) -> Row:
    shot = judged.shot
    condition = analysis.conditions[judged.condition]
    return {
        "experiment": analysis.name,
        "file": shot.file,
        "channel": shot.channel,
        **_judgement(judged),
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
        "signal_unit": shot.signal_unit,
        "fit_status": shot.status.value,
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
        **_parameter_columns(shot),
        "noise_sd": result.fit.noise_sd if result else nan,
        "signal_to_noise": result.fit.signal_to_noise if result else nan,
    }


def _parameter_columns(shot: ShotAnalysis) -> Row:
    """Every parameter of every law with its standard error and its 95 % interval.

    All are of the one fit that the column ``law`` names; those its law does not have are NaN, and
    a slope that a law does not have is 0.
    """
    row: Row = {}
    law, result = find_law(shot.law), shot.result
    for name in dict.fromkeys((*COLUMNS, *law.parameters)):
        column = parameter_column(name)
        error, low, high = error_columns(column)
        row |= dict.fromkeys((column, error, low, high), nan)
        if result is None:
            continue
        if name in result.stderr:
            row[column], row[error] = result.fit.parameters[name], result.stderr[name]
            row[low], row[high] = result.intervals[name]
    if result is not None:
        row["amplitude"] = result.fit.amplitude
        row["slope_per_s"] = result.fit.slope_per_s
        row["intercept"] = result.fit.intercept
    return row


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
        "noise_inflation": result.noise_inflation,
        "start_inflation": result.start_inflation,
        "k_stderr_white_per_s": result.fit.k_stderr_per_s,
        "k_bound_per_s": result.k_bound_per_s,
        "efficiency": result.efficiency,
    }


def _law_columns(shot: ShotAnalysis) -> Row:
    """Say what other laws make of the shot: none of these numbers is of the fit reported."""
    compared = {key: (f"k_{law.column}_per_s", f"aicc_{law.column}") for key, law in COMPARED}
    names = [name for names in zip(*compared.values(), strict=True) for name in names]
    row: Row = dict.fromkeys((*names, "model_shift_sigma"), nan) | {
        "rival_law": "",
        "rival_k_per_s": nan,
        "rival_gain": nan,
    }
    result = shot.result
    if result is None:
        return row
    for key, (rate, criterion) in compared.items():
        row[rate], row[criterion] = result.laws[key].k_per_s, result.laws[key].aicc
    row["model_shift_sigma"] = result.law_shift.sigma
    rival = next(iter(result.laws.rivals_of(result.fit)), None)
    if rival is not None:
        row["rival_law"], row["rival_k_per_s"] = rival.law, rival.k_per_s
        row["rival_gain"] = result.laws.gain_of(rival, result.fit)
    return row


def _condition_row(analysis: ExperimentAnalysis, item: ConditionAnalysis) -> Row:
    mean = item.mean
    return {
        "experiment": analysis.name,
        "condition": item.index,
        **_condition_columns(item.conditions, concentration_M=item.concentration_after_mixing_M),
        "mixture": item.mixture,
        "mixture_ph": _number(ph_of(item.conditions)),
        "shots": len(item.members),
        "fitted": mean.shots,
        "k_per_s": mean.k_per_s,
        "k_stderr_per_s": mean.k_stderr_per_s,
        "k_low95_per_s": mean.k_low_per_s,
        "k_high95_per_s": mean.k_high_per_s,
        "k_from": item.together.how if item.together and item.together.rates else "each",
        "uncertainty_source": mean.source,
        "k_each_per_s": item.each.k_per_s,
        "k_each_stderr_per_s": item.each.k_stderr_per_s,
        "outlier_files": ", ".join(
            analysis.shots[i].shot.file for i in item.members if analysis.shots[i].left_out
        ),
        "k_all_per_s": item.everyone.k_per_s,
        "k_all_stderr_per_s": item.everyone.k_stderr_per_s,
        "between_shot_sd_per_s": mean.between_shot_sd_per_s,
        "scatter_ratio": mean.scatter_ratio,
        "half_life_s": item.half_life_times_k / mean.k_per_s,
        **_amplitude_columns(item, FIRST_RATE),
        "signal_to_noise": item.signal_to_noise,
        **_phase_columns(item),
        "verdict": verdict_of(item.findings).value,
        "reason": reasons(item.findings),
        "findings": write_findings(item.findings),
    }


def _phase_columns(item: ConditionAnalysis) -> Row:
    """Means of the slower phases; NaN for a law that has none."""
    row: Row = {}
    for rate in FURTHER:
        phase = item.phase(rate)
        error, low, high = error_columns(rate)
        row[rate] = phase.mean.k_per_s if phase else nan
        row[error] = phase.mean.k_stderr_per_s if phase else nan
        row[low] = phase.mean.k_low_per_s if phase else nan
        row[high] = phase.mean.k_high_per_s if phase else nan
        row |= _amplitude_columns(item, rate)
    return row


def _amplitude_columns(item: ConditionAnalysis, rate: str) -> Row:
    """Median amplitude of a phase with its error and 95 % interval."""
    phase, name = item.phase(rate), AMPLITUDES[rate]
    values = amplitude_interval(phase) if phase else (nan, nan, nan)
    amplitude = phase.amplitude if phase else nan
    return {name: amplitude, **dict(zip(error_columns(name), values, strict=True))}
