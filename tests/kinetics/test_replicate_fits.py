"""The shots of a condition in one fit: their mean trace, or common rates; against scipy."""

from dataclasses import replace

import numpy as np
import pytest
from lab_shots import TIME, decay, noisy, shot
from scipy.optimize import curve_fit
from scipy.stats import t as student

from stopflow.errors import SettingsError
from stopflow.kinetics.analysis import (
    AnalysisSettings,
    ExperimentAnalysis,
    analyse_experiment,
    analyse_lab,
    condition_rows,
    shot_rows,
)
from stopflow.kinetics.many.between_traces import scatter_covariance
from stopflow.kinetics.many.mean_trace import MeanTrace, average_traces
from stopflow.kinetics.many.shared import fit_shared
from stopflow.trace import Conditions, Experiment, Shot, Trace

pytestmark = pytest.mark.whole


def replicates(*traces: tuple[np.ndarray, np.ndarray], start_s: float | None = 0.0) -> Experiment:
    return Experiment(
        name="lab",
        shots=tuple(
            shot(
                signal,
                file=f"r{number}.bka",
                time_s=time,
                start_s=start_s,
                conditions=Conditions(substrate="S", concentration_M=1e-3, replicate=number),
            )
            for number, (time, signal) in enumerate(traces, start=1)
        ),
    )


def analyse(experiment: Experiment, how: str, *, law: str = "single") -> ExperimentAnalysis:
    return analyse_experiment(experiment, AnalysisSettings(replicates=how, law=law))


def one_decay(time_s: np.ndarray, k: float, amplitude: float, intercept: float) -> np.ndarray:
    return amplitude * np.exp(-k * time_s) + intercept


def scattered(rng: np.random.Generator, *, shots: int, scatter: float = 0.02) -> Experiment:
    made = [
        (
            TIME,
            noisy(
                rng,
                one_decay(
                    TIME,
                    20 * (1 + scatter * rng.standard_normal()),
                    rng.uniform(0.8, 1.2),
                    rng.uniform(-1, 1),
                ),
            ),
        )
        for _ in range(shots)
    ]
    return replicates(*made)


def test_the_mean_is_that_of_scipy_on_the_mean_trace(rng) -> None:
    lab = scattered(rng, shots=4)
    (row,) = condition_rows(analyse(lab, "mean"))
    signals = np.array([item.trace.signal for item in lab.shots])
    values, _ = curve_fit(one_decay, TIME, signals.mean(axis=0), p0=(20, 1, 0), xtol=1e-13)
    assert row["k_per_s"] == pytest.approx(values[0], rel=1e-7)
    assert row["amplitude"] == pytest.approx(values[1], rel=1e-7)
    assert row["k_from"] == "mean"
    moved = []
    for place in range(4):
        # The mean with a little more of one shot: how far that shot alone would move k.
        weights = np.full(4, 1 / 4)
        weights += 1e-4 * ((np.arange(4) == place) - 1 / 4)
        found, _ = curve_fit(one_decay, TIME, weights @ signals, p0=values, xtol=1e-14, ftol=1e-14)
        moved.append((found[0] - values[0]) / 1e-4)
    assert row["k_stderr_per_s"] == pytest.approx(np.std(moved, ddof=1) / 2, rel=0.01)
    half = student.ppf(0.975, 3) * row["k_stderr_per_s"]
    assert row["k_high95_per_s"] - row["k_per_s"] == pytest.approx(half)


def test_the_joint_fit_is_that_of_scipy_with_one_rate(rng) -> None:
    lab = scattered(rng, shots=3)
    found = analyse(lab, "joint")
    (row,) = condition_rows(found)
    signal = np.concatenate([item.trace.signal for item in lab.shots])
    which = np.repeat(np.arange(3), len(TIME))
    shared = fit_shared(
        [(item.trace.time_s, item.trace.signal) for item in lab.shots], law="single"
    )
    noise = np.array([fit.noise_sd for fit in shared.fits])

    def model(_, k, *own):
        amplitude, intercept = np.array(own).reshape(3, 2)[which].T
        return amplitude * np.exp(-k * np.tile(TIME, 3)) + intercept

    values, _ = curve_fit(
        model,
        np.zeros(len(signal)),
        signal,
        p0=[20] + [1, 0] * 3,
        sigma=noise[which],
        xtol=1e-14,
        ftol=1e-14,
    )
    assert row["k_per_s"] == pytest.approx(values[0], rel=1e-6)
    assert row["amplitude"] == pytest.approx(np.median(values[1::2]), rel=1e-5)
    # With every shot's own k and error: the scatter of their weighted mean.
    k, weight = np.array(
        [
            (item.shot.result.fit.k_per_s, item.shot.result.fit.k_stderr_per_s**-2)
            for item in found.shots
        ]
    ).T
    share = weight / weight.sum()
    own = np.sqrt(np.sum(share**2 * (k - share @ k) ** 2 / (1 - share)))
    assert row["k_stderr_per_s"] == pytest.approx(own, rel=0.03)
    assert row["k_each_per_s"] == pytest.approx(k.mean())
    assert (row["k_from"], row["uncertainty_source"]) == ("joint", "replicates")


def test_traces_alike_have_the_error_of_their_mean(rng) -> None:
    """SD / sqrt(n), for traces that carry the same information."""
    slopes = rng.standard_normal((40, 1))
    moves = rng.standard_normal(5)
    residuals = [slopes[:, 0] * (move - moves.mean()) for move in moves]
    found = scatter_covariance(residuals, [slopes] * 5)
    assert found[0, 0] == pytest.approx(moves.var(ddof=1) / 5, rel=1e-12)


@pytest.mark.parametrize("how", ["mean", "joint"])
def test_two_shots_have_the_error_of_the_fit(rng, how: str) -> None:
    lab = scattered(rng, shots=2, scatter=0.0)
    found = analyse(lab, how)
    (row,) = condition_rows(found)
    one = np.mean([item.shot.result.k_stderr_per_s for item in found.shots])
    assert row["k_stderr_per_s"] == pytest.approx(one / np.sqrt(2), rel=0.15)
    assert row["uncertainty_source"] == {"mean": "mean trace", "joint": "joint fit"}[how]


@pytest.mark.parametrize("how", ["mean", "joint"])
def test_shots_with_other_times_are_fitted_as_one(rng, how: str) -> None:
    """Other steps, other ends, other baselines: k is right, and the mean makes no step."""
    grids = (np.arange(0, 0.5, 1e-3), np.arange(2e-4, 0.4, 7e-4), np.arange(0, 0.6, 5e-4))
    made = [
        (time, noisy(rng, one_decay(time, 30.0, 1.0, 3.0 * number), sd=0.002))
        for number, time in enumerate(grids)
    ]
    (row,) = condition_rows(analyse(replicates(*made), how))
    assert row["k_from"] == how
    assert row["k_per_s"] == pytest.approx(30.0, abs=4 * 0.05)
    assert row["k_low95_per_s"] < 30.0 < row["k_high95_per_s"]


def test_the_mean_on_unlike_grids_is_right_to_second_order() -> None:
    """Without noise: the error falls with the square of k times the step."""
    off = []
    for step in (2e-3, 1e-3):
        grids = (np.arange(0, 0.4, step), np.arange(0.3 * step, 0.4, 0.37 * step))
        traces = [Trace(time_s=t, signal=one_decay(t, 25.0, 1.0, 0.0)) for t in grids]
        mean = average_traces(traces, start_s=0.0)
        assert isinstance(mean, MeanTrace)
        off.append(np.abs(mean.signal - one_decay(mean.time_s, 25.0, 1.0, 0.0)).max())
    assert off[0] < (25.0 * 2e-3) ** 2
    assert off[1] < off[0] / 3


def test_the_mean_begins_where_all_shots_have_begun(rng) -> None:
    lab = scattered(rng, shots=3)
    starts = (0.0, 0.01, 0.02)
    shots = [replace(item, start_s=at) for item, at in zip(lab.shots, starts, strict=True)]
    later = replace(lab, shots=tuple(shots))
    (row,) = condition_rows(analyse(later, "mean"))
    kept = TIME >= 0.02
    signal = np.mean([item.trace.signal for item in lab.shots], axis=0)[kept]
    values, _ = curve_fit(one_decay, TIME[kept] - 0.02, signal, p0=(20, 1, 0), xtol=1e-13)
    assert row["k_per_s"] == pytest.approx(values[0], rel=1e-6)
    assert row["amplitude"] == pytest.approx(values[1], rel=1e-6)
    (joint,) = condition_rows(analyse(later, "joint"))
    alone = [item["amplitude"] for item in shot_rows(analyse(later, "each"))]
    assert joint["amplitude"] == pytest.approx(np.median(alone), rel=0.02)


@pytest.mark.parametrize("how", ["mean", "joint"])
def test_a_shot_without_a_usable_rate_takes_no_part(rng, how: str) -> None:
    lab = scattered(rng, shots=4)
    flat = replace(lab.shots[1], trace=Trace(time_s=TIME, signal=noisy(rng, 0 * TIME)))
    lab = replace(lab, shots=(lab.shots[0], flat, *lab.shots[2:]))
    (row,) = condition_rows(analyse(lab, how))
    rest = replace(lab, shots=(lab.shots[0], *lab.shots[2:]))
    (expected,) = condition_rows(analyse(rest, how))
    assert (row["shots"], row["fitted"]) == (4, 3)
    assert row["k_per_s"] == expected["k_per_s"]


def test_shots_that_cannot_be_fitted_as_one_say_so(rng) -> None:
    """Records that do not overlap have no mean; other laws have no common k."""
    early, late = np.linspace(0, 0.2, 400), np.linspace(0.3, 0.5, 400)
    made = [(early, one_decay(early, 20, 1, 0)), (late, one_decay(late - 0.3, 20, 1, 0))]
    apart = replicates(*[(time, noisy(rng, signal)) for time, signal in made], start_s=None)
    (row,) = condition_rows(analyse(apart, "mean"))
    assert row["k_from"] == "each"
    assert row["verdict"] == "WARN"
    assert "do not overlap" in row["reason"]
    (joint,) = condition_rows(analyse(apart, "joint"))
    assert joint["k_from"] == "joint"
    lab = scattered(rng, shots=2)
    mixed = replace(lab, shots=(lab.shots[0], replace(lab.shots[1], law="single-slope")))
    (row,) = condition_rows(analyse(mixed, "joint"))
    assert "different rate laws" in row["reason"]
    assert row["k_per_s"] == row["k_each_per_s"]


def test_a_second_phase_is_fitted_as_one_too(rng) -> None:
    time = np.linspace(0, 2, 2001)
    made = [
        (time, noisy(rng, 0.5 * np.exp(-30 * time) + 0.5 * np.exp(-3 * time) + at, sd=0.005))
        for at in range(3)
    ]
    rows = [condition_rows(analyse(replicates(*made), how, law="double"))[0] for how in HOW]
    for row in rows:
        assert row["k_per_s"] == pytest.approx(30, rel=0.02)
        assert row["k2_per_s"] == pytest.approx(3, rel=0.01)
        assert row["amplitude2"] == pytest.approx(0.5, rel=0.03)
    assert len({row["k2_per_s"] for row in rows}) == 3


HOW = ("each", "mean", "joint")


def test_a_mean_shows_a_second_phase_that_no_shot_shows(rng) -> None:
    """Each shot passes with one phase; the mean of sixteen says that there are two."""
    time = np.linspace(0, 1, 1001)
    two = 0.85 * np.exp(-25 * time) + 0.15 * np.exp(-8 * time)
    lab = replicates(*[(time, noisy(rng, two, sd=0.15)) for _ in range(16)])
    (row,) = condition_rows(analyse(lab, "mean"))
    assert "in the mean trace of the shots, a double exponential" in row["reason"]
    (row,) = condition_rows(analyse(lab, "each"))
    assert "clearly better" not in row["reason"]


def test_secondary_plots_take_the_rates_of_the_conditions(rng) -> None:
    shots: list[Shot] = []
    for number, molar in enumerate((1e-3, 2e-3, 4e-3)):
        for replicate in range(3):
            signal = noisy(rng, decay(5 + 1e4 * molar * (1 + 0.02 * rng.standard_normal())))
            given = Conditions(substrate="S", concentration_M=molar, replicate=replicate)
            shots.append(shot(signal, file=f"{number}_{replicate}.bka", conditions=given))
    found = analyse(Experiment(name="lab", shots=tuple(shots)), "joint")
    (line,) = [fit for fit in analyse_lab([found]).secondary if fit.kind == "line"]
    np.testing.assert_array_equal(line.y, [row["k_per_s"] for row in condition_rows(found)])


def test_settings_name_what_there_is() -> None:
    with pytest.raises(SettingsError, match="joint"):
        AnalysisSettings(replicates="median")
    with pytest.raises(SettingsError, match="least squares"):
        AnalysisSettings(replicates="joint", robust=True)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["mean", "joint"])
@pytest.mark.parametrize("shots", [3, 5])
def test_intervals_hold_the_truth(full_proof, how: str, shots: int, rng) -> None:
    """2 % scatter between shots, twice the error of one fit: what white noise knows nothing of."""
    draws = 1000 if full_proof else 40
    held = 0
    for _ in range(draws):
        (row,) = condition_rows(analyse(scattered(rng, shots=shots), how))
        held += row["k_low95_per_s"] < 20 < row["k_high95_per_s"]
    assert held / draws > (0.93 if full_proof else 0.85)
