"""What steps leave behind is as usable as before: by autograd, by torch, by a second stepper."""

import copy

import pytest
import torch
from torch.nn.functional import mse_loss

from stopflow.lowrank import LAYERS, MEAN_SQUARE, StepSettings, build_stepper
from stopflow.lowrank.integrators import update
from tests.lowrank.chains import COMBINATIONS, ORTHONORMAL, batch, chain


def trained(kind, *, steps=7, sigma=None, **settings):
    network = chain(kind, sigma=sigma)
    defaults = {"learning_rate": 0.01, "delay": 3, "absorb_every": 2, "cadence": 2, "theta": 1e-3}
    stepper = build_stepper(network, StepSettings(**defaults | settings))
    x, y = batch()
    for _ in range(steps):
        assert stepper.step(x, y, loss=MEAN_SQUARE).finite
    return network, stepper, x, y


@pytest.mark.parametrize(("kind", "optimiser"), COMBINATIONS)
def test_autograd_and_torch_take_over_and_hand_back(kind, optimiser):
    network, stepper, x, y = trained(kind, optimiser=optimiser, weight_decay=0.1)
    mse_loss(network(x), y).backward()
    torch.optim.SGD(network.parameters(), lr=0.01).step()
    now = mse_loss(network(x), y).item()
    assert stepper.step(x, y, loss=MEAN_SQUARE).loss == pytest.approx(now, rel=1e-9)
    assert not any(value.is_inference() for value in stepper.state_dict().values())


@pytest.mark.parametrize("kind", ORTHONORMAL)
def test_the_same_where_householder_takes_over(kind, monkeypatch):
    taken, by_qr = [], update._by_householder

    def spy(*args):
        taken.append(1)
        return by_qr(*args)

    monkeypatch.setattr(update, "_by_householder", spy)
    sigma = torch.logspace(0, -12, 6).double()
    network, stepper, x, y = trained(
        kind, sigma=sigma, optimiser="sgd", learning_rate=1e-12, steps=1
    )
    assert taken
    mse_loss(network(x), y).backward()
    assert stepper.step(x, y, loss=MEAN_SQUARE).finite


@pytest.mark.parametrize("kind", LAYERS)
def test_gradients_of_the_user_are_left_alone(kind):
    network, stepper, x, y = trained(kind, steps=5)
    mse_loss(network(x), y).backward()
    held = {name: (p.shape, p.grad) for name, p in network.named_parameters()}
    values = {name: None if grad is None else grad.clone() for name, (_, grad) in held.items()}
    stepper.step(x, y, loss=MEAN_SQUARE)
    for name, parameter in network.named_parameters():
        shape, grad = held[name]
        if parameter.shape == shape:
            assert parameter.grad is grad
            assert grad is None or torch.equal(grad, values[name])


@pytest.mark.parametrize("kind", ORTHONORMAL)
def test_two_steppers_in_turn_move_a_network_as_one_does(kind):
    network, alone, x, y = trained(kind, optimiser="sgd", steps=1, cadence=1)
    other = copy.deepcopy(network)
    pair = [build_stepper(other, alone.settings) for _ in range(2)]
    for i in range(6):
        alone.step(x, y, loss=MEAN_SQUARE)
        pair[i % 2].step(x, y, loss=MEAN_SQUARE)
    for a, b in zip(network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ORTHONORMAL)
def test_a_step_goes_on_from_values_put_into_the_network(kind):
    network, stepper, x, y = trained(kind, optimiser="sgd", cadence=1)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    stepper.step(x, y, loss=MEAN_SQUARE)
    once = network(x)
    network.load_state_dict(state)
    stepper.step(x, y, loss=MEAN_SQUARE)
    torch.testing.assert_close(network(x), once, rtol=1e-9, atol=1e-12)
