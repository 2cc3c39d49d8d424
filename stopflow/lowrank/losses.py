"""Losses with their derivative written out: a step is spared the overhead of autograd."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from stopflow.errors import SettingsError
from stopflow.lowrank.arguments import describe
from stopflow.lowrank.settings import require_real

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
    require_real("beta", beta, low=0.0)
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
    if not callable(loss):
        valid = "a function (outputs, targets) -> scalar, e.g. MEAN_SQUARE"
        raise SettingsError("loss", loss, valid=valid)
    with torch.inference_mode(mode=False), torch.enable_grad():
        leaf = outputs.clone().requires_grad_()
        value = loss(leaf, targets)
        if not isinstance(value, Tensor) or value.numel() != 1 or not value.requires_grad:
            valid = "a tensor of one number, differentiable by the outputs"
            raise SettingsError("loss", describe(value), valid=valid)
        (gradient,) = torch.autograd.grad(value, leaf)
    return value.detach(), gradient.contiguous()


def _away(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the difference; broadcasting would hide a mistake."""
    fits = isinstance(targets, Tensor) and outputs.shape == targets.shape
    if not fits or (targets.dtype != outputs.dtype and not _within(targets.dtype, outputs.dtype)):
        valid = f"a tensor of shape {tuple(outputs.shape)}, {outputs.dtype}"
        raise SettingsError("targets", describe(targets), valid=valid)
    return outputs - targets


def _within(dtype: torch.dtype, other: torch.dtype) -> bool:
    """Tell whether numbers of a type may be subtracted from those of another and leave its type."""
    return dtype != torch.bool and torch.promote_types(dtype, other) == other
