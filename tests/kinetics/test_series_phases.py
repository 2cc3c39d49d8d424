"""Every phase of a series has its own means and its own secondary plot."""

from dataclasses import replace

import numpy as np
import pytest
from lab_shots import noisy, shot
from scipy import stats

from stopflow.kinetics.analysis import (
    AnalysisSettings,
    ExperimentAnalysis,
    analyse_experiment,
    analyse_lab,
    condition_rows,
    secondary_rows,
)
from stopflow.kinetics.secondary.fit import SecondaryFit
from stopflow.kinetics.verdicts.repeatability import as_series
from stopflow.kinetics.verdicts.replicates import average_replicates
from stopflow.kinetics.verdicts.series_phases import (
    PhaseMean,
    amplitude_interval,
    average_phases,
)
from stopflow.trace import Conditions, Experiment

pytestmark = pytest.mark.whole

TIME = np.linspace(0.0, 1.5, 1501)
K_ON, K_OFF, SLOW = 4e5, 4.0, 3.0
MOLAR = np.array([5e-5, 1e-4, 2e-4, 4e-4])


def two_phase_series(rng: np.random.Generator, *, fast_amplitude: float = 0.6) -> Experiment:
    """Simulate k_fast = k_on [S] + k_off and a constant k_slow, 1 % scatter from push to push."""
    made = []
    for number, molar in enumerate(MOLAR):
        for replicate in range(1, 4):
            fast = (K_ON * molar + K_OFF) * (1 + 0.01 * rng.standard_normal())
            slow = SLOW * (1 + 0.01 * rng.standard_normal())
            signal = 2 + fast_amplitude * np.exp(-fast * TIME) + 0.5 * np.exp(-slow * TIME)
            made.append(
                shot(
                    noisy(rng, signal, sd=0.002),
                    file=f"c{number}_{replicate}.bka",
                    time_s=TIME,
                    conditions=Conditions(
                        substrate="S",
                        concentration_M=molar,
                        temperature_K=298.15,
                        replicate=replicate,
                    ),
                )
            )
    return Experiment(name="lab", shots=tuple(made))


def analyse(experiment: Experiment, *, law: str = "double") -> ExperimentAnalysis:
    return analyse_experiment(experiment, replace(AnalysisSettings(), law=law))


def chosen_of(fits: tuple[SecondaryFit, ...]) -> dict[str, SecondaryFit]:
    rates = [fit for fit in fits if fit.curve.model.of == "rate"]
    return {fit.phase: fit for fit in rates if fit.chosen}


@pytest.mark.whole
@pytest.mark.parametrize("fast_amplitude", [0.6, 0.15])
def test_both_phases_are_found_whichever_is_larger(rng, fast_amplitude: float) -> None:
    found = analyse(two_phase_series(rng, fast_amplitude=fast_amplitude))
    for condition, molar in zip(found.conditions, MOLAR, strict=True):
        (slower,) = condition.further
        assert condition.mean.k_per_s == pytest.approx(K_ON * molar + K_OFF, rel=0.04)
        assert slower.mean.k_per_s == pytest.approx(SLOW, rel=0.04)
        assert condition.amplitude == pytest.approx(fast_amplitude, rel=0.05)
        assert slower.amplitude == pytest.approx(0.5, rel=0.05)
    fits = analyse_lab([found]).secondary
    chosen = chosen_of(fits)
    assert set(chosen) == {"k", "k2"}
    assert len({fit.plot for fit in fits if fit.curve.model.of == "rate"}) == 2
    assert [chosen[name].kind for name in ("k", "k2")] == ["line", "constant"]
    k_on, k_off = chosen["k"].parameters
    (slow,) = chosen["k2"].parameters
    assert k_on.low < K_ON < k_on.high
    assert k_off.low < K_OFF < k_off.high
    assert slow.low < SLOW < slow.high


def test_the_means_are_those_of_the_shots(rng) -> None:
    found = analyse(two_phase_series(rng))
    for row, condition in zip(condition_rows(found), found.conditions, strict=True):
        results = [found.shots[at].shot.result for at in condition.members]
        rates = np.array([result.fit.parameters["k2_per_s"] for result in results])
        assert row["k2_per_s"] == pytest.approx(rates.mean())
        assert row["k2_stderr_per_s"] == pytest.approx(rates.std(ddof=1) / np.sqrt(3))
        assert np.isnan(row["k3_per_s"])
    (alone,) = average_phases(results[:1])
    assert alone.mean.k_stderr_per_s == pytest.approx(results[0].stderr["k2_per_s"])
    assert (alone.mean.k_low_per_s, alone.mean.k_high_per_s) == results[0].intervals["k2_per_s"]


def test_points_are_weighted_by_the_errors_of_their_own_phase(rng) -> None:
    """A fast phase of small amplitude is known worse than the slow one beside it."""
    found = analyse(two_phase_series(rng, fast_amplitude=0.05))
    chosen = chosen_of(analyse_lab([found]).secondary)
    fast, slow = (chosen[name].error / chosen[name].y for name in ("k", "k2"))
    assert (fast > slow).all()


def test_a_row_names_the_rate_of_every_point(rng) -> None:
    lab = analyse_lab([analyse(two_phase_series(rng))])
    rows = secondary_rows(lab)
    assert {row["rates"] for row in rows} == {
        " ".join(["k_per_s"] * 4),
        " ".join(["k2_per_s"] * 4),
        " ".join(["amplitude"] * 4),
        " ".join(["amplitude2"] * 4),
    }


def test_one_phase_has_no_further_plot(rng) -> None:
    found = analyse(two_phase_series(rng), law="single")
    assert all(not condition.further for condition in found.conditions)
    assert {fit.phase for fit in analyse_lab([found]).secondary} <= {"k"}


@pytest.mark.parametrize("sizes", [(0.5,), (0.5, 0.52), (0.48, 0.5, 0.53), (0.4, 0.5, 0.5, 0.6)])
def test_the_interval_of_an_amplitude_is_that_of_its_median(sizes):
    errors = [0.01] * len(sizes)
    series = as_series(np.arange(len(sizes)), sizes, errors)
    phase = PhaseMean(
        rate="k_per_s",
        run=series,
        mean=average_replicates(list(sizes), errors),
        amplitude=-float(np.median(sizes)),
        sizes=series,
    )
    if len(sizes) > 2:
        expected = np.sqrt(np.pi / 2) * stats.sem(np.log(sizes))
        quantile = stats.t.ppf(0.975, len(sizes) - 1)
    else:
        expected = np.sqrt(np.sum((0.01 / np.array(sizes)) ** 2)) / len(sizes)
        quantile = stats.norm.ppf(0.975)
    size = np.median(sizes)
    stderr, low, high = amplitude_interval(phase)
    assert stderr == pytest.approx(size * expected, rel=1e-12)
    assert (low, high) == pytest.approx((-size - quantile * stderr, -size + quantile * stderr))
