"""Losses with their derivative written out: a step is spared the overhead of autograd."""

from collections.abc import Callable
from dataclasses import dataclass

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
    """Squares below `beta`, straight lines of slope 1 above (Huber 1964)."""

    def slope(away: Tensor) -> Tensor:
        return (away / beta).clamp(-1.0, 1.0)

    def forward(away: Tensor) -> Tensor:
        inner = slope(away)
        return (inner * (away - 0.5 * beta * inner)).mean()

    return ClosedLoss(forward=forward, backward=lambda away, share: slope(away).mul_(share))


MEAN_SQUARE = ClosedLoss(
    forward=lambda away: away.square().mean(), backward=lambda away, share: away * (2.0 * share)
)
MEAN_ABSOLUTE = ClosedLoss(
    forward=lambda away: away.abs().mean(), backward=lambda away, share: away.sign().mul_(share)
)


def value_and_gradient(loss: Loss, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss and its derivative by `outputs`; any other loss goes through autograd."""
    if isinstance(loss, ClosedLoss):
        away = _away(outputs, targets)
        return loss.forward(away), loss.backward(away, 1.0 / away.numel())
    with torch.enable_grad():
        leaf = outputs.detach().requires_grad_()
        value = loss(leaf, targets)
        (gradient,) = torch.autograd.grad(value, leaf)
    return value.detach(), gradient


def _away(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the difference; broadcasting would hide a mistake."""
    if outputs.shape != targets.shape:
        raise SettingsError("targets", tuple(targets.shape), valid=f"shape {tuple(outputs.shape)}")
    return outputs - targets
