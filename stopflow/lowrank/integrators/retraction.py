"""Orthonormalising U T - b A through its Gram matrix, in products of r x r matrices.

A step moves K = U T to K1 = U T - b A with a direction A, and L = V T^T likewise. Its new basis
U1 = K1 R^-1 needs only R^T R = K1^T K1 = H:

    H = Q^T Q + b^2 (A^T A - C^T C) + T^T (U^T U - I) T,    Q = T - b C,    C = U^T A,

where U^T U is I but for rounding. Q and R are found in float64.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from stopflow.lowrank.integrators.orthogonality import Look


@dataclass(slots=True, kw_only=True, eq=False)
class Turn:
    """New bases in terms of the old, one entry a basis.

    Attributes
    ----------
    coefficient, inverse
        U1 = U coefficient - step A inverse.
    overlap
        U^T U1.
    look
        Its wear: the rounding of the new bases, in units of that of orthogonal columns among which
        nothing cancels. That is the sum over i, j of p_i^2 (R^-1)_ij^2 / r with p_i the size of
        what the i-th column of K1 was summed from; infinite when a K1 has lost rank (nothing else
        is to be used then).
    """

    coefficient: Tensor
    overlap: Tensor
    inverse: Tensor
    step: float
    look: Look

    @property
    def sound(self) -> bool:
        """Whether two thirds of the digits are left."""
        return self.look.wear < torch.finfo(self.coefficient.dtype).eps ** (-1 / 3)


def turn(
    core: Tensor,
    gamma: Tensor,
    energy: Tensor,
    *,
    step: float,
    summed: Callable[[], Tensor] | None = None,
    grams: Tensor | None = None,
    last: Look | None = None,
    strengths: Sequence[float] = (),
) -> Turn:
    """Orthonormalise K1 = U T - b A for a batch of bases, its Gram matrix in float64.

    Parameters
    ----------
    core
        T, (g, r, r).
    gamma, energy
        C = U^T A and A^T A, each (g, r, r), of T's dtype.
    step
        b, the same for all.
    summed
        Returns squared sizes of the terms whose sum a column of A is, (g, r); None where it is no
        sum.
    grams
        U^T U, (g, r, r), for a turn that takes away the rounding of those before it.
    last
        What the turn before this one leaves to believe of its wear.
    strengths
        Norms that b A grows with.
    """
    exact = core.double()
    ahead = torch.sub(exact, gamma, alpha=step)  # Q = U^T K1
    beside = torch.baddbmm(energy, gamma.mT, gamma, beta=step**2, alpha=-(step**2))
    gram = beside.double().baddbmm_(ahead.mT, ahead)
    if grams is not None:
        gram.baddbmm_(exact.mT, torch.baddbmm(exact, grams.double(), exact, beta=-1))
    lower, info = torch.linalg.cholesky_ex(gram)
    found = torch.linalg.solve_triangular(
        lower, _identities(gram.shape, gram.dtype, gram.device), upper=False
    ).mT  # as LAPACK lays out its transpose, it is R^-1 row by row
    inverse = found.to(core.dtype)
    signs = [*torch.linalg.vector_norm(found, dim=(1, 2)).tolist(), *strengths]
    lost = any(info.tolist())
    look = last.after(signs) if last and not lost else None
    if look is None:
        parts = exact.square().sum(dim=1)
        parts.add_(diagonal(energy) if summed is None else summed(), alpha=step**2)
        worn = torch.linalg.vecdot(parts, found.square().sum(dim=2)).tolist()
        lost = lost or not math.isfinite(sum(worn))
        look = Look(math.inf if lost else max(worn) / core.shape[1], core.shape[1], signs)
    coefficient = torch.bmm(core, inverse)
    kept = coefficient if grams is None else torch.bmm(grams, coefficient)
    overlap = torch.baddbmm(kept, gamma, inverse, alpha=-step)
    return Turn(
        coefficient=coefficient,
        overlap=overlap,
        inverse=inverse,
        step=step,
        look=look,
    )


def diagonal(matrices: Tensor) -> Tensor:
    """Return the diagonals of matrices, a view."""
    return torch.diagonal(matrices, dim1=-2, dim2=-1)


@lru_cache(maxsize=8)
def _identities(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return unit matrices as LAPACK lays them out."""
    return torch.eye(shape[-1], dtype=dtype, device=device).expand(shape).contiguous().mT
