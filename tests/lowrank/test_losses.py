import pickle

import pytest
import torch
from chains import batch, chain, seeded
from torch.nn import functional

from stopflow.errors import SettingsError
from stopflow.lowrank import (
    ACTIVATIONS,
    CROSS_ENTROPY,
    LAYERS,
    MEAN_ABSOLUTE,
    MEAN_SQUARE,
    LayerSpec,
    StepSettings,
    build_network,
    build_stepper,
    huber,
)
from stopflow.lowrank.losses import value_and_gradient


@pytest.mark.parametrize(
    ("closed", "known"),
    [
        (MEAN_SQUARE, functional.mse_loss),
        (MEAN_ABSOLUTE, functional.l1_loss),
        (huber(0.3), lambda o, t: functional.smooth_l1_loss(o, t, beta=0.3)),
    ],
)
def test_the_written_derivative_is_that_of_autograd(closed, known):
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(64, 2, generator=generator, dtype=torch.float64)
    targets = torch.randn(64, 2, generator=generator, dtype=torch.float64)
    value, gradient = value_and_gradient(closed, outputs, targets)
    expected, by_autograd = value_and_gradient(known, outputs, targets)
    assert float(value) == pytest.approx(float(expected), rel=1e-14)
    torch.testing.assert_close(gradient, by_autograd, rtol=1e-14, atol=0.0)
    leaf = outputs.clone().requires_grad_()
    closed(leaf, targets).backward()
    torch.testing.assert_close(leaf.grad, gradient, rtol=1e-14, atol=0.0)


def test_targets_of_another_shape_are_refused_instead_of_broadcast():
    outputs, targets = torch.ones(4, 3), torch.zeros(4, 1)
    for call in (lambda: MEAN_SQUARE(outputs, targets), lambda: loss_of(outputs, targets)):
        with pytest.raises(SettingsError, match=r"targets.*\(4, 1\).*shape \(4, 3\)"):
            call()
    _, gradient = value_and_gradient(lambda o, t: (o - t).square().mean(), outputs, targets)
    assert torch.equal(gradient, outputs / 6)


def loss_of(outputs, targets):
    return value_and_gradient(MEAN_SQUARE, outputs, targets)


@pytest.mark.parametrize("beta", [0.0, -1.0, float("nan"), float("inf")])
def test_a_huber_loss_without_a_width_is_refused(beta):
    with pytest.raises(SettingsError, match="beta"):
        huber(beta)


@pytest.mark.parametrize("loss", [MEAN_SQUARE, MEAN_ABSOLUTE, huber(0.3)])
def test_the_mean_over_no_rows_is_refused(loss):
    x, y = batch(rows=0)
    with pytest.raises(SettingsError, match=r"inputs.*at least one row"):
        build_stepper(chain("dlrt"), StepSettings()).step(x, y, loss=loss)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_loss_whose_gradient_is_one_number_for_all_outputs(activation):
    """The gradient of a sum is an expanded scalar, which a sweep cannot write into."""
    specs = [LayerSpec(type="dense", dim=3, activation=activation)]
    network = build_network(40, specs, generator=seeded(1), dtype=torch.float64)
    x, y = batch()
    before, rate = network.layers[0].weight, 0.01
    (gradient,) = torch.autograd.grad(network(x).sum(), before)
    expected = (before - rate * gradient).detach()
    stepper = build_stepper(network, StepSettings(optimiser="sgd", learning_rate=rate))
    stepper.step(x, y, loss=lambda outputs, _targets: outputs.sum())
    torch.testing.assert_close(network.layers[0].weight.data, expected)


@pytest.mark.parametrize("loss", [MEAN_SQUARE, MEAN_ABSOLUTE, huber(0.3)])
def test_losses_can_be_pickled(loss):
    outputs, targets = torch.randn(2, 9, 1, generator=seeded(1))
    assert torch.equal(pickle.loads(pickle.dumps(loss))(outputs, targets), loss(outputs, targets))


def labelled(rows=64, classes=10, size=3.0):
    outputs = size * torch.randn(rows, classes, generator=seeded(0), dtype=torch.float64)
    return outputs, torch.randint(classes, (rows,), generator=seeded(1))


def test_cross_entropy_and_its_derivative_are_those_of_torch():
    outputs, labels = labelled()
    value, gradient = value_and_gradient(CROSS_ENTROPY, outputs, labels)
    expected, by_autograd = value_and_gradient(functional.cross_entropy, outputs, labels)
    assert float(value) == pytest.approx(float(expected), rel=1e-14)
    torch.testing.assert_close(gradient, by_autograd, rtol=1e-12, atol=1e-17)
    leaf = outputs.clone().requires_grad_()
    CROSS_ENTROPY(leaf, labels).backward()
    torch.testing.assert_close(leaf.grad, gradient, rtol=1e-12, atol=1e-17)


@pytest.mark.parametrize("size", [1e3, 1e30])
def test_cross_entropy_of_large_outputs_is_finite(size):
    value, gradient = value_and_gradient(CROSS_ENTROPY, *labelled(size=size))
    assert value.isfinite()
    assert bool(gradient.isfinite().all())


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (torch.zeros(64), r"targets.*int64"),
        (torch.zeros(64, 10, dtype=torch.int64), r"targets.*\(64,\)"),
        (torch.full((64,), 10), r"targets = 10.*from 0 to 9"),
        (torch.full((64,), -1), r"targets = -1.*from 0 to 9"),
        ([0] * 64, "targets = 'list'"),
    ],
)
def test_targets_that_are_no_labels_are_refused(labels, words):
    with pytest.raises(SettingsError, match=words):
        value_and_gradient(CROSS_ENTROPY, labelled()[0], labels)


@pytest.mark.parametrize("kind", LAYERS)
def test_every_layer_learns_to_classify(kind):
    specs = [
        LayerSpec(type=kind, dim=24, rank=8),
        LayerSpec(type="dense", dim=3, activation="linear"),
    ]
    network = build_network(40, specs, generator=seeded(1))
    labels = torch.randint(3, (90,), generator=seeded(2))
    x = torch.randn(90, 40, generator=seeded(3)) + 2.0 * torch.eye(3, 40)[labels]
    stepper = build_stepper(network, StepSettings(learning_rate=1e-2))
    for _ in range(60):
        assert stepper.step(x, labels, loss=CROSS_ENTROPY).finite
    assert float((network(x).argmax(1) == labels).float().mean()) > 0.95
