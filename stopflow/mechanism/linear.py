"""The exact solution where the rate equations are linear, by eigenvectors.

``dx/dt = a + L x`` is ``dy/dt = A y`` with a 1 below x, and ``exp(A t)`` follows from the
eigenvectors of A. Its derivative along dA is, in the coordinates of the eigenvectors, dA times the
divided differences of the exponentials (Daleckii and Krein; Najfeld and Havel, Adv. Appl. Math. 16,
321 (1995), 10.1006/aama.1995.1017).
"""

import numpy as np

from stopflow.mechanism.rates import Quadratic
from stopflow.trace import FloatArray

WORST_CONDITION = 1e4
"""Of the eigenvectors; its square times the rounding of numbers is the error of a derivative."""
NEAR = 0.5
"""Difference of two exponents below which their divided difference is taken from a series."""


def solve_linear(
    right: Quadratic, by_free: Quadratic, times_s: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """Evaluate x (M, n, r) and its derivatives (M, n, p, r) from x = 0 at time 0.

    None where the eigenvectors hardly span the space, as for two rates in a row that are equal.
    """
    rank = right.constant.shape[1]
    size = np.linalg.norm(right.linear, axis=(1, 2))
    scale = np.linalg.norm(right.constant, axis=1) / np.where(size > 0, size, 1.0)
    scale = np.where(scale > 0, scale, 1.0)[:, None]
    matrix = _augment(right, scale)
    if not np.isfinite(matrix).all():
        return None
    values, vectors = np.linalg.eig(matrix)
    try:
        inverse = np.linalg.inv(vectors)
    except np.linalg.LinAlgError:
        return None
    condition = np.linalg.norm(vectors, axis=(1, 2)) * np.linalg.norm(inverse, axis=(1, 2))
    if not (condition < WORST_CONDITION).all():
        return None
    first = inverse[:, :, rank]
    grown = np.exp(values[:, None] * times_s[:, None])
    back = vectors[:, :rank].transpose(0, 2, 1) * scale[:, None]
    x = ((grown * first[:, None]) @ back).real
    turned = inverse[:, None] @ _augment(by_free, scale[:, None]) @ vectors[:, None]
    turned = turned * first[:, None, None]
    moved = _sum_differences(values, grown, turned, times_s)
    return x, (moved @ back[:, None]).real


def _augment(right: Quadratic, scale: FloatArray) -> FloatArray:
    """Put a beside L, in units of `scale`, above a row of zeros: (..., r + 1, r + 1)."""
    rank = right.constant.shape[-1]
    matrix = np.zeros((*right.constant.shape[:-1], rank + 1, rank + 1))
    matrix[..., :rank, :rank] = right.linear
    matrix[..., :rank, rank] = right.constant / scale
    return matrix


def _sum_differences(
    values: np.ndarray, grown: np.ndarray, turned: np.ndarray, times_s: FloatArray
) -> np.ndarray:
    """Sum ``turned_ij (exp(v_i t) - exp(v_j t)) / (v_i - v_j)`` over j: (M, n, p, r + 1)."""
    apart = (values[:, :, None] - values[:, None])[:, None]
    exponent = apart * times_s[:, None, None]
    near = np.abs(exponent) < NEAR
    small = np.where(near & (exponent != 0), exponent, 1.0)
    series = np.where(exponent == 0, 1.0, np.expm1(small) / small)
    own, other = grown[..., None], grown[..., None, :]
    quotient = (own - other) / np.where(near, 1.0, apart)
    difference = np.where(near, times_s[:, None, None] * other * series, quotient)
    return np.asarray(np.einsum("mnij,mfij->mnfi", difference, turned))
