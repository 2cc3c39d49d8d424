"""A trained network with everything needed to predict a rate constant from a row of features."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from stopflow.errors import ModelError
from stopflow.features import FeatureSpec, decode_target
from stopflow.learn.interval import NORMAL_95, IntervalScale
from stopflow.learn.standardiser import Standardiser
from stopflow.lowrank import Network
from stopflow.trace import FloatArray

ROWS_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetScale:
    """The scale of the network's output: encoded target = mean + scale * output."""

    mean: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Model:
    """A regressor of k.

    Attributes
    ----------
    network
        Standardised rows (B, n) -> (B, 1), or (B, 2) with the log of the output's SD beside it.
    features
        What a row is.
    standardiser
        Learned from the training rows.
    target
        Meaning of the output.
    interval
        Factor that calibrates the predicted SD, computed from the trace itself.
    record
        How it was made: settings, split, seed, versions; JSON values.
    """

    network: Network
    features: FeatureSpec
    standardiser: Standardiser
    target: TargetScale
    interval: IntervalScale = field(default_factory=IntervalScale)
    record: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        sizes = " -> ".join(
            str(size) for size in (self.network.n_inputs, *(s.dim for s in self.network.specs))
        )
        return f"Model({self.features.kind} features, layers {sizes})"

    @property
    def has_spread(self) -> bool:
        """Whether it predicts its own uncertainty."""
        return self.network.specs[-1].dim == 2

    def described(self) -> dict[str, Any]:
        """Return the parts that only models of rates have, as JSON values."""
        return {
            "features": self.features.to_dict(),
            "target": asdict(self.target),
            "interval": asdict(self.interval),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PredictedRates:
    """Rates of M traces.

    Attributes
    ----------
    k_per_s
        (M,).
    target_sd
        (M,) SD of the encoded target (of log k for dimensionless features); NaN for a model
        without.
    k_low95_per_s, k_high95_per_s
        (M,) 95 % interval; NaN for a model without.
    """

    k_per_s: FloatArray
    target_sd: FloatArray
    k_low95_per_s: FloatArray
    k_high95_per_s: FloatArray


@torch.no_grad()
def network_outputs(model: Model, inputs: ArrayLike) -> FloatArray:
    """Run the network on rows of features (M, n); returns (M, 1 or 2) float64.

    Raises
    ------
    ModelError
        Rows of another length than the model takes.
    """
    rows = np.asarray(inputs, dtype=np.float32)
    if rows.ndim != 2 or rows.shape[1] != model.network.n_inputs:
        raise ModelError(
            f"rows of shape {rows.shape} do not fit: the model takes (traces, "
            f"{model.network.n_inputs}), {model.features.kind} features of "
            f"{model.features.pairs} pairs"
        )
    device = next(model.network.parameters()).device
    found = np.empty((len(rows), model.network.specs[-1].dim))
    for first in range(0, len(rows), ROWS_AT_ONCE):
        part = model.standardiser.apply(rows[first : first + ROWS_AT_ONCE])
        outputs: Tensor = model.network(torch.from_numpy(part).to(device))
        found[first : first + len(part)] = outputs.double().cpu().numpy()
    return found


def predict(
    model: Model, inputs: ArrayLike, *, window_s: ArrayLike, stretch: ArrayLike = 1.0
) -> PredictedRates:
    """Predict the rates of traces from their rows of features.

    Parameters
    ----------
    inputs
        (M, n) rows, built by `stopflow.features` with `model.features`.
    window_s
        (M,) windows of the trimmed traces.
    stretch
        (M,) factors on the network's SD, from `model.interval`; 1 leaves it unchanged.

    Raises
    ------
    ModelError
        Rows that do not fit the model.
    """
    outputs = network_outputs(model, inputs)
    windows = np.asarray(window_s, dtype=np.float64)
    encoded = model.target.mean + model.target.scale * outputs[:, 0]
    spread = np.full(len(encoded), np.nan)
    if model.has_spread:
        spread = model.target.scale * np.asarray(stretch) * np.exp(outputs[:, 1])

    def rate(values: FloatArray) -> FloatArray:
        return decode_target(values, windows, spec=model.features)

    return PredictedRates(
        k_per_s=rate(encoded),
        target_sd=spread,
        k_low95_per_s=rate(encoded - NORMAL_95 * spread),
        k_high95_per_s=rate(encoded + NORMAL_95 * spread),
    )
