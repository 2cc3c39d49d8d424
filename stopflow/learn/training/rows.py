"""What the training loop runs on, whatever the task."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from stopflow.learn.task import Task
from stopflow.learn.training.augment import Drift


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingRows:
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
    tilt, drift
        (V, N) and the slopes that are added; None where there are none.
    """

    inputs: Tensor
    targets: Tensor
    parts: dict[str, Tensor]
    task: Task[Any]
    tilt: Tensor | None = None
    drift: Drift | None = None

    @property
    def shots(self) -> int:
        """N, the training rows."""
        return self.inputs.shape[1]
