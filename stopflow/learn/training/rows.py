"""The rows that the training loop runs on, whatever the task."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stopflow.learn.task import Task

Augment = Callable[[Tensor, tuple[Tensor, Tensor], torch.Generator], Tensor]
"""(rows (B, q), their versions and numbers (B,), generator) -> rows (B, q)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskRows:
    """Tensors on the device.

    Attributes
    ----------
    inputs, targets
        (V, N, q), (V, N, ...): versions of the N training rows, the first as recorded, and what
        the task's loss takes.
    parts
        Rows (M, q) to be judged: ``"train"``, and where they exist ``"validation"``, ``"test"``.
    task
        What is learned.
    augment
        Changes a batch before a step; None: nothing.
    """

    inputs: Tensor
    targets: Tensor
    parts: dict[str, Tensor]
    task: Task[Any]
    augment: Augment | None = None

    @property
    def shots(self) -> int:
        """N, the training rows."""
        return self.inputs.shape[1]
