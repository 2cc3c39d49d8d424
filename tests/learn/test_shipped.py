"""The shipped models: small, whole, and as good as the fit on what they never saw."""

from pathlib import Path

import numpy as np
import pytest

from stopflow.io.folder import find_experiments, read_experiment
from stopflow.learn.compare.bench import bench_model, real_shots, simulated_shots
from stopflow.learn.predict.shots import predict_shots
from stopflow.learn.saved import load_model
from stopflow.simulate import LabSpec

ROOT = Path(__file__).parents[2]
NAMES = ("shape", "blocks")
models = pytest.mark.parametrize("name", NAMES)


@models
def test_small_enough_to_ship_and_with_a_card(name: str) -> None:
    folder = ROOT / "models" / name
    assert (folder / "model.safetensors").stat().st_size < 8e6
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "stopflow pretrain" in card
    assert "## Limits" in card
    model = load_model(folder)
    assert model.features.kind == name
    assert all(rank in (50, None) for rank in model.network.ranks())


@models
def test_real_traces_agree_with_the_fit(name: str) -> None:
    """140 Fe-SCN traces, of 254 to 325 uneven points, none of them used in training."""
    experiments = [read_experiment(path) for path in find_experiments(ROOT / "data" / "fe_scn")]
    row = bench_model(load_model(ROOT / "models" / name), real_shots(experiments), name=name)
    assert row["compared"] == 140
    assert row["median_difference_to_fit"] < 0.006
    assert row["doubted"] <= 7


@pytest.mark.slow
@models
def test_nearly_as_good_as_the_fit_on_a_lab_it_never_saw(name: str, *, full_proof: bool) -> None:
    folders = 45 if full_proof else 3
    shots = simulated_shots(11, spec=LabSpec(folders=folders))
    row = bench_model(load_model(ROOT / "models" / name), shots, name=name)
    assert row["model_median_relative_error"] < 1.3 * row["fit_median_relative_error"]
    assert row["coverage95"] > 0.93
    if full_proof:
        assert row["ratio_to_fit"] < 1.2


@models
def test_bad_traces_are_refused_or_doubted_never_confident(name: str) -> None:
    model = load_model(ROOT / "models" / name)
    tau = np.arange(3000) / 2999
    noise = 0.01 * np.random.default_rng(5).normal(size=3000)
    good = np.exp(-12 * tau) + noise
    late = tau > 0.35
    cases = {
        "constant": (tau, np.ones(3000)),
        "do not increase": (tau[::-1], good),
        "points": (tau[:9], good[:9]),
        "two phases": (tau, good + 0.4 * np.exp(-100 * tau)),
        "no reaction": (tau, 0.3 * tau + noise),
        "a gap": (tau[(tau < 0.05) | late], good[(tau < 0.05) | late]),
        "time unit": (tau * 1e6, good),
        "record longer": (tau * 0.4 / 12, np.exp(-0.4 * tau) + 0.1 * noise),
    }
    found = predict_shots(model, list(cases.values()))
    for number, words in enumerate(cases):
        assert words in "; ".join(found.refusals[number] + found.warnings[number])
        assert np.isnan(found.k_per_s[number]) == bool(found.refusals[number])


@models
@pytest.mark.parametrize("points", [160, 900, 12_000])
def test_same_rate_in_any_unit_length_and_polarity(name: str, points: int) -> None:
    model = load_model(ROOT / "models" / name)
    tau = np.arange(points) / (points - 1)
    signal = np.exp(-9.0 * tau) + 0.004 * np.random.default_rng(6).normal(size=points)
    traces = [(tau, signal), (3.0 + 250.0 * tau, 7.0 - 0.02 * signal)]
    found = predict_shots(model, traces)
    assert found.k_per_s[0] == pytest.approx(9.0, rel=0.03)
    assert found.k_per_s[1] * 250.0 == pytest.approx(found.k_per_s[0], rel=1e-3)
    assert found.k_low95_per_s[0] < 9.0 < found.k_high95_per_s[0]


@models
def test_shots_of_an_experiment_help_each_other(name: str) -> None:
    model, rng = load_model(ROOT / "models" / name), np.random.default_rng(3)
    tau = np.linspace(0.0, 1.0, 2000)
    kt = np.exp(rng.uniform(np.log(1.0), np.log(4.0), 40))
    drift = 0.3 * (1 + 0.1 * rng.standard_normal(40))
    traces = [
        (tau, np.exp(-k * tau) + a * tau + 0.03 * rng.standard_normal(2000))
        for k, a in zip(kt, drift, strict=True)
    ]
    alone = predict_shots(model, traces)
    shared = predict_shots(model, traces, experiment=["a"] * 40)
    apart = predict_shots(model, traces, experiment=[str(i) for i in range(40)])
    assert np.array_equal(alone.k_per_s, apart.k_per_s)
    error = [np.abs(np.log(found.k_per_s / kt)).mean() for found in (alone, shared)]
    assert error[1] < 0.9 * error[0]
    inside = (shared.k_low95_per_s < kt) & (kt < shared.k_high95_per_s)
    assert inside.sum() >= 34
    assert shared.log_sd.mean() < 0.9 * alone.log_sd.mean()
