"""Fit one trace: no starting values, one answer, or the reason why there is none."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from stopflow.kinetics.laws import RateLaw, Tie, find_law
from stopflow.kinetics.solver.any_law import by_amplitude, solve_general
from stopflow.kinetics.solver.fixed_parameters import Pins, free_count, may_centre, pin
from stopflow.kinetics.solver.one_rate import has_one_rate, solve_one_rate
from stopflow.kinetics.solver.refine import polish
from stopflow.kinetics.solver.result import Fit, FitStatus, Refusal, predict, refused_fit
from stopflow.kinetics.solver.robust import solve_robust
from stopflow.kinetics.solver.significance import (
    LARGEST_INFLATION,
    Evidence,
    no_amplitude,
    phase_evidence,
)
from stopflow.kinetics.solver.statistics import build_fit
from stopflow.kinetics.solver.window import MIN_POINTS, Window, screen
from stopflow.kinetics.uncertainty.interval import noise_correlation
from stopflow.trace import FloatArray

# theta, coefficients, inverse triangle, sum of squares, evidence
Solved = tuple[FloatArray, FloatArray, FloatArray, float, Evidence]

__all__ = ["Fit", "FitStatus", "fit_trace", "predict"]


def fit_trace(
    time_s: ArrayLike,
    signal: ArrayLike,
    *,
    law: str | RateLaw = "single-slope",
    start_s: float | None = None,
    weights: ArrayLike | None = None,
    fixed: Mapping[str, float | Tie] | None = None,
    robust: bool = False,
    min_points: int = MIN_POINTS,
) -> Fit:
    """Fit a rate law to one trace by least squares, globally in the rates.

    Parameters
    ----------
    time_s
        (N,) seconds, increasing, even or not.
    signal
        (N,) any unit. Extended precision (``numpy.longdouble``) is kept where it matters.
    law
        Key of `LAWS` or a law.
    start_s
        Where the reaction starts; earlier points are dropped. None: the first point.
    weights
        (N,) relative weights, 1 / variance.
    fixed
        Pinned parameters by name: a number, or a `Tie` to another linear parameter.
    robust
        Soft-L1 loss instead of squares, for bubbles and spikes.
    min_points
        Fewer points are refused.

    Returns
    -------
    Fit
        With numbers, or with a status and a reason.

    Raises
    ------
    SettingsError
        Unknown law or parameter name.
    ValueError
        Arrays of unequal length.
    """
    rate_law = find_law(law)
    pinned = dict(fixed or {})
    needed = max(min_points, free_count(rate_law, pinned) + 1, 3)
    window = screen(
        time_s,
        signal,
        start_s=start_s,
        weights=weights,
        needed=needed,
        centred=may_centre(rate_law, pinned),
    )
    if isinstance(window, Refusal):
        return refused_fit(rate_law, window, points=np.size(signal), fixed=pinned, robust=robust)
    pins = pin(rate_law, pinned, window)
    found = (_fit_robust if robust else _fit_plain)(window, pins, fixed=pinned)
    if isinstance(found, Fit):
        return found
    return refused_fit(
        rate_law,
        found,
        points=len(window.time),
        start_s=window.start_s,
        window_s=window.length_s,
        fixed=pinned,
        robust=robust,
    )


def _fit_plain(window: Window, pins: Pins, *, fixed: Mapping[str, float | Tie]) -> Fit | Refusal:
    """Solve, take the last step, and refuse what noise could have made."""
    solved = _solve_one(window, pins) if has_one_rate(pins) else _solve_any(window, pins)
    if isinstance(solved, Refusal):
        return solved
    theta, coefficients, inverse, rss, evidence = solved
    fit = build_fit(
        pins,
        window,
        theta=theta,
        coefficients=coefficients,
        covariance=inverse @ inverse.T,
        rss=rss,
        fixed=fixed,
    )
    return _refuse_correlated(window, pins, fit, evidence) or fit


def _solve_one(window: Window, pins: Pins) -> Solved | Refusal:
    found = solve_one_rate(pins, window)
    if isinstance(found, Refusal):
        return found
    if found.accurate:
        return found.theta, found.coefficients, found.inverse, found.rss, found.evidence
    polished = polish(pins, window, theta=found.theta, coefficients=found.coefficients)
    if isinstance(polished, Refusal):
        return polished
    theta, coefficients, last = polished
    return theta, coefficients, last.inverse, last.after, found.evidence


def _solve_any(window: Window, pins: Pins) -> Solved | Refusal:
    start = solve_general(pins, window)
    if isinstance(start, Refusal):
        return start
    polished = polish(pins, window, theta=start[0], coefficients=start[1])
    if isinstance(polished, Refusal):
        return polished
    theta, coefficients, last = polished
    evidence = phase_evidence(pins, window, rss=last.after)
    theta, coefficients, inverse = by_amplitude(pins, theta, coefficients, last.inverse)
    return no_amplitude(evidence) or (theta, coefficients, inverse, last.after, evidence)


def _refuse_correlated(window: Window, pins: Pins, fit: Fit, evidence: Evidence) -> Refusal | None:
    """Refuse phases that correlated noise alone could have made."""
    if no_amplitude(evidence, inflation=LARGEST_INFLATION) is None:
        return None
    time = window.start_s + window.length_s * window.time
    residuals = window.centre + window.unit * window.signal - predict(fit, time)
    noise = noise_correlation(window.weighted(residuals), parameters=pins.count)
    if not noise.significant:
        return None
    return no_amplitude(evidence, inflation=min(noise.inflation, LARGEST_INFLATION))


def _fit_robust(window: Window, pins: Pins, *, fixed: Mapping[str, float | Tie]) -> Fit | Refusal:
    def solve(window: Window, pins: Pins) -> tuple[FloatArray, FloatArray] | Refusal:
        if not has_one_rate(pins):
            return solve_general(pins, window)
        solved = _solve_one(window, pins)
        return solved if isinstance(solved, Refusal) else solved[:2]

    solved = solve_robust(window, pins, solve=solve)
    if isinstance(solved, Refusal):
        return solved
    theta, coefficients, inverse, rss, noise = solved
    theta, coefficients, inverse = by_amplitude(pins, theta, coefficients, inverse)
    return build_fit(
        pins,
        window,
        theta=theta,
        coefficients=coefficients,
        covariance=inverse @ inverse.T,
        rss=rss,
        fixed=fixed,
        noise=noise,
        robust=True,
    )
