"""Models of rates as subjects of compression, judged by their error on shots."""

from dataclasses import asdict, dataclass, replace
from typing import Final

import numpy as np
import torch
from torch import Tensor

from stopflow.errors import ModelError
from stopflow.learn.adapt import adapt_settings, train_further
from stopflow.learn.compare.results import predict_lab
from stopflow.learn.compress import Share
from stopflow.learn.data import LabData, Numbers
from stopflow.learn.evaluate import measure
from stopflow.learn.model import Model
from stopflow.learn.split import Split
from stopflow.lowrank import Network
from stopflow.trace import FloatArray

WHAT: Final = "MAE (1/s)"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RateSubject:
    """A model and, perhaps, a lab to judge it on.

    Attributes
    ----------
    data
        With the model's features. Judged is on the experiments that the model was not trained on
        where its record names them, else on all shots.
    """

    model_before: Model
    data: LabData | None = None

    def __post_init__(self) -> None:
        if self.data is not None and self.data.features != self.model_before.features:
            own, other = self.model_before.features, self.data.features
            raise ModelError(
                f"the model takes {own.kind} features of {own.pairs} pairs; "
                f"the lab's rows are {other.kind} of {other.pairs}"
            )

    @property
    def what(self) -> str:
        """Name and unit of the error."""
        return WHAT

    @property
    def counted(self) -> bool:
        """Whether the error of a row is 0 or 1."""
        return False

    @property
    def network(self) -> Network:
        """The model's network."""
        return self.model_before.network

    def known_inputs(self) -> Tensor | None:
        """Return the standardised rows of shots that the model may learn from."""
        if self.data is None:
            return None
        rows = self.data.inputs[known_rows(self.model_before, self.data, held_out=False)]
        return torch.from_numpy(self.model_before.standardiser.apply(rows))

    def errors(self, network: Network, *, held_out: bool) -> FloatArray | None:
        """Return |k - actual k| of the shots, in 1/s."""
        if self.data is None:
            return None
        rows = known_rows(self.model_before, self.data, held_out=held_out)
        rates = predict_lab(replace(self.model_before, network=network), self.data)
        return np.abs(rates[rows] - self.data.k_actual_per_s[rows])

    def scores(self, network: Network) -> dict[str, float]:
        """Return MAE and median relative error on shots that the model was not trained on."""
        if self.data is None:
            return {}
        rows = known_rows(self.model_before, self.data, held_out=True)
        rates = predict_lab(replace(self.model_before, network=network), self.data)
        found = measure(rates[rows], self.data.k_actual_per_s[rows])
        return {"mae_per_s": found.mae_per_s, "median_relative_error": found.median_relative_error}

    def finetuned(self, network: Network, epochs: int) -> Network:
        """Train on the shots that the model may learn from."""
        if self.data is None:
            return network
        split = Split(
            train=known_rows(self.model_before, self.data, held_out=False),
            validation=np.empty(0, dtype=np.intp),
            test=np.empty(0, dtype=np.intp),
            test_experiments=(),
            validation_experiments=(),
        )
        model = replace(self.model_before, network=network)
        return train_further(model, self.data, adapt_settings(epochs=epochs), split=split)

    def model(self, network: Network, share: Share) -> Model:
        """Return the model with another network, and a record of how it was made."""
        record = {**self.model_before.record, "compressed": asdict(share)}
        return replace(self.model_before, network=network, record=record)


def known_rows(model: Model, data: LabData, *, held_out: bool) -> Numbers:
    """Shots of the model's test experiments, or the others; all where that leaves none."""
    named = model.record.get("split", {}).get("test_experiments", [])
    rows = np.flatnonzero(np.isin(data.experiment, named) == held_out)
    return rows if rows.size else np.arange(len(data))
