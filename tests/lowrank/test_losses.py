import pytest
import torch
from torch.nn import functional

from stopflow.errors import SettingsError
from stopflow.lowrank import MEAN_ABSOLUTE, MEAN_SQUARE, huber
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
