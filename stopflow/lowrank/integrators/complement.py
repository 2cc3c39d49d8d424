"""What directions have outside the bases, orthonormalised through Gram matrices."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from stopflow.lowrank.decompositions import symmetric_eigh
from stopflow.lowrank.forward_cache import ForwardCache


@dataclass(slots=True, kw_only=True, eq=False)
class Complement:
    """Q R = A - U gamma with orthonormal Q = (A - U gamma) inverse of the directions left in.

    Attributes
    ----------
    gamma
        U^T A.
    inverse, triangle
        R^-1 and R.
    growth
        By how much more than U each column of Q suffers from rounding.
    direction
        (A, None), or (left, right) with A = left^T right.
    """

    gamma: Tensor
    inverse: Tensor
    triangle: Tensor
    growth: Tensor
    direction: tuple[Tensor, Tensor | None]

    @property
    def size(self) -> int:
        """Columns of Q."""
        return len(self.triangle)

    def combine(self, basis: Tensor, coefficient: Tensor, *, out: Tensor) -> tuple[Tensor, float]:
        """Return [U, Q] coefficient and what rounding is multiplied by in it."""
        rank = basis.shape[1]
        old, new = coefficient[:rank], coefficient[rank:]
        taken = self.inverse @ new
        combined = torch.mm(basis, (old - self.gamma @ taken).to(basis.dtype), out=out)
        first, second = self.direction
        if second is None:
            combined.addmm_(first, taken.to(basis.dtype))
        else:
            combined.addmm_(first.mT, second @ taken.to(basis.dtype))
        weight = (self.growth * torch.linalg.vector_norm(new, dim=1)).sum() if self.size else 0.0
        return combined, 1.0 + float(weight)


def orthonormal_complement(
    gamma: Tensor, energy: Tensor, terms: Tensor, direction: tuple[Tensor, Tensor | None]
) -> Complement:
    """Orthonormalise A - U gamma through its Gram matrix energy - gamma^T gamma.

    `terms` is the sum of squares of the terms that A was summed from. It is never negative and
    measures the rounding in `energy`, which may be negative where the terms cancel. Directions
    whose energy is below 1e-10 of it (or ten units of rounding) are left out, because their columns
    of Q would be noise. The step is exact up to 1e-5 of the root of `terms`.
    """
    values, vectors = symmetric_eigh(energy - gamma.mT @ gamma)
    total = torch.maximum(terms, torch.diagonal(energy).sum())
    noise = max(1e-10, 10 * torch.finfo(direction[0].dtype).eps)
    kept = values > noise * total
    values, vectors = values[kept], vectors[:, kept]
    root = values.sqrt()
    return Complement(
        gamma=gamma,
        inverse=vectors / root,
        triangle=root.unsqueeze(1) * vectors.mT,
        growth=total / values,
        direction=direction,
    )


def gradient_complements(cache: ForwardCache) -> tuple[Complement, Complement, Tensor]:
    """Return the complements of delta^T P and x^T D and the core gradient in both bases."""
    core = (cache.deltau.mT @ cache.xv).double()
    kernels = cache.delta_gram(), cache.input_gram()
    delta_p, x_d = kernels[0] @ cache.xv, kernels[1] @ cache.deltau
    terms = [
        (torch.diagonal(kernel).double() * factor.double().square().sum(dim=1)).sum()
        for kernel, factor in zip(kernels, (cache.xv, cache.deltau), strict=True)
    ]
    energies = (cache.xv.mT @ delta_p).double(), (cache.deltau.mT @ x_d).double()
    on_u = orthonormal_complement(core, energies[0], terms[0], (cache.delta, cache.xv))
    on_v = orthonormal_complement(core.mT, energies[1], terms[1], (cache.x, cache.deltau))
    delta_q = (delta_p.double() - cache.deltau.double() @ core) @ on_u.inverse
    x_q = (x_d.double() - cache.xv.double() @ core.mT) @ on_v.inverse
    return on_u, on_v, _blocks(core, on_u, on_v, delta_q.mT @ x_q)


def direction_complements(
    pairs: Iterable[tuple[Tensor, Tensor]], core: Tensor
) -> tuple[Complement, Complement, Tensor]:
    """Return the complements of A_K beside U and A_L beside V; A_S with nothing outside both."""
    on_u, on_v = (_of_direction(basis, a) for basis, a in pairs)
    return on_u, on_v, _blocks(core, on_u, on_v, core.new_zeros(on_u.size, on_v.size))


def _of_direction(basis: Tensor, a: Tensor) -> Complement:
    energy = (a.mT @ a).double()
    terms = torch.diagonal(energy).sum()
    return orthonormal_complement((basis.mT @ a).double(), energy, terms, (a, None))


def _blocks(core: Tensor, on_u: Complement, on_v: Complement, corner: Tensor) -> Tensor:
    upper = torch.cat([core, on_v.triangle.mT], dim=1)
    return torch.cat([upper, torch.cat([on_u.triangle, corner], dim=1)])
