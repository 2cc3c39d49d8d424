"""Orthonormal columns: drawn, measured, and restored."""

from typing import Final

import torch
from torch import Tensor

_FEWEST_ROWS: Final = 64
_MOST_BLOCKS: Final = 20


def orthonormal(
    rows: int, columns: int, *, generator: torch.Generator, dtype: torch.dtype = torch.float64
) -> Tensor:
    """Draw orthonormal columns, uniform over the Stiefel manifold, orthonormal to rounding."""
    drawn = torch.randn(rows, columns, generator=generator, dtype=dtype)
    return by_rows(positive_qr(drawn)[0], dtype)


def positive_qr(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return the QR factors, in float64, with a non-negative diagonal of R, which is then unique.

    The matrix (m, n), m >= n, is copied once and its copy becomes Q, column by column in memory.
    """
    q = matrix.new_empty(matrix.mT.shape, dtype=torch.float64).mT.copy_(matrix)
    reflections = q.new_empty(q.shape[1])
    torch.geqrf(q, out=(q, reflections))
    upper = q[: q.shape[1]].triu()
    sign = torch.where(torch.diagonal(upper) < 0, -1.0, 1.0).to(q.dtype)
    torch.linalg.householder_product(q, reflections, out=q)
    return q.mul_(sign), upper.mul_(sign.unsqueeze(1))


def by_rows(matrix: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a copy of another type that lies in memory row by row."""
    return matrix.new_empty(matrix.shape, dtype=dtype).copy_(matrix)


def gram_matrix(basis: Tensor) -> Tensor:
    """Return U^T U in float64, summed over a few rows at a time in the precision of U.

    A sum over all rows at once would carry a rounding of the size of the loss it is to show; many
    blocks would cost more to gather than to multiply.
    """
    rows = max(_FEWEST_ROWS, len(basis) // _MOST_BLOCKS)
    whole = len(basis) // rows * rows
    blocks = basis[:whole].view(-1, rows, basis.shape[1])
    gram = torch.bmm(blocks.mT, blocks).double().sum(dim=0)
    rest = basis[whole:].double()
    return gram.addmm_(rest.mT, rest)


def orthonormalised(basis: Tensor) -> tuple[Tensor, Tensor]:
    """Return Q and R in float64 of U = Q R: by Cholesky near orthonormality, else Householder."""
    gram = gram_matrix(basis)
    lower, info = torch.linalg.cholesky_ex(gram)
    away = float(torch.linalg.matrix_norm(gram) ** 2) - 2 * float(gram.trace()) + len(gram)
    if int(info) or not away < 0.1:
        q, upper = positive_qr(basis)
        return by_rows(q, basis.dtype), upper
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    inverse = torch.linalg.solve_triangular(lower.mT, identity, upper=True)
    return torch.mm(basis, inverse.to(basis.dtype)), lower.mT
