"""A trained network that assigns classes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from stopflow.errors import ModelError
from stopflow.learn.model import ROWS_AT_ONCE
from stopflow.learn.standardiser import Standardiser
from stopflow.lowrank import Network
from stopflow.trace import FloatArray

CLASSIFICATION: Final = "classification"
"""What the description of a saved classifier says it is for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classifier:
    """A network with everything needed to assign a class to a row.

    Attributes
    ----------
    network
        Standardised rows (B, n) -> (B, classes), logits.
    standardiser
        Learned from the training rows.
    record
        How it was made; JSON values.
    """

    network: Network
    standardiser: Standardiser
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.network.specs[-1].dim

    def described(self) -> dict[str, Any]:
        """Return what only models of classes have, as JSON values."""
        return {"task": CLASSIFICATION}

    @torch.no_grad()
    def probabilities(self, inputs: ArrayLike) -> FloatArray:
        """Probabilities (M, classes) of rows (M, n) of pixels from 0 to 1.

        Raises
        ------
        ModelError
            Rows of another length than the model takes.
        """
        rows = np.asarray(inputs, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.network.n_inputs:
            raise ModelError(
                f"rows of shape {rows.shape} do not fit: the model takes (images, "
                f"{self.network.n_inputs})"
            )
        found = np.empty((len(rows), self.classes))
        for first in range(0, len(rows), ROWS_AT_ONCE):
            part = torch.from_numpy(self.standardiser.apply(rows[first : first + ROWS_AT_ONCE]))
            found[first : first + len(part)] = torch.softmax(self.network(part), dim=1).double()
        return found

    def predict(self, inputs: ArrayLike) -> NDArray[np.intp]:
        """Classes (M,) of rows (M, n); as `probabilities`."""
        return np.argmax(self.probabilities(inputs), axis=1)
