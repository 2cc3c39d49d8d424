"""The task of learning classes: softmax and cross-entropy, judged by accuracy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional

from stopflow.errors import require_key
from stopflow.learn.classify.model import Classifier
from stopflow.learn.loss import CLASS_LOSSES, Loss
from stopflow.learn.standardiser import Standardiser
from stopflow.lowrank import Network


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassTask:
    """Classes of rows.

    Attributes
    ----------
    n_outputs
        Number of classes.
    loss_name
        A key of `CLASS_LOSSES`.
    labels
        (M,) classes of the rows of each part.
    """

    columns: ClassVar[tuple[str, ...]] = ("accuracy", "loss")

    n_outputs: int
    loss_name: str
    labels: Mapping[str, Tensor]

    def loss(self, network: Network) -> Loss:
        """Return the loss of the settings."""
        del network
        require_key("loss", self.loss_name, CLASS_LOSSES)
        return CLASS_LOSSES[self.loss_name]

    def judge(self, part: str, outputs: Tensor) -> dict[str, float]:
        """Return the share of rows whose class is found, and the mean cross-entropy."""
        labels = self.labels[part]
        found = outputs.argmax(dim=1) == labels
        return {
            "accuracy": float(found.double().mean()),
            "loss": float(functional.cross_entropy(outputs.double(), labels)),
        }

    def error(self, judged: Mapping[str, float]) -> float:
        """Return the share of rows whose class is not found."""
        return 1.0 - judged["accuracy"]

    def finish(
        self, network: Network, standardiser: Standardiser, record: Mapping[str, Any]
    ) -> Classifier:
        """Make the model."""
        return Classifier(network=network, standardiser=standardiser, record=record)
