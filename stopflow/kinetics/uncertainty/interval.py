"""How well a rate is known: profile intervals, correlated noise, the Cramer-Rao bound."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, nan, sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, stdtrit

from stopflow.kinetics.laws import Proportional, RateLaw, find_law
from stopflow.kinetics.solver.fixed_parameters import may_centre
from stopflow.kinetics.solver.refusals import Refusal
from stopflow.kinetics.solver.result import Fit
from stopflow.kinetics.solver.robust import settle
from stopflow.kinetics.solver.window import Window, validate_trace
from stopflow.kinetics.uncertainty.profile import profile_interval

SIGNIFICANT = 0.01
# rho beyond this is drift or a wrong law rather than noise; the inflation stops growing.
LARGEST_CORRELATION = 0.999
# Middle of an interval off its value, as a part of its width, that still counts as symmetric.
ASYMMETRY = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseCorrelation:
    """Correlation of neighbouring noise values.

    Attributes
    ----------
    rho
        Lag-one correlation, corrected for the bias of fitted residuals.
    inflation
        What a standard error for white noise is multiplied by; 1 for rho below 0.
    significant
        Whether white noise has a correlation this far from 0, of either sign, in less than 1 of 100
        traces.
    """

    rho: float
    inflation: float
    significant: bool


def noise_correlation(residuals: ArrayLike, *, parameters: int = 4) -> NoiseCorrelation:
    """Estimate the lag-one correlation of the noise from residuals (N,).

    A fit of p smooth terms takes the slow part of the noise away, where correlated noise is
    strongest: the raw estimate r falls short by ``(2 rho + p (1 + rho)) / N``, and the residual
    variance by ``p I^2 / N`` with ``I^2 = (1 + rho) / (1 - rho)``. Both are put right, so

        inflation = I sqrt((N - p) / (N - p I^2))

    Marriott and Pope, Biometrika 41, 390 (1954), 10.1093/biomet/41.3-4.390 (p = 1).

    Parameters
    ----------
    residuals
        Signal less fit, in order of time. Fewer than 10, or all zero: no correlation.
    parameters
        How many parameters the fit had.
    """
    rest = np.asarray(residuals, dtype=np.float64)
    points = len(rest)
    largest = float(np.abs(rest).max()) if points else 0.0
    if points < max(10, parameters + 3) or not 0 < largest < inf:
        return NoiseCorrelation(rho=0.0, inflation=1.0, significant=False)
    rest = rest / largest
    raw = float(rest[1:] @ rest[:-1]) / float(rest @ rest)
    rho = (raw + parameters / points) / (1 - (2 + parameters) / points)
    rho = min(max(rho, -LARGEST_CORRELATION), LARGEST_CORRELATION)
    chance = float(2 * ndtr(-abs(raw + parameters / points) * sqrt(points)))
    inflation = 1.0
    if rho > 0:
        power = (1 + rho) / (1 - rho)
        left = max(points - parameters * power, 0.25 * points)
        inflation = sqrt(power * max((points - parameters) / left, 1.0))
    return NoiseCorrelation(rho=rho, inflation=inflation, significant=chance < SIGNIFICANT)


def cramer_rao(
    time_s: ArrayLike,
    *,
    law: str | RateLaw = "single-slope",
    parameters: Mapping[str, float],
    noise_sd: float,
    start_s: float | None = None,
) -> dict[str, float]:
    """Smallest standard deviations that any unbiased estimate can have.

    Parameters
    ----------
    time_s
        (N,) seconds; points before `start_s` are left out.
    law, parameters
        The truth; all parameters of the law are taken as unknown.
    noise_sd
        Of white noise, in the unit of the signal.
    start_s
        None: the first point.

    Returns
    -------
    dict
        By parameter; infinite where the sampling says nothing, NaN for parameters that are NaN.
    """
    rate_law = find_law(law)
    time = np.asarray(time_s, dtype=np.float64)
    names = rate_law.parameters
    if not all(np.isfinite(parameters[name]) for name in names) or time.size == 0:
        return dict.fromkeys(names, nan)
    start = float(time[0]) if start_s is None else start_s
    with np.errstate(all="ignore"):
        jacobian = rate_law.jacobian(time[time >= start] - start, parameters)
    if len(jacobian) < len(names) or not np.isfinite(jacobian).all():
        return dict.fromkeys(names, inf)
    lengths = np.sqrt(np.einsum("np,np->p", jacobian, jacobian))
    if not (lengths > 0).all():
        return dict.fromkeys(names, inf)
    upper = np.linalg.qr(jacobian / lengths, mode="r")
    if np.abs(np.diag(upper)).min() < 1e-13:
        return dict.fromkeys(names, inf)
    inverse = np.linalg.inv(upper)
    deviations = noise_sd * np.sqrt(np.einsum("ij,ij->i", inverse, inverse)) / lengths
    return dict(zip(names, deviations.tolist(), strict=True))


def intervals(
    time_s: ArrayLike,
    signal: ArrayLike,
    fit: Fit,
    *,
    inflation: float | Mapping[str, float] = 1.0,
    weights: ArrayLike | None = None,
) -> dict[str, tuple[float, float]]:
    """Profile-likelihood 95 % intervals of parameters; asymmetric where the data are.

    All values whose best sum of squares stays below ``rss (1 + (t inflation)^2 / dof)``, t being
    Student's quantile for ``dof / inflation^2`` independent points. Bates and Watts, Nonlinear
    Regression Analysis (1988), section 6.1. For a robust fit: of the weighted squares it settled
    on, whose curvature is that of its standard error. Where the interval of the only nonlinear
    parameter is symmetric, those of the linear ones follow from their standard errors.

    Parameters
    ----------
    time_s, signal, weights
        As they were fitted.
    fit
        The fit; what it holds fixed is held here too.
    inflation
        Of standard errors, from `noise_correlation`; for all parameters or by name.

    Returns
    -------
    dict
        By name (low, high). 0 or infinite on a side where the data set no limit; NaN, NaN for a
        refused fit; the value twice where it is fixed, and where it follows from a fixed one the
        interval of its standard error.
    """
    if not fit.ok:
        return dict.fromkeys(fit.rate_law.parameters, (nan, nan))
    window = validate_trace(
        time_s,
        signal,
        start_s=fit.start_s,
        weights=weights,
        needed=3,
        centred=may_centre(fit.rate_law, fit.fixed),
    )
    return window_intervals(window, fit, inflation=inflation)


def window_intervals(
    window: Window | Refusal, fit: Fit, *, inflation: float | Mapping[str, float] = 1.0
) -> dict[str, tuple[float, float]]:
    """Return the `intervals` of a fit of the points of a window.

    Parameters
    ----------
    window
        From the start of the fit on; its signal without its mean where the law has an intercept.
    """
    if isinstance(window, Refusal) or fit.noise_sd == 0:
        return {
            name: (fit.parameters[name], fit.parameters[name]) for name in fit.rate_law.parameters
        }
    if fit.rate_law.signed:
        window = window.in_own_units()
    settled = settle(window, fit) if fit.robust else window
    found: dict[str, tuple[float, float]] = {}
    for name in fit.rate_law.parameters:
        factor = inflation[name] if isinstance(inflation, Mapping) else inflation
        quantile = float(stdtrit(max(fit.dof / factor**2, 1.0), 0.975)) * factor
        straight = name in fit.rate_law.linear and _are_symmetric(fit, found)
        with np.errstate(all="ignore"):
            found[name] = _interval(settled, fit, name, quantile=quantile, straight=straight)
    return found


def _are_symmetric(fit: Fit, found: Mapping[str, tuple[float, float]]) -> bool:
    """Whether the law has one nonlinear parameter, of which the interval is symmetric."""
    if len(fit.rate_law.nonlinear) != 1:
        return False
    for name in fit.rate_law.nonlinear:
        low, high = found.get(name, (nan, nan))
        value = fit.parameters[name]
        if not abs(high + low - 2 * value) <= ASYMMETRY * (high - low):
            return False
    return True


def _interval(
    window: Window, fit: Fit, name: str, *, quantile: float, straight: bool
) -> tuple[float, float]:
    """Interval of one parameter; of its standard error where that is `straight`."""
    value, error = fit.parameters[name], fit.stderr[name]
    if isinstance(fit.fixed.get(name), float | int):
        return value, value
    tied = name in fit.fixed or any(
        isinstance(held, Proportional) and held.to == name for held in fit.fixed.values()
    )
    if tied or straight:
        return value - quantile * error, value + quantile * error
    return profile_interval(window, fit, quantile=quantile, name=name)
