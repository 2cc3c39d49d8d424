"""Sums of exponentials, the burst, and the stretched exponential."""

from functools import partial
from typing import Any

import numpy as np

from stopflow.kinetics.laws.rate_law import RateLaw, RealArray, with_baseline

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def _exponential_basis(
    time: RealArray, theta: RealArray, *, slope: bool, intercept: bool
) -> RealArray:
    """phi_i = exp(-k_i t)."""
    phases = np.exp(-theta[..., :, None] * time)
    return with_baseline(phases, time, slope=slope, intercept=intercept)


def _exponential_jacobian(time: RealArray, theta: RealArray, linear: RealArray) -> RealArray:
    """dy/dk_i = -c_i t exp(-k_i t)."""
    amplitudes = linear[: len(theta), None]
    return -amplitudes * time * np.exp(-theta[:, None] * time)


def sum_of_exponentials(
    count: int,
    *,
    slope: bool = False,
    intercept: bool = True,
    key: str = "",
    source: str = "",
    **words: Any,
) -> RateLaw:
    """Build the law ``sum_i c_i exp(-k_i t) [+ a t] [+ b]`` with `count` phases.

    The phases of a fit come out by falling rate. `words` are further fields of `RateLaw`.
    """
    suffixes = ("", *(str(i) for i in range(2, count + 1)))
    terms = [f"c{s} exp(-k{s} t)" for s in suffixes] + ["a t"] * slope + ["b"] * intercept
    subs = ("",) if count == 1 else tuple(str(i + 1).translate(_SUBSCRIPTS) for i in range(count))
    printed = ["a(t − t₀)"] * slope + ["b"] * intercept
    printed += [f"c{s} exp[−k{s}(t − t₀)]" for s in subs]
    return RateLaw(
        key=key or f"{count} exponentials",
        formula="y = " + " + ".join(terms),
        equation="y = " + " + ".join(printed),
        source=source,
        nonlinear=tuple(f"k{s}_per_s" for s in suffixes),
        linear=(
            *(f"amplitude{s}" for s in suffixes),
            *("slope_per_s",) * slope,
            *("intercept",) * intercept,
        ),
        exponentials=count,
        exchangeable=count,
        memoryless=True,
        basis=partial(_exponential_basis, slope=slope, intercept=intercept),
        theta_jacobian=_exponential_jacobian,
        **words,
    )


def burst_basis(time: RealArray, theta: RealArray) -> RealArray:
    """Phi = 1 - exp(-k t), t, 1: the intercept is the signal at the start."""
    return with_baseline(-np.expm1(-theta[..., :, None] * time), time, slope=True, intercept=True)


def burst_jacobian(time: RealArray, theta: RealArray, linear: RealArray) -> RealArray:
    """dy/dk = c t exp(-k t)."""
    return linear[:1, None] * time * np.exp(-theta[:, None] * time)


def _stretched_power(scaled: RealArray, beta: RealArray) -> RealArray:
    """(k t)^beta, cut where its exponential has vanished."""
    with np.errstate(over="ignore"):
        return np.minimum(scaled**beta, 700)


def stretched_basis(time: RealArray, theta: RealArray) -> RealArray:
    """Phi = exp(-(k t)^beta)."""
    power = _stretched_power(theta[..., :1] * time, theta[..., 1:])
    return with_baseline(np.exp(-power)[..., None, :], time, slope=False, intercept=True)


def stretched_jacobian(time: RealArray, theta: RealArray, linear: RealArray) -> RealArray:
    """dy/dk = -c beta x/k exp(-x), dy/dbeta = -c x ln(k t) exp(-x) with x = (k t)^beta."""
    rate, beta = theta
    scaled = rate * time
    power = _stretched_power(scaled, beta)
    common = -linear[0] * power * np.exp(-power)
    # x ln(k t) -> 0 at t = 0; there x is 0 and the logarithm is taken of 1.
    logarithm = np.log(np.where(scaled > 0, scaled, 1))
    return np.array((common * beta / rate, common * logarithm))
