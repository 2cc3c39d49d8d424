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
from stopflow.learn.adapt_cost import RATES, adapt_beside_full
from stopflow.learn.compare.results import predict_lab
from stopflow.learn.compress import NotSmallerError, Share, compress_subject
from stopflow.learn.compress_rates import RateSubject
from stopflow.learn.judge import judge
from stopflow.learn.settings import TrainSettings
from stopflow.learn.split import split_by_experiment
from stopflow.learn.training.train import train
from stopflow.lowrank import build_network, count_parameters, count_trained
from stopflow.memory import reset_peak


def compressed(model, *, data=None, **share):
    return compress_subject(RateSubject(model_before=model, data=data), Share(**share))


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
        compressed(trained.model, energy=0.9, data=lab.data)


@pytest.mark.parametrize("data_aware", [False, True])
@pytest.mark.parametrize("share", ["energy", "entropy"])
def test_compression_shrinks_and_says_what_it_costs(small_lab, trained, data_aware, share):
    kept = {share: 0.999 if share == "energy" else 0.95}
    found = compressed(trained.model, data_aware=data_aware, data=small_lab.data, **kept)
    assert found.parameters_after <= found.parameters_before
    rows = found.rows()
    assert [row["layer"] for row in rows] == ["1", "2", "3", "all"]
    assert rows[-1]["parameters_after"] == count_parameters(found.model.network)
    test = np.isin(small_lab.data.experiment, trained.split.test_experiments)
    actual = small_lab.data.k_actual_per_s[test]
    by_hand = np.abs(predict_lab(found.model, small_lab.data)[test] - actual).mean()
    assert rows[-1]["error_after"] == pytest.approx(by_hand)


def test_nearly_all_of_the_energy_is_nearly_the_same_model(small_lab, trained):
    found = compressed(trained.model, energy=1 - 1e-9)
    np.testing.assert_allclose(
        predict_lab(found.model, small_lab.data),
        predict_lab(trained.model, small_lab.data),
        rtol=0.02,
    )
    assert found.judgement is None


def test_compression_refuses_what_makes_no_sense(trained):
    with pytest.raises(SettingsError, match="at most one of the three"):
        compressed(trained.model, energy=0.9, entropy=0.9)
    with pytest.raises(SettingsError, match=r"energy = 1\.5"):
        compressed(trained.model, energy=1.5)
    for share in ({}, {"energy": 0.9, "data_aware": True}):
        with pytest.raises(SettingsError, match="a dataset"):
            compressed(trained.model, **share)
    with pytest.raises(SettingsError, match="finetune = 2"):
        compressed(trained.model, energy=0.9, finetune=2)


def test_a_careless_share_is_judged_worse_and_the_default_is_not(small_lab, trained):
    careless = compressed(trained.model, energy=0.5, data=small_lab.data)
    assert careless.judgement.worse
    assert careless.judgement.after > careless.judgement.before
    try:
        found = compressed(trained.model, data=small_lab.data)
    except NotSmallerError:
        return
    assert found.parameters_after < found.parameters_before
    assert found.judgement.after < 1.5 * found.judgement.before


def test_training_after_a_truncation_mends_it(small_lab, trained):
    cut = compressed(trained.model, rank=3, data=small_lab.data)
    mended = compressed(trained.model, rank=3, data=small_lab.data, finetune=40)
    assert mended.parameters_after <= cut.parameters_after
    assert mended.judgement.after < 0.95 * cut.judgement.after


def test_worse_is_what_lies_above_the_spread():
    before = np.array([1.0, 2.0, 3.0, 4.0])
    found = judge("error", before, before + 0.5)
    assert found.spread == pytest.approx(np.sqrt(5 / 3) / 2)
    assert not found.worse
    assert judge("error", before, before + 0.7).worse
    # One row of many that is much worse may be chance; the same mean by all of them is not.
    assert not judge("error", np.tile(before, 5), np.tile(before, 5) + 9.0 * np.eye(20)[3]).worse
    assert judge("error", np.tile(before, 5), np.tile(before, 5) + 9.0 / 20).worse
    assert judge("error", before, [1.0, 2.0, 3.0, np.nan]).worse
    assert not judge("error", before, before * 0.5).worse
    assert not judge("error", np.zeros(80), np.eye(80)[0], counted=True).worse
    assert judge("error", np.zeros(80), np.ones(80), counted=True).worse
    assert judge("error", [np.nan, 1.0, 1.0], [9.0, 1.0, 1.0]).n == 2


def test_adapting_says_whether_it_is_worse(trained):
    shifted, trace = other_lab()
    helped = adapt_model(
        trained.model, shifted, adapt_settings(learning_rate=3e-3), rank=2, trace=trace
    )
    assert not helped.judgement.worse
    ruined = adapt_model(trained.model, shifted, adapt_settings(learning_rate=0.5), rank=2)
    assert ruined.judgement.worse or ruined.reason


def test_a_model_without_a_record_is_judged_on_all_shots(small_lab, trained):
    found = compressed(replace(trained.model, record={}), energy=0.99, data=small_lab.data)
    assert found.judgement is not None
    assert found.judgement.n == len(small_lab.data)


@pytest.mark.whole
def test_full_fine_tuning_stands_beside_lora_with_what_each_costs(trained):
    data, _ = other_lab()
    settings = adapt_settings(epochs=30, learning_rate=3e-3)
    adapted, (lora, full) = adapt_beside_full(trained.model, data, settings, rank=2)
    alone = adapt_model(trained.model, data, settings, rank=2)
    assert adapted.after["test"] == alone.after["test"] == lora.metrics["test"]
    assert lora.trained_parameters == alone.trained_parameters
    assert full.trained_parameters == count_trained(trained.model.network)
    assert lora.trained_parameters < full.trained_parameters
    before = alone.before["test"].mae_per_s
    for cost in (lora, full):
        assert cost.metrics["test"].mae_per_s < before
        assert cost.processor_s > 0
        assert cost.peak_bytes > 0 or not reset_peak()
    assert full.metrics["train"] != lora.metrics["train"]
    assert lora.learning_rate == 3e-3
    assert full.learning_rate in RATES
