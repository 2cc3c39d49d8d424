"""Classifiers learn other images by additions or by all weights; the first stay as they are."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_images import make_images, write_images

from stopflow.errors import ModelError
from stopflow.learn.classify.adapt import (
    FULL_RATES,
    adapt_classifier,
    image_settings,
    peak_of_adapting,
    train_all,
)
from stopflow.learn.classify.data import class_data
from stopflow.learn.classify.saved import load_classifier
from stopflow.learn.classify.train import class_settings, train_classifier
from stopflow.learn.saved import save_model
from stopflow.lowrank import count_trained
from stopflow.memory import reset_peak
from stopflow.pipeline.networks.adapt import adapt_and_save

pytestmark = pytest.mark.whole


def upside_down(images):
    """Turn every picture by half a turn: another set of the same classes."""
    turned = {
        name: getattr(images, name)[:, ::-1, ::-1] for name in ("train_images", "test_images")
    }
    return replace(images, name="turned", **turned)


@pytest.fixture(scope="module")
def sets():
    images = make_images(np.random.default_rng(8), train=300, test=200)
    return images, upside_down(images)


@pytest.fixture(scope="module", params=["dense", "dlrt"])
def classifier(request, sets):
    settings = class_settings(
        layer=request.param, hidden=(16, 12), rank=6, epochs=15, batch_size=16, learning_rate=5e-3
    )
    return train_classifier(class_data(sets[0]), settings).model


def test_both_ways_learn_the_other_images_and_lora_trains_less(classifier, sets):
    data = class_data(sets[1])
    before = {n: v.clone() for n, v in classifier.network.state_dict().items()}
    settings = image_settings(data, epochs=20, batch_size=16, learning_rate=1e-2)
    lora = adapt_classifier(classifier, data, settings, rank=3)
    full = train_all(classifier, data, settings)
    for name, value in classifier.network.state_dict().items():
        assert torch.equal(value, before[name])
    for found in (lora, full):
        assert found.before["test"].accuracy < 0.7
        assert found.after["test"].accuracy > found.before["test"].accuracy + 0.2
        assert not found.judgement.worse
        assert found.processor_s > 0
        specs = [(spec.type, spec.dim) for spec in found.model.network.specs]
        assert specs == [(spec.type, spec.dim) for spec in classifier.network.specs]
    sizes = [(36, 16), (16, 12), (12, 4)]
    assert lora.trained_parameters == sum(min(3, a, b) * (a + b) for a, b in sizes)
    assert full.trained_parameters == count_trained(classifier.network)
    assert full.learning_rate in FULL_RATES


def test_the_test_images_choose_nothing(classifier, sets):
    data = class_data(sets[1])
    spoilt = replace(data, inputs=data.inputs.copy())
    spoilt.inputs[data.first_test :] = 0.0
    settings = image_settings(data, epochs=3, batch_size=16)
    for make in (train_all, lambda *a: adapt_classifier(*a, rank=2)):
        first, second = (make(classifier, own, settings) for own in (data, spoilt))
        for name, value in first.model.network.state_dict().items():
            assert torch.equal(value, second.model.network.state_dict()[name])


def test_images_of_another_size_are_refused(classifier):
    other = class_data(make_images(np.random.default_rng(1), pixels=5))
    with pytest.raises(ModelError, match="takes 36 pixels and distinguishes 4 classes; pict"):
        adapt_classifier(classifier, other, image_settings(other), rank=2)


def test_the_command_saves_the_model_and_lists_what_each_way_costs(classifier, sets, tmp_path):
    if classifier.network.specs[0].type != "dense":
        pytest.skip("one kind of layer is enough to see what is written")
    folder = write_images(tmp_path / "turned", sets[1])
    save_model(tmp_path / "models" / "base", classifier, metrics={})
    options = {"rank": 3, "epochs": 8, "learning_rate": 1e-2, "seed": 0, "name": None}
    found = adapt_and_save("base", folder, models=tmp_path / "models", beside_full=True, **options)
    rows = {(row["model"], row["part"]): row for row in found.rows}
    assert set(rows) == {(m, p) for m in ("before", "LoRA", "in full") for p in ("train", "test")}
    for way in ("LoRA", "in full"):
        assert rows[way, "test"]["accuracy"] > rows["before", "test"]["accuracy"]
        assert rows[way, "test"]["peak_MB"] > 0 or not reset_peak()
    columns, cells = found.table()
    assert all(len(line) == len(columns) for line in cells)
    saved = load_classifier(tmp_path / "models" / "base-turned")
    assert saved.record["adapted"] == {"rank": 3, "data": "turned"}
    assert saved.predict(class_data(sets[1]).inputs).shape == (500,)


@pytest.mark.skipif(not reset_peak(), reason="the system does not tell a peak")
def test_additions_need_less_memory_than_all_weights():
    data = class_data(
        make_images(np.random.default_rng(1), train=400, test=20, pixels=28, classes=10)
    )
    wide = class_settings(
        layer="dense", optimiser="adam", hidden=(1024, 1024), epochs=1, batch_size=64
    )
    model = train_classifier(data, wide).model
    settings = image_settings(data, batch_size=64)
    lora, full = (peak_of_adapting(model, data, settings, rank=rank) for rank in (4, None))
    # All weights have a gradient and two moments; additions keep the weights once more instead.
    copies = (full - lora) / (4 * (784 * 1024 + 1024 * 1024))
    assert copies > 1
