"""Retraction: orthonormalising K1 = U T - b A through its Gram matrix, in r x r products.

A step moves K = U T to K1 = U T - b A with a direction A, and L = V T^T likewise. Its new basis
U1 = K1 R^-1 needs only R^T R = K1^T K1 = H:

    H = Q^T Q + b^2 (A^T A - C^T C) + T^T (U^T U - I) T,    Q = T - b C,    C = U^T A,

where U^T U is I but for rounding. Q, R and the coefficient T R^-1 are found in float64.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import inf, isfinite

import torch
from torch import Tensor


@dataclass(slots=True, kw_only=True, eq=False)
class Retraction:
    """New bases in terms of the old, one entry a basis.

    Attributes
    ----------
    coefficient, inverse
        U1 = U coefficient - step A inverse.
    overlap
        U^T U1.
    growth
        Bound of what rounding is multiplied by, for the worst of the bases: 1 for bases that hardly
        change, (1 + ||b C R^-1||)^2 >= ||coefficient||^2 where parts of a step cancel. What the
        terms of A lose where they cancel is added, and what float64 loses in H where K1 is
        ill-conditioned. It is infinite when a K1 has lost rank; nothing else is to be used then.
    """

    coefficient: Tensor
    overlap: Tensor
    inverse: Tensor
    step: float
    growth: float

    @property
    def sound(self) -> bool:
        """Whether two thirds of the digits are left."""
        return self.growth < torch.finfo(self.coefficient.dtype).eps ** (-1 / 3)


def retract(
    core: Tensor,
    gamma: Tensor,
    energy: Tensor,
    *,
    step: float,
    terms: Tensor,
    grams: Tensor | None = None,
) -> Retraction:
    """Orthonormalise K1 = U T - b A for a batch of bases.

    Parameters
    ----------
    core
        T, (g, r, r).
    gamma, energy
        C = U^T A and A^T A, each (g, r, r), of T's dtype.
    step
        b, the same for all.
    terms
        Squared sizes of the terms that each column of A was summed from, (g, r).
    grams
        U^T U in float64, (g, r, r), for a retraction that takes away the loss of orthogonality
        before it.
    """
    exact = core.double()
    ahead = torch.sub(exact, gamma, alpha=step)  # Q = U^T K1
    beside = torch.baddbmm(energy, gamma.mT, gamma, beta=step**2, alpha=-(step**2))
    gram = beside.double().baddbmm_(ahead.mT, ahead)
    if grams is not None:
        gram.baddbmm_(exact.mT, torch.baddbmm(exact, grams, exact, beta=-1))
    lower, info = torch.linalg.cholesky_ex(gram)
    found = torch.linalg.solve_triangular(
        lower, _identities(gram.shape, gram.dtype, gram.device), upper=False
    ).mT  # as LAPACK lays out its transpose, it is R^-1 row by row
    coefficient, inverse = torch.bmm(exact, found).to(core.dtype), found.to(core.dtype)
    inside = torch.bmm(gamma, inverse)
    kept = coefficient if grams is None else torch.bmm(grams.to(core.dtype), coefficient)
    share = torch.finfo(gram.dtype).eps / torch.finfo(core.dtype).eps
    carried = torch.diagonal(gram, dim1=-2, dim2=-1).mul(share).add_(terms, alpha=step**2)
    lost = torch.linalg.vecdot(carried, torch.linalg.vector_norm(found, dim=2).square_()).tolist()
    turned = torch.linalg.vector_norm(inside, dim=(1, 2)).tolist()
    growths = [(1.0 + step * a) ** 2 + b for a, b in zip(turned, lost, strict=True)]
    return Retraction(
        coefficient=coefficient,
        overlap=torch.sub(kept, inside, alpha=step),
        inverse=inverse,
        step=step,
        growth=max(growths) if isfinite(sum(growths)) and not any(info.tolist()) else inf,
    )


@lru_cache(maxsize=8)
def _identities(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return unit matrices as LAPACK lays them out."""
    return torch.eye(shape[-1], dtype=dtype, device=device).expand(shape).contiguous().mT
