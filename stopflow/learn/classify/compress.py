"""Compression of classifiers, judged by the share of misclassified images."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from stopflow.errors import ModelError
from stopflow.learn.classify.data import ClassData, Numbers, split_rows
from stopflow.learn.classify.model import Classifier
from stopflow.learn.classify.scores import score_classes
from stopflow.learn.classify.train import class_settings, train_classifier
from stopflow.learn.compress import Share
from stopflow.learn.split import Split
from stopflow.lowrank import Network
from stopflow.trace import FloatArray

KNOWN_ROWS: Final = 4000
"""How many training images a truncation is fitted to."""

FINETUNE_RATE: Final = 1e-3
"""Peak rate of the training after a truncation. By validation accuracy on MNIST (a dense
784-256-128-10, two epochs after each truncation) better than 3e-4: 97.9 against 97.7 % at rank 20
for the outputs, 94.6 against 78.0 % at 0.2 of the entropy.
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassSubject:
    """A classifier and, perhaps, images to judge it on."""

    classifier: Classifier
    data: ClassData | None = None

    def __post_init__(self) -> None:
        if self.data is None:
            return
        found = (self.data.n_inputs, self.data.classes)
        if found != (self.classifier.network.n_inputs, self.classifier.classes):
            raise ModelError(
                f"the model takes {self.classifier.network.n_inputs} pixels and distinguishes "
                f"{self.classifier.classes} classes; {self.data.name} has {found[0]} and {found[1]}"
            )

    @property
    def what(self) -> str:
        """Name and unit of the error."""
        return "error rate"

    @property
    def counted(self) -> bool:
        """Whether the error of a row is 0 or 1."""
        return True

    @property
    def network(self) -> Network:
        """The classifier's network."""
        return self.classifier.network

    def known_inputs(self) -> Tensor | None:
        """Return standardised training images."""
        if self.data is None:
            return None
        rows = self._split(self.data).train[:KNOWN_ROWS]
        return torch.from_numpy(self.classifier.standardiser.apply(self.data.inputs[rows]))

    def errors(self, network: Network, *, held_out: bool) -> FloatArray | None:
        """Return 1 for each misclassified image of the test or of the validation.

        Training images are used where none were set aside.
        """
        if self.data is None:
            return None
        split = self._split(self.data)
        rows: Numbers = split.test if held_out else split.validation
        rows = rows if rows.size else split.train
        classifier = replace(self.classifier, network=network)
        return (classifier.predict(self.data.inputs[rows]) != self.data.labels[rows]).astype(float)

    def scores(self, network: Network) -> dict[str, float]:
        """Return accuracy and macro F1 on the test images."""
        if self.data is None:
            return {}
        rows = self._split(self.data).test
        classifier = replace(self.classifier, network=network)
        predicted = classifier.predict(self.data.inputs[rows])
        found = score_classes(predicted, self.data.labels[rows], classes=self.data.classes)
        return {"accuracy": found.accuracy, "macro_f1": found.macro_f1}

    def finetuned(self, network: Network, epochs: int) -> Network:
        """Train on the training images."""
        if self.data is None:
            return network
        settings = class_settings(layers=network.specs, epochs=epochs, learning_rate=FINETUNE_RATE)
        start = replace(self.classifier, network=network)
        split = self._split(self.data)
        return train_classifier(self.data, settings, split=split, start=start).model.network

    def model(self, network: Network, share: Share) -> Classifier:
        """Return the classifier with another network, and a record of how it was made."""
        record = {**self.classifier.record, "compressed": asdict(share)}
        return replace(self.classifier, network=network, record=record)

    def _split(self, data: ClassData) -> Split:
        """Repeat the split that the classifier was trained with."""
        settings: dict[str, Any] = dict(self.classifier.record.get("settings", {}))
        return split_rows(
            data,
            validation_count=int(settings.get("validation_count", 0)),
            generator=np.random.default_rng(int(settings.get("seed", 0))),
        )
