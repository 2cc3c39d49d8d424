"""Noise drawn at random, for simulated traces: stationary, correlated from point to point."""

from math import sqrt

import numpy as np
from scipy.signal import lfilter

from stopflow.trace import FloatArray


def draw_noise(
    shape: int | tuple[int, int], *, rho: float, generator: np.random.Generator
) -> FloatArray:
    """Draw stationary noise of SD 1: ``e_i = rho e_(i-1) + sqrt(1 - rho^2) w_i``.

    Parameters
    ----------
    shape
        Points, or traces and points of each.
    rho
        Correlation of neighbours.
    """
    white = generator.standard_normal(shape)
    white[..., 1:] *= sqrt(1 - rho**2)
    return lfilter([1.0], [1.0, -rho], white, axis=-1)
