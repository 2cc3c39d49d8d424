"""Fit with soft-L1 loss: bubbles and spikes pull with a bounded force.

The loss is ``2 (sqrt(1 + z) - 1)`` with ``z = (r / scale)^2``: squares for small residuals,
absolute values for large ones. The scale is twice the noise, from the median of the residuals.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.ndimage import median_filter
from scipy.optimize import least_squares

from stopflow.kinetics.solver.fixed_parameters import Constraints
from stopflow.kinetics.solver.refine import LARGEST_CONDITION
from stopflow.kinetics.solver.refusals import Refusal, refuse
from stopflow.kinetics.solver.result import Fit, predict
from stopflow.kinetics.solver.window import ROUNDING, Window
from stopflow.trace import FloatArray

# Median of |r| of normal noise is its deviation over this.
MEDIAN_TO_DEVIATION = 1.4826
SCALE_IN_DEVIATIONS = 2.0
# Running median that takes spikes out before the scan.
CLEANING_POINTS = 9
OUTLIER_DEVIATIONS = 5.0
REWEIGHTINGS = 4

# A window -> all nonlinear (q,) and the free linear (f,) parameters.
Solver = Callable[[Window, Constraints], tuple[FloatArray, FloatArray] | Refusal]


def solve_robust(
    window: Window, constraints: Constraints, *, solve: Solver
) -> tuple[FloatArray, FloatArray, FloatArray, float, float] | Refusal:
    """Find the soft-L1 minimum.

    Parameters
    ----------
    solve
        Least-squares solver; used on the cleaned signal and then with falling weights for
        outliers, so that the last descent starts close to the minimum.

    Returns
    -------
    tuple or Refusal
        theta (q,), coefficients (f,), ``inverse`` (p, p) such that ``inverse @ inverse.T`` is
        the covariance over the squared noise, sum of squared residuals, noise.
    """
    found = solve(_cleaned(window), constraints)
    for _ in range(REWEIGHTINGS):
        if isinstance(found, Refusal):
            return found
        residual = _residual(window, constraints, *found)
        noise = _deviation(residual)
        if noise == 0:
            break
        found = solve(_reweighted(window, residual, noise), constraints)
    if isinstance(found, Refusal):
        return found
    return _descend(window, constraints, *found)


def _descend(
    window: Window, constraints: Constraints, theta: FloatArray, coefficients: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, float, float] | Refusal:
    free, signed = int(constraints.free.sum()), constraints.law.signed

    def unpack(parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        full = theta.copy()
        inside = parameters[:free]
        full[constraints.free] = inside if signed else np.exp(np.clip(inside, -40, 40))
        return full, parameters[free:]

    def residual(parameters: FloatArray) -> FloatArray:
        return _residual(window, constraints, *unpack(parameters))

    def jacobian(parameters: FloatArray) -> FloatArray:
        at, linear = unpack(parameters)
        rows, _ = constraints.basis(window.time, at)
        slopes = constraints.law.theta_jacobian(window.time, at, constraints.linear(linear))[
            constraints.free
        ]
        slopes = slopes if signed else slopes * at[constraints.free, None]
        return -window.weighted(np.concatenate((slopes, rows))).T

    inside = theta[constraints.free] if signed else np.log(theta[constraints.free])
    start = np.concatenate((inside, coefficients))
    rest = residual(start)
    if not np.isfinite(rest).all():
        return refuse("undetermined")
    # Where most points are met exactly, the mean square has to do; exact data have rounding.
    noise = _deviation(rest) or float(np.sqrt(np.mean(rest**2))) or ROUNDING
    scale = SCALE_IN_DEVIATIONS * noise
    best = least_squares(
        residual,
        start,
        jac=jacobian,
        loss="soft_l1",
        f_scale=scale,
        x_scale="jac",
        xtol=1e-14,
        ftol=1e-14,
        gtol=1e-14,
    ).x
    theta, coefficients = unpack(best)
    rest = residual(best)
    upper = np.linalg.qr(jacobian(best), mode="r")
    lengths = np.sqrt(np.einsum("ij,ij->j", upper, upper))
    if not (lengths > 0).all() or np.linalg.cond(upper / lengths) > LARGEST_CONDITION:
        return refuse("undetermined")
    inverse = np.linalg.inv(upper)
    if not signed:
        inverse[:free] *= theta[constraints.free, None]
    inverse *= _spread(rest, scale, noise, constraints)
    return theta, coefficients, inverse, float(rest @ rest), noise


def settle(window: Window, fit: Fit) -> Window:
    """Weigh the points as the soft-L1 minimum `fit` does: least squares has its minimum there."""
    seconds = window.start_s + window.length_s * window.time
    rest = window.signal - (predict(fit, seconds) - window.centre) / window.unit
    return _reweighted(window, window.weighted(rest), fit.noise_sd / window.unit)


def _reweighted(window: Window, residual: FloatArray, noise: float) -> Window:
    softness = np.sqrt(1 + (residual / (SCALE_IN_DEVIATIONS * noise)) ** 2)
    weights = 1 / np.sqrt(softness)
    if window.root_weights is not None:
        weights = weights * window.root_weights
    return replace(window, root_weights=weights)


def _spread(rest: FloatArray, scale: float, noise: float, constraints: Constraints) -> float:
    """Divide the standard error by that of least squares with the same noise.

    Asymptotic variance of an M-estimate, Huber and Ronchetti, Robust Statistics (2009), 7.6.
    """
    softness = 1 + (rest / scale) ** 2
    force = rest / np.sqrt(softness)
    stiffness = float(np.mean(softness**-1.5))
    return float(np.sqrt(force @ force / (len(rest) - constraints.count)) / stiffness / noise)


def _residual(
    window: Window, constraints: Constraints, theta: FloatArray, coefficients: FloatArray
) -> FloatArray:
    rows, fixed = constraints.basis(window.time, theta)
    rest = window.signal - coefficients @ rows
    return window.weighted(rest if fixed is None else rest - fixed)


def _deviation(residual: FloatArray) -> float:
    return float(MEDIAN_TO_DEVIATION * np.median(np.abs(residual - np.median(residual))))


def _cleaned(window: Window) -> Window:
    """Replace points far from a running median by it."""
    smooth = median_filter(window.signal, size=CLEANING_POINTS, mode="nearest")
    rest = window.signal - smooth
    spikes = np.abs(rest) > OUTLIER_DEVIATIONS * _deviation(rest)
    return replace(window, signal=np.where(spikes, smooth, window.signal))
