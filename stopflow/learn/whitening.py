"""Whitened coordinates to train in, and the way back to full rows.

Rows of features are strongly correlated: the leading direction holds most of their energy, and
training crawls along the others. In z = (Q^T x - mean) A every direction has unit SD over the
prior. A network on z is a network on x: U S Vc^T z + b becomes U S' V^T x + b'.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from stopflow.errors import SettingsError
from stopflow.features import FeatureSpec
from stopflow.learn.synthetic import TraceBank
from stopflow.lowrank.dense import DenseLayer
from stopflow.lowrank.factors import LowRankLayer
from stopflow.lowrank.network import Network, build_network
from stopflow.trace import FloatArray

CENTRE: Final = math.log(60.0)
SPREAD: Final = 2.2
BESIDE_FLOOR: Final = 0.3
WHITENING_TRACES: Final = 32_768


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Whitening:
    """z = (rows - mean) @ matrix of the rows a bank draws."""

    mean: Tensor
    matrix: Tensor

    def apply(self, rows: Tensor) -> Tensor:
        """(B, n) -> (B, q)."""
        return (rows - self.mean) @ self.matrix


def whiten(bank: TraceBank, signals: int, floor: float, *, generator: torch.Generator) -> Whitening:
    """Principal directions of the signal part at unit SD; the part beside it scaled by column."""
    rows = bank.draw(WHITENING_TRACES, generator=generator).coordinates.double()
    mean = rows.mean(dim=0)
    energy, vectors = torch.linalg.eigh(torch.cov(rows[:, :signals].T))
    matrix = torch.zeros(rows.shape[1], rows.shape[1], dtype=torch.float64)
    matrix[:signals, :signals] = vectors / (energy.clamp(min=0) + floor**2).sqrt()
    if rows.shape[1] > signals:
        beside = 1.0 / (rows[:, signals:].std(dim=0) + BESIDE_FLOOR)
        matrix[signals:, signals:] = torch.diag(beside)
    return Whitening(mean=mean.float(), matrix=matrix.float())


def export_network(
    network: Network, whitening: Whitening, basis: FloatArray, *, spec: FeatureSpec
) -> Network:
    """Rewrite the first layer for full rows, and the head for log(k T) itself.

    With x_q = B^T x the coordinates of a row x, U S Vc^T (A^T (B^T x - mean)) + b has
    B A Vc = V R (QR) and therefore S' = S R^T, b' = b - U S Vc^T A^T mean.
    """
    places = torch.zeros(spec.n_inputs, len(whitening.mean), dtype=torch.float64)
    signals = basis.shape[1]
    places[1::2, :signals] = torch.from_numpy(basis)
    if len(whitening.mean) > signals:
        places[0::2, signals:] = torch.eye(spec.pairs, dtype=torch.float64)
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
        trained.U.data.clone(),
        (trained.S.data.double() @ turn.T).float(),
        basis_v.float(),
    )
    first.bias.data = (
        trained.bias.data.double() - core @ (looks.T @ whitening.mean.double())
    ).float()
    with torch.no_grad():
        head.weight[0] *= SPREAD
        head.bias[0] = head.bias[0] * SPREAD + CENTRE
    return exported
