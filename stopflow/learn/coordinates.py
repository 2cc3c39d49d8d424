"""The inputs a network is trained on: fewer than the rows have, and folded back when it is done.

A first layer is linear, so with any matrix A (n, q) a network on z = x A is a network on x: its
first W becomes W A^T, its V becomes A V. Three choices of A:

inputs
    the identity: nothing is changed;
row space
    an orthonormal basis of the training rows (`lowrank.RowSpace`), the same run in fewer numbers;
principal directions
    the leading directions of the training rows, each divided by its SD or by `FLOOR` of the
    largest: training does not crawl along the weak ones, and noise beyond them is not learned.
"""

import copy
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from stopflow.features import Standardiser
from stopflow.learn.settings import TrainSettings
from stopflow.lowrank import LAYERS, InputBasis, Network, RowSpace, decide_row_space
from stopflow.lowrank.bases import reorthonormalise
from stopflow.lowrank.dense import DenseLayer
from stopflow.lowrank.factors import LowRankLayer

FLOOR: Final = 0.01
ROWS_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coordinates:
    """Standardise, then multiply by `matrix`.

    Attributes
    ----------
    standardiser
        Learned from the training rows.
    matrix
        A, (n, q); None for the identity.
    fan_in
        Inputs that the first layer's start and steps are scaled for.
    basis
        Where V of a low-rank first layer starts; None: anywhere.
    reason
        Why these coordinates, for people.
    """

    standardiser: Standardiser
    matrix: Tensor | None
    fan_in: int
    basis: InputBasis | None
    reason: str

    @property
    def dimension(self) -> int:
        """Numbers a row has in these coordinates."""
        return len(self.standardiser.mean) if self.matrix is None else self.matrix.shape[1]

    def project(self, rows: ArrayLike) -> Tensor:
        """Rows of features (M, n) -> (M, q) float32 on the CPU."""
        values = np.asarray(rows)
        found = torch.empty(len(values), self.dimension)
        for first in range(0, len(values), ROWS_AT_ONCE):
            part = torch.from_numpy(self.standardiser.apply(values[first : first + ROWS_AT_ONCE]))
            found[first : first + len(part)] = part if self.matrix is None else part @ self.matrix
        return found

    def export(self, network: Network) -> Network:
        """Return the same function of the n standardised inputs, on the CPU."""
        exported = copy.deepcopy(network).cpu()
        if self.matrix is None:
            return exported
        exported.n_inputs = len(self.matrix)
        first, matrix = exported.layers[0], self.matrix.double()
        if isinstance(first, LowRankLayer):
            first.V.data = (matrix @ first.V.data.double()).float()
            if LAYERS[network.specs[0].type].integrate is not None:
                reorthonormalise(first)
        elif isinstance(first, DenseLayer):
            first.weight.data = (first.weight.data.double() @ matrix.T).float()
        return exported


def choose_coordinates(
    rows: ArrayLike, standardiser: Standardiser, settings: TrainSettings
) -> Coordinates:
    """Choose coordinates from the training rows (N, n), and from these alone.

    Raises
    ------
    SettingsError
        Where `settings.row_space` is ``"on"`` and would not be the same training.
    """
    values = np.asarray(rows)
    count, width = values.shape
    if settings.row_space != "off" and settings.directions:
        return _principal(RowSpace.fit(_standardised(values, standardiser)), standardiser, settings)
    decision = decide_row_space(
        settings.network_specs(width),
        settings.step_settings(),
        rows=count,
        columns=width,
        mode=settings.row_space,
    )
    space = RowSpace.fit(_standardised(values, standardiser)) if decision.use else None
    rank = settings.network_specs(width)[0].rank
    basis = None
    if space is not None and rank is not None and rank <= space.dimension:
        basis = space.basis(rank)
    return Coordinates(
        standardiser=standardiser,
        matrix=None if space is None else space.lift(_identity(space.dimension)),
        fan_in=width,
        basis=basis,
        reason=decision.reason,
    )


def _principal(space: RowSpace, standardiser: Standardiser, settings: TrainSettings) -> Coordinates:
    kept = min(settings.directions, space.dimension)
    sds = space.energies[:kept].sqrt()
    gains = 1.0 / sds.clamp_min(FLOOR * float(sds[0]))
    gains /= (sds * gains).square().mean().sqrt()
    directions = space.lift(_identity(space.dimension)[:, :kept])
    share = float(space.energies[:kept].sum() / space.energies.sum())
    return Coordinates(
        standardiser=standardiser,
        matrix=directions * gains.float(),
        fan_in=kept,
        basis=None,
        reason=(
            f"{kept} leading directions of the training rows ({share:.3%} of their energy), "
            "scaled; folded back into the inputs"
        ),
    )


def _identity(size: int) -> Tensor:
    return torch.eye(size, dtype=torch.float64)


def _standardised(rows: np.ndarray, standardiser: Standardiser) -> Tensor:
    return torch.from_numpy(standardiser.apply(rows))
