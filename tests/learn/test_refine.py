"""Fine-tuning and compression of trained models."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_lab import make_lab

from stopflow.errors import ModelError, SettingsError
from stopflow.features import FeatureSpec
from stopflow.learn.adapt import (
    adapt_model,
    adapt_settings,
    adapted_way,
    own_coordinates,
)
from stopflow.learn.compare.results import predict_lab
from stopflow.learn.compress import compress_model
from stopflow.learn.settings import TrainSettings
from stopflow.learn.split import split_by_experiment
from stopflow.learn.training.train import train
from stopflow.lowrank import build_network, count_parameters


@pytest.fixture(scope="module")
def trained(small_lab):
    settings = TrainSettings(
        hidden=(32, 16),
        rank=6,
        directions=20,
        epochs=40,
        batch_size=16,
        learning_rate=3e-3,
        whitening=1.0,
        test_count=2,
    )
    return train(small_lab.data, settings)


def test_a_model_in_its_own_coordinates_is_the_same_model(small_lab, trained):
    coordinates, network = own_coordinates(trained.model)
    rows = small_lab.data.inputs
    with torch.no_grad():
        full = trained.model.network(torch.from_numpy(trained.model.standardiser.apply(rows)))
        torch.testing.assert_close(network(coordinates.project(rows)), full, rtol=1e-4, atol=1e-4)
    assert network.n_inputs == 6


def other_lab():
    """Make a lab whose rates are 20 % off on purpose: only what is learned can follow."""
    lab = make_lab(np.random.default_rng(11), experiments=4)
    values = {name: getattr(lab.data, name) for name in lab.data.__slots__}
    for name in ("k_label_per_s", "k_true_per_s"):
        values[name] = values[name] * 1.2
    return type(lab.data)(**values), lab.trace


def test_adapting_helps_another_lab_and_leaves_the_model_alone(trained):
    shifted, trace = other_lab()
    before = {n: v.clone() for n, v in trained.model.network.state_dict().items()}
    adapted = adapt_model(
        trained.model, shifted, adapt_settings(learning_rate=3e-3), rank=2, trace=trace
    )
    for name, value in trained.model.network.state_dict().items():
        assert torch.equal(value, before[name])
    assert adapted.after["test"].mae_per_s < 0.5 * adapted.before["test"].mae_per_s
    assert adapted.model.record["adapted"]["rank"] == 2
    assert {row["part"] for row in adapted.rows()} == {"train", "test"}
    assert 0 < adapted.trained_parameters < count_parameters(trained.model.network)


def test_a_model_with_its_own_spread_is_adapted_to_the_split_it_is_given(trained):
    """The head gets a second output, log SD, of constant value."""
    data, _ = other_lab()
    head = trained.model.network.layers[-1]
    specs = [*trained.model.network.specs[:-1], replace(trained.model.network.specs[-1], dim=2)]
    network = build_network(
        trained.model.network.n_inputs, specs, generator=torch.Generator().manual_seed(1)
    )
    state = dict(trained.model.network.state_dict())
    state["layers.2.weight"] = torch.cat([head.weight, torch.zeros_like(head.weight)])
    state["layers.2.bias"] = torch.cat([head.bias, torch.full((1,), -3.0)])
    network.load_state_dict(state)
    model = replace(trained.model, network=network)
    split = split_by_experiment(data, generator=np.random.default_rng(0), test_experiments=["exp2"])
    adapted = adapt_model(model, data, adapt_settings(epochs=20), split=split)
    assert adapted.split is split
    assert adapted.model.has_spread
    assert adapted.after["train"].mae_per_s < adapted.before["train"].mae_per_s
    way = adapted_way(model)(data, split, 3)
    assert way.shape == (len(data),)


def test_a_lab_of_one_experiment_is_adapted_to_without_a_test(trained):
    lab = make_lab(np.random.default_rng(12), experiments=1)
    adapted = adapt_model(trained.model, lab.data, adapt_settings(epochs=2))
    assert set(adapted.after) == {"train"}
    assert adapted.split.test.size == 0


def test_features_of_another_kind_are_refused(trained):
    lab = make_lab(np.random.default_rng(3), experiments=2, spec=FeatureSpec("blocks", 20))
    with pytest.raises(ModelError, match=r"shape features of 96 pairs.*blocks of 20"):
        adapt_model(trained.model, lab.data, adapt_settings())
    with pytest.raises(ModelError, match=r"shape features of 96 pairs.*blocks of 20"):
        compress_model(trained.model, energy=0.9, data=lab.data)


@pytest.mark.parametrize("data_aware", [False, True])
@pytest.mark.parametrize("share", ["energy", "entropy"])
def test_compression_shrinks_and_says_what_it_costs(small_lab, trained, data_aware, share):
    kept = {share: 0.999 if share == "energy" else 0.95}
    found = compress_model(trained.model, data_aware=data_aware, data=small_lab.data, **kept)
    assert found.parameters_after <= found.parameters_before
    rows = found.rows()
    assert [row["layer"] for row in rows] == ["1", "2", "3", "all"]
    assert rows[-1]["parameters_after"] == count_parameters(found.model.network)
    test = np.isin(small_lab.data.experiment, trained.split.test_experiments)
    actual = small_lab.data.k_actual_per_s[test]
    by_hand = np.abs(predict_lab(found.model, small_lab.data)[test] - actual).mean()
    assert rows[-1]["mae_after_per_s"] == pytest.approx(by_hand)


def test_nearly_all_of_the_energy_is_nearly_the_same_model(small_lab, trained):
    found = compress_model(trained.model, energy=1 - 1e-9)
    np.testing.assert_allclose(
        predict_lab(found.model, small_lab.data),
        predict_lab(trained.model, small_lab.data),
        rtol=0.02,
    )
    assert found.before is None


def test_compression_refuses_what_makes_no_sense(trained):
    for shares in ({}, {"energy": 0.9, "entropy": 0.9}):
        with pytest.raises(SettingsError, match="exactly one of the two"):
            compress_model(trained.model, **shares)
    with pytest.raises(SettingsError, match=r"energy = 1\.5"):
        compress_model(trained.model, energy=1.5)
    with pytest.raises(SettingsError, match="only with a dataset"):
        compress_model(trained.model, energy=0.9, data_aware=True)


def test_a_model_without_a_record_is_judged_on_all_shots(small_lab, trained):
    found = compress_model(replace(trained.model, record={}), energy=0.99, data=small_lab.data)
    assert found.before is not None
    assert found.before.n == len(small_lab.data)
