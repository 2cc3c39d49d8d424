"""What training makes small; all on the network's own scale of the target."""

from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

SMOOTH_BELOW: Final = 0.02
"""Errors below this share of the target's SD count squared, those above linearly."""

Loss = Callable[[Tensor, Tensor], Tensor]


def smooth_l1(outputs: Tensor, targets: Tensor) -> Tensor:
    """Huber's loss over its turning point (Huber 1964, doi:10.1214/aoms/1177703732)."""
    return functional.smooth_l1_loss(outputs, targets, beta=SMOOTH_BELOW)


def gaussian_nll(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean of log s + (y - m)^2 / (2 s^2), outputs (B, 2) = m and log s, targets (B, 1)."""
    mean, log_sd = outputs[:, :1], outputs[:, 1:]
    return (log_sd + 0.5 * (targets - mean).square() * torch.exp(-2.0 * log_sd)).mean()


LOSSES: Final[Mapping[str, Loss]] = {
    "smooth-l1": smooth_l1,
    "mse": functional.mse_loss,
    "l1": functional.l1_loss,
}
"""Losses of one output."""
