"""The coordinates of the inputs during training, and the way back to whole rows afterwards.

The first layer is linear. For any matrix A (n, q) a network on z = x A is therefore a network on x:
its first W becomes W A^T, its V becomes A V. There are three choices of A:

inputs
    the identity; nothing is changed.
row space
    an orthonormal basis of the training rows (`lowrank.RowSpace`): the same run with fewer numbers.
signal space
    the directions in which rates show, scaled towards equal size (`learn.training.signal_space`):
    training does not slow down along weak directions, and the noise in the rest is not learned.
"""

import copy
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from stopflow.bins import EDGES
from stopflow.learn.data import LabData, Numbers
from stopflow.learn.settings import TrainSettings
from stopflow.learn.standardiser import Standardiser
from stopflow.learn.training.signal_space import find_signal_space
from stopflow.lowrank import InputBasis, Network, RowSpace, decide_row_space
from stopflow.trace import FloatArray

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
        Number of inputs that the first layer's initial values and steps are scaled for.
    basis
        Initial V of a low-rank first layer; None for a random one.
    reason
        Why these coordinates were chosen, in words.
    """

    standardiser: Standardiser
    matrix: Tensor | None
    fan_in: int
    basis: InputBasis | None
    reason: str

    @property
    def dimension(self) -> int:
        """How many numbers a row has in these coordinates."""
        return len(self.standardiser.mean) if self.matrix is None else self.matrix.shape[1]

    def project(self, rows: ArrayLike, *, chosen: Numbers | None = None) -> Tensor:
        """Rows of features (M, n), or the `chosen` of them, -> (M, q) float32 on the CPU."""
        values = np.asarray(rows)
        places = np.arange(len(values)) if chosen is None else chosen
        found = torch.empty(len(places), self.dimension)
        for first in range(0, len(places), ROWS_AT_ONCE):
            own = values[places[first : first + ROWS_AT_ONCE]]
            part = torch.from_numpy(self.standardiser.apply(own))
            found[first : first + len(part)] = part if self.matrix is None else part @ self.matrix
        return found

    def export(self, network: Network) -> Network:
        """Return the network as a function of the n standardised inputs, on the CPU."""
        exported = copy.deepcopy(network).cpu()
        if self.matrix is None:
            return exported
        exported.n_inputs = len(self.matrix)
        matrix = self.matrix.double()
        exported.chain[0].map_inputs(
            lambda columns: (matrix @ columns.double()).to(columns.dtype),
            orthonormal=network.families[0].dynamical,
        )
        return exported


def choose_coordinates(
    data: LabData, rows: Numbers, encoded: FloatArray, settings: TrainSettings
) -> Coordinates:
    """Choose coordinates from the training `rows` of `data` and their targets `encoded` (N,) alone.

    Raises
    ------
    SettingsError
        When `settings.row_space` is ``"on"`` but training in the row space would differ.
    """
    if uses_signal_space(data, settings):
        return _signal_directions(data, rows, encoded, settings)
    values = data.inputs[rows]
    width = data.features.n_inputs
    standardiser = Standardiser.identity(width)
    if settings.standardise:
        standardiser = Standardiser.fit(values)
    specs = settings.network_specs(width)
    decision = decide_row_space(
        specs, settings.step_settings(), rows=len(values), columns=width, mode=settings.row_space
    )
    if not decision.use:
        return Coordinates(
            standardiser=standardiser,
            matrix=None,
            fan_in=width,
            basis=None,
            reason=f"all {width} inputs: {decision.reason}",
        )
    space = RowSpace.fit(torch.from_numpy(standardiser.apply(values)))
    rank = specs[0].rank
    return Coordinates(
        standardiser=standardiser,
        matrix=space.lift(torch.eye(space.dimension, dtype=torch.float64)),
        fan_in=width,
        basis=space.basis(rank) if rank is not None and rank <= space.dimension else None,
        reason=decision.reason,
    )


def uses_signal_space(data: LabData, settings: TrainSettings) -> bool:
    """Whether the coordinates are the signal space, which is the same for every kind of layer."""
    possible = settings.standardise and data.features.kind in EDGES
    return settings.row_space == "auto" and settings.directions > 0 and possible


def _signal_directions(
    data: LabData, rows: Numbers, encoded: FloatArray, settings: TrainSettings
) -> Coordinates:
    fitted = Standardiser.fit(data.inputs, chosen=rows)
    spread = fitted.scale[1::2]
    space = find_signal_space(
        (
            data.inputs[rows[first : first + ROWS_AT_ONCE], 1::2]
            for first in range(0, len(rows), ROWS_AT_ONCE)
        ),
        encoded,
        data.experiment[rows],
        spec=data.features,
        variance=float(np.square(spread[np.isfinite(spread)]).sum()),
        directions=settings.directions,
        whitening=settings.whitening,
    )
    kept = space.matrix.shape[1]
    matrix = torch.zeros(data.features.n_inputs, kept)
    matrix[1::2] = torch.from_numpy(space.matrix).float()
    return Coordinates(
        standardiser=Standardiser(
            mean=fitted.mean, scale=np.where(np.isinf(fitted.scale), np.inf, 1.0)
        ),
        matrix=matrix,
        fan_in=kept,
        basis=None,
        reason=(
            f"{kept} directions of the training rows, {space.leading} of them leading "
            f"({space.energy_share:.2%} of the variance); folded back into the inputs"
        ),
    )
