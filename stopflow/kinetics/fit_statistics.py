"""From a solution to a fit: the last Gauss-Newton step, the covariance, the numbers quoted."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from stopflow.kinetics.fit_pins import Pins
from stopflow.kinetics.fit_result import Fit, FitStatus, Refusal
from stopflow.kinetics.fit_screen import Window
from stopflow.kinetics.models import RealArray, Tie
from stopflow.trace import FloatArray

# Beyond this the parameters depend on each other within rounding.
LARGEST_CONDITION = 1e11
# Smallest noise (over the signal) whose square sum is above the rounding of the data.
SMALLEST_NOISE = 1e-15
NEARLY_EXACT = 1e-9
LARGEST_COUNT = 60
# Steps below this relative size are in the range of Gauss-Newton's fast convergence.
CLOSE = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GaussNewton:
    """The linear least-squares problem around a solution, solved by QR.

    Attributes
    ----------
    step
        (p,) to the minimum: free nonlinear, then free linear parameters.
    inverse
        (p, p) inverse of R; ``inverse @ inverse.T`` times the variance is the covariance.
    before, after
        Sum of squares at the solution, and at the end of the step.
    condition
        Of the Jacobian with columns of unit length.
    """

    step: RealArray
    inverse: FloatArray
    before: float
    after: float
    condition: float


def gauss_newton(
    pins: Pins,
    time: RealArray,
    signal: RealArray,
    root_weights: FloatArray | None,
    *,
    theta: RealArray,
    coefficients: RealArray,
) -> GaussNewton | Refusal:
    """Linearise in all free parameters at once; the residual keeps the dtype of `signal`."""
    rows, fixed = pins.basis(time, theta)
    residual = signal - coefficients @ rows
    if fixed is not None:
        residual = residual - fixed
    slopes = pins.law.theta_jacobian(time, theta, pins.linear(coefficients))[pins.free]
    size = pins.count
    system = np.empty((size + 1, len(time)))
    system[: len(slopes)] = slopes
    system[len(slopes) : size] = rows
    system[size] = residual
    if root_weights is not None:
        system *= root_weights
        residual = residual * root_weights
    factor = lapack.dgeqrf(system.T, overwrite_a=1)[0][: size + 1]
    upper = np.triu(factor[:size, :size])
    lengths = np.sqrt(np.einsum("ij,ij->j", upper, upper))
    inverse, info = lapack.dtrtri(upper / np.where(lengths > 0, lengths, 1))
    condition = float(np.linalg.norm(inverse)) if info == 0 else np.inf
    if not condition < LARGEST_CONDITION:
        return Refusal(
            status=FitStatus.UNDETERMINED,
            reason="the parameters cannot be told apart: the data hold less than the law asks",
        )
    inverse = inverse / lengths[:, None]
    return GaussNewton(
        step=inverse @ factor[:size, size],
        inverse=inverse,
        before=float(residual @ residual),
        after=float(factor[size, size]) ** 2,
        condition=condition,
    )


def polish(
    pins: Pins, window: Window, *, theta: FloatArray, coefficients: FloatArray
) -> tuple[FloatArray, FloatArray, GaussNewton] | Refusal:
    """Gauss-Newton from a good start to machine precision, on the points themselves.

    Data that are exact to ten digits are worth a residual in extended precision.
    """
    found = _iterate(pins, (window.time, window.signal), window.root_weights, theta, coefficients)
    if isinstance(found, Refusal):
        return found
    theta, coefficients, last = found
    if last.after < len(window.time) * NEARLY_EXACT**2:
        time, signal = (part.astype(np.longdouble) for part in window.exact)
        found = _iterate(
            pins,
            (time, signal),
            window.root_weights,
            theta.astype(np.longdouble),
            coefficients.astype(np.longdouble),
        )
    return found


def _iterate(
    pins: Pins,
    data: tuple[RealArray, RealArray],
    root_weights: FloatArray | None,
    theta: RealArray,
    coefficients: RealArray,
) -> tuple[FloatArray, FloatArray, GaussNewton] | Refusal:
    free = int(pins.free.sum())
    precision = float(np.finfo(data[1].dtype).eps)
    moved, misfit = np.inf, np.inf
    accepted, step = (theta, coefficients), np.zeros(pins.count)
    for count in range(LARGEST_COUNT):
        late = count > LARGEST_COUNT / 2
        last = gauss_newton(pins, *data, root_weights, theta=theta, coefficients=coefficients)
        if isinstance(last, Refusal):
            return last
        if last.before > misfit * (1 + 1e-9) and moved > CLOSE:
            step, moved = step / 2, moved / 2
        else:
            accepted, misfit, step = (theta, coefficients), last.before, last.step
            before, moved = moved, _relative(step[:free], theta[pins.free])
            # The last digits only wander: done when steps no longer shrink.
            wanders = moved < CLOSE and moved > before / 4
            if moved < 8 * precision or wanders or (late and moved < CLOSE):
                return theta.astype(np.float64), coefficients.astype(np.float64), last
        theta, coefficients = accepted[0].copy(), accepted[1] + step[free:]
        theta[pins.free] *= np.exp(np.clip(step[:free] / accepted[0][pins.free], -1, 1))
    return Refusal(
        status=FitStatus.UNDETERMINED,
        reason=f"no minimum after {LARGEST_COUNT} steps: the data hold less than the law asks",
    )


def _relative(step: RealArray, theta: RealArray) -> float:
    return float(np.abs(step / theta).max(initial=0.0))


def build_fit(
    pins: Pins,
    window: Window,
    *,
    theta: FloatArray,
    coefficients: FloatArray,
    covariance: FloatArray,
    rss: float,
    fixed: Mapping[str, float | Tie],
    noise: float | None = None,
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
        That of a robust fit; None: ``sqrt(rss / dof)``.
    """
    law, points = pins.law, len(window.time)
    dof = points - pins.count
    spread = np.zeros((pins.count, len(law.parameters)))
    nonlinear = len(law.nonlinear)
    free = int(pins.free.sum())
    spread[:free, :nonlinear] = np.eye(nonlinear)[pins.free]
    spread[free:, nonlinear:] = pins.mixing
    units = np.concatenate((pins.theta_units, pins.linear_units))
    robust = noise is not None
    noise = float(np.sqrt(rss / dof)) if noise is None else noise
    deviations = spread * (units * noise)
    full = deviations.T @ covariance @ deviations
    values = np.concatenate((theta, pins.linear(coefficients))) * units
    if window.centre:
        values[law.parameters.index("intercept")] += window.centre
    numbers = pins.count + 1
    floor = points * SMALLEST_NOISE**2
    information = np.log(max(rss, floor) / points) + 2 * np.log(window.unit)
    return Fit(
        rate_law=law,
        parameters=dict(zip(law.parameters, values.tolist(), strict=True)),
        stderr=dict(zip(law.parameters, np.sqrt(np.diag(full)).tolist(), strict=True)),
        covariance=full,
        noise_sd=noise * window.unit,
        points=points,
        dof=dof,
        rss=rss * window.unit * window.unit,
        aicc=small_sample_aic(points, numbers=numbers, information=float(information)),
        start_s=window.start_s,
        window_s=window.length_s,
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
