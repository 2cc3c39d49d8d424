"""The real Fe-SCN traces: against an independent fit and against what is published of them."""

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import curve_fit

from stopflow.io.folder import find_experiments, read_experiment
from stopflow.kinetics.analysis import (
    AnalysisSettings,
    LabAnalysis,
    QualityThresholds,
    analyse_experiment,
    analyse_lab,
)
from stopflow.trace import Experiment, Trace

FOLDER = Path(__file__).parents[2] / "data" / "fe_scn"


@pytest.fixture(scope="module")
def experiments() -> list[Experiment]:
    return [read_experiment(folder) for folder in find_experiments(FOLDER)]


@pytest.fixture(scope="module", params=["single", "single-slope"])
def lab(request: pytest.FixtureRequest, experiments: list[Experiment]) -> LabAnalysis:
    # Many of the traces ask for the slope; what is compared here is the law without it.
    thresholds = QualityThresholds(law_gain=np.inf if request.param == "single" else 10.0)
    settings = AnalysisSettings(law=request.param, thresholds=thresholds)
    return analyse_lab([analyse_experiment(item, settings) for item in experiments], settings)


def plain_rate(trace: Trace) -> float:
    """k of a single exponential by Levenberg and Marquardt from a rough guess."""
    time, signal = trace.time_s, trace.signal

    def model(t: np.ndarray, k: float, c: float, b: float) -> np.ndarray:
        return b + c * np.exp(-k * t)

    start = (4.0, signal[0] - signal[-1], signal[-1])
    return float(curve_fit(model, time - time[0], signal, p0=start)[0][0])


def test_all_traces_are_fitted(lab: LabAnalysis) -> None:
    shots = [shot for item in lab.experiments for shot in item.shots]
    assert len(shots) == 140
    assert all(shot.usable for shot in shots)


def test_means_agree_with_an_independent_fit(
    lab: LabAnalysis, experiments: list[Experiment]
) -> None:
    """Within 3 % for each of the 20 conditions, without slope."""
    if lab.experiments[0].law != "single":
        pytest.skip("the independent fit has no slope")
    compared = 0
    for item, experiment in zip(lab.experiments, experiments, strict=True):
        for condition in item.conditions:
            traces = [experiment.shots[i].trace for i in condition.members]
            rates = [plain_rate(trace) for trace in traces if trace is not None]
            assert len(rates) == 7
            assert condition.mean.k_per_s == pytest.approx(np.mean(rates), rel=0.03)
            compared += 1
    assert compared == 20


KNOWN_RATES = {
    "a": ((3.37, 0.07), (4.02, 0.08), (5.01, 0.08), (6.18, 0.07), (7.64, 0.15)),
    "d": ((2.93, 0.10), (3.60, 0.09), (4.49, 0.10), (5.46, 0.08), (6.61, 0.08)),
}
"""Key in the source -> mean and SD of k over seven shots, 16.5 to 24.5 C, in 1/s, to two places."""


def test_means_and_scatter_are_the_known_ones(lab: LabAnalysis) -> None:
    """To the last digit that is printed, by plain exponentials; no shot is left out."""
    if lab.experiments[0].law != "single":
        pytest.skip("the known rates are of exponentials without slope")
    for key, rows in KNOWN_RATES.items():
        found = [
            condition.mean
            for item in lab.experiments
            for condition in item.conditions
            if condition.conditions.extra["Key in the source"] == key
        ]
        assert [mean.shots for mean in found] == [7] * 5
        digits = [(round(m.k_per_s, 2), round(m.between_shot_sd_per_s, 2)) for m in found]
        assert digits == list(rows)


def test_the_series_published_as_off_is_found_and_no_other(lab: LabAnalysis) -> None:
    """16.5 C with the most salt: its seven shots drift."""
    drifting = [
        (item.name, condition.conditions.extra["Key in the source"])
        for item in lab.experiments
        for condition in item.conditions
        if any(finding.rule == "replicate-drift" for finding in condition.findings)
    ]
    assert drifting == [("16.5C", "d")]


def test_scatter_between_shots_is_twice_the_error_of_one(lab: LabAnalysis) -> None:
    ratios = [
        condition.mean.scatter_ratio for item in lab.experiments for condition in item.conditions
    ]
    assert np.median(ratios) == pytest.approx(2.0, abs=0.6)


def test_activation_energies_agree_between_ionic_strengths(lab: LabAnalysis) -> None:
    energies = [fit.parameters[0] for fit in lab.secondary if fit.kind == "arrhenius"]
    assert len(energies) == 4
    assert max(energy.low for energy in energies) < min(energy.high for energy in energies)
    assert {fit.curve.points for fit in lab.secondary} == {5}
