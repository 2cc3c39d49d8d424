"""The shipped real traces against facts of their source, typed here by hand or as hashes."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from stopflow.io.folder import find_experiments, read_experiment
from stopflow.trace import Experiment

DATA = Path(__file__).parents[2] / "data" / "fe_scn"
NUMBERS_SHA256 = "05e115822a041598fc5f72c96fe4fd85f4add8bdf32abf62e99d6a6f3fbbb7b9"
"""Of all traces by (key, temperature, replicate): int32 ms and 1e-4 absorbance, as stored."""


@pytest.fixture(scope="module")
def experiments() -> list[Experiment]:
    return [read_experiment(folder) for folder in find_experiments(DATA)]


def test_five_temperatures_of_28_traces(experiments: list[Experiment]) -> None:
    assert [experiment.name for experiment in experiments] == [
        "16.5C",
        "18.5C",
        "20.5C",
        "22.5C",
        "24.5C",
    ]
    assert [len(experiment.shots) for experiment in experiments] == [28] * 5
    points = [len(shot.trace) for experiment in experiments for shot in experiment.shots]
    assert (len(points), min(points), max(points)) == (140, 254, 325)


def test_nothing_is_wrong_with_them(experiments: list[Experiment]) -> None:
    for experiment in experiments:
        assert {problem.level for problem in experiment.problems} == {"note"}


def test_twenty_conditions_of_seven_replicates(experiments: list[Experiment]) -> None:
    shots = [shot for experiment in experiments for shot in experiment.shots]
    groups = Counter(shot.conditions.group_key() for shot in shots)
    assert list(groups.values()) == [7] * 20
    for experiment in experiments:
        for shot in experiment.shots:
            known = shot.conditions
            salt = float(known.extra["Salt added (mmol/kg)"])
            assert f"{known.temperature_K - 273.15:.1f}C" == experiment.name
            assert known.ionic_strength_M == pytest.approx(0.086 + salt / 1000, rel=1e-12)
            assert (known.substrate, known.concentration_M) == ("Fe3+", 3e-3)
            assert known.replicate in range(1, 8)


def test_what_the_source_does_not_say_is_empty(experiments: list[Experiment]) -> None:
    for experiment in experiments:
        for shot in experiment.shots:
            assert shot.start_s is None
            assert shot.workbook_rate_per_s is None
            assert shot.conditions.dead_time_s is None


def test_first_points_of_one_trace(experiments: list[Experiment]) -> None:
    shots = {shot.file: shot for shot in experiments[1].shots}
    trace = shots["salt00_2.bka"].trace
    assert trace.time_s[:5].tolist() == [0.0, 0.011, 0.02, 0.029, 0.038]
    assert trace.signal[:5].tolist() == [0.031, 0.0375, 0.0548, 0.0643, 0.0713]
    assert trace.time_s[-3:].tolist() == [2.985, 2.996, 3.005]
    assert trace.signal[-3:].tolist() == [0.3696, 0.361, 0.3706]
    assert trace.signal_unit == "AU"


def test_every_number_is_that_of_the_source(experiments: list[Experiment]) -> None:
    traces = {}
    for experiment in experiments:
        for shot in experiment.shots:
            known = shot.conditions
            key = (known.extra["Key in the source"], experiment.name, known.replicate)
            traces[key] = np.stack([shot.trace.time_s * 1e3, shot.trace.signal * 1e4], axis=1)
    digest = hashlib.sha256()
    for key in sorted(traces):
        whole = np.rint(traces[key])
        assert np.abs(traces[key] - whole).max() < 1e-6
        digest.update(whole.astype("<i4").tobytes())
    assert digest.hexdigest() == NUMBERS_SHA256
