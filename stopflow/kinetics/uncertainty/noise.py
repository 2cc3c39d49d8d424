"""The noise of a trace without a model of the reaction: from short blocks of points."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from stopflow.trace import FloatArray

SHORTEST_BLOCK, LONGEST_BLOCK = 8, 128
# A correlation of the pooled residuals beyond this many standard errors is taken for real.
SIGNIFICANT_ERRORS = 3.0
LARGEST_CORRELATION = 0.95
# Blocks noisier than this times the median hold a bubble or a spike.
DISTURBED = 4.0
# Of this part of the largest value and below, what is left is rounding, and so is its correlation.
NO_NOISE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Stationary noise with ``correlation(lag) = rho^lag``.

    Attributes
    ----------
    sd
        Standard deviation of one point, in the unit of the signal.
    rho
        Correlation of neighbours, 0 to 0.95.
    """

    sd: float
    rho: float

    @property
    def inflation(self) -> float:
        """Factor on the standard error of a mean over many points."""
        return sqrt((1 + self.rho) / (1 - self.rho))

    def mean_sd(self, points: ArrayLike) -> FloatArray:
        """Give the standard deviation of means of `points` neighbours.

        ``sd^2/n [(1 + rho)/(1 - rho) - 2 rho (1 - rho^n) / (n (1 - rho)^2)]``; Priestley, Spectral
        Analysis and Time Series (1981), section 5.3.
        """
        n = np.asarray(points, dtype=np.float64)
        ends = 2 * self.rho * (1 - self.rho**n) / (n * (1 - self.rho) ** 2)
        return self.sd * np.sqrt((self.inflation**2 - ends) / n)


def estimate_noise(signal: FloatArray) -> Noise:
    """Estimate the noise of a signal (N >= 32) whose reaction is slow against N / 100 points.

    Straight lines are taken off short blocks of the last three quarters; what they take away of
    correlated noise is put back. Blocks with a bubble or a spike are left out. Where a coarse
    signal stays on its level there is no noise, and the rounding of its residuals is none.
    """
    length = min(max(len(signal) // 100, SHORTEST_BLOCK), LONGEST_BLOCK)
    tail = signal[len(signal) // 4 :]
    count = len(tail) // length
    blocks = tail[len(tail) - count * length :].reshape(count, length)
    ramp = np.arange(length) - (length - 1) / 2
    ramp /= sqrt(ramp @ ramp)
    # What level and slope leave; the level is taken first, against the rounding of a large one.
    rest = blocks - (blocks.sum(axis=1) / length)[:, None]
    rest -= np.multiply.outer(rest @ ramp, ramp)
    power = np.einsum("bn,bn->b", rest, rest)
    quiet = power <= DISTURBED * _median(power)
    if not quiet.all():
        rest, power = rest[quiet], power[quiet]
    total = float(power.sum())
    largest = max(float(tail.max()), -float(tail.min()))
    if not sqrt(total / rest.size) > NO_NOISE * largest:
        return Noise(sd=0.0, rho=0.0)
    # Of all neighbours less those in different blocks.
    flat = rest.ravel()
    neighbours = float(flat[1:] @ flat[:-1]) - float(rest[1:, 0] @ rest[:-1, -1])
    raw = neighbours / total + 2 / length
    rho = 0.0
    if raw * sqrt(rest.size) > SIGNIFICANT_ERRORS:
        rho = min(raw / (1 - 4 / length), LARGEST_CORRELATION)
    lost = min(2 * (1 + rho) / (1 - rho) / length, 0.5)
    return Noise(sd=sqrt(total / rest.size / (1 - lost)), rho=rho)


def _median(values: FloatArray) -> float:
    """Median of a few values (n >= 1); that of NumPy takes as long as the whole estimate."""
    ordered, half = np.sort(values), len(values) // 2
    return float(ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2)
