"""From an experiment's traces to rates with verdicts, and from experiments to a lab's tables."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stopflow.errors import SettingsError
from stopflow.kinetics.laws import AUTO, find_law
from stopflow.kinetics.many.individual_starts import SMALLEST_BATCH, CommonTraces
from stopflow.kinetics.secondary.analysis import fit_secondary
from stopflow.kinetics.secondary.fit import SecondaryFit, secondary_rows_of
from stopflow.kinetics.secondary.judge import judge_curves
from stopflow.kinetics.settings import AnalysisSettings, QualityThresholds
from stopflow.kinetics.solver.kept_times import bytes_of_times
from stopflow.kinetics.solver.result import Fit
from stopflow.kinetics.start.detect import StartDetection, detect_starts
from stopflow.kinetics.start.trimming import TrimWindow, choose_window
from stopflow.kinetics.tables import condition_rows, cut_rows, judgements, shot_rows
from stopflow.kinetics.usable_points import keep_usable
from stopflow.kinetics.verdicts.condition_fit import (
    ConditionFit,
    Together,
    UsedShot,
    fit_condition,
)
from stopflow.kinetics.verdicts.fit_shot import (
    finish_shot,
    prepare_shot,
    settle_law_shifts,
)
from stopflow.kinetics.verdicts.law_comparison import choose_law
from stopflow.kinetics.verdicts.left_out import find_left_out
from stopflow.kinetics.verdicts.rules import judge_shot
from stopflow.kinetics.verdicts.series import (
    ExperimentAnalysis,
    JudgedShot,
    build_conditions,
    group_shots,
)
from stopflow.kinetics.verdicts.series_rules import judge_series
from stopflow.kinetics.verdicts.shot import PreparedShot
from stopflow.trace import Experiment, Shot, Trace

__all__ = [
    "AnalysisSettings",
    "ExperimentAnalysis",
    "LabAnalysis",
    "QualityThresholds",
    "analyse_experiment",
    "analyse_lab",
    "condition_rows",
    "cut_rows",
    "judgements",
    "secondary_rows",
    "shot_rows",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabAnalysis:
    """All experiments, judged together, and their secondary plots."""

    experiments: tuple[ExperimentAnalysis, ...]
    secondary: tuple[SecondaryFit, ...]


def analyse_experiment(
    experiment: Experiment, settings: AnalysisSettings | None = None
) -> ExperimentAnalysis:
    """Trim, fit and judge every shot of an experiment.

    Bad input never stops the others: each refused shot keeps its place and its reason.
    """
    settings = settings or AnalysisSettings()
    experiment = experiment.until_end()
    usable = [keep_usable(shot) for shot in experiment.shots]
    recorded = [item.shot for item in usable]
    detections = detect_starts(recorded, law=settings.law, dead_time_s=settings.dead_time_s)
    fits = fit_together(recorded, detections) if not settings.robust else {}
    # One after the other, so that a trace is still in the processor's cache when it is finished.
    prepared: Iterable[PreparedShot] = (
        prepare_shot(
            item.shot,
            settings,
            detection=detection,
            fits=fits.get(place),
            omitted=item.omitted,
        )
        for place, (item, detection) in enumerate(zip(usable, detections, strict=True))
    )
    law = settings.law
    notes: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    if law == AUTO:
        prepared = list(prepared)
        chosen = choose_law([shot.laws for shot in prepared if shot.laws is not None])
        law, notes, undecided = chosen.law, (chosen.note,), chosen.undecided
    laws = [own_law(item.shot, law) for item in usable]
    notes += tuple(note for _, note in laws if note)
    finished = [
        finish_shot(item, settings, law=own) for item, (own, _) in zip(prepared, laws, strict=True)
    ]
    shots = settle_law_shifts(finished, law=law, undecided=undecided)
    groups = group_shots(shots)
    place = {member: number for number, group in enumerate(groups) for member in group}
    judged = tuple(
        JudgedShot(shot=shot, own=judge_shot(shot, settings.thresholds), condition=place[number])
        for number, shot in enumerate(shots)
    )
    left_out = find_left_out(judged, chance=settings.thresholds.left_out_chance)
    judged = tuple(
        replace(shot, left_out=left_out.get(number)) for number, shot in enumerate(judged)
    )
    analysis = ExperimentAnalysis(
        name=experiment.name,
        law=law,
        notes=notes,
        shots=judged,
        conditions=build_conditions(judged, settings, _together(recorded, judged, settings)),
    )
    return judge_series([analysis], settings.thresholds)[0]


def _together(
    recorded: Sequence[Shot], judged: Sequence[JudgedShot], settings: AnalysisSettings
) -> dict[int, ConditionFit | None]:
    """Fit the averaged shots of every condition as one, where that is asked for."""
    if settings.replicates == "each":
        return {}
    how: Together = "mean" if settings.replicates == "mean" else "joint"
    conditions: dict[int, list[UsedShot]] = {}
    for shot, own in zip(recorded, judged, strict=True):
        if own.averaged and shot.trace is not None and own.shot.result is not None:
            used = UsedShot(shot=shot, trace=shot.trace, analysis=own.shot, result=own.shot.result)
            conditions.setdefault(own.condition, []).append(used)
    return {
        condition: fit_condition(used, settings, how=how) for condition, used in conditions.items()
    }


def own_law(shot: Shot, law: str) -> tuple[str, str]:
    """Return the rate law decided for a shot, else that of all; and what is wrong with it."""
    if not shot.law:
        return law, ""
    try:
        return find_law(shot.law).key, ""
    except SettingsError as error:
        return law, f"{shot.file}: the rate law decided for it is not used: {error}"


def fit_together(
    shots: Sequence[Shot], detections: Sequence[StartDetection | None]
) -> dict[int, dict[str, Fit]]:
    """Fit one phase, with and without a slope, to the shots that share their times.

    Returns
    -------
    dict
        By number of the shot and key of the law, the fits of `fit_trace`; shots with times of their
        own are left out.
    """
    groups: dict[bytes, list[tuple[int, Trace, float]]] = {}
    for place, (shot, detection) in enumerate(zip(shots, detections, strict=True)):
        if shot.trace is None or detection is None or not len(shot.trace):
            continue
        window = choose_window(
            shot.trace.time_s,
            workbook_start_s=shot.start_s,
            end_s=shot.end_s,
            detected=detection.window,
        )
        if isinstance(window, TrimWindow):
            member = (place, shot.trace, window.start_s)
            groups.setdefault(bytes_of_times(shot.trace.time_s), []).append(member)
    found: dict[int, dict[str, Fit]] = {}
    for group in groups.values():
        if len(group) < SMALLEST_BATCH:
            continue
        traces = CommonTraces(
            group[0][1].time_s,
            np.array([trace.signal for _, trace, _ in group]),
            np.array([start_s for _, _, start_s in group]),
        )
        for law in ("single", "single-slope"):
            for (place, _, _), fit in zip(group, traces.fit(law), strict=True):
                found.setdefault(place, {})[law] = fit
    return found


def analyse_lab(
    analyses: Sequence[ExperimentAnalysis], settings: AnalysisSettings | None = None
) -> LabAnalysis:
    """Judge experiments against each other and draw their secondary plots."""
    settings = settings or AnalysisSettings()
    experiments = judge_series(analyses, settings.thresholds)
    secondary = fit_secondary(experiments)
    return LabAnalysis(
        experiments=judge_curves(experiments, secondary, settings.thresholds), secondary=secondary
    )


def secondary_rows(lab: LabAnalysis) -> list[dict[str, object]]:
    """One row a parameter of each secondary fit."""
    conditions = [(item.name, own.index) for item in lab.experiments for own in item.conditions]
    return secondary_rows_of(lab.secondary, {place: row for row, place in enumerate(conditions)})
