"""From a solution to a fit: the numbers quoted, with their covariance."""

from collections.abc import Mapping

import numpy as np

from stopflow.kinetics.laws import Proportional
from stopflow.kinetics.solver.fixed_parameters import Constraints
from stopflow.kinetics.solver.result import Fit
from stopflow.kinetics.solver.window import Window
from stopflow.trace import FloatArray

# Smallest noise (over the signal) whose square sum is above the rounding of the data.
SMALLEST_NOISE = 1e-15


def quoted_parameters(
    constraints: Constraints, window: Window, *, theta: FloatArray, coefficients: FloatArray
) -> dict[str, float]:
    """Parameters by name in the units of the trace, from dimensionless ones as in `build_fit`."""
    law = constraints.law
    units = np.concatenate((constraints.theta_units, constraints.linear_units))
    values = np.concatenate((theta, constraints.linear(coefficients))) * units
    if window.centre:
        values[law.parameters.index("intercept")] += window.centre
    return dict(zip(law.parameters, values.tolist(), strict=True))


def build_fit(
    constraints: Constraints,
    window: Window,
    *,
    theta: FloatArray,
    coefficients: FloatArray,
    covariance: FloatArray,
    rss: float,
    fixed: Mapping[str, float | Proportional],
    noise: float | None = None,
    robust: bool = False,
) -> Fit:
    """Turn dimensionless numbers into those quoted.

    Parameters
    ----------
    theta, coefficients
        (q,) all nonlinear and (f,) free linear parameters.
    covariance
        (p, p) of the free parameters for noise of variance 1.
    rss
        Of the dimensionless signal.
    noise
        Where it is known otherwise; None: ``sqrt(rss / dof)``.
    """
    law, points = constraints.law, len(window.time)
    rows, held = constraints.basis(window.time, theta)
    curve = coefficients @ rows if held is None else coefficients @ rows + held
    dof = points - constraints.count
    if constraints.any_fixed:
        spread = np.zeros((constraints.count, len(law.parameters)))
        nonlinear, free = len(law.nonlinear), int(constraints.free.sum())
        spread[:free, :nonlinear] = np.eye(nonlinear)[constraints.free]
        spread[free:, nonlinear:] = constraints.mixing
        covariance = spread.T @ covariance @ spread
    units = np.concatenate((constraints.theta_units, constraints.linear_units))
    noise = float(np.sqrt(rss / dof)) if noise is None else noise
    full = covariance * np.multiply.outer(units * noise, units * noise)
    numbers = constraints.count + 1
    floor = points * SMALLEST_NOISE**2
    information = np.log(max(rss, floor) / points) + 2 * np.log(window.unit)
    return Fit(
        rate_law=law,
        parameters=quoted_parameters(constraints, window, theta=theta, coefficients=coefficients),
        stderr=dict(zip(law.parameters, np.sqrt(np.diag(full)).tolist(), strict=True)),
        covariance=full,
        noise_sd=noise * window.unit,
        points=points,
        dof=dof,
        rss=rss * window.unit * window.unit,
        aicc=small_sample_aic(points, numbers=numbers, information=float(information)),
        start_s=window.start_s,
        window_s=window.length_s * float(window.time[-1]),
        span=float(np.ptp(curve)) * window.unit,
        fixed=dict(fixed),
        robust=robust,
    )


def small_sample_aic(points: int, *, numbers: int, information: float) -> float:
    """AICc from ``ln(rss / points)``; infinite where points do not suffice.

    Hurvich and Tsai, Biometrika 76, 297 (1989), 10.1093/biomet/76.2.297.
    """
    left = points - numbers - 1
    if left <= 0:
        return np.inf
    return points * information + 2 * numbers + 2 * numbers * (numbers + 1) / left
