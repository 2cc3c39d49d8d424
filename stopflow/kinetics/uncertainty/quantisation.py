"""Rounding of the recorded signal: where it comes in steps, and what that does to a fit.

The error of rounding to steps q is a sawtooth of the signal's place between two levels, not noise:
along a slow part of the curve it is the same for many points. With the place of the levels taken as
random its covariance for two points of the curve that differ by d is ``sum_m q^2 / (2 pi^2 m^2)
exp(-4 pi^2 m^2 s^2 / q^2) cos(2 pi m d / q)``, where s is the noise before rounding: q^2 / 12 on
the diagonal without noise, and nothing from s = q / 2 on. Widrow and Kollar, Quantization Noise
(2008), chapters 4 and 9.
"""

from math import sqrt

import numpy as np

from stopflow.trace import FloatArray

HARMONICS = 24
# Steps are seen where so many points share their value with another point, on a lattice.
SHARED = 0.2
# Deviation from the lattice that counts as rounding of the numbers themselves, in steps.
OFF_LATTICE = 0.02
FEWEST_POINTS = 10


def digitising_step(values: FloatArray, *, points: int) -> float:
    """Distance of the levels of a signal; 0 where it does not come in levels.

    Parameters
    ----------
    values
        (L,) the distinct values of the signal, rising, as `numpy.unique` gives them.
    points
        Of the signal.
    """
    if points < FEWEST_POINTS or not 1 < len(values) <= (1 - SHARED) * points:
        return 0.0
    gaps = np.diff(values)
    span = float(values[-1] - values[0])
    # Equal but for the rounding of a conversion of units.
    gaps = gaps[gaps > 1e-9 * span]
    if not len(gaps) or not span > 0:
        return 0.0
    step = float(gaps.min())
    step = float(np.median(gaps[gaps < 1.5 * step]))
    off = np.abs(gaps / step - np.round(gaps / step))
    # Errors of the numbers themselves grow with the gap.
    return step if (off <= OFF_LATTICE * np.maximum(np.round(gaps / step), 1)).all() else 0.0


def harmonics(step: float, noise_sd: float) -> FloatArray:
    """Weigh the covariance's cosines (M,); `noise_sd` is that of rounded data."""
    order = np.arange(1, HARMONICS + 1)
    before = max(noise_sd**2 - step**2 / 12, 0.0) / step**2
    return step**2 / (2 * np.pi**2 * order**2) * np.exp(-4 * np.pi**2 * order**2 * before)


def rounding_inflation(
    jacobian: FloatArray, curve: FloatArray, *, step: float, noise_sd: float
) -> FloatArray:
    """Factors (p,) on standard errors for white noise, for a signal rounded to `step`.

    Parameters
    ----------
    jacobian
        (N, p) of the fitted curve by the free parameters.
    curve
        (N,) the fitted curve.
    step
        Distance of the levels; 0: none.
    noise_sd
        Standard deviation of the residuals.
    """
    ones = np.ones(jacobian.shape[1])
    if not (step > 0 and noise_sd > 0):
        return ones
    weights = harmonics(step, noise_sd)
    lengths = np.sqrt(np.einsum("np,np->p", jacobian, jacobian))
    if not (lengths > 0).all():
        return ones
    frame, upper = np.linalg.qr(jacobian / lengths)
    if np.abs(np.diag(upper)).min() < 1e-12:
        return ones
    response = np.linalg.solve(upper, frame.T)
    white = max(noise_sd**2 - float(weights.sum()), 0.0)
    own = np.einsum("pn,pn->p", response, response)
    variance = white * own
    # In place between levels; the curve's own offset does not matter.
    phase = 2j * np.pi * ((curve - curve[-1]) / step)
    for order, weight in enumerate(weights, start=1):
        if weight < 1e-6 * noise_sd**2:
            break
        variance = variance + weight * np.abs(response @ np.exp(order * phase)) ** 2
    return np.sqrt(np.maximum(variance / (noise_sd**2 * own), 1e-12))


def rounding_sd(step: float, noise_sd: float) -> float:
    """Estimate the standard deviation of the rounding error that neighbouring points share."""
    return sqrt(float(harmonics(step, noise_sd).sum())) if step > 0 else 0.0
