"""The loop: it learns, it repeats itself, it resumes, it keeps the best, it never peeks."""

import numpy as np
import pytest
import torch

from stopflow.errors import ModelError, SettingsError
from stopflow.learn.compare.results import metrics_of, predict_lab, prediction_rows
from stopflow.learn.model import predict
from stopflow.learn.settings import TrainSettings
from stopflow.learn.training.train import TrainStatus, train
from stopflow.lowrank import LAYERS

SMALL = {"hidden": (32, 16), "rank": 6, "directions": 20, "test_count": 2, "augmentations": 2}


def settings(**changes):
    return TrainSettings(**(SMALL | {"epochs": 4, "batch_size": 16} | changes))


def weights(trained):
    return {name: v.clone() for name, v in trained.model.network.state_dict().items()}


def assert_equal_weights(first, second):
    assert weights(first).keys() == weights(second).keys()
    for name, value in weights(first).items():
        assert torch.equal(value, weights(second)[name]), name


@pytest.mark.parametrize("layer", sorted(LAYERS))
def test_every_layer_learns_and_its_model_says_what_the_history_says(small_lab, layer):
    data = small_lab.data
    trained = train(
        data, settings(layer=layer, epochs=12, learning_rate=5e-3), trace=small_lab.trace
    )
    errors = [row["train_mae_per_s"] for row in trained.history]
    assert min(errors) < 0.5 * errors[0]
    rates = predict_lab(trained.model, data)
    metrics = metrics_of(trained, data, rates)
    best = trained.history[trained.best_epoch - 1]
    assert metrics["test"]["mae_per_s"] == pytest.approx(best["test_mae_per_s"], rel=5e-3)
    assert metrics["train"]["mae_per_s"] == pytest.approx(best["train_mae_per_s"], rel=5e-3)
    assert len(prediction_rows(rates, data, trained.split)) == len(data)


@pytest.mark.slow
def test_held_out_experiments_are_predicted(small_lab, full_proof):
    epochs = 400 if full_proof else 80
    trained = train(
        small_lab.data, settings(epochs=epochs, learning_rate=3e-3), trace=small_lab.trace
    )
    metrics = metrics_of(trained, small_lab.data, predict_lab(trained.model, small_lab.data))
    assert metrics["test"]["median_relative_error"] < (0.02 if full_proof else 0.05)


def test_same_seed_same_result_other_seed_another(small_lab):
    first, again, other = (
        train(small_lab.data, settings(seed=seed), trace=small_lab.trace) for seed in (3, 3, 4)
    )
    assert_equal_weights(first, again)
    assert not torch.equal(weights(first)["layers.1.S"], weights(other)["layers.1.S"])


class Interruption(Exception):
    """The user's Ctrl-C."""


@pytest.mark.parametrize("layer", ["dlrt", "vanilla", "dense", "adaptive"])
def test_an_interrupted_run_goes_on_to_the_same_result(small_lab, tmp_path, layer):
    if layer not in LAYERS:
        pytest.skip("no such layer")
    path, chosen = tmp_path / "run", settings(layer=layer, epochs=6, theta=0.2, cadence=2)
    whole = train(small_lab.data, chosen, trace=small_lab.trace)

    def interrupt(what, done, _total):
        if what == "training" and done == 4:
            raise Interruption

    with pytest.raises(Interruption):
        train(
            small_lab.data,
            chosen,
            trace=small_lab.trace,
            checkpoint=path,
            checkpoint_every_s=0,
            progress=interrupt,
        )
    resumed = train(small_lab.data, chosen, trace=small_lab.trace, checkpoint=path, resume=True)
    assert_equal_weights(whole, resumed)
    for row, other in zip(whole.history, resumed.history, strict=True):
        kept = {name for name in row if name not in ("seconds", "judging_s")}
        assert {n: row[n] for n in kept} == {n: other[n] for n in kept}


def test_a_long_run_judges_some_epochs_and_its_last(small_lab, monkeypatch):
    monkeypatch.setattr("stopflow.learn.training.run.MOST_JUDGED", 4)
    trained = train(small_lab.data, settings(epochs=11))
    assert [row["epoch"] for row in trained.history] == [3, 6, 9, 11]
    assert trained.epochs == 11
    spent = [(row["seconds"], row["judging_s"]) for row in trained.history]
    assert all(0 < judging < seconds for seconds, judging in spent)


@pytest.mark.parametrize(("large", "threads"), [(1_000_000, 1), (1, 2)])
def test_a_small_network_trains_on_one_thread(small_lab, monkeypatch, large, threads):
    monkeypatch.setattr("stopflow.learn.training.run.LARGE_NETWORK", large)
    seen = []

    def look(what, _done, _total):
        if what == "training":
            seen.append(torch.get_num_threads())

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        train(small_lab.data, settings(epochs=1), progress=look)
        assert seen == [threads]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_checkpoint_of_another_run_is_refused(small_lab, tmp_path):
    path = tmp_path / "run"
    with pytest.raises(ModelError, match="no checkpoint"):
        train(small_lab.data, settings(), checkpoint=path, resume=True)

    def interrupt(what, done, _total):
        if what == "training" and done == 2:
            raise Interruption

    with pytest.raises(Interruption):
        train(
            small_lab.data,
            settings(),
            checkpoint=path,
            checkpoint_every_s=0,
            progress=interrupt,
        )
    with pytest.raises(ModelError, match="other data or settings"):
        train(small_lab.data, settings(rank=3), checkpoint=path, resume=True)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelError, match="cut off"):
        train(small_lab.data, settings(), checkpoint=path, resume=True)


def test_a_diverging_run_is_a_status_and_keeps_the_last_good_state(small_lab):
    chosen = settings(
        optimiser="sgd", learning_rate=1e6, layer="dense", schedule="constant", loss="mse"
    )
    trained = train(small_lab.data, chosen)
    assert trained.status is TrainStatus.DIVERGED
    assert trained.reason.startswith("epoch 1, step ")
    assert "lower the learning rate" in trained.reason
    assert np.isfinite(
        predict(trained.model, small_lab.data.inputs, window_s=small_lab.data.window_s).k_per_s
    ).all()


def test_early_stopping_keeps_the_best_epoch(small_lab):
    chosen = settings(epochs=60, patience=3, learning_rate=0.02, schedule="constant")
    trained = train(small_lab.data, chosen)
    errors = [row["validation_mae_per_s"] for row in trained.history]
    assert trained.status is TrainStatus.STOPPED_EARLY
    assert trained.best_epoch == 1 + int(np.argmin(errors))
    assert len(errors) == trained.best_epoch + 3
    assert len(trained.split.validation_experiments) == 1


def test_test_labels_decide_nothing(small_lab):
    data = small_lab.data
    first = train(data, settings(), trace=small_lab.trace)
    inputs, labels = np.array(data.inputs), np.array(data.k_label_per_s)
    inputs[first.split.test] *= 1.5
    labels[first.split.test] *= 10
    values = {name: getattr(data, name) for name in data.__slots__}
    changed = type(data)(**(values | {"inputs": inputs, "k_label_per_s": labels}))
    second = train(changed, settings(), trace=small_lab.trace)
    assert_equal_weights(first, second)


def test_a_device_that_is_not_there_is_named(small_lab):
    with pytest.raises(SettingsError, match=r"device = 'abacus'.*cpu"):
        train(small_lab.data, settings(device="abacus"))
