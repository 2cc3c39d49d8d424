"""Tracked spectra stand in the history, are drawn, and change nothing about the run."""

import numpy as np
import pandas as pd
import pytest
import torch
from small_images import make_class_data, make_images, write_images

from stopflow.learn.classify.train import class_settings, train_classifier
from stopflow.learn.training.spectra import LEADING
from stopflow.pipeline.networks.classify import train_images
from stopflow.report.models.spectra import build_spectra_blocks


@pytest.fixture(scope="module")
def images():
    return make_class_data(np.random.default_rng(23))


def settings(**changes):
    small = {"hidden": (16, 12), "rank": 4, "batch_size": 16, "validation_count": 40}
    return class_settings(**(small | {"epochs": 3, "track_spectra": True} | changes))


@pytest.mark.parametrize("layer", ["dense", "dlrt", "adaptive", "oialr"])
def test_spectra_are_tracked_and_the_run_is_the_same(images, layer):
    tracked = train_classifier(images, settings(layer=layer))
    plain = train_classifier(images, settings(layer=layer, track_spectra=False))
    for name, value in plain.model.network.state_dict().items():
        assert torch.equal(value, tracked.model.network.state_dict()[name]), name
    assert not [name for name in plain.history[-1] if "sigma" in name]
    assert len(build_spectra_blocks(pd.DataFrame(list(plain.history)))) == 0
    for row in tracked.history:
        for number in (1, 2, 3):
            for of in ("weight", "gradient"):
                names = [f"{of}_sigma_{number}_{i}" for i in range(1, LEADING + 1)]
                sigma = [row[name] for name in names if name in row]
                assert sigma == sorted(sigma, reverse=True)
                assert 1 <= row[f"{of}_stable_rank_{number}"] <= 16
    assert tracked.history[-1]["weight_sigma_1_1"] > 0


def test_a_resumed_run_has_the_same_spectra(images, tmp_path):
    whole = train_classifier(images, settings(epochs=4))
    path = tmp_path / "run"

    class Interruption(Exception):
        pass

    def interrupt(_what, done, _total):
        if done == 3:
            raise Interruption

    chosen = {"checkpoint": path, "checkpoint_every_s": 0.0}
    with pytest.raises(Interruption):
        train_classifier(images, settings(epochs=4), progress=interrupt, **chosen)
    again = train_classifier(images, settings(epochs=4), resume=True, **chosen)
    for first, second in zip(whole.history, again.history, strict=True):
        names = [name for name in first if "sigma" in name or "stable_rank" in name]
        assert [first[name] for name in names] == [second[name] for name in names]


@pytest.mark.whole
def test_they_are_drawn_for_each_layer(tmp_path):
    data = write_images(tmp_path / "pictures", make_images(np.random.default_rng(5)))
    done = train_images(
        data, settings(), name="seen", models=tmp_path / "models", reports=tmp_path / "reports"
    )
    history = pd.read_csv(tmp_path / "models" / "seen" / "history.csv")
    blocks = build_spectra_blocks(history)
    assert len(blocks) == 2 + 3
    assert done.written[1].read_bytes().startswith(b"%PDF")
