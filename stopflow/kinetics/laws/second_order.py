"""Second-order reactions and consecutive steps, in their integrated forms.

Every shape falls from 1 at the start to 0 at the end, so that the amplitude is the whole change.
"""

import numpy as np

from stopflow.kinetics.laws.rate_law import RealArray, with_baseline

# |x| below this: the series of (exp(-x) - 1 + x) / x^2 and its kin instead of differences.
_SERIES = 1e-2
# Exponents beyond this have left nothing of their exponential.
_GONE = 700.0


def equal_basis(time: RealArray, theta: RealArray) -> RealArray:
    """Phi = 1 / (1 + k t) with k = k2 [A]0, for A + B of equal concentrations or 2 A."""
    return with_baseline(1 / (1 + theta[..., :, None] * time), time, slope=False, intercept=True)


def equal_jacobian(time: RealArray, theta: RealArray, linear: RealArray) -> RealArray:
    """dy/dk = -c t / (1 + k t)^2."""
    return -linear[:1, None] * time / (1 + theta[:, None] * time) ** 2


def _unequal(time: RealArray, rate: RealArray, ratio: RealArray) -> tuple[RealArray, ...]:
    """Return k t, x = (1 - r) k t, exp(-x), F(x) = (1 - exp(-x)) / x, D = 1 + r k t F and phi.

    ``phi = (1 - r) / (exp(x) - r) = exp(-x) / D``, which cancels nowhere.
    """
    scaled = rate * time
    x = np.minimum(scaled * (1 - ratio), _GONE)
    decay = np.exp(-x)
    small = np.abs(x) < 1e-8
    mean = np.where(small, 1 - x / 2, -np.expm1(-x) / np.where(small, 1, x))
    denominator = 1 + ratio * scaled * mean
    return scaled, x, decay, mean, denominator, decay / denominator


def unequal_basis(time: RealArray, theta: RealArray) -> RealArray:
    """Phi = (1 - r) / (exp((1 - r) k t) - r): k = k2 [B]0, r = [A]0 / [B]0, signal of A."""
    phi = _unequal(time, theta[..., :1], theta[..., 1:])[-1]
    return with_baseline(phi[..., None, :], time, slope=False, intercept=True)


def unequal_jacobian(time: RealArray, theta: RealArray, linear: RealArray) -> RealArray:
    """dphi/dt = -k phi (1 + r (phi - 1)), from which dphi/dk = t/k dphi/dt; dphi/dr likewise.

    ``dphi/dr = phi k t - phi/D (k t F - r (k t)^2 F'(x))`` with ``F'(x) = (exp(-x) - F) / x``.
    """
    rate, ratio = theta
    scaled, x, decay, mean, denominator, phi = _unequal(time, rate, ratio)
    by_rate = -time * phi * (1 + ratio * (phi - 1))
    small = np.abs(x) < _SERIES
    near = x[small]
    slope = (decay - mean) / np.where(small, 1, x)
    slope[small] = near * (1 / 3 + near * (-1 / 8 + near * (1 / 30 - near / 144))) - 1 / 2
    inner = scaled * mean - ratio * scaled * scaled * slope
    by_ratio = phi * scaled - phi * inner / denominator
    return linear[0] * np.array((by_rate, by_ratio))


def _ordered(theta: RealArray) -> tuple[RealArray, RealArray]:
    """Larger and smaller rate (..., 1)."""
    return theta.max(axis=-1, keepdims=True), theta.min(axis=-1, keepdims=True)


def lag_basis(time: RealArray, theta: RealArray) -> RealArray:
    """Phi = (k1 exp(-k2 t) - k2 exp(-k1 t)) / (k1 - k2): what is not yet C in A -> B -> C.

    ``exp(-k2 t) (1 + k2 t F((k1 - k2) t))`` with ``F(x) = (1 - exp(-x)) / x`` keeps its digits
    where the rates are nearly equal.
    """
    fast, slow = _ordered(theta)
    x = (fast - slow) * time
    small = x < 1e-8
    mean = np.where(small, 1 - x / 2, -np.expm1(-x) / np.where(small, 1, x))
    phi = np.exp(-slow * time) * (1 + slow * time * mean)
    return with_baseline(phi[..., None, :], time, slope=False, intercept=True)


def lag_jacobian(time: RealArray, theta: RealArray, linear: RealArray) -> RealArray:
    """dphi/dk1 = -k2 t^2 exp(-k2 t) (1 - (1 + x) exp(-x)) / x^2, x = (k1 - k2) t >= 0.

    And dphi/dk2 = -k1 t^2 exp(-k2 t) (exp(-x) - 1 + x) / x^2.
    """
    fast, slow = theta.max(), theta.min()
    x = (fast - slow) * time
    decay = np.exp(-x)
    small = x < _SERIES
    square = np.where(small, 1, x * x)
    of_fast = (1 - (1 + x) * decay) / square
    of_slow = (np.expm1(-x) + x) / square
    x = x[small]
    of_fast[small] = 1 / 2 + x * (-1 / 3 + x * (1 / 8 + x * (-1 / 30 + x * (1 / 144 - x / 840))))
    of_slow[small] = 1 / 2 + x * (-1 / 6 + x * (1 / 24 + x * (-1 / 120 + x * (1 / 720 - x / 5040))))
    common = -linear[0] * time * time * np.exp(-slow * time)
    rows = (common * slow * of_fast, common * fast * of_slow)
    return np.array(rows if theta[0] >= theta[1] else rows[::-1])
