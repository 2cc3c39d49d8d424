import pickle

import pytest
import torch
from chains import batch, chain, seeded
from torch.nn import functional

from stopflow.errors import SettingsError
from stopflow.lowrank import (
    ACTIVATIONS,
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
