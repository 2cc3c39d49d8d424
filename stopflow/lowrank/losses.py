"""Losses with their derivative written out: a step is spared the overhead of autograd."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from stopflow.errors import SettingsError

Loss = Callable[[Tensor, Tensor], Tensor]
"""(outputs, targets) -> scalar, differentiable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLoss:
    """A mean over all elements of outputs - targets; may be called like any other loss.

    Attributes
    ----------
    forward
        (outputs - targets) -> scalar.
    backward
        (outputs - targets, 1 / the number of elements) -> derivative by the outputs.
    """

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, float], Tensor]

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss; a `SettingsError` where the shapes differ."""
        return self.forward(_away(outputs, targets))


def huber(beta: float) -> ClosedLoss:
    """Squares below `beta`, straight lines of slope 1 above (Huber 1964).

    A `SettingsError` unless `beta` is positive and finite.
    """
    if not 0.0 < beta < math.inf:
        raise SettingsError("beta", beta, valid="a finite number above 0")
    return ClosedLoss(forward=partial(_huber, beta), backward=partial(_huber_slope, beta))


def _huber(beta: float, away: Tensor) -> Tensor:
    inner = (away / beta).clamp(-1.0, 1.0)
    return (inner * (away - 0.5 * beta * inner)).mean()


def _huber_slope(beta: float, away: Tensor, share: float) -> Tensor:
    return (away / beta).clamp_(-1.0, 1.0).mul_(share)


def _mean_square(away: Tensor) -> Tensor:
    return away.square().mean()


def _mean_square_slope(away: Tensor, share: float) -> Tensor:
    return away * (2.0 * share)


def _mean_absolute(away: Tensor) -> Tensor:
    return away.abs().mean()


def _mean_absolute_slope(away: Tensor, share: float) -> Tensor:
    return away.sign().mul_(share)


MEAN_SQUARE = ClosedLoss(forward=_mean_square, backward=_mean_square_slope)
MEAN_ABSOLUTE = ClosedLoss(forward=_mean_absolute, backward=_mean_absolute_slope)


def value_and_gradient(loss: Loss, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss and its derivative by `outputs`; any other loss goes through autograd.

    The derivative has memory of its own for every element: the sweep writes into it.
    """
    if isinstance(loss, ClosedLoss):
        away = _away(outputs, targets)
        return loss.forward(away), loss.backward(away, 1.0 / away.numel()).contiguous()
    with torch.enable_grad():
        leaf = outputs.detach().requires_grad_()
        value = loss(leaf, targets)
        (gradient,) = torch.autograd.grad(value, leaf)
    return value.detach(), gradient.contiguous()


def _away(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the difference; broadcasting would hide a mistake."""
    if outputs.shape != targets.shape:
        raise SettingsError("targets", tuple(targets.shape), valid=f"shape {tuple(outputs.shape)}")
    return outputs - targets
