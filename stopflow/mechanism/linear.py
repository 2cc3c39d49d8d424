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
"""Difference of two exponents, at the last time, below which their divided difference is not taken
as it is written. Above it, what cancels is small beside the difference at the last time.
"""


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
    return x, _differentiate(values, grown, turned * first[:, None, None], back, times_s).real


def _augment(right: Quadratic, scale: FloatArray) -> FloatArray:
    """Put a beside L, in units of `scale`, above a row of zeros: (..., r + 1, r + 1)."""
    rank = right.constant.shape[-1]
    matrix = np.zeros((*right.constant.shape[:-1], rank + 1, rank + 1))
    matrix[..., :rank, :rank] = right.linear
    matrix[..., :rank, rank] = right.constant / scale
    return matrix


def _differentiate(
    values: np.ndarray,
    grown: np.ndarray,
    turned: np.ndarray,
    back: np.ndarray,
    times_s: FloatArray,
) -> np.ndarray:
    """Sum ``turned_ij (exp(v_i t) - exp(v_j t)) / (v_i - v_j) back_ik``: (M, n, p, r).

    For values that differ, the sums are weights of the exponentials. Where two are close for all
    the time, the divided difference is taken from a series.
    """
    mixtures, free, size, _ = turned.shape
    shape = (mixtures, len(times_s), free, back.shape[2])
    apart = values[:, :, None] - values[:, None]
    near = np.abs(apart) * times_s[-1] < NEAR
    share = turned * np.where(near, 0.0, 1.0 / np.where(near, 1.0, apart))[:, None]
    own = back[:, None]
    weights = share.sum(axis=3)[..., None] * own - share.swapaxes(2, 3) @ own
    found = grown @ weights.swapaxes(1, 2).reshape(mixtures, size, shape[2] * shape[3])
    close, alike = turned * near[:, None], np.where(near, apart, 0.0)
    for i, j in zip(*np.nonzero(near.any(axis=0)), strict=True):
        quotient = times_s * grown[:, :, j] * _divide_close(alike[:, i, j, None] * times_s)
        onto = close[:, :, i, j, None] * own[:, :, i]
        found = found + quotient[..., None] * onto.reshape(mixtures, 1, found.shape[2])
    return np.asarray(found.reshape(shape))


def _divide_close(exponent: np.ndarray) -> np.ndarray:
    """Evaluate ``(exp(e) - 1) / e``, 1 at 0."""
    unequal = np.where(exponent == 0, 1.0, exponent)
    return np.where(exponent == 0, 1.0, np.expm1(unequal) / unequal)
