"""The task of learning rate constants, judged by the mean absolute error in s^-1."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from stopflow.errors import require_key
from stopflow.features import FeatureSpec, decode_target
from stopflow.learn.loss import LOSSES, Loss, gaussian_nll
from stopflow.learn.model import Model, TargetScale
from stopflow.learn.standardiser import Standardiser
from stopflow.lowrank import Network
from stopflow.trace import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RateTask:
    """Rates of shots.

    Attributes
    ----------
    target
        What an output means.
    loss_name
        A key of `LOSSES`.
    window_s, k_actual_per_s
        Of the shots of each part.
    """

    columns: ClassVar[tuple[str, ...]] = ("mae_per_s",)
    n_outputs: ClassVar[int] = 1

    target: TargetScale
    features: FeatureSpec
    loss_name: str
    window_s: Mapping[str, FloatArray]
    k_actual_per_s: Mapping[str, FloatArray]

    def loss(self, network: Network) -> Loss:
        """Return the loss; a network that predicts its own SD has the Gaussian one."""
        if network.specs[-1].dim == 2:
            return gaussian_nll
        require_key("loss", self.loss_name, LOSSES)
        return LOSSES[self.loss_name]

    def judge(self, part: str, outputs: Tensor) -> dict[str, float]:
        """Return the mean absolute error in s^-1."""
        encoded = self.target.mean + self.target.scale * outputs[:, 0].double().cpu().numpy()
        with np.errstate(over="ignore"):
            rates = decode_target(encoded, self.window_s[part], spec=self.features)
            return {"mae_per_s": float(np.abs(rates - self.k_actual_per_s[part]).mean())}

    def error(self, judged: Mapping[str, float]) -> float:
        """Return the mean absolute error."""
        return judged["mae_per_s"]

    def finish(
        self, network: Network, standardiser: Standardiser, record: Mapping[str, Any]
    ) -> Model:
        """Make the model."""
        return Model(
            network=network,
            features=self.features,
            standardiser=standardiser,
            target=self.target,
            record=record,
        )
