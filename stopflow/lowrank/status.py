"""How a training step ended, and what to do where it could not be taken."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class StepStatus(StrEnum):
    """The ways a step can end."""

    MOVED = "moved"
    INPUTS = "inputs"
    OUTPUTS = "outputs"
    LOSS = "loss"
    GRADIENT = "gradient"
    UPDATE = "update"


_EXPLANATIONS: dict[StepStatus, str] = {
    StepStatus.MOVED: "the parameters were moved",
    StepStatus.INPUTS: (
        "the inputs are not finite or too large for squares of them to be; "
        "correct or scale the rows of this batch"
    ),
    StepStatus.OUTPUTS: (
        "the outputs of layer {layer} are not finite or too large for squares of them to be; "
        "go back to the last checkpoint and lower the learning rate"
    ),
    StepStatus.LOSS: (
        "the loss is not finite; look for targets that are not finite in this batch, "
        "or lower the learning rate"
    ),
    StepStatus.GRADIENT: (
        "the gradient of layer {layer} is not finite or too large for squares of it to be; "
        "lower the learning rate, set `clip`, or scale the targets"
    ),
    StepStatus.UPDATE: (
        "the update of layer {layer} is not finite; "
        "go back to the last checkpoint and lower the learning rate"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """The end of one step.

    Attributes
    ----------
    loss
        Loss before the step.
    step
        Number of this step, from 1; steps that moved nothing are not counted.
    status
        ``MOVED``, or what was not finite; then no parameter has been moved.
    layer
        The layer where it was found, counted from 1 at the input; ``None`` where it is none.
    """

    loss: float
    step: int
    status: StepStatus = StepStatus.MOVED
    layer: int | None = None

    @property
    def finite(self) -> bool:
        """Whether the parameters were moved."""
        return self.status is StepStatus.MOVED

    def explain(self) -> str:
        """Say in one sentence what happened in which step and layer, and what to do."""
        return f"step {self.step}: {_EXPLANATIONS[self.status].format(layer=self.layer)}"


class StepFailure(Exception):
    """A step cannot be taken.

    Attributes
    ----------
    status
        Why.
    position
        The layer's, from 0, among those that whoever raised it was given; ``None`` for no layer.
    loss
        The loss, where it is known.
    """

    def __init__(self, status: StepStatus, position: int | None, *, loss: float = math.nan) -> None:
        self.status, self.position, self.loss = status, position, loss
        super().__init__(f"{status}, layer {position}")

    def at(self, members: Sequence[int]) -> "StepFailure":
        """Return the same failure with the position among the layers that `members` are of."""
        position = None if self.position is None else members[self.position]
        return StepFailure(self.status, position, loss=self.loss)

    def result(self, *, step: int, loss: float) -> StepResult:
        """Return the end of the step; `loss` is that of an earlier sweep."""
        layer = None if self.position is None else self.position + 1
        known = self.loss if math.isnan(loss) else loss
        return StepResult(loss=known, step=step, status=self.status, layer=layer)
