"""What training makes small; all on the network's own scale of the target."""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from stopflow.lowrank import CROSS_ENTROPY, MEAN_ABSOLUTE, MEAN_SQUARE, Loss, huber

SMOOTH_BELOW: Final = 0.02
"""Errors below this share of the target's SD count squared, those above linearly."""


def gaussian_nll(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean of log s + (y - m)^2 / (2 s^2), outputs (B, 2) = m and log s, targets (B, 1)."""
    mean, log_sd = outputs[:, :1], outputs[:, 1:]
    return (log_sd + 0.5 * (targets - mean).square() * torch.exp(-2.0 * log_sd)).mean()


LOSSES: Final[Mapping[str, Loss]] = {
    "smooth-l1": huber(SMOOTH_BELOW),
    "mse": MEAN_SQUARE,
    "l1": MEAN_ABSOLUTE,
}
"""Losses of rates, by one output."""

CLASS_LOSSES: Final[Mapping[str, Loss]] = {"cross-entropy": CROSS_ENTROPY}
"""Losses of classes, by one output a class."""
