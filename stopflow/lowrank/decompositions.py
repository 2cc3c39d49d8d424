"""Singular values and eigenvalues that are found whatever code path the processor takes.

The divide and conquer of LAPACK (dbdsdc) does not converge for some well-formed matrices on some
code paths of one library: torch's stops at a core of condition 1e8 on one processor and finds it
with the kernels of another. What it does not find is looked for by the LAPACK that NumPy has.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]


def thin_svd(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return U, sigma, V^T of the thin singular value decomposition.

    Parameters
    ----------
    matrix
        (m, n), finite.

    Returns
    -------
    u, sigma, vt
        (m, k), (k,) and (k, n) with k = min(m, n); `sigma` is descending.

    Raises
    ------
    torch.linalg.LinAlgError
        Neither library finds it. That of a matrix that is not finite has no meaning: it is refused
        or not finite itself.
    """
    thin = {"full_matrices": False}
    u, sigma, vt = _find(matrix, partial(torch.linalg.svd, **thin), partial(np.linalg.svd, **thin))
    return u, sigma, vt


def symmetric_eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return eigenvalues and eigenvectors of a symmetric matrix.

    Parameters
    ----------
    matrix
        (n, n), finite; only its lower triangle is read.

    Returns
    -------
    values, vectors
        (n,) ascending, and (n, n) columns.

    Raises
    ------
    torch.linalg.LinAlgError
        Neither library finds it. That of a matrix that is not finite has no meaning: it is refused
        or not finite itself.
    """
    values, vectors = _find(matrix, torch.linalg.eigh, np.linalg.eigh)
    return values, vectors


def _find(
    matrix: Tensor,
    by_torch: Callable[[Tensor], Iterable[Tensor]],
    by_numpy: Callable[[Array], Iterable[Array]],
) -> Iterable[Tensor]:
    try:
        return by_torch(matrix)
    except torch.linalg.LinAlgError:
        if not bool(torch.isfinite(matrix).all()):
            message = "a matrix with values that are not finite has no decomposition"
            raise torch.linalg.LinAlgError(message) from None
    try:
        found = by_numpy(matrix.detach().cpu().numpy())
    except np.linalg.LinAlgError as error:
        raise torch.linalg.LinAlgError(str(error)) from error
    return tuple(torch.from_numpy(np.ascontiguousarray(part)).to(matrix) for part in found)
