"""The layer y = x V S^T U^T + b of W = U S V^T, and how its factors start."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from stopflow.errors import SettingsError
from stopflow.lowrank.decompositions import thin_svd
from stopflow.lowrank.forward_cache import ForwardCache
from stopflow.lowrank.layer.orthonormal import orthonormal, orthonormalised
from stopflow.lowrank.layer.protocol import ColumnMap, Factors, Layer

_ORTHONORMAL = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InputBasis:
    """Where the first layer should look at the start.

    Attributes
    ----------
    directions
        Orthonormal columns, (inputs, q), leading first.
    energies
        Mean square of the training inputs along each direction, (q,).
    mean_square
        Mean square of a single input value over the training rows.
    whiten
        0: equal singular values; 1: each direction contributes equally to the outputs.
    """

    directions: Tensor
    energies: Tensor
    mean_square: float
    whiten: float = 0.0


class LowRankLayer(Layer):
    """y = x V S^T U^T + b, U (outputs, r), S (r, r), V (inputs, r).

    U and V start orthonormal (QR of normal matrices) or with V along `basis`; S starts diagonal
    with ||S||_F^2 = gain * outputs, which keeps the outputs' mean square as He's rule does. Each of
    its values lies below the one before it by the factor `decay`, at the same ||S||_F.
    `fan_in` is the number of inputs before any exact reduction of them.
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        rank: int,
        *,
        gain: float,
        fan_in: int,
        generator: torch.Generator,
        basis: InputBasis | None = None,
        decay: float = 1.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.fan_in = fan_in
        u = orthonormal(n_outputs, rank, generator=generator, dtype=dtype)
        power = gain * n_outputs * n_inputs / fan_in
        s = torch.full((rank,), math.sqrt(power / rank), dtype=torch.float64)
        if basis is None:
            v = orthonormal(n_inputs, rank, generator=generator, dtype=dtype)
        else:
            v, s = _along(basis, rank, n_inputs=n_inputs, power=gain * n_outputs)
        if decay > 1.0:
            falling = s * decay ** -torch.arange(rank, dtype=s.dtype)
            s = falling * (s.norm() / falling.norm())
        self.U = nn.Parameter(u)
        self.S = nn.Parameter(torch.diag(s).to(dtype))
        self.V = nn.Parameter(v.to(dtype).contiguous())
        self.bias = nn.Parameter(torch.zeros(n_outputs, dtype=dtype))

    def _own(self) -> dict[str, Tensor]:
        """Return the parameters; a module's attributes take a third of a small product to find."""
        return cast(dict[str, Tensor], self._parameters)

    @property
    def rank(self) -> int:
        """Columns of U and V."""
        return self._own()["S"].shape[0]

    def bases(self) -> tuple[Tensor, Tensor]:
        """Return the values of U and V."""
        own = self._own()
        return own["U"].data, own["V"].data

    @property
    def full_rank(self) -> int:
        """Largest possible rank, min(inputs, outputs)."""
        return min(self.U.shape[0], self.V.shape[0])

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs, shape (batch, outputs); W is never formed."""
        return torch.addmm(self.bias, x @ self.V @ self.S.T, self.U.T)

    def run(self, x: Tensor) -> tuple[Tensor, ForwardCache]:
        """Return the outputs and a forward cache."""
        own = self._own()
        xv = torch.mm(x, own["V"])
        outputs = functional.linear(functional.linear(xv, own["S"]), own["U"])
        return outputs.add_(own["bias"]), ForwardCache(
            x=x, xv=xv
        )  # sooner than addmm copies the bias

    def complete(self, cache: ForwardCache) -> None:
        """Put D = delta U in the cache."""
        cache.deltau = torch.mm(cache.delta, self._own()["U"])

    def input_gradient(self, cache: ForwardCache) -> Tensor:
        """Return dx = D S V^T."""
        own = self._own()
        return functional.linear(torch.mm(cache.deltau, own["S"]), own["V"])

    def set_factors(self, u: Tensor, s: Tensor, v: Tensor) -> None:
        """Replace the factors; the rank may change."""
        own = self._own()
        if s.shape == own["S"].shape:
            own["S"].data.copy_(s)
        else:
            for parameter, value in ((self.U, u), (self.S, s), (self.V, v)):
                replace_values(parameter, value.contiguous())
        self.set_bases(u, v)

    def set_bases(self, u: Tensor, v: Tensor) -> None:
        """Replace U and V by others of their shapes."""
        own = self._own()
        own["U"].data, own["V"].data = u.contiguous(), v.contiguous()

    def orthonormalise(self) -> None:
        """Make U and V orthonormal to rounding; S absorbs the factors, so that W stays."""
        (u, left), (v, right) = (orthonormalised(basis) for basis in self.bases())
        self.S.data = (left @ self.S.data.double() @ right.mT).to(self.S.dtype)
        self.set_bases(u, v)

    def factors(self) -> Factors:
        """Return W = left core right^T by the QR factors of U and V."""
        left, left_r = torch.linalg.qr(self.U.data.double())
        right, right_r = torch.linalg.qr(self.V.data.double())
        return left, left_r @ self.S.data.double() @ right_r.mT, right

    def map_inputs(self, mapped: ColumnMap, *, orthonormal: bool) -> None:
        """Replace V by its image; S absorbs what makes it orthonormal."""
        self.V.data = mapped(self.V.data).contiguous()
        if orthonormal:
            self.orthonormalise()

    def split_inputs(self) -> Tensor:
        """Return V, and put the identity in its place."""
        matrix = self.V.data.clone()
        self.V.data = torch.eye(self.rank, dtype=matrix.dtype, device=matrix.device)
        self.fan_in = self.rank
        return matrix

    def add_product(self, left: Tensor, right: Tensor) -> None:
        """Add left right^T; the factors are orthonormal afterwards and the rank is higher."""
        self.set_factors(*sum_of_factors(self.U.data, self.S.data, self.V.data, left, right))

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: object) -> None:
        """Take the rank of the stored factors before the values are copied in."""
        rank = stored_rank(state_dict, prefix) or self.rank
        shapes = {"U": (len(self.U), rank), "S": (rank, rank), "V": (len(self.V), rank)}
        resize_for(self, state_dict, prefix, shapes)
        super()._load_from_state_dict(state_dict, prefix, *args)


def sum_of_factors(
    u: Tensor, s: Tensor, v: Tensor, left: Tensor, right: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return orthonormal factors of U S V^T + left right^T, in float64 inside."""
    dtype = s.dtype
    on_u, left_r = torch.linalg.qr(torch.cat([u, left], dim=1).double())
    on_v, right_r = torch.linalg.qr(torch.cat([v, right], dim=1).double())
    added = torch.eye(left.shape[1], dtype=torch.float64, device=u.device)
    core = left_r @ torch.block_diag(s.double(), added) @ right_r.mT
    p, sigma, qt = thin_svd(core)
    return (on_u @ p).to(dtype), torch.diag(sigma).to(dtype), (on_v @ qt.mT).to(dtype)


def replace_values(parameter: nn.Parameter, values: Tensor) -> None:
    """Put `values` in a parameter's place.

    Where the shape changes the gradient goes, and autograd's accumulator, which remembers the shape
    and is made anew after a change of type only.
    """
    if parameter.shape != values.shape:
        parameter.grad = None
        parameter.data = values.new_empty(0, dtype=torch.float16)
    parameter.data = values


def stored_rank(state_dict: Mapping[str, Tensor], prefix: str) -> int:
    """Return the rows of a stored S, 0 where there are none."""
    stored = state_dict.get(prefix + "S")
    return 0 if stored is None or stored.ndim == 0 else len(stored)


def resize_for(
    module: nn.Module,
    state_dict: Mapping[str, Tensor],
    prefix: str,
    shapes: Mapping[str, tuple[int, int]],
) -> None:
    """Give the named parameters `shapes` if all stored values have them.

    Else all are left alone, for `load_state_dict` to refuse.
    """
    stored = {name: state_dict.get(prefix + name) for name in shapes}
    if all(value is not None and value.shape == shapes[name] for name, value in stored.items()):
        for name, shape in shapes.items():
            parameter = getattr(module, name)
            replace_values(parameter, parameter.data.new_empty(shape))


def _along(basis: InputBasis, rank: int, *, n_inputs: int, power: float) -> tuple[Tensor, Tensor]:
    """Return V0 = the first `rank` directions and singular values of total output `power`."""
    shape, count = tuple(basis.directions.shape), len(basis.energies)
    if len(shape) != 2 or shape[0] != n_inputs or min(shape[1], count) < rank:
        valid = f"directions of shape ({n_inputs}, {rank} or more), an energy for each"
        raise SettingsError("input_basis", f"{shape}, {count} energies", valid=valid)
    directions = basis.directions[:, :rank]
    wide = directions.double()
    away = float((wide.mT @ wide - torch.eye(rank, dtype=wide.dtype, device=wide.device)).norm())
    energies = basis.energies[:rank].double().clamp_min(1e-12 * float(basis.energies[0]))
    s = energies ** (-0.5 * basis.whiten)
    scale = power * basis.mean_square / (s.square() * energies).sum()
    if not away < _ORTHONORMAL or not 0.0 < scale < math.inf:
        found = f"||Q^T Q - I|| = {away:.1g}, whiten = {basis.whiten}"
        valid = "orthonormal directions, positive energies and mean_square, a finite whiten"
        raise SettingsError("input_basis", found, valid=valid)
    return directions, s * scale.sqrt()
