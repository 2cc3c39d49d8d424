import pytest
import torch
from torch.nn import functional

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
    assert float(value) == float(expected)
    torch.testing.assert_close(gradient, by_autograd, rtol=1e-14, atol=0.0)
    leaf = outputs.clone().requires_grad_()
    closed(leaf, targets).backward()
    torch.testing.assert_close(leaf.grad, gradient, rtol=1e-14, atol=0.0)


def test_shapes_that_broadcast_are_left_to_autograd():
    outputs, targets = torch.ones(4, 3), torch.zeros(4, 1)
    _, gradient = value_and_gradient(lambda o, t: (o - t).square().mean(), outputs, targets)
    with pytest.warns(UserWarning, match="size"):
        _, found = value_and_gradient(MEAN_SQUARE, outputs, targets)
    torch.testing.assert_close(found, gradient)
