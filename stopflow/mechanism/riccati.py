"""The exact solution where a single extent of reaction describes a scheme.

Binding, dimerisation and other schemes of one reversible step leave one number that changes. The
solution of ``dx/dt = a + b x + h x^2 / 2`` from x = 0 (Riccati's equation with constant
coefficients) is ``x = 2 a / (q coth(q t / 2) - b)`` with ``q^2 = b^2 - 2 a h``. Its derivatives
follow by the chain rule.
"""

import numpy as np

from stopflow.mechanism.rates import Quadratic
from stopflow.trace import FloatArray

SMALL = 0.02
"""Of q t / 2: below it, series are used."""
ROUNDING = 1e-12
CANCELLED = 1e-5
"""Share of q that has to be left of q - b."""


def solve_riccati(
    right: Quadratic, by_free: Quadratic, times_s: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """Evaluate x (M, n, 1) and its derivatives (M, n, p, 1) from x = 0 at time 0.

    None where x does not stay finite, or where it grows from so little that digits are lost.
    """
    a, b, h = right.constant[:, :1], right.linear[:, :, 0], right.quadratic[:, :, 0, 0]
    squared = b * b - 2 * a * h
    if not (squared >= -ROUNDING * b * b).all():
        return None
    q = np.sqrt(np.maximum(squared, 0.0))
    grown, by_q = _coth(q, times_s)
    scaled = grown - b * times_s
    if not (scaled > 0).all() or (q - b < CANCELLED * q).any():
        return None
    x = 2 * a * times_s / scaled
    da, db = by_free.constant[..., 0], by_free.linear[..., 0, 0]
    q_dq = b * db - a * by_free.quadratic[..., 0, 0, 0] - h * da
    dscaled = by_q[:, None] * q_dq[..., None] - db[..., None] * times_s
    dx = (2 * times_s * da[..., None] - x[:, None] * dscaled) / scaled[:, None]
    return x[..., None], dx.swapaxes(1, 2)[..., None]


def _coth(q: FloatArray, times_s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Evaluate t q coth(q t / 2), (M, n), and its derivative by q over q."""
    half = 0.5 * q * times_s
    square = half * half
    u = np.maximum(half, SMALL)
    gone = -np.expm1(-2 * u)
    coth, rest = 2 / gone - 1, 4 * u * (1 - gone) / (gone * gone)
    near = half < SMALL
    value = np.where(near, 2 + square * (2 / 3 - square * 2 / 45), 2 * half * coth)
    series = 1 / 3 - square * (2 / 45 - square * 2 / 315)
    slope = np.where(near, series, 0.5 * (coth - rest) / u)
    return value, times_s**2 * slope
