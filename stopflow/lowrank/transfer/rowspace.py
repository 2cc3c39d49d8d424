"""Training in the row space of the data: an exact change of coordinates when rows are few.

Every gradient of the first layer is a combination of training rows. With X = C Q^T, Q (n, k)
orthonormal and k <= N, a rule that is equivariant under rotations of the
input space moves W = W_c Q^T exactly as it
moves W_c on the rows of C (N, k): one trains on k numbers a row instead of n. Rules that look at
single elements of an n-sided matrix (Adam on dense, vanilla or L elements) are not equivariant.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from stopflow.errors import SettingsError
from stopflow.lowrank.arguments import describe, require_count
from stopflow.lowrank.decompositions import symmetric_eigh
from stopflow.lowrank.layer.lowrank import InputBasis
from stopflow.lowrank.layers import FAMILIES
from stopflow.lowrank.network import LayerSpec, Network, require_layers, require_network
from stopflow.lowrank.settings import StepSettings, require_settings

_SMALLEST = 1e-12
_TINY = torch.finfo(torch.float64).tiny
_COLUMNS_AT_ONCE = 2048
_ROWS_AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowSpace:
    """Orthonormal coordinates of the span of some rows, leading direction first.

    Directions in which the rows are smaller than 1e-6 of the leading one are left out, a row of
    nothing else with them. The others are found through squares: Q is orthonormal to rounding in
    the leading ones, to some 1e-5 in the last, and "exact" means to that.

    Attributes
    ----------
    rows
        The rows X, (N, n); kept, not copied: Q = X^T transform is never stored.
    transform
        (N, k) float64.
    energies
        Mean square of the rows along each coordinate, (k,) float64, descending.
    """

    rows: Tensor
    transform: Tensor
    energies: Tensor

    @classmethod
    def fit(cls, rows: Tensor) -> "RowSpace":
        """Find the coordinates through the N x N Gram matrix, in float64.

        Raises
        ------
        SettingsError
            Not a matrix of floating-point numbers, or not finite, zero, or of numbers so small or
            large that float64 does not hold their squares.
        """
        gram = _double_gram(rows) if _is_matrix(rows) else torch.eye(0)
        if not _TINY / _SMALLEST < gram.trace() < math.inf:
            valid = "a floating-point tensor (rows, inputs), its squares finite and not all zero"
            raise SettingsError("rows", describe(rows), valid=valid)
        values, vectors = symmetric_eigh(gram)
        values, vectors = values.flip(0), vectors.flip(1)
        kept = int((values > _SMALLEST * values[0]).sum())
        values, vectors = values[:kept], vectors[:, :kept]
        return cls(rows=rows, transform=vectors / values.sqrt(), energies=values / len(rows))

    @property
    def dimension(self) -> int:
        """Number k of coordinates."""
        return len(self.energies)

    @property
    def fan_in(self) -> int:
        """Number n of inputs; `build_network(..., fan_in=...)` needs it."""
        return self.rows.shape[1]

    def coordinates(self) -> Tensor:
        """Return the fitted rows in coordinates, C = X Q, (N, k)."""
        scale = self.energies * len(self.rows)
        return (self.transform * scale).to(self.rows.dtype)

    def project(self, rows: Tensor) -> Tensor:
        """Return other rows' coordinates; what lies outside the span is lost, (M, k)."""
        if not _is_matrix(rows) or rows.shape[1] != self.fan_in:
            valid = f"a floating-point tensor (rows, {self.fan_in})"
            raise SettingsError("inputs", describe(rows), valid=valid)
        products = torch.zeros(len(rows), len(self.rows), dtype=torch.float64, device=rows.device)
        for own, fitted in zip(_strips(rows), _strips(self.rows), strict=True):
            products.addmm_(own, fitted.mT)
        return (products @ self.transform).to(rows.dtype)

    def lift(self, coordinates: Tensor) -> Tensor:
        """Return Q A for A of shape (k, columns): coordinates of columns back to n inputs."""
        if not isinstance(coordinates, Tensor) or coordinates.shape[:1] != (self.dimension,):
            valid = f"a tensor ({self.dimension}, columns)"
            raise SettingsError("coordinates", describe(coordinates), valid=valid)
        combined = self.transform @ coordinates.double()
        return torch.cat([strip.mT @ combined for strip in _strips(self.rows)]).to(self.rows.dtype)

    def basis(self, rank: int, *, whiten: float = 0.0, lifted: bool = False) -> InputBasis:
        """Return the leading `rank` directions, in coordinates or lifted to the n inputs."""
        require_count("rank", rank, low=1, high=self.dimension)
        unit = torch.eye(
            self.dimension, rank, dtype=self.transform.dtype, device=self.transform.device
        )
        return InputBasis(
            directions=self.lift(unit) if lifted else unit,
            energies=self.energies[:rank],
            mean_square=float(self.energies.sum()) / self.fan_in,
            whiten=whiten,
        )

    def export(self, network: Network) -> Network:
        """Return the same function of the n inputs; the first layer's V (or W, or A) is lifted.

        On the fitted rows the outputs are the same; of other rows it sees the part in the span.
        """
        require_network(network)
        if network.n_inputs != self.dimension:
            raise SettingsError("network inputs", network.n_inputs, valid=(self.dimension,))
        exported = copy.deepcopy(network)
        exported.n_inputs = self.fan_in
        specs = network.base_specs or network.specs
        family = FAMILIES[specs[0].type]
        exported.chain[0].map_inputs(self.lift, orthonormal=family.dynamical)
        return exported


def _is_matrix(rows: Tensor) -> bool:
    return isinstance(rows, Tensor) and rows.ndim == 2 and rows.is_floating_point()


def _strips(rows: Tensor) -> Iterator[Tensor]:
    """Yield the columns in float64, some at a time."""
    return (columns.double() for columns in rows.split(_COLUMNS_AT_ONCE, dim=1))


def _double_gram(rows: Tensor) -> Tensor:
    """Return the lower triangle of X X^T in float64 (all that eigh reads), a strip at a time.

    float32 would bury the directions of noise, whose energy is 1e-8 of the leading one's.
    """
    gram = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=rows.device)
    starts = range(0, len(rows), _ROWS_AT_ONCE)
    for wide in _strips(rows):
        for start in starts:
            strip = slice(start, start + _ROWS_AT_ONCE)
            gram[start:, strip].addmm_(wide[start:], wide[strip].mT)
    return gram


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSpaceDecision:
    """Whether to train in the row space, and why or why not."""

    use: bool
    reason: str


def decide_row_space(
    specs: Sequence[LayerSpec],
    settings: StepSettings,
    *,
    rows: int,
    columns: int,
    mode: Literal["auto", "on", "off"] = "auto",
) -> RowSpaceDecision:
    """Decide whether the row space is exact and pays for `rows` x `columns` training inputs.

    Raises
    ------
    SettingsError
        No layers, settings or numbers; or `mode` is ``"on"`` where it would not be the same
        training, and why.
    """
    require_layers(specs)
    require_settings(settings)
    require_count("rows", rows, low=1)
    require_count("columns", columns, low=1)
    if mode not in ("auto", "on", "off"):
        raise SettingsError("row_space", mode, valid=("auto", "on", "off"))
    if mode == "off":
        return RowSpaceDecision(use=False, reason="switched off")
    first, family = specs[0].type, FAMILIES[specs[0].type]
    exact, obstacle = ", ".join(family.rotation_equivariant), ""
    if rows >= columns:
        obstacle = f"{rows} rows are not fewer than {columns} inputs: nothing to reduce"
    elif settings.optimiser not in family.rotation_equivariant:
        obstacle = (
            f"{settings.optimiser} on a {first} first layer works element by element and would "
            f"be another optimiser in other coordinates; exact: {exact}"
        )
    if obstacle and mode == "on":
        raise SettingsError("row_space", mode, valid=f"auto or off here, because {obstacle}")
    if obstacle:
        return RowSpaceDecision(use=False, reason=obstacle)
    if mode == "auto" and 2 * rows > columns:
        reason = f"exact, but {rows} rows of {columns} inputs would save too little"
        return RowSpaceDecision(use=False, reason=reason)
    reason = f"exact with {settings.optimiser}: at most {rows} coordinates instead of {columns}"
    return RowSpaceDecision(use=True, reason=reason)
