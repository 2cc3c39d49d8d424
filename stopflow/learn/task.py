"""The task of a training run: what is learned, and how a network is judged."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from torch import Tensor

from stopflow.learn.loss import Loss
from stopflow.learn.standardiser import Standardiser
from stopflow.lowrank import Network

M = TypeVar("M", covariant=True)


class Task(Protocol[M]):
    """A kind of problem: rates of shots, classes of images.

    Attributes
    ----------
    n_outputs
        Outputs of the network.
    columns
        Names of what `judge` returns; the history has them for each part, ``train_NAME``,
        ``validation_NAME``, ``test_NAME``.
    """

    @property
    def n_outputs(self) -> int:
        """Outputs of the network."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what `judge` returns."""

    def loss(self, network: Network) -> Loss:
        """Return the loss that training minimises."""

    def judge(self, part: str, outputs: Tensor) -> dict[str, float]:
        """Measure the outputs (M, n_outputs) of a network for all rows of a part."""

    def error(self, judged: Mapping[str, float]) -> float:
        """Return the number whose smallest value marks the best state."""

    def finish(self, network: Network, standardiser: Standardiser, record: Mapping[str, Any]) -> M:
        """Make the model of a trained network on all its inputs."""
