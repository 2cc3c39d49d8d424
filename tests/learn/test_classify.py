"""Classes by the same loop: it learns, repeats itself, resumes, saves, and never peeks."""

import numpy as np
import pytest
import torch
from small_images import CLASSES, PIXELS, make_class_data, make_images

from stopflow.errors import ModelError, SettingsError, StopflowError
from stopflow.learn.classify.compress import ClassSubject
from stopflow.learn.classify.data import class_data
from stopflow.learn.classify.saved import load_classifier
from stopflow.learn.classify.scores import score_classes
from stopflow.learn.classify.train import (
    class_metrics,
    class_settings,
    split_by_settings,
    train_classifier,
)
from stopflow.learn.compress import Share, compress_subject
from stopflow.learn.saved import load_model, save_model
from stopflow.lowrank import LAYERS, LayerSpec


@pytest.fixture(scope="module")
def images():
    return make_class_data(np.random.default_rng(11))


def settings(**changes):
    small = {"hidden": (16, 12), "rank": 4, "batch_size": 16, "validation_count": 40}
    return class_settings(**(small | {"epochs": 3} | changes))


def weights(trained):
    return trained.model.network.state_dict()


def assert_equal_weights(first, second):
    for name, value in weights(first).items():
        assert torch.equal(value, weights(second)[name]), name


@pytest.mark.parametrize("layer", sorted(LAYERS))
def test_every_layer_learns_and_its_model_says_what_the_history_says(images, layer):
    trained = train_classifier(images, settings(layer=layer, epochs=20, learning_rate=5e-3))
    metrics = class_metrics(trained, images)
    best = trained.history[trained.best_epoch - 1]
    assert metrics["test"]["accuracy"] > 0.9
    for part in ("test", "validation"):
        assert metrics[part]["accuracy"] == pytest.approx(best[f"{part}_accuracy"], abs=0.02)
    assert trained.history[-1]["train_loss"] < 0.5 * trained.history[0]["train_loss"]
    assert best["validation_accuracy"] == max(row["validation_accuracy"] for row in trained.history)


def test_same_seed_same_result_other_seed_another(images):
    first, again, other = (train_classifier(images, settings(seed=seed)) for seed in (3, 3, 4))
    assert_equal_weights(first, again)
    assert first.split.validation.tolist() == again.split.validation.tolist()
    assert first.split.validation.tolist() != other.split.validation.tolist()


def test_validation_rows_come_from_the_training_images_alone(images):
    split = split_by_settings(images, settings())
    assert len(split.validation) == 40
    assert not set(split.train) & set(split.validation)
    assert max(*split.train, *split.validation) < images.first_test == min(split.test)
    assert len(split_by_settings(images, settings(validation_count=10**6)).train) == 120


class Interruption(Exception):
    """The user's Ctrl-C."""


@pytest.mark.parametrize("layer", ["dlrt", "dense"])
def test_an_interrupted_run_goes_on_to_the_same_result(images, tmp_path, layer):
    path, chosen = tmp_path / "run", settings(layer=layer, epochs=5)
    whole = train_classifier(images, chosen)

    def interrupt(_what, done, _total):
        if done == 3:
            raise Interruption

    with pytest.raises(Interruption):
        train_classifier(
            images, chosen, checkpoint=path, progress=interrupt, checkpoint_every_s=0.0
        )
    resumed = train_classifier(images, chosen, checkpoint=path, resume=True)
    assert_equal_weights(whole, resumed)
    with pytest.raises(ModelError, match="other data or settings"):
        train_classifier(images, settings(seed=9), checkpoint=path, resume=True)


def test_a_saved_classifier_comes_back_and_is_no_model_of_rates(images, tmp_path):
    trained = train_classifier(images, settings())
    save_model(tmp_path / "digits", trained.model, history=trained.history)
    again = load_classifier(tmp_path / "digits")
    rows = images.inputs[:50]
    assert np.array_equal(again.probabilities(rows), trained.model.probabilities(rows))
    assert again.classes == CLASSES
    with pytest.raises(ModelError, match="predicts classes of images"):
        load_model(tmp_path / "digits")
    with pytest.raises(ModelError, match="do not fit"):
        again.predict(rows[:, 1:])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"loss": "l1"}, "loss = 'l1'.*cross-entropy"),
        ({"features": "raw"}, "features.*hidden"),
        ({"layers": (LayerSpec(type="dense", dim=1, activation="linear"),)}, "one of 4 classes"),
        ({"layers": (LayerSpec(type="dense", dim=9),), "inputs": 784}, f"{PIXELS**2}, as many"),
    ],
)
def test_what_does_not_fit_images_is_named(images, changes, says):
    with pytest.raises(SettingsError, match=says):
        train_classifier(images, settings(**changes))


def test_scores_by_hand():
    found = score_classes([0, 0, 1, 1, 1, 2], [0, 1, 1, 1, 2, 2], classes=4)
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.confusion.tolist() == [[1, 0, 0, 0], [1, 2, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    f1 = (2 / 3 + 4 / 6 + 2 / 3) / 3
    assert found.macro_f1 == pytest.approx(f1)
    with pytest.raises(StopflowError, match="must match"):
        score_classes([0], [0, 1], classes=2)


def test_a_classifier_becomes_smaller_without_becoming_worse(images):
    trained = train_classifier(images, settings(layer="dense", hidden=(32, 24), epochs=15))
    subject = ClassSubject(classifier=trained.model, data=images)
    found = compress_subject(subject, Share())
    assert found.parameters_after < 0.8 * found.parameters_before
    assert found.judgement.n == 80
    assert not found.judgement.worse
    kept = compress_subject(subject, Share(rank=3))
    tuned = compress_subject(subject, Share(rank=3, finetune=40))
    assert tuned.judgement.after < kept.judgement.after / 2
    assert tuned.model.record["compressed"]["rank"] == 3


def test_images_of_another_kind_are_refused(images):
    trained = train_classifier(images, settings(epochs=1))
    other = class_data(make_images(np.random.default_rng(1), pixels=5))
    with pytest.raises(ModelError, match="36 pixels and distinguishes 4 classes; pictures"):
        ClassSubject(classifier=trained.model, data=other)


def test_oialr_counts_what_is_trained_and_records_its_stability(images):
    trained = train_classifier(
        images, settings(layer="oialr", epochs=6, delay=0, absorb_every=10, cutoff=0.2)
    )
    assert trained.trained_parameters < 0.6 * trained.parameters
    last = trained.history[-1]
    assert 0.0 < last["stability_1"] <= 1.0 + 1e-6
    assert last["rank_1"] <= 16
    assert list(trained.history[0]) == list(last)
