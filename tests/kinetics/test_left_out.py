"""Shots far from their replicates are left out of means, by name and never in silence."""

from dataclasses import replace

import numpy as np
import pytest
from lab_shots import decay, noisy, series, shot

from stopflow.kinetics.analysis import (
    AnalysisSettings,
    QualityThresholds,
    analyse_experiment,
    analyse_lab,
    condition_rows,
    shot_rows,
)
from stopflow.kinetics.verdicts.repeatability import as_series, outliers_of
from stopflow.trace import Experiment


def with_odd(rng, experiment, *places, k=26.0):
    """The experiment with other rates at some places."""
    shots = list(experiment.shots)
    for place in places:
        odd = shots[place]
        shots[place] = shot(noisy(rng, decay(k)), file=odd.file, conditions=odd.conditions)
    return Experiment(name=experiment.name, shots=tuple(shots))


def analyse(made, **settings):
    return analyse_experiment(made, AnalysisSettings(**settings))


@pytest.mark.parametrize("how", ["each", "mean", "joint"])
def test_the_mean_is_that_of_the_others_and_says_so(rng, how):
    lab = series(rng, {1e-3: 10.0, 2e-3: 20.0, 3e-3: 30.0}, shots=5)
    made = with_odd(rng, lab, 7)
    odd = made.shots[7].file
    rows = condition_rows(analyse(made, replicates=how))
    rest = Experiment(name="lab", shots=tuple(item for item in made.shots if item.file != odd))
    expected = condition_rows(analyse(rest, replicates=how))
    assert [row["outlier_files"] for row in rows] == ["", odd, ""]
    assert (rows[1]["shots"], rows[1]["fitted"]) == (5, 4)
    assert rows[1]["k_per_s"] == expected[1]["k_per_s"]
    assert rows[1]["k_stderr_per_s"] == expected[1]["k_stderr_per_s"]
    assert rows[1]["verdict"] == "WARN"
    assert f"the mean leaves out {odd} of 5 shots: with it k is" in rows[1]["reason"]
    alone = [row["k_per_s"] for row in shot_rows(analyse(made)) if row["condition"] == 1]
    assert rows[1]["k_all_per_s"] == pytest.approx(np.mean(alone), rel=1e-12)
    assert rows[1]["k_all_stderr_per_s"] == pytest.approx(np.std(alone, ddof=1) / 5**0.5)
    assert rows[0]["k_all_per_s"] == rows[0]["k_each_per_s"]


def test_the_shot_says_so_too_and_keeps_its_own_rate(rng):
    made = with_odd(rng, series(rng, {1e-3: 10.0, 2e-3: 20.0}, shots=5), 7)
    (row,) = (row for row in shot_rows(analyse(made)) if row["file"] == made.shots[7].file)
    assert row["verdict"] == "WARN"
    assert row["rules"] == "left-out"
    assert "left out of their mean" in row["reason"]
    assert row["k_per_s"] == pytest.approx(26, rel=0.05)


def test_a_single_condition_of_many_shots_is_enough(rng):
    made = with_odd(rng, series(rng, {1e-3: 20.0}, shots=7), 2)
    (row,) = condition_rows(analyse(made))
    assert row["outlier_files"] == made.shots[2].file
    assert row["k_per_s"] == pytest.approx(20, rel=0.02)


def test_of_three_shots_none_is_left_out(rng):
    """Two against one is no proof; the condition warns of what it is."""
    made = with_odd(rng, series(rng, {1e-3: 10.0, 2e-3: 20.0, 3e-3: 30.0}, shots=3), 4)
    rows = condition_rows(analyse(made))
    assert [row["outlier_files"] for row in rows] == ["", "", ""]
    assert rows[1]["fitted"] == 3
    assert rows[1]["verdict"] == "WARN"


def test_two_groups_are_no_outliers(rng):
    """Three of six shots at another rate: no more than a third may go."""
    made = with_odd(rng, series(rng, {1e-3: 10.0, 2e-3: 20.0, 3e-3: 30.0}, shots=6), 7, 8, 9)
    row = condition_rows(analyse(made))[1]
    assert row["fitted"] >= 4
    assert row["verdict"] == "WARN"


def test_two_of_six_may_go(rng):
    made = with_odd(rng, series(rng, {1e-3: 10.0, 2e-3: 20.0, 3e-3: 30.0}, shots=6), 7, 10)
    row = condition_rows(analyse(made))[1]
    assert row["outlier_files"] == f"{made.shots[7].file}, {made.shots[10].file}"


def test_it_can_be_forbidden_and_depends_on_no_other_folder(rng):
    made = with_odd(rng, series(rng, {1e-3: 10.0, 2e-3: 20.0, 3e-3: 30.0}, shots=5), 7)
    kept = analyse(made, thresholds=QualityThresholds(left_out_chance=0.0))
    assert not any(row["outlier_files"] for row in condition_rows(kept))
    wild = series(rng, {1e-3: 3.0, 2e-3: 40.0}, shots=5, name="wild")
    wild = with_odd(rng, wild, 1, 8, k=14.0)
    alone, beside = analyse_lab([analyse(made)]), analyse_lab([analyse(made), analyse(wild)])
    for name in ("outlier_files", "k_per_s", "k_stderr_per_s"):
        rows = [condition_rows(item.experiments[0]) for item in (alone, beside)]
        assert [row[name] for row in rows[0]] == [row[name] for row in rows[1]]


@pytest.mark.parametrize("conditions", [3, 5, 20])
def test_chances_of_shots_that_only_scatter_are_no_lower_than_they_say(conditions, rng):
    """A median is known with fewer degrees of freedom than its values have together."""
    chances = []
    for _ in range(4000 // conditions):
        k = np.exp(0.01 * rng.standard_normal((conditions, 4)))
        found = outliers_of([as_series(np.arange(4), row, 0.001 * row) for row in k])
        chances += [deviation.chance for row in found for deviation in row]
    assert 0.5 < np.mean(np.array(chances) < 0.01) / 0.01 < 1.2


@pytest.mark.slow
def test_good_shots_are_left_out_of_one_experiment_in_a_hundred(full_proof):
    """Scatter of 0.3 to 2 %, noise from 0.3 to 2 %: no more experiments than the chance says."""
    draws, touched = (1000 if full_proof else 60), 0
    for number in range(draws):
        rng = np.random.default_rng([19, number])
        scatter = rng.uniform(0.003, 0.02)
        lab = series(rng, {1e-3: 10.0, 2e-3: 20.0, 3e-3: 30.0}, shots=int(rng.integers(4, 7)))
        moved = tuple(
            replace(
                item,
                start_s=0.0,
                trace=replace(
                    item.trace,
                    signal=noisy(
                        rng,
                        decay(10.0 * (1 + place % 3) * (1 + scatter * rng.standard_normal())),
                        sd=rng.uniform(0.003, 0.02),
                    ),
                ),
                conditions=replace(item.conditions, concentration_M=1e-3 * (1 + place % 3)),
            )
            for place, item in enumerate(lab.shots)
        )
        found = analyse(Experiment(name="lab", shots=moved))
        touched += any(row["outlier_files"] for row in condition_rows(found))
    assert touched <= 0.01 * draws + 3 * np.sqrt(0.01 * draws)
