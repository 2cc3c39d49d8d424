"""Whitened coordinates for training, and the way back to full rows.

Rows of features are strongly correlated: the leading direction holds most of their energy, and
training is slow along the others. In z = (Q^T x - mean) A every direction has unit SD over the
prior. A network on z is a network on x: U S Vc^T z + b becomes U S' V^T x + b'.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from stopflow.errors import SettingsError
from stopflow.features import FeatureSpec
from stopflow.learn.pretraining.synthetic import TraceBank
from stopflow.lowrank.decompositions import symmetric_eigh
from stopflow.lowrank.layer.dense import DenseLayer
from stopflow.lowrank.layer.lowrank import LowRankLayer
from stopflow.lowrank.network import Network, build_network
from stopflow.trace import FloatArray

CENTRE: Final = math.log(60.0)
SPREAD: Final = 2.2
WHITENING_TRACES: Final = 32_768


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Whitening:
    """The map z = (rows - mean) @ matrix for the rows that a bank draws."""

    mean: Tensor
    matrix: Tensor

    def apply(self, rows: Tensor) -> Tensor:
        """(B, n) -> (B, q)."""
        return (rows - self.mean) @ self.matrix


def whiten(bank: TraceBank, floor: float, *, generator: torch.Generator) -> Whitening:
    """Scale the principal directions to unit SD; none is enlarged by more than 1 / floor."""
    rows = bank.draw(WHITENING_TRACES, generator=generator).coordinates.double()
    mean = rows.mean(dim=0)
    energy, vectors = symmetric_eigh(torch.cov(rows.T))
    matrix = vectors / (energy.clamp(min=0) + floor**2).sqrt()
    return Whitening(mean=mean.float(), matrix=matrix.float())


def export_network(
    network: Network, whitening: Whitening, basis: FloatArray, *, spec: FeatureSpec
) -> Network:
    """Rewrite the first layer for full rows and the head for log(k T) itself.

    With x_q = B^T x the coordinates of a row x, U S Vc^T (A^T (B^T x - mean)) + b has
    B A Vc = V R (QR) and therefore S' = S R^T, b' = b - U S Vc^T A^T mean.
    """
    places = torch.zeros(spec.n_inputs, len(whitening.mean), dtype=torch.float64)
    places[1::2] = torch.from_numpy(basis)  # the time slots are not used
    exported = build_network(spec.n_inputs, network.specs, generator=torch.Generator())
    exported.load_state_dict(
        {
            name: value
            for name, value in network.state_dict().items()
            if not name.startswith("layers.0.")
        }
        | {
            name: value
            for name, value in exported.state_dict().items()
            if name.startswith("layers.0.")
        }
    )
    trained, first, head = network.layers[0], exported.layers[0], exported.layers[-1]
    if not (
        isinstance(trained, LowRankLayer)
        and isinstance(first, LowRankLayer)
        and isinstance(head, DenseLayer)
    ):
        raise SettingsError("layers", network.specs, valid="a low-rank first layer, a dense head")
    looks = whitening.matrix.double() @ trained.V.data.double()
    basis_v, turn = torch.linalg.qr(places @ looks)
    core = trained.U.data.double() @ trained.S.data.double()
    first.set_factors(
        trained.U.data.clone(), (trained.S.data.double() @ turn.T).float(), basis_v.float()
    )
    first.bias.data = (
        trained.bias.data.double() - core @ (looks.T @ whitening.mean.double())
    ).float()
    with torch.no_grad():
        head.weight[0] *= SPREAD
        head.bias[0] = head.bias[0] * SPREAD + CENTRE
    return exported
