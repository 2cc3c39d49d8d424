"""Rates are searched by validation alone; the memory of a method is its own."""

import math
from dataclasses import replace

import numpy as np
import pytest
from small_images import make_class_data, make_images

from stopflow.learn.classify.data import class_data
from stopflow.learn.classify.train import class_settings
from stopflow.learn.compress import Share
from stopflow.learn.published.peak import peak_of
from stopflow.learn.published.runs import Truncated
from stopflow.learn.published.tuning import (
    FARTHEST,
    FIRST_RATE,
    TUNING_SEED,
    Tuned,
    climb_in_steps,
    tune,
)
from stopflow.memory import reset_peak


@pytest.fixture(scope="module")
def images():
    return make_class_data(np.random.default_rng(3))


def settings(**changes):
    small = {"hidden": (16, 12), "rank": 4, "batch_size": 16, "validation_count": 60}
    return class_settings(**(small | {"epochs": 3} | changes))


def parabola(top):
    return lambda rate: -((math.log2(rate) - top) ** 2)


@pytest.mark.parametrize("top", [-4.2, -1, 0.3, 2, 3.9])
def test_a_climb_ends_at_the_top_with_a_lower_rate_on_either_side(top):
    calls = []

    def judged(rate):
        calls.append(rate)
        return parabola(top)(rate)

    assert climb_in_steps(judged, start=1.0) == 2.0 ** round(top)
    assert len(calls) == len(set(calls))


def test_a_climb_without_a_top_ends_where_it_may_go_no_farther():
    assert climb_in_steps(lambda rate: rate, start=1.0) == 2.0**FARTHEST
    assert climb_in_steps(lambda rate: -rate, start=1.0) == 2.0**-FARTHEST


def test_a_rate_that_diverges_is_worse_than_any_other():
    found = climb_in_steps(lambda rate: float("nan") if rate > 0.5 else 0.1, start=1.0)
    assert found <= 0.5


def test_a_search_finds_what_the_validation_says_and_never_sees_the_test(images):
    asked = Tuned(asked=settings(layer="dense", optimiser="adam"))
    found = tune(images, asked, on_epoch=lambda *_: None)
    best = max(accuracy for _, _, accuracy in found.tried)
    assert (found.learning_rate, found.decay, best) in found.tried
    assert asked.at(found).learning_rate == found.learning_rate
    spoilt = replace(images, inputs=images.inputs.copy())
    spoilt.inputs[images.first_test :] = np.nan
    assert tune(spoilt, asked, on_epoch=lambda *_: None) == found


def test_a_search_tries_every_decay_at_the_best_rate(images):
    asked = Tuned(asked=settings(layer="dense", optimiser="adam", epochs=1), decays=(0.0, 0.5, 2.0))
    found = tune(images, asked, on_epoch=lambda *_: None)
    assert {decay for _, decay, _ in found.tried} == {0.0, 0.5, 2.0}
    assert tune(images, asked, on_epoch=lambda *_: None, quick=True).learning_rate == FIRST_RATE


def test_rows_that_differ_in_their_truncation_share_a_search():
    dense = Tuned(asked=settings(layer="dense", epochs=5))
    cut = Truncated(settings=settings(layer="dense", epochs=3), share=Share(rank=2, finetune=2))
    assert Tuned(asked=cut).searched == dense.searched
    assert dense.searched.seed == TUNING_SEED


@pytest.mark.whole
@pytest.mark.skipif(not reset_peak(), reason="the system does not tell a peak")
def test_memory_is_measured_without_the_images_and_is_less_at_low_rank():
    data = class_data(
        make_images(np.random.default_rng(1), train=1000, test=20, pixels=28, classes=10)
    )
    wide = {"hidden": (1024, 1024), "batch_size": 32}
    dense = peak_of(data, settings(layer="dense", **wide))
    low = peak_of(data, settings(layer="dlrt", **wide))
    weights = 4 * (784 * 1024 + 1024 * 1024)
    assert dense > 3 * weights  # weights, gradients, two moments
    assert low < weights
