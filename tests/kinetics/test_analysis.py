"""The composition: every shot keeps its row, whatever was wrong with it."""

import pickle

import numpy as np
import pytest
from lab_shots import TIME, decay, noisy, series, shot

from stopflow.errors import SettingsError
from stopflow.kinetics.analysis import (
    AnalysisSettings,
    analyse_experiment,
    condition_rows,
    cut_rows,
    shot_rows,
)
from stopflow.schema import TABLES, TRACE_PLACES
from stopflow.trace import Conditions, Experiment, Shot

SHOT_COLUMNS = (
    "experiment file channel verdict reason start_s start_source points window_s "
    "k_per_s k_stderr_per_s k_low95_per_s k_high95_per_s "
    "k2_per_s k2_stderr_per_s k2_low95_per_s k2_high95_per_s "
    "k3_per_s k3_stderr_per_s k3_low95_per_s k3_high95_per_s "
    "amplitude amplitude_stderr amplitude_low95 amplitude_high95 "
    "amplitude2 amplitude2_stderr amplitude2_low95 amplitude2_high95 "
    "amplitude3 amplitude3_stderr amplitude3_low95 amplitude3_high95 "
    "slope_per_s slope_stderr_per_s slope_low95_per_s slope_high95_per_s "
    "intercept intercept_stderr intercept_low95 intercept_high95 "
    "beta beta_stderr beta_low95 beta_high95 ratio ratio_stderr ratio_low95 ratio_high95 "
    "noise_sd signal_to_noise workbook_rate_per_s concentration_M temperature_K substrate "
    "ionic_strength_M mixture replicate dead_time_s pH law detected_start_s detected_reason "
    "amplitude_at_mixing half_life_s noise_correlation noise_inflation start_inflation "
    "k_stderr_white_per_s k_bound_per_s efficiency k_single_per_s k_slope_per_s k_double_per_s "
    "aicc_single aicc_slope aicc_double model_shift_sigma rival_law rival_k_per_s rival_gain "
    "condition "
    "rules signal_unit fit_status"
).split()
CONDITION_COLUMNS = (
    "experiment condition concentration_M temperature_K substrate ionic_strength_M mixture "
    "mixture_ph shots fitted "
    "k_per_s k_stderr_per_s k_low95_per_s k_high95_per_s k_from uncertainty_source "
    "k_each_per_s k_each_stderr_per_s outlier_files k_all_per_s k_all_stderr_per_s "
    "between_shot_sd_per_s scatter_ratio half_life_s amplitude "
    "amplitude_stderr amplitude_low95 amplitude_high95 signal_to_noise verdict reason"
).split()


def experiment(*shots: Shot) -> Experiment:
    return Experiment(name="lab", shots=shots)


def bad_signals() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    good = noisy(np.random.default_rng(3), decay())
    hole, infinite = good.copy(), good.copy()
    hole[500:520], infinite[600:630] = np.nan, np.inf
    twice = TIME.copy()
    twice[300] = twice[299]
    return {
        "constant": (TIME, np.ones(len(TIME))),
        "empty": (TIME[:0], good[:0]),
        "hole": (TIME, hole),
        "infinite": (TIME, infinite),
        "twice": (twice, good),
        "backwards": (TIME[::-1], good),
        "one": (TIME[:1], good[:1]),
        "nine": (TIME[:9], good[:9]),
        "line": (TIME, 3 * TIME + 1),
        "too fast": (TIME, decay(1e5)),
        "noise": (TIME, np.random.default_rng(5).standard_normal(len(TIME))),
        "time is no number": (np.where(np.arange(len(TIME)) == 5, np.nan, TIME), good),
    }


@pytest.mark.parametrize("name", bad_signals())
@pytest.mark.parametrize("law", ["single-slope", "single", "double"])
def test_bad_signals_are_refused_with_a_reason(name: str, law: str) -> None:
    time, signal = bad_signals()[name]
    found = analyse_experiment(experiment(shot(signal, time_s=time)), AnalysisSettings(law=law))
    row = shot_rows(found)[0]
    assert row["verdict"] == "FAIL"
    assert np.isnan(row["k_per_s"])
    assert row["reason"]
    assert row["fit_status"] not in ("", "ok")
    assert condition_rows(found)[0]["verdict"] == "FAIL"


@pytest.mark.parametrize("law", ["single-slope", "single"])
def test_a_reaction_too_slow_for_the_window_never_passes(
    law: str, rng: np.random.Generator
) -> None:
    signal = noisy(rng, decay(1e-3), sd=1e-4)
    row = shot_rows(analyse_experiment(experiment(shot(signal)), AnalysisSettings(law=law)))[0]
    assert row["verdict"] == "FAIL"
    assert row["reason"]


def test_unreadable_and_impossible_starts_keep_their_rows(rng: np.random.Generator) -> None:
    unreadable = Shot(
        experiment="lab", file="x.bka", trace=None, conditions=Conditions(), refusal="line 3: cut"
    )
    late = shot(noisy(rng, decay()), file="late.bka", start_s=7.0)
    good = shot(noisy(rng, decay()), file="good.bka", start_s=0.01)
    rows = shot_rows(analyse_experiment(experiment(unreadable, late, good)))
    assert [row["verdict"] for row in rows] == ["FAIL", "FAIL", "PASS"]
    assert "line 3: cut" in rows[0]["reason"]
    assert "beyond the data" in rows[1]["reason"]
    assert rows[2]["start_source"] == "workbook"
    assert rows[2]["start_s"] == 0.01
    assert rows[2]["detected_start_s"] >= 0


def test_an_empty_experiment_has_no_rows() -> None:
    found = analyse_experiment(experiment())
    assert shot_rows(found) == condition_rows(found) == cut_rows(found) == []


def test_columns_are_as_agreed(rng: np.random.Generator) -> None:
    given = Conditions(concentration_M=2e-3, extra={"pH": "7.4"}, dead_time_s=0.002)
    found = analyse_experiment(
        experiment(shot(noisy(rng, decay()), conditions=given)), AnalysisSettings(mixing_ratio=2)
    )
    row = shot_rows(found)[0]
    added_by_ingest = {*TRACE_PLACES, "sha256", "k_true_per_s", "end_source", "law_source"}
    added_by_ingest |= {"k_shared_per_s", "k_shared_stderr_per_s"}
    assert set(row) == {*TABLES["shots"], "workbook: pH"} - added_by_ingest
    assert row["concentration_M"] == 1e-3
    assert row["workbook: pH"] == "7.4"
    assert set(condition_rows(found)[0]) == set(TABLES["conditions"])
    assert set(cut_rows(found)[0]) == {
        "experiment",
        "file",
        "channel",
        "cut_s",
        "k_per_s",
        "k_stderr_per_s",
    }


def test_numbers_of_a_row_agree_with_each_other(rng: np.random.Generator) -> None:
    given = Conditions(dead_time_s=0.002)
    traced = shot(noisy(rng, decay(20.0, slope_per_s=0.01)), conditions=given, start_s=0.05)
    row = shot_rows(analyse_experiment(experiment(traced)))[0]
    assert abs(row["k_per_s"] - 20) < 4 * row["k_stderr_per_s"]
    assert row["k_low95_per_s"] < row["k_per_s"] < row["k_high95_per_s"]
    assert row["half_life_s"] == pytest.approx(np.log(2) / row["k_per_s"])
    # Mixed one dead time before the flow stopped at 0: exp(k (0.05 + 0.002)) larger.
    assert row["amplitude_at_mixing"] == pytest.approx(
        row["amplitude"] * np.exp(row["k_per_s"] * 0.052)
    )
    assert row["k_bound_per_s"] == pytest.approx(row["k_stderr_white_per_s"], rel=0.01)
    assert row["k_slope_per_s"] == row["k_per_s"]


def test_correlated_noise_widens_the_error(rng: np.random.Generator) -> None:
    noise = rng.standard_normal(len(TIME))
    for at in range(1, len(noise)):
        noise[at] += 0.6 * noise[at - 1]
    row = shot_rows(analyse_experiment(experiment(shot(decay() + 0.01 * noise))))[0]
    assert row["noise_inflation"] == pytest.approx(2.0, abs=0.3)
    assert row["k_stderr_per_s"] == pytest.approx(
        row["k_stderr_white_per_s"] * row["noise_inflation"]
    )
    assert row["efficiency"] == pytest.approx(1 / row["noise_inflation"], rel=0.02)


def test_the_order_of_shots_does_not_matter(rng: np.random.Generator) -> None:
    plain = series(rng, {1e-3: 10.0, 2e-3: 20.0})
    turned = Experiment(name="lab", shots=plain.shots[::-1])
    rows = {row["file"]: row for row in shot_rows(analyse_experiment(plain))}
    for row in shot_rows(analyse_experiment(turned)):
        same = rows[row["file"]]
        assert (row["k_per_s"], row["verdict"]) == (same["k_per_s"], same["verdict"])
    means = {row["concentration_M"]: row for row in condition_rows(analyse_experiment(plain))}
    for row in condition_rows(analyse_experiment(turned)):
        assert row["k_per_s"] == pytest.approx(means[row["concentration_M"]]["k_per_s"])


def test_analyses_travel_between_processes(rng: np.random.Generator) -> None:
    found = analyse_experiment(series(rng, {1e-3: 10.0}))
    copy = pickle.loads(pickle.dumps(found))
    np.testing.assert_equal(shot_rows(copy), shot_rows(found))
    assert len(pickle.dumps(found)) < 60_000


def test_unknown_mixtures_are_not_taken_for_replicates(rng: np.random.Generator) -> None:
    found = analyse_experiment(
        experiment(*(shot(noisy(rng, decay(k)), file=f"{k}.bka") for k in (10, 20, 30)))
    )
    assert [len(item.members) for item in found.conditions] == [1, 1, 1]
    assert {row["uncertainty_source"] for row in condition_rows(found)} == {"single shot"}


def test_numbered_repeats_are_replicates_without_a_concentration(
    rng: np.random.Generator,
) -> None:
    found = analyse_experiment(
        experiment(
            *(
                shot(noisy(rng, decay()), conditions=Conditions(replicate=number))
                for number in (1, 2, 3)
            )
        )
    )
    assert [item.members for item in found.conditions] == [(0, 1, 2)]


@pytest.mark.parametrize(
    ("law", "signal"),
    [
        ("single", decay()),
        ("single-slope", decay(slope_per_s=0.2)),
        ("double", decay(40.0) + 0.6 * np.exp(-6 * TIME)),
        ("stretched", 2 + np.exp(-((20 * TIME) ** 0.6))),
    ],
)
def test_auto_finds_the_law_and_says_so(
    law: str, signal: np.ndarray, rng: np.random.Generator
) -> None:
    made = experiment(
        *(shot(noisy(rng, signal, sd=0.004), file=f"{i}.bka", start_s=0.0) for i in range(3))
    )
    found = analyse_experiment(made, AnalysisSettings(law="auto"))
    assert found.law == law
    assert law in found.notes[0]
    assert {row["law"] for row in shot_rows(found)} == {law}


def test_a_second_phase_is_found_and_moves_k(rng: np.random.Generator) -> None:
    signal = noisy(rng, decay(40.0) + 0.6 * np.exp(-6 * TIME), sd=0.004)
    row = shot_rows(analyse_experiment(experiment(shot(signal, start_s=0.0))))[0]
    assert row["k_double_per_s"] == pytest.approx(40, rel=0.05)
    assert row["aicc_double"] < row["aicc_slope"] < row["aicc_single"]
    assert row["verdict"] == "FAIL"
    assert row["rival_law"] == "double"
    assert row["rival_gain"] > 100
    assert "two phases: use --law double or auto" in row["reason"]
    # The row holds one fit: nothing of the double exponential stands among its parameters.
    assert row["law"] == "single-slope"
    assert np.isnan(row["k2_per_s"])
    for law in ("double", "auto"):
        settings = AnalysisSettings(law=law)
        row = shot_rows(analyse_experiment(experiment(shot(signal, start_s=0.0)), settings))[0]
        assert row["law"] == "double"
        assert row["verdict"] == "PASS"
        for name, truth in (("k", 40.0), ("k2", 6.0)):
            assert row[f"{name}_low95_per_s"] < truth < row[f"{name}_high95_per_s"]
        for name, truth in (("amplitude", 1.0), ("amplitude2", 0.6)):
            assert abs(row[name] - truth) < 4 * row[f"{name}_stderr"]


def test_pinned_parameters(rng: np.random.Generator) -> None:
    settings = AnalysisSettings(fixed={"slope_per_s": 0.0})
    row = shot_rows(analyse_experiment(experiment(shot(noisy(rng, decay()))), settings))[0]
    assert row["slope_per_s"] == 0
    assert row["k_per_s"] == pytest.approx(row["k_single_per_s"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"law": "tripel"},
        {"mixing_ratio": 0.0},
        {"dead_time_s": -1.0},
        {"fixed": {"slope": 0.0}},
        {"law": "auto", "fixed": {"slope_per_s": 0.0}},
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        AnalysisSettings(**wrong)  # type: ignore[arg-type]
