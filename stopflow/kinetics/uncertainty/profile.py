"""The profile likelihood of a parameter: how the best sum of squares rises away from the fit."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import exp, inf, isfinite, log, sqrt

import numpy as np
from scipy.optimize import least_squares

from stopflow.kinetics.laws import Proportional
from stopflow.kinetics.solver.any_law import Coarse, coarse_problem, linear_part, projected_problem
from stopflow.kinetics.solver.bracket import find_crossing
from stopflow.kinetics.solver.fixed_parameters import Constraints, constrain
from stopflow.kinetics.solver.inner_products import InnerProducts, rate_inner_products
from stopflow.kinetics.solver.one_rate import has_one_rate
from stopflow.kinetics.solver.projection import OneRate, one_rate, project
from stopflow.kinetics.solver.refine import follow_newton
from stopflow.kinetics.solver.refusals import Refusal
from stopflow.kinetics.solver.result import Fit
from stopflow.kinetics.solver.window import SLOWEST_KT, Window, fastest_kt
from stopflow.trace import FloatArray

# Where the curvature of a robust profile is measured, in standard errors.
NEAR = 0.1
# Noise below this part of the signal: the rise of the sum of squares is lost in its rounding, and
# errors this small have no asymmetry.
EXACT = 1e-7
# A linear parameter is followed this many standard errors to either side.
FARTHEST = 40.0
LARGEST_EXPONENT = 600.0
# A step of Newton, over the standard error, after which only the last digits are left.
CLOSE = 1e-7
# The same for what a step is expected to miss, in parts of that; the expectation is a rough one.
SURE = 0.01
# And in the logarithm of the parameter itself, however large its error.
SURE_OF_VALUE = 1e-12
# Share of a sum below which a rise, a small difference of such sums, has lost too many digits.
KEPT = 0.03

# x -> (rise of the sum of squares above its minimum, its slope in x)
Profile = Callable[[float], tuple[float, float]]
Distance = Callable[[float], tuple[float, float]]


def profile_interval(
    window: Window, fit: Fit, *, quantile: float, name: str = "k_per_s"
) -> tuple[float, float]:
    """Values (low, high) of a parameter where the root of the scaled rise reaches `quantile`.

    A robust fit has the profile of the weights it settled on, scaled to its own standard error.
    Open sides are 0 and infinite for positive parameters, infinite for all others; data that are
    exact to rounding get the interval of their standard error.
    """
    value, error = fit.parameters[name], fit.stderr[name]
    if fit.noise_sd <= EXACT * window.unit or not error > 0:
        return value - quantile * error, value + quantile * error
    positive = name in fit.rate_law.nonlinear and not fit.rate_law.signed
    scale = _Scale.of(window, fit, name=name, positive=positive)
    constraints = constrain(fit.rate_law, fit.fixed, window)
    if has_one_rate(constraints) and name == "k_per_s":
        profile, shift = _one_rate_profile(window, constraints, scale.best), 0.0
    else:
        profile, shift = _general_profile(window, fit, scale)
    variance = (fit.noise_sd / window.unit) ** 2
    if fit.robust:
        near = (profile(scale.best - shift + side * NEAR * scale.error)[0] for side in (-1, 1))
        variance = sum(near) / (2 * NEAR**2)
        if not variance > 0:
            return value - quantile * error, value + quantile * error

    def distance(x: float) -> tuple[float, float]:
        rise, slope = profile(x - shift)
        root = sqrt(max(rise, 0.0) / variance)
        return root, abs(slope) / (2 * variance * root) if root > 0 else inf

    low = _crossing(distance, scale, quantile=quantile, side=-1.0)
    high = _crossing(distance, scale, quantile=quantile, side=1.0)
    return (
        (0.0 if positive else -inf) if low is None else scale.quoted(low),
        inf if high is None else scale.quoted(high),
    )


class _Scale:
    """The coordinate in which a parameter is followed: ln for positive ones, else itself."""

    __slots__ = ("best", "error", "high", "logarithmic", "low", "name", "unit")

    def __init__(
        self,
        name: str,
        best: float,
        error: float,
        low: float,
        high: float,
        unit: float,
        *,
        logarithmic: bool,
    ) -> None:
        self.name, self.best, self.error = name, best, error
        self.low, self.high, self.unit = low, high, unit
        self.logarithmic = logarithmic

    @classmethod
    def of(cls, window: Window, fit: Fit, *, name: str, positive: bool) -> "_Scale":
        """Make the coordinate of a parameter of a fit."""
        law, value, error = fit.rate_law, fit.parameters[name], fit.stderr[name]
        if not positive:
            far = FARTHEST * error
            return cls(name, value, error, value - far, value + far, 1.0, logarithmic=False)
        shape = law.shapes.get(name)
        unit = 1.0 if shape else 1 / window.length_s
        low, high = (shape.low, shape.high) if shape else (SLOWEST_KT, fastest_kt(window.time))
        return cls(
            name, log(value / unit), error / value, log(low), log(high), unit, logarithmic=True
        )

    def quoted(self, x: float) -> float:
        """Turn a coordinate into the parameter's value in the units of the trace."""
        return (
            exp(min(max(x, -LARGEST_EXPONENT), LARGEST_EXPONENT)) * self.unit
            if (self.logarithmic)
            else x
        )

    def slope(self, x: float) -> float:
        """Differentiate the value by the coordinate."""
        return self.quoted(x) if self.logarithmic else 1.0


def _one_rate_profile(window: Window, constraints: Constraints, best: float) -> Profile:
    problem = one_rate(constraints, window)
    framed: list[OneRate] = []

    def products_at(x: float) -> InnerProducts:
        """Take the sums again without cancellation where they lost digits."""
        products = rate_inner_products(problem, x)
        if products.kept >= KEPT:
            return products
        if not framed:
            framed.append(project(constraints, window.time, window.signal, window.root_weights))
        return rate_inner_products(framed[0], x)

    top = products_at(best).explained

    def profile(x: float) -> tuple[float, float]:
        products = products_at(x)
        return top - products.explained, -products.first

    return profile


def _general_profile(window: Window, fit: Fit, scale: _Scale) -> tuple[Profile, float]:
    """Profile over block means, and how far their best value lies below that of the points."""
    law = fit.rate_law
    whole = coarse_problem(constrain(law, fit.fixed, window), window)
    theta = (
        np.array([fit.parameters[name] for name in law.nonlinear]) / whole.constraints.theta_units
    )
    lowest_theta, coefficients, lowest = _minimum(whole, theta)
    units = np.concatenate((whole.constraints.theta_units, whole.constraints.linear_units))
    values = np.concatenate((lowest_theta, whole.constraints.linear(coefficients))) * units
    place = law.parameters.index(scale.name)
    centre = float(values[place])
    # The window's signal is without its mean, which the intercept takes up.
    moved = window.centre if scale.name == "intercept" else 0.0
    here = log(centre / scale.unit) if scale.logarithmic else centre + moved

    def profile(x: float) -> tuple[float, float]:
        value = scale.quoted(x)
        fixed: Mapping[str, float | Proportional] = dict(fit.fixed) | {scale.name: value - moved}
        held = replace(whole, constraints=constrain(law, fixed, window))
        # From the fit each time: a profile that remembers its way is no function of x.
        start = lowest_theta.copy()
        if place < len(start):
            start[place] = value / units[place]
        theta, coefficients, rss = _minimum(held, start)
        slope = _slope(held, theta, coefficients, place) * scale.slope(x) / units[place]
        return rss - lowest, slope

    return profile, scale.best - here


def _minimum(coarse: Coarse, start: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Follow `start` (q,) to the minimum: theta (q,), coefficients (f,), sum of squares.

    The rise of a profile is a small difference of sums of squares, so the minimum has to be known
    to the last digits: by Newton. Where that does not get there, Levenberg-Marquardt on the
    projected residual comes first; on its own it ends while the sum still falls by 1e-8.
    """
    theta, coefficients = start, linear_part(coarse, start)
    if coarse.constraints.free.any():
        found = _by_newton(coarse, theta, coefficients)
        if found is None:
            theta = _descend(coarse, start)
            coefficients = linear_part(coarse, theta)
            found = _by_newton(coarse, theta, coefficients)
        theta, coefficients = found or (theta, coefficients)
    return theta, coefficients, _squares(coarse, theta, coefficients)


def _descend(coarse: Coarse, start: FloatArray) -> FloatArray:
    """Levenberg-Marquardt from `start` (q,); theta (q,)."""
    constraints = coarse.constraints

    def theta_at(x: FloatArray) -> FloatArray:
        theta = start.copy()
        theta[constraints.free] = x if constraints.law.signed else np.exp(np.clip(x, -40, 40))
        return theta

    inside = start[constraints.free] if constraints.law.signed else np.log(start[constraints.free])
    residual, jacobian = projected_problem(coarse, theta_at)
    if not np.isfinite(residual(inside)).all():
        return start
    return theta_at(least_squares(residual, inside, jac=jacobian, method="lm").x)


def _by_newton(
    coarse: Coarse, theta: FloatArray, coefficients: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """Newton in all parameters; None where it fails or leads uphill."""
    if not np.isfinite(coefficients).all():
        return None
    data = coarse.time, coarse.signal
    try:
        found = follow_newton(
            coarse.constraints,
            data,
            coarse.root_weights,
            (data, coarse.root_weights),
            theta,
            coefficients,
        )
    except np.linalg.LinAlgError:
        return None
    if isinstance(found, Refusal) or not np.isfinite(found[0]).all():
        return None
    before, after = _squares(coarse, theta, coefficients), _squares(coarse, *found[:2])
    return found[:2] if after <= before * (1 + 1e-12) else None


def _squares(coarse: Coarse, theta: FloatArray, coefficients: FloatArray) -> float:
    """Sum of weighted squared residuals."""
    rows, rest = coarse.rows(theta)
    rest = rest - coefficients @ rows
    return float(rest @ rest)


def _slope(coarse: Coarse, theta: FloatArray, coefficients: FloatArray, place: int) -> float:
    """Differentiate the best sum of squares by a held parameter, in dimensionless units."""
    constraints = coarse.constraints
    rows, rest = coarse.rows(theta)
    rest = rest - coefficients @ rows
    linear = constraints.linear(coefficients)
    if place < len(theta):
        along = constraints.law.theta_jacobian(coarse.time, theta, linear)[place]
    else:
        along = constraints.law.basis(coarse.time, theta)[place - len(theta)]
    if coarse.root_weights is not None:
        along = along * coarse.root_weights
    return float(-2 * along @ rest)


def _crossing(distance: Distance, scale: _Scale, *, quantile: float, side: float) -> float | None:
    """Where `distance` reaches `quantile` on a side of the best value; None before the limit.

    The signed root is nearly a straight line, so Newton needs two or three steps; a curve that is
    not goes to Brent's method between the best value and the limit.
    """
    best, limit = scale.best, scale.high if side > 0 else scale.low
    x = best + side * scale.error * quantile
    for _ in range(8):
        if not 0 < side * (x - best) < side * (limit - best):
            break
        root, slope = distance(x)
        if not (0 < slope < inf and isfinite(root)):
            break
        step = side * (quantile - root) / slope
        # What the step misses, by the change of the slope since the best value, where it is 1 over
        # the standard error. Where that is no more than a chance crossing, by the step itself.
        bend = side * (slope - 1 / scale.error) / (x - best)
        missed = max(abs(bend) / (2 * slope), abs(step) / (x - best) ** 2) * step * step
        x += step
        enough = min(SURE * CLOSE * scale.error, SURE_OF_VALUE)
        if abs(step) < CLOSE * scale.error or missed < enough:
            return x
    if not side * (limit - best) > 0:
        return None
    return find_crossing(
        lambda at: distance(at)[0] - quantile, best, limit, tolerance=1e-3 * CLOSE * scale.error
    )
