"""The published implementations: their gradients, their counts, and what their switches do."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_images import make_class_data

from stopflow.errors import SettingsError
from stopflow.learn.classify.train import class_settings
from stopflow.learn.compress import Share
from stopflow.learn.published import reference
from stopflow.learn.published.reference import AsPublished, Reference, published_values
from stopflow.learn.published.runs import Truncated, run_ours, run_reference, run_truncated
from stopflow.lowrank import CROSS_ENTROPY, LayerSpec, build_network
from stopflow.lowrank.bench.reference import reference_kls_step

SIZES = (12, 9, 8, 4)


def made(**changes):
    settings = AsPublished(
        **({"hidden": SIZES[1:-1], "learning_rate": 0.05, "epochs": 1, "rank": 4} | changes)
    )
    return Reference(settings, SIZES, generator=torch.Generator().manual_seed(3))


def doubled(network):
    for layer in network.layers:
        for name in layer:
            layer[name] = layer[name].double()
    return network


@pytest.fixture
def batch(rng):
    return torch.tensor(rng.standard_normal((16, 12))), torch.tensor(rng.integers(0, 4, 16))


@pytest.mark.parametrize("kind", ["dense", "dynamical"])
def test_gradients_written_by_hand_are_those_of_autograd(kind, batch):
    network = doubled(made(kind=kind))
    rows, labels = batch
    with torch.inference_mode():
        loss, found = network._gradients(rows, labels)
    for layer in network.layers:
        for value in layer.values():
            value.requires_grad_()
    taped = torch.nn.functional.cross_entropy(network._forward(rows)[0], labels)
    taped.backward()
    assert loss == pytest.approx(float(taped.detach()), rel=1e-12)
    for layer, gradient in zip(network.layers, found, strict=True):
        for name, value in layer.items():
            torch.testing.assert_close(gradient[name], value.grad, rtol=1e-10, atol=1e-12)


def test_without_its_peculiarities_the_bases_are_those_of_the_integrator_of_the_paper(batch):
    network = doubled(made(kind="dynamical", projected_k=False, init="scaled"))
    rows, labels = batch
    specs = [LayerSpec(type="dlrt", dim=dim, rank=4) for dim in SIZES[1:-1]]
    specs.append(LayerSpec(type="dense", dim=4, activation="linear"))
    oracle = build_network(
        12, specs, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    for own, layer in zip(oracle.layers, network.layers, strict=True):
        own.bias.data = layer["b"].clone()
        if "S" in layer:
            own.set_factors(layer["U"].clone(), layer["S"].clone(), layer["V"].clone())
        else:
            own.weight.data = layer["W"].clone()
    network.step(rows, labels)
    reference_kls_step(oracle, rows, labels, loss=CROSS_ENTROPY, rate=0.05)
    for own, layer in zip(oracle.layers[:2], network.layers[:2], strict=True):
        for ours, theirs in ((own.U, layer["U"]), (own.V, layer["V"])):
            spans = [basis.detach() @ basis.detach().T for basis in (ours, theirs)]
            torch.testing.assert_close(*spans, rtol=1e-9, atol=1e-10)


def weight(layer):
    return layer["U"] @ layer["S"] @ layer["V"].T


def test_the_wrong_turn_of_v_changes_a_matrix_that_the_right_one_leaves_alone():
    for wrong in (True, False):
        network = doubled(made(kind="adaptive", rank=8, tolerance=1e-30, wrong_turn=wrong))
        before = weight(network.layers[0])
        network._truncate(0)
        away = torch.linalg.matrix_norm(weight(network.layers[0]) - before)
        assert (away < 1e-10 * torch.linalg.matrix_norm(before)) == (not wrong)


def test_ranks_follow_the_tolerance_and_its_bounds(batch):
    network = doubled(made(kind="adaptive", rank=6, tolerance=0.9, learning_rate=1e-6))
    network.step(*batch)
    assert network.ranks() == (2, 2)
    network = doubled(made(kind="adaptive", rank=6, tolerance=1e-30, learning_rate=0.05))
    assert network.ranks() == (3, 3)
    network.step(*batch)
    assert network.ranks() == (6, 6)
    network.frozen = True
    network.step(*batch)
    assert network.ranks() == (6, 6)


@pytest.mark.parametrize(
    ("kind", "rank", "count"),
    [
        ("dense", 0, 200_960 + 32_896),
        ("vanilla", 20, 42_912 + 16_416),
        ("dynamical", 20, 63_712 + 24_096),
        ("adaptive", 40, 128_512 + 49_536),
    ],
)
def test_stored_values_are_those_of_the_thesis(kind, rank, count):
    settings = AsPublished(kind=kind, hidden=(256, 128), learning_rate=1e-3, epochs=1, rank=rank)
    assert published_values(settings, (784, 256, 128, 10)) == count


def test_clipping_and_momentum_are_those_of_each_tensor(batch):
    plain, clipped = (
        doubled(made(kind="dense", init="scaled", **more))
        for more in ({}, {"momentum": 0.9, "clip_each": 1e-3})
    )
    before = clipped.layers[0]["W"].clone()
    _, gradients = plain._gradients(*batch)
    clipped.step(*batch)
    moved = before - clipped.layers[0]["W"]
    gradient = gradients[0]["W"]
    expected = 0.05 * 0.1 * 1e-3 * gradient / torch.linalg.vector_norm(gradient)
    torch.testing.assert_close(moved, expected, rtol=1e-9, atol=1e-15)


def test_an_unknown_kind_is_named():
    with pytest.raises(SettingsError, match=r"kind = 'cubic'.*adaptive"):
        made(kind="cubic")


@pytest.mark.parametrize("truncated", [False, True])
def test_a_run_that_diverges_in_its_first_epoch_is_a_row_without_figures(rng, truncated):
    settings = class_settings(
        hidden=(12, 8),
        rank=3,
        optimiser="momentum",
        learning_rate=1e9,
        epochs=2,
        validation_count=40,
    )
    data = make_class_data(rng)
    if truncated:
        asked = Truncated(settings=settings, share=Share(rank=2))
        run = run_truncated(data, asked, on_epoch=lambda _done, _total: None)
        assert math.isnan(run.accuracy_before)
    else:
        run = run_ours(data, settings, on_epoch=lambda _done, _total: None, timed=False)
        assert math.isnan(run.at_epoch()["test_accuracy"])
    assert run.status == "diverged"


@pytest.mark.parametrize("kind", ["dense", "vanilla", "dynamical", "adaptive"])
@pytest.mark.parametrize("changes", [{}, {"momentum": 0.9}, {"optimiser": "adam"}])
def test_a_published_run_that_leaves_the_finite_ends_as_diverged(kind, changes, rng):
    """Factors that are not finite cannot be decomposed: that is no fault of the program."""
    asked = AsPublished(
        kind=kind, hidden=(9, 8), learning_rate=0.1, epochs=3, rank=4, batch_size=8, **changes
    )
    data = make_class_data(rng)
    inputs = data.inputs.copy()
    inputs[: data.first_test, 0] = np.nan
    found = run_reference(
        replace(data, inputs=inputs), asked, seed=0, on_epoch=lambda _done, _of: None
    )
    assert found.status == "diverged"
    assert len(found.history) == 1


def test_a_core_that_cannot_be_decomposed_ends_a_published_run(rng, monkeypatch):
    def fail(*_given, **_options):
        raise torch.linalg.LinAlgError("did not converge")

    monkeypatch.setattr(reference, "thin_svd", fail)
    asked = AsPublished(kind="adaptive", hidden=(9, 8), learning_rate=0.1, epochs=3, rank=4)
    found = run_reference(make_class_data(rng), asked, seed=0, on_epoch=lambda _done, _of: None)
    assert found.status == "diverged"
