"""From an experiment's traces to rates with verdicts, and from experiments to a lab's tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from stopflow.errors import SettingsError
from stopflow.kinetics.laws import find_law
from stopflow.kinetics.secondary.analysis import fit_secondary
from stopflow.kinetics.secondary.fit import SecondaryFit, secondary_rows_of
from stopflow.kinetics.settings import AUTO, AnalysisSettings, QualityThresholds
from stopflow.kinetics.start.detect import StartDetection, detect_start
from stopflow.kinetics.start.shared_start import agree_on_starts
from stopflow.kinetics.tables import condition_rows, cut_rows, shot_rows
from stopflow.kinetics.verdicts.compare_laws import choose_law
from stopflow.kinetics.verdicts.rules import judge_shot
from stopflow.kinetics.verdicts.series import (
    ExperimentAnalysis,
    JudgedShot,
    build_conditions,
    group_shots,
)
from stopflow.kinetics.verdicts.series_rules import judge_curves, judge_series
from stopflow.kinetics.verdicts.shot import finish_shot, prepare_shot
from stopflow.trace import Experiment, Shot

__all__ = [
    "AnalysisSettings",
    "ExperimentAnalysis",
    "LabAnalysis",
    "QualityThresholds",
    "analyse_experiment",
    "analyse_lab",
    "condition_rows",
    "cut_rows",
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
    detections = agree_on_starts([_detect(shot) for shot in experiment.shots])
    prepared = [
        prepare_shot(shot, settings, detection=detection)
        for shot, detection in zip(experiment.shots, detections, strict=True)
    ]
    law = settings.law
    notes: tuple[str, ...] = ()
    if law == AUTO:
        law, note = choose_law([shot.laws for shot in prepared if shot.laws is not None])
        notes = (note,)
    laws = [own_law(item.shot, law) for item in prepared]
    notes += tuple(note for _, note in laws if note)
    shots = [
        finish_shot(item, settings, law=own) for item, (own, _) in zip(prepared, laws, strict=True)
    ]
    groups = group_shots(shots)
    place = {member: number for number, group in enumerate(groups) for member in group}
    judged = tuple(
        JudgedShot(shot=shot, own=judge_shot(shot, settings.thresholds), condition=place[number])
        for number, shot in enumerate(shots)
    )
    analysis = ExperimentAnalysis(
        name=experiment.name,
        law=law,
        notes=notes,
        shots=judged,
        conditions=build_conditions(judged, settings),
    )
    return judge_series([analysis], settings.thresholds)[0]


def own_law(shot: Shot, law: str) -> tuple[str, str]:
    """Return the rate law decided for a shot, else that of all; and what is wrong with it."""
    if not shot.law:
        return law, ""
    try:
        return find_law(shot.law).key, ""
    except SettingsError as error:
        return law, f"{shot.file}: the rate law decided for it is not used: {error}"


def _detect(shot: Shot) -> StartDetection | None:
    return None if shot.trace is None else detect_start(shot.trace.time_s, shot.trace.signal)


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
