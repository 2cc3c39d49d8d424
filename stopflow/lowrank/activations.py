"""The functions between layers, each with its derivative written in terms of what is at hand."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from stopflow.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """A scalar function and the backward rule of it.

    Attributes
    ----------
    forward
        ``a = f(z)``.
    backward
        ``(gradient with respect to a, z, a) -> gradient with respect to z``.
    """

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor, Tensor], Tensor]


def _relu_backward(grad: Tensor, _before: Tensor, after: Tensor) -> Tensor:
    return torch.ops.aten.threshold_backward(grad, after, 0.0)


def _tanh_backward(grad: Tensor, _before: Tensor, after: Tensor) -> Tensor:
    return torch.ops.aten.tanh_backward(grad, after)


def _sigmoid_backward(grad: Tensor, _before: Tensor, after: Tensor) -> Tensor:
    return torch.ops.aten.sigmoid_backward(grad, after)


def _gelu_backward(grad: Tensor, before: Tensor, _after: Tensor) -> Tensor:
    return torch.ops.aten.gelu_backward(grad, before)


def _silu_backward(grad: Tensor, before: Tensor, _after: Tensor) -> Tensor:
    return torch.ops.aten.silu_backward(grad, before)


ACTIVATIONS: dict[str, Activation] = {
    "linear": Activation(forward=lambda z: z, backward=lambda grad, _before, _after: grad),
    "relu": Activation(forward=torch.relu, backward=_relu_backward),
    "tanh": Activation(forward=torch.tanh, backward=_tanh_backward),
    "sigmoid": Activation(forward=torch.sigmoid, backward=_sigmoid_backward),
    "gelu": Activation(forward=functional.gelu, backward=_gelu_backward),
    "silu": Activation(forward=functional.silu, backward=_silu_backward),
}


def require_activation(name: str) -> Activation:
    """Look up an activation; a `SettingsError` lists the valid names."""
    if name not in ACTIVATIONS:
        raise SettingsError("activation", name, valid=ACTIVATIONS)
    return ACTIVATIONS[name]
