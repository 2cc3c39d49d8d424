"""Errors of a shot's fit: for the noise as it is, and the smallest that were possible."""

from math import nan

import numpy as np

from stopflow.kinetics.solver.result import Fit
from stopflow.kinetics.uncertainty.interval import NoiseCorrelation, cramer_rao
from stopflow.kinetics.uncertainty.quantisation import rounding_inflation
from stopflow.trace import FloatArray

# Residuals smaller than this part of the digitiser's step are rounding errors, not noise.
COARSEST = 0.5


def bound_of_k(fit: Fit, time_s: FloatArray) -> float:
    """Cramer-Rao bound of k at the fitted curve: the standard error of least squares itself."""
    if fit.fixed:
        return nan
    if not fit.robust:
        return fit.stderr.get("k_per_s", nan)
    bounds = cramer_rao(
        time_s,
        law=fit.rate_law,
        parameters=fit.parameters,
        noise_sd=fit.noise_sd,
        start_s=fit.start_s,
    )
    return bounds.get("k_per_s", nan)


def error_factors(
    fit: Fit, time_s: FloatArray, curve: FloatArray, *, noise: NoiseCorrelation, step: float
) -> dict[str, float]:
    """Return the factor on the standard error for white noise, for each parameter.

    Where the steps of the digitiser are larger than the noise, the residuals are rounding errors
    of known covariance; else their correlation is that of the noise.
    """
    names = fit.rate_law.parameters
    if step > 0 and fit.noise_sd < COARSEST * step:
        free = [place for place, name in enumerate(names) if name not in fit.fixed]
        with np.errstate(all="ignore"):
            jacobian = fit.rate_law.jacobian(time_s - fit.start_s, fit.parameters)[:, free]
            found = np.max(
                [
                    rounding_inflation(jacobian, likely, step=step, noise_sd=fit.noise_sd)
                    for likely in (curve, _without_slope(fit, time_s, curve, step=step))
                ],
                axis=0,
            )
        factors = dict.fromkeys(names, float(found.max(initial=1.0)))
        return factors | {names[place]: float(found[at]) for at, place in enumerate(free)}
    return dict.fromkeys(names, noise.inflation if noise.significant else 1.0)


def _without_slope(fit: Fit, time_s: FloatArray, curve: FloatArray, *, step: float) -> FloatArray:
    """Take a slope below one step of the digitiser out of a fitted curve (N,).

    Rounding alone makes such a slope, and a plateau that does not change shares one rounding error.
    """
    change = fit.slope_per_s * (time_s - time_s[-1])
    return curve - change if np.abs(change).max(initial=0.0) < step else curve
