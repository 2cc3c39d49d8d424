"""Activations, each with its derivative written in terms of what is at hand.

A sweep spends more on moving a batch through the caches than on the arithmetic of an activation, so
both directions overwrite what they are given where they can.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from stopflow.errors import require_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """A scalar function and the backward rule of it.

    Attributes
    ----------
    forward
        ``a = f(z)``, differentiable, z left alone.
    cached
        ``z -> (a, kept)`` for a sweep without autograd; z may be overwritten.
    backward
        ``(gradient with respect to a, kept) -> gradient with respect to z``, in the same memory.
    """

    forward: Callable[[Tensor], Tensor]
    cached: Callable[[Tensor], tuple[Tensor, Tensor]]
    backward: Callable[[Tensor, Tensor], Tensor]


def _cached_output(
    overwrite: Callable[[Tensor], Tensor],
) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    def cached(z: Tensor) -> tuple[Tensor, Tensor]:
        a = overwrite(z)
        return a, a

    return cached


_THRESHOLD_BACKWARD = torch.ops.aten.threshold_backward.grad_input  # a step spares the lookup


def _relu_backward(grad: Tensor, after: Tensor) -> Tensor:
    return _THRESHOLD_BACKWARD(grad, after, 0.0, grad_input=grad)


def _tanh_backward(grad: Tensor, after: Tensor) -> Tensor:
    return torch.ops.aten.tanh_backward.grad_input(grad, after, grad_input=grad)


def _sigmoid_backward(grad: Tensor, after: Tensor) -> Tensor:
    return torch.ops.aten.sigmoid_backward.grad_input(grad, after, grad_input=grad)


def _gelu_backward(grad: Tensor, before: Tensor) -> Tensor:
    return torch.ops.aten.gelu_backward.grad_input(grad, before, grad_input=grad)


def _silu_backward(grad: Tensor, before: Tensor) -> Tensor:
    return torch.ops.aten.silu_backward.grad_input(grad, before, grad_input=grad)


ACTIVATIONS: dict[str, Activation] = {
    "linear": Activation(
        forward=lambda z: z, cached=lambda z: (z, z), backward=lambda grad, _kept: grad
    ),
    "relu": Activation(
        forward=torch.relu, cached=_cached_output(torch.relu_), backward=_relu_backward
    ),
    "tanh": Activation(
        forward=torch.tanh, cached=_cached_output(torch.tanh_), backward=_tanh_backward
    ),
    "sigmoid": Activation(
        forward=torch.sigmoid, cached=_cached_output(torch.sigmoid_), backward=_sigmoid_backward
    ),
    "gelu": Activation(
        forward=functional.gelu, cached=lambda z: (functional.gelu(z), z), backward=_gelu_backward
    ),
    "silu": Activation(
        forward=functional.silu, cached=lambda z: (functional.silu(z), z), backward=_silu_backward
    ),
}


def require_activation(name: str) -> Activation:
    """Look up an activation; a `SettingsError` lists the valid names."""
    require_key("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]
