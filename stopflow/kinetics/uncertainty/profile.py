"""The profile likelihood of a rate: how the best sum of squares rises away from the fit."""

from collections.abc import Callable
from math import exp, inf, log, sqrt

import numpy as np
from scipy.optimize import brentq, least_squares

from stopflow.kinetics.solver.any_law import Coarse, linear_part, projected_problem
from stopflow.kinetics.solver.blocks import block_means
from stopflow.kinetics.solver.fixed_parameters import Pins, pin
from stopflow.kinetics.solver.inner_products import rate_terms
from stopflow.kinetics.solver.one_rate import has_one_rate
from stopflow.kinetics.solver.projection import one_rate
from stopflow.kinetics.solver.result import Fit
from stopflow.kinetics.solver.window import SLOWEST_KT, Window, fastest_kt
from stopflow.trace import FloatArray

# Where the curvature of a robust profile is measured, in standard errors.
NEAR = 0.1

# x = ln(k T) -> (rise of the sum of squares above its minimum, its slope in x)
Profile = Callable[[float], tuple[float, float]]


def profile_interval(window: Window, fit: Fit, *, quantile: float) -> tuple[float, float]:
    """Rates (low, high) in 1/s where the root of the scaled rise reaches `quantile`.

    A robust fit has the profile of the weights it settled on, scaled to its own standard error.
    """
    pins = pin(fit.rate_law, fit.fixed, window)
    best = log(fit.k_per_s * window.length_s)
    variance = (fit.noise_sd / window.unit) ** 2
    if has_one_rate(pins):
        profile = _one_rate_profile(window, pins, best)
        shift = 0.0
    else:
        profile, shift = _general_profile(window, fit)

    error = fit.k_stderr_per_s / fit.k_per_s
    if fit.robust:
        near = (profile(best - shift + side * NEAR * error)[0] for side in (-1, 1))
        variance = sum(near) / (2 * NEAR**2)

    def distance(x: float) -> tuple[float, float]:
        rise, slope = profile(x - shift)
        root = sqrt(max(rise, 0.0) / variance)
        return root, abs(slope) / (2 * variance * root) if root > 0 else inf

    low = _crossing(distance, best, quantile=quantile, error=-error, limit=log(SLOWEST_KT))
    high = _crossing(
        distance, best, quantile=quantile, error=error, limit=log(fastest_kt(window.time))
    )
    return (
        0.0 if low is None else exp(low) / window.length_s,
        inf if high is None else exp(high) / window.length_s,
    )


def _one_rate_profile(window: Window, pins: Pins, best: float) -> Profile:
    problem = one_rate(pins, window)
    top = rate_terms(problem, best).explained

    def profile(x: float) -> tuple[float, float]:
        terms = rate_terms(problem, x)
        return top - terms.explained, -terms.first

    return profile


def _general_profile(window: Window, fit: Fit) -> tuple[Profile, float]:
    """Profile over block means, and how far their best ln k lies below that of the points."""
    time, signal, root_weights = block_means(window)
    data = (time, signal, root_weights)
    pins = pin(fit.rate_law, fit.fixed, window)
    theta = np.array([fit.parameters[name] for name in fit.rate_law.nonlinear]) / pins.theta_units
    here = fit.rate_law.nonlinear.index("k_per_s")
    free = _minimum(pins, data, theta)
    lowest, centre = free[1], log(free[0][here])
    latest = free[0]

    def profile(x: float) -> tuple[float, float]:
        nonlocal latest
        fixed = dict(fit.fixed) | {"k_per_s": exp(x) / window.length_s}
        held = pin(fit.rate_law, fixed, window)
        start = latest.copy()
        start[here] = exp(x)
        latest, rss, slope = _minimum(held, data, start)
        return rss - lowest, slope

    return profile, log(theta[here]) - centre


def _minimum(
    pins: Pins, data: tuple[FloatArray, FloatArray, FloatArray | None], start: FloatArray
) -> tuple[FloatArray, float, float]:
    """Follow `start` (q,) to the minimum: theta (q,), sum of squares, its slope in ln k."""
    time, signal, root_weights = data
    coarse = Coarse(pins=pins, time=time, signal=signal, root_weights=root_weights)

    def theta_at(x: FloatArray) -> FloatArray:
        theta = start.copy()
        theta[pins.free] = np.exp(np.clip(x, -40, 40))
        return theta

    theta = start
    if pins.free.any():
        residual, jacobian = projected_problem(coarse, theta_at)
        found = least_squares(residual, np.log(start[pins.free]), jac=jacobian, method="lm")
        theta = theta_at(found.x)
    coefficients = linear_part(coarse, theta)
    rows, rest = coarse.rows(theta)
    rest = rest - coefficients @ rows
    slopes = pins.law.theta_jacobian(time, theta, pins.linear(coefficients))
    if root_weights is not None:
        slopes = slopes * root_weights
    at = pins.law.nonlinear.index("k_per_s")
    return theta, float(rest @ rest), float(-2 * theta[at] * (slopes[at] @ rest))


def _crossing(
    distance: Callable[[float], tuple[float, float]],
    best: float,
    *,
    quantile: float,
    error: float,
    limit: float,
) -> float | None:
    """Where `distance` reaches `quantile` on the side of `error`; None before the `limit`.

    The signed root is nearly a straight line, so Newton needs two or three steps; a curve that
    is not goes to Brent's method between the best rate and the limit.
    """
    side = 1.0 if error > 0 else -1.0
    x = best + error * quantile
    for _ in range(8):
        if not 0 < side * (x - best) < side * (limit - best):
            break
        root, slope = distance(x)
        if not 0 < slope < inf:
            break
        step = side * (quantile - root) / slope
        x += step
        if abs(step) < 1e-5 * abs(error):
            return x
    if distance(limit)[0] < quantile:
        return None
    return float(brentq(lambda at: distance(at)[0] - quantile, best, limit, xtol=1e-9))
