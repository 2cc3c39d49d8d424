"""Losses with their derivative written out: a step is spared the overhead of autograd."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from stopflow.errors import SettingsError
from stopflow.lowrank.arguments import describe, require_real

Loss = Callable[[Tensor, Tensor], Tensor]
"""(outputs, targets) -> scalar, differentiable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLoss:
    """A loss whose derivative is written out; it may be called like any other loss.

    Attributes
    ----------
    prepare
        (outputs, targets) -> what both others need; a `SettingsError` where the two do not fit.
    forward
        (prepared, targets) -> scalar.
    backward
        (prepared, targets) -> derivative with respect to the outputs; may overwrite `prepared`.
    """

    prepare: Callable[[Tensor, Tensor], Tensor]
    forward: Callable[[Tensor, Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss; a `SettingsError` where outputs and targets do not fit."""
        return self.forward(self.prepare(outputs, targets), targets)


def huber(beta: float) -> ClosedLoss:
    """Squares below `beta`, straight lines of slope 1 above (Huber 1964).

    A `SettingsError` unless `beta` is positive and finite.
    """
    require_real("beta", beta, low=0.0)
    return _of_differences(forward=partial(_huber, beta), backward=partial(_huber_slope, beta))


def _huber(beta: float, difference: Tensor, _targets: Tensor) -> Tensor:
    inner = (difference / beta).clamp(-1.0, 1.0)
    return (inner * (difference - 0.5 * beta * inner)).mean()


def _huber_slope(beta: float, difference: Tensor, _targets: Tensor) -> Tensor:
    return (difference / beta).clamp_(-1.0, 1.0).div_(difference.numel())


def _mean_square(difference: Tensor, _targets: Tensor) -> Tensor:
    return difference.square().mean()


def _mean_square_slope(difference: Tensor, _targets: Tensor) -> Tensor:
    return difference.mul_(2.0 / difference.numel())


def _mean_absolute(difference: Tensor, _targets: Tensor) -> Tensor:
    return difference.abs().mean()


def _mean_absolute_slope(difference: Tensor, _targets: Tensor) -> Tensor:
    return difference.sign_().div_(difference.numel())


def _mean_negative_log(log_p: Tensor, labels: Tensor) -> Tensor:
    return log_p.gather(1, labels.unsqueeze(1)).mean().neg()


def _softmax_less_labels(log_p: Tensor, labels: Tensor) -> Tensor:
    """Return (p - 1 at the label) / rows."""
    p = log_p.exp_().div_(len(log_p))
    one = p.new_full((1, 1), -1.0 / len(p)).expand(len(p), 1)
    return p.scatter_add_(1, labels.unsqueeze(1), one)


def _difference(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return outputs - targets; broadcasting would hide a mistake."""
    fits = isinstance(targets, Tensor) and outputs.shape == targets.shape
    if not fits or (targets.dtype != outputs.dtype and not _within(targets.dtype, outputs.dtype)):
        valid = f"a tensor of shape {tuple(outputs.shape)}, {outputs.dtype}"
        raise SettingsError("targets", describe(targets), valid=valid)
    return outputs - targets


def _within(dtype: torch.dtype, other: torch.dtype) -> bool:
    """Tell whether numbers of a type may be subtracted from those of another and leave its type."""
    return dtype != torch.bool and torch.promote_types(dtype, other) == other


def _log_softmax(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return log softmax of the outputs, whatever their size."""
    rows, classes = outputs.shape
    if not isinstance(labels, Tensor) or labels.shape != (rows,) or labels.dtype != torch.int64:
        valid = f"a tensor of class labels of shape ({rows},), torch.int64"
        raise SettingsError("targets", describe(labels), valid=valid)
    low, high = (int(bound) for bound in labels.aminmax())
    if low < 0 or high >= classes:
        valid = f"class labels from 0 to {classes - 1}, the network having {classes} outputs"
        raise SettingsError("targets", low if low < 0 else high, valid=valid)
    return torch.log_softmax(outputs, dim=1)


_of_differences = partial(ClosedLoss, prepare=_difference)

MEAN_SQUARE = _of_differences(forward=_mean_square, backward=_mean_square_slope)
MEAN_ABSOLUTE = _of_differences(forward=_mean_absolute, backward=_mean_absolute_slope)
CROSS_ENTROPY = ClosedLoss(
    prepare=_log_softmax, forward=_mean_negative_log, backward=_softmax_less_labels
)
"""Mean over rows of -log softmax(outputs) at the label; targets are labels (rows,), int64."""


def value_and_gradient(loss: Loss, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss and its derivative by `outputs`; any other loss goes through autograd.

    The derivative has memory of its own for every element: the sweep writes into it.
    """
    if isinstance(loss, ClosedLoss):
        prepared = loss.prepare(outputs, targets)
        return loss.forward(prepared, targets), loss.backward(prepared, targets).contiguous()
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
