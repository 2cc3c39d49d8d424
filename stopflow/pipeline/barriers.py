"""Whatever goes wrong with one folder, one shot or one comparison ends that one, never the run.

These are the places where any exception is caught: what it was becomes the listed problem of the
item that it concerns. An interruption by the user passes.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stopflow.errors import StopflowError, StoreError, describe_error
from stopflow.io.channels import Channels
from stopflow.io.folder import ReadOptions, read_experiment, trace_files
from stopflow.io.text import shown_name
from stopflow.kinetics.analysis import (
    AnalysisSettings,
    ExperimentAnalysis,
    LabAnalysis,
    analyse_experiment,
    analyse_lab,
)
from stopflow.store import Dataset
from stopflow.trace import Conditions, Experiment, FloatArray, Problem, Shot

if TYPE_CHECKING:
    from stopflow.learn.model import Model
    from stopflow.learn.predict.shots import ShotPredictions

Trace = tuple[FloatArray, FloatArray]
NUMBERS = ("k_per_s", "k_low95_per_s", "k_high95_per_s", "log_sd")
"""What a prediction says of a shot; NaN where it says nothing."""
NO_NUMBER = "the network gives no finite number for it"

REPORT_IT = "a trace and conditions that can be analysed; please report this file as a fault"


def read_and_analyse(
    folder: Path, *, name: str, reading: ReadOptions, settings: AnalysisSettings
) -> tuple[Experiment, ExperimentAnalysis]:
    """Read and analyse a folder; a shot that cannot be analysed is refused with the reason.

    Returns
    -------
    experiment
        As read, the problems of refused shots added.
    analysis
        One entry for each of its shots.
    """
    try:
        experiment = read_experiment(folder, name=name, **asdict(reading)).sharing_times()
    except Exception as error:  # barrier of a folder
        experiment = _unread(folder, name=name, channel=reading.channel, why=describe_error(error))
    try:
        return experiment, _analyse(experiment, settings)
    except Exception as error:  # barrier of an experiment: the shots at fault are found below
        return _analyse_without_guilty(experiment, settings, why=describe_error(error))


def _analyse(experiment: Experiment, settings: AnalysisSettings) -> ExperimentAnalysis:
    """Analyse, and refuse a result that no table could hold."""
    analysis = analyse_experiment(experiment, settings)
    for judged in analysis.shots:
        result, window = judged.shot.result, judged.shot.window
        rate = result.fit.k_per_s if result else 0.0
        if np.isinf(rate) or np.isinf(window.start_s if window else 0.0):
            raise StopflowError("the fit gave a rate constant that is no finite number")
    return analysis


def _analyse_without_guilty(
    experiment: Experiment, settings: AnalysisSettings, *, why: str
) -> tuple[Experiment, ExperimentAnalysis]:
    """Refuse the shots that fail alone; all of them where none does but all together do."""
    reasons: dict[int, str] = {}
    for place, shot in enumerate(experiment.shots):
        try:
            _analyse(replace(experiment, shots=(shot,)), settings)
        except Exception as error:  # barrier of a shot
            reasons[place] = describe_error(error)
    everyone = dict.fromkeys(range(len(experiment.shots)), why)
    for refused in (reasons, everyone):
        shots = tuple(
            _refused(shot, refused[place]) if place in refused else shot
            for place, shot in enumerate(experiment.shots)
        )
        try:
            analysis = _analyse(replace(experiment, shots=shots), settings)
        except Exception:  # barrier of an experiment
            if refused is everyone:
                raise
            continue
        problems = [
            _problem(experiment.name, experiment.shots[place].file, f"the analysis failed: {text}")
            for place, text in refused.items()
        ]
        return replace(experiment, problems=(*experiment.problems, *problems)), analysis
    raise StopflowError(f"{experiment.name} cannot be analysed: {why}")


def _refused(shot: Shot, why: str) -> Shot:
    """Take from a shot everything that an analysis could fail on."""
    refusal = f"the analysis failed: {why}"
    return replace(shot, trace=None, start_s=None, conditions=Conditions(), refusal=refusal)


def _unread(folder: Path, *, name: str, channel: Channels, why: str) -> Experiment:
    shots = tuple(
        Shot(
            experiment=name,
            file=shown_name(path.name),
            channel=channel if isinstance(channel, int) else 1,
            trace=None,
            conditions=Conditions(),
            refusal=f"its folder cannot be read: {why}",
        )
        for path in trace_files(folder)
    )
    found = f"a folder that cannot be read: {why}"
    return Experiment(name=name, shots=shots, problems=(_problem(name, "", found),))


def analyse_across(
    analyses: Sequence[ExperimentAnalysis], settings: AnalysisSettings
) -> tuple[LabAnalysis, list[Problem]]:
    """Compare the experiments with each other; without those that a comparison fails on."""
    try:
        return analyse_lab(analyses, settings), []
    except Exception as error:  # barrier of the comparison
        why = describe_error(error)
    failed = [one for one in analyses if not _comparable(one, settings)] or list(analyses)
    problems = [
        _problem(one.name, "", f"it could not be compared with other experiments: {why}")
        for one in failed
    ]
    rest = [one for one in analyses if one not in failed]
    try:
        lab = analyse_lab(rest, settings)
    except Exception:  # barrier of the comparison
        return LabAnalysis(experiments=tuple(analyses), secondary=()), problems
    compared = dict(zip(map(id, rest), lab.experiments, strict=True))
    experiments = tuple(compared.get(id(one), one) for one in analyses)
    return replace(lab, experiments=experiments), problems


def _comparable(analysis: ExperimentAnalysis, settings: AnalysisSettings) -> bool:
    try:
        analyse_lab([analysis], settings)
    except Exception:  # barrier of an experiment
        return False
    return True


def trimmed_or_none(dataset: Dataset, row: int) -> Trace | None:
    """Return the trimmed trace of a shot; None for one that is missing or damaged."""
    try:
        return dataset.trimmed(row)
    except StoreError:
        return None


def predict_each(
    model: "Model", traces: Sequence[Trace], *, experiment: Sequence[str]
) -> "ShotPredictions":
    """Predict the shots; one that the network fails on, or gives no number for, is refused."""
    from stopflow.learn.predict.shots import predict_shots

    try:
        found = predict_shots(model, traces, experiment=experiment)
    except Exception:  # barrier of the shots: those at fault are found one by one
        found = _joined([_predict_one(model, trace) for trace in traces])
    endless = np.isinf([found.k_low95_per_s, found.k_high95_per_s, found.log_sd]).any(axis=0)
    lost = ~np.isfinite(found.k_per_s) | endless
    lost &= np.array([not reasons for reasons in found.refusals], dtype=bool)
    if not lost.any():
        return found
    refusals = tuple(
        (NO_NUMBER, *warnings) if gone else reasons
        for gone, reasons, warnings in zip(lost, found.refusals, found.warnings, strict=True)
    )
    kept: dict[str, Any] = {name: np.where(lost, np.nan, getattr(found, name)) for name in NUMBERS}
    return replace(found, refusals=refusals, **kept)


def _predict_one(model: "Model", trace: Trace) -> "ShotPredictions":
    from stopflow.learn.predict.shots import ShotPredictions, predict_shots

    try:
        return predict_shots(model, [trace])
    except Exception as error:  # barrier of a shot
        refusal = f"the prediction failed: {describe_error(error)}"
    nothing: dict[str, Any] = dict.fromkeys(NUMBERS, np.full(1, np.nan))
    return ShotPredictions(refusals=((refusal,),), warnings=((),), log_shift=np.zeros(1), **nothing)


def _joined(single: Sequence["ShotPredictions"]) -> "ShotPredictions":
    """Put predictions of single shots one after the other."""
    from stopflow.learn.predict.shots import ShotPredictions

    return ShotPredictions(
        refusals=tuple(reasons for one in single for reasons in one.refusals),
        warnings=tuple(reasons for one in single for reasons in one.warnings),
        **{
            name: np.concatenate([np.empty(0), *(getattr(one, name) for one in single)])
            for name in (*NUMBERS, "log_shift")
        },
    )


def _problem(experiment: str, file: str, found: str) -> Problem:
    return Problem(file, found, experiment=experiment, expected=REPORT_IT)
