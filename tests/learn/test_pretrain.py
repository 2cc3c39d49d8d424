"""Pretraining: export, resuming, learning, calibration, the model card."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stopflow.errors import ModelError, SettingsError
from stopflow.features import FeatureSpec, build_features
from stopflow.learn.interval import IntervalScale
from stopflow.learn.model import predict
from stopflow.learn.pretraining.pretrain import (
    PretrainProgress,
    PretrainSettings,
    likelihood_loss,
    pretrain,
)
from stopflow.learn.pretraining.prior import Prior, sample_trace
from stopflow.learn.pretraining.publish import as_model, calibrate, publish
from stopflow.learn.pretraining.synthetic import GridCounts, build_bank, draw_grids
from stopflow.learn.pretraining.whitening import CENTRE, SPREAD, export_network, whiten
from stopflow.learn.projection import bin_basis
from stopflow.learn.saved import load_model
from stopflow.lowrank import build_network

pytestmark = pytest.mark.whole

TINY = PretrainSettings(
    features="shape",
    pairs=300,
    steps=6,
    batch_size=64,
    rank=6,
    widths=(16, 16),
    warm_up=2,
    directions=60,
    checkpoint_every=3,
    prior=Prior(points=(150, 300)),
    grids=GridCounts(even=1, long=1, jittered=1, log=1, two_rate=0),
)
SETTINGS = (TINY, replace(TINY, features="blocks", pairs=128))
kinds = pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: s.features)


class Interrupted(Exception):
    pass


@kinds
def test_the_exported_network_says_of_rows_what_the_trained_one_says_of_coordinates(
    settings: PretrainSettings,
) -> None:
    spec = FeatureSpec(settings.features, settings.pairs)
    generator = np.random.default_rng(0)
    basis = bin_basis(spec.kind, spec.pairs, directions=settings.directions)
    grids = draw_grids(settings.prior, settings.grids, generator=generator)
    bank = build_bank(spec, basis, grids, prior=settings.prior, long=1, generator=generator)
    torch_generator = torch.Generator().manual_seed(1)
    whitening = whiten(bank, 0.01, generator=torch_generator)
    trained = build_network(len(whitening.mean), settings.layers(), generator=torch_generator)
    exported = export_network(trained, whitening, basis, spec=spec)
    traces = [sample_trace(settings.prior, generator=generator) for _ in range(20)]
    rows = np.stack([build_features(t.time_s, t.signal, spec=spec) for t in traces])
    coordinates = rows[:, 1::2].astype(float) @ basis
    with torch.no_grad():
        inner = trained(whitening.apply(torch.from_numpy(coordinates).float()))
        outer = exported(torch.from_numpy(rows))
    np.testing.assert_allclose(outer[:, 0], inner[:, 0] * SPREAD + CENTRE, atol=2e-3)
    np.testing.assert_allclose(outer[:, 1], inner[:, 1], atol=2e-3)
    v = exported.layers[0].V.data
    np.testing.assert_allclose(v.T @ v, np.eye(settings.rank), atol=1e-5)


def test_a_resumed_run_ends_in_the_same_network(tmp_path: Path) -> None:
    whole = pretrain(TINY)
    checkpoint = tmp_path / "run.safetensors"

    def interrupt(report: PretrainProgress) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        pretrain(TINY, checkpoint=checkpoint, on_progress=interrupt)
    seen: list[int] = []
    resumed = pretrain(
        TINY, checkpoint=checkpoint, resume=True, on_progress=lambda r: seen.append(r.step)
    )
    assert seen == [6]
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    assert [r.loss for r in whole.history] == [r.loss for r in resumed.history]


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.safetensors"
    pretrain(replace(TINY, steps=3), checkpoint=checkpoint)
    with pytest.raises(ModelError, match="settings"):
        pretrain(TINY, checkpoint=checkpoint, resume=True)


@pytest.mark.slow
@kinds
def test_it_learns(settings: PretrainSettings, *, full_proof: bool) -> None:
    """From a blind guess (about 2 in log k) to an error that is a tool."""
    steps = 1500 if full_proof else 250
    made = pretrain(
        replace(
            settings, steps=steps, rank=20, widths=(64, 64), batch_size=256, checkpoint_every=50
        )
    )
    first, last = made.history[0], made.history[-1]
    assert last.check_loss < first.check_loss - 0.5
    assert last.median_error < (0.1 if full_proof else 0.4)


def test_rate_warms_up_and_falls_to_nothing() -> None:
    settings = PretrainSettings(steps=1000, warm_up=100, learning_rate=0.01)
    rates = np.array([settings.rate_at(step) for step in range(1000)])
    assert rates.argmax() in range(80, 120)
    assert rates[0] < 2e-4
    assert 0 < rates[-1] < 1e-6


def test_loss_is_gaussian_near_and_linear_far() -> None:
    outputs = torch.zeros(1, 2)
    near = likelihood_loss(outputs, torch.tensor([CENTRE + 1.0]))
    assert float(near) == pytest.approx(0.5)
    far = [float(likelihood_loss(outputs, torch.tensor([CENTRE + x]))) for x in (10.0, 11.0)]
    assert far[1] - far[0] == pytest.approx(3.0)


@pytest.mark.parametrize("wrong", [{"features": "raw"}, {"steps": 0}, {"batch_size": 0}])
def test_wrong_settings_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        PretrainSettings(**wrong)  # type: ignore[arg-type]


def test_calibrated_saved_and_loaded_again(tmp_path: Path) -> None:
    made = pretrain(TINY)
    model, calibration = calibrate(
        as_model(made), TINY.prior, generator=np.random.default_rng(2), traces=400
    )
    assert model.interval == calibration.interval != IntervalScale()
    assert 0.85 < calibration.coverage95 <= 1.0
    figures = [{"case": "lab 1", "traces": 3, "ratio_to_fit": 1.234}]
    publish(tmp_path / "tiny", model, made, calibration=calibration, figures=figures)
    again = load_model(tmp_path / "tiny")
    trace = sample_trace(TINY.prior, generator=np.random.default_rng(3))
    row = build_features(trace.time_s, trace.signal, spec=model.features)[None]
    one, other = (predict(m, row, window_s=[1.0]) for m in (model, again))
    assert one.k_per_s == other.k_per_s
    assert one.k_low95_per_s < one.k_per_s < one.k_high95_per_s
    card = (tmp_path / "tiny" / "README.md").read_text(encoding="utf-8")
    assert "stopflow pretrain --features shape --steps 6 --seed 0" in card
    assert "1.23" in card
