"""The Bayes bound: how much better than least squares an estimate with a prior of drift can be.

Least squares attains the Cramer-Rao bound, so that only knowledge from outside the trace can
improve on it. Of what a network learns about traces, the drift matters most: k and slope are
correlated, and a drift that is known to be small gives a better k. The errors of k and slope from
least squares are jointly normal; with a slope drawn from N(0, s^2), s log-uniform as in
`Prior.slope`, the posterior mean of the slope is a weighted sum of shrunken slopes, and k moves
along with it.
"""

from typing import Final, NamedTuple

import numpy as np

from stopflow.learn.pretraining.prior import Prior
from stopflow.trace import FloatArray

DRAWS: Final = 60
SCALES: Final = 40


class SlopeBounds(NamedTuple):
    """Slopes of M traces over their windows, in units of their amplitudes, and their effect on k.

    Attributes
    ----------
    slope, slope_bound
        (M,) true values, and Cramer-Rao SDs.
    k_bound, k_bound_known_slope
        (M,) Cramer-Rao SDs of k, with the slope unknown and known.
    """

    slope: FloatArray
    slope_bound: FloatArray
    k_bound: FloatArray
    k_bound_known_slope: FloatArray


def posterior_error_ratio(
    drift: SlopeBounds, prior: Prior, *, generator: np.random.Generator
) -> float:
    """Mean |error of k| of the posterior mean over that of least squares, same traces."""
    share = np.clip(drift.k_bound_known_slope / drift.k_bound, 0.0, 1.0)[:, None]
    correlation = np.sqrt(1 - share**2)
    first, second = generator.standard_normal((2, len(drift.slope), DRAWS))
    found = drift.slope[:, None] + drift.slope_bound[:, None] * first
    shrunk = _posterior_mean(found, drift.slope_bound[:, None], prior)
    error = correlation * first + share * second
    moved = error - correlation * (found - shrunk) / drift.slope_bound[:, None]
    size = drift.k_bound[:, None]
    return float(np.abs(size * moved).sum() / np.abs(size * error).sum())


def _posterior_mean(found: FloatArray, error: FloatArray, prior: Prior) -> FloatArray:
    """Mean of the slope (M, draws) given a measured one and its SD (M, 1)."""
    scales = np.geomspace(*prior.slope, SCALES) ** 2
    total = error[..., None] ** 2 + scales
    log_weight = -0.5 * (np.log(total) + found[..., None] ** 2 / total)
    weight = np.exp(log_weight - log_weight.max(axis=-1, keepdims=True))
    return found * (weight * scales / total).sum(axis=-1) / weight.sum(axis=-1)
