"""Traces on one grid with a start each: the answers of `fit_trace`, whatever is among them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stopflow.io.folder import find_experiments, read_experiment
from stopflow.kinetics.analysis import analyse_experiment
from stopflow.kinetics.fit import FitStatus, fit_trace
from stopflow.kinetics.many.common_grid import build_grid
from stopflow.kinetics.many.individual_starts import CommonTraces
from stopflow.simulate.lab import simulate_lab
from stopflow.simulate.plan import LabSpec
from stopflow.trace import Experiment

pytestmark = pytest.mark.whole

FE_SCN = Path(__file__).parents[2] / "data" / "fe_scn"


def make_traces(
    rng: np.random.Generator, *, points: int, noise: float, even: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    steps = np.full(points, 1.0) if even else rng.uniform(0.2, 1.8, points)
    time = 3 + np.cumsum(steps) * 0.4 / points
    since = time - time[0]
    rates = np.exp(rng.uniform(-0.5, 4.5, (20, 1))) / 0.4
    signals = 5 + rng.normal(size=(20, 1)) * since + np.exp(-rates * since)
    starts = time[0] + rng.uniform(0, 0.02, 20)
    return time, signals + noise * rng.normal(size=signals.shape), starts


@pytest.mark.parametrize("law", ["single", "single-slope"])
@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("noise", [0.05, 1e-3, 1e-6])
def test_answers_are_those_of_one_trace(law, even, noise, rng):
    time, signals, starts = make_traces(rng, points=2500, noise=noise, even=even)
    together = CommonTraces(time, signals, starts).fit(law)
    # Almost exact data lose their digits in sums, and are fitted alone.
    assert len(together.alone) < 12 or noise < 1e-5
    for fit, signal, start in zip(together, signals, starts, strict=True):
        alone = fit_trace(time, signal, law=law, start_s=float(start))
        assert fit.status == alone.status
        if not alone.ok:
            continue
        assert fit.k_per_s == pytest.approx(alone.k_per_s, rel=1e-9)
        assert (fit.points, fit.start_s) == (alone.points, alone.start_s)
        assert fit.window_s == pytest.approx(alone.window_s, rel=1e-12)
        assert fit.rss == pytest.approx(alone.rss, rel=1e-7)
        assert fit.aicc == pytest.approx(alone.aicc, rel=1e-9, abs=1e-5)
        errors = list(alone.stderr.values())
        for name in alone.parameters:
            moved = fit.parameters[name] - alone.parameters[name]
            assert abs(moved) < 1e-5 * alone.stderr[name]
        moved = (fit.covariance - alone.covariance) / np.outer(errors, errors)
        assert np.abs(moved).max() < 1e-5


def test_refusals_come_in_their_places(rng):
    time, signals, starts = make_traces(rng, points=1000, noise=0.01, even=True)
    signals[1] = 0
    signals[3, 700] = np.nan
    signals[4] = rng.normal(size=len(time))
    starts[6] = time[-4]
    fits = list(CommonTraces(time, signals, starts).fit("single-slope"))
    assert [fits[place].status for place in (1, 3, 4, 6)] == [
        FitStatus.CONSTANT,
        FitStatus.NOT_FINITE,
        FitStatus.NO_AMPLITUDE,
        FitStatus.TOO_FEW_POINTS,
    ]
    assert all(fits[place].ok for place in (0, 2, 5, 7))


def test_exponentials_are_their_coordinates():
    """Of every rate that is not over within the first blocks, to 1e-10 of their size."""
    time = np.arange(15_001) * 1e-4
    grid = build_grid(time)
    assert grid.lift.shape[0] < 60
    for rate in (0.1, 3.0, 30.0, 300.0):
        values = np.exp(-rate * time)
        exact = grid.coordinates(values[None])[0]
        from_nodes = np.einsum("kpq,kq->kp", grid.lift, np.exp(-rate * grid.nodes_s))
        size = np.sqrt(values @ values)
        np.testing.assert_allclose(from_nodes, exact, atol=1e-10 * size)
        assert np.einsum("kp,kp->", exact, exact) == pytest.approx(size**2, rel=1e-10)


@pytest.mark.parametrize("lab", ["fe_scn", "simulated"])
def test_a_folder_gives_the_rates_of_its_shots(lab):
    """k, its error and its interval from given starts, in a folder and shot by shot."""
    if lab == "fe_scn":
        experiments = [read_experiment(folder) for folder in find_experiments(FE_SCN)][:2]
    else:
        made = simulate_lab(LabSpec(folders=2, points=3001), generator=np.random.default_rng(5))
        experiments = [item.experiment for item in made]
    for experiment in experiments:
        shots = [
            replace(shot, start_s=shot.start_s or float(shot.trace.time_s[0]))
            for shot in experiment.shots
        ]
        together = analyse_experiment(Experiment(name="lab", shots=tuple(shots))).shots
        for shot, judged in zip(shots, together, strict=True):
            alone = analyse_experiment(Experiment(name="lab", shots=(shot,))).shots[0]
            one, other = judged.shot.result, alone.shot.result
            assert one is not None
            assert other is not None
            assert one.fit.k_per_s == pytest.approx(other.fit.k_per_s, rel=1e-9)
            assert one.k_stderr_per_s == pytest.approx(other.k_stderr_per_s, rel=1e-6)
            assert one.intervals["k_per_s"] == pytest.approx(other.intervals["k_per_s"], rel=1e-7)
            assert [item.rule for item in judged.own] == [item.rule for item in alone.own]
            for item, own in zip(judged.own, alone.own, strict=True):
                assert item.values == pytest.approx(own.values, rel=1e-6)
