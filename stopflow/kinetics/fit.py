"""Fit one trace: no starting values, one answer, or the reason why there is none."""

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from stopflow.kinetics.laws import RateLaw, Tie, find_law
from stopflow.kinetics.solver.any_law import solve_general
from stopflow.kinetics.solver.expression import solve_expression
from stopflow.kinetics.solver.fixed_parameters import Pins, free_count, may_centre, pin
from stopflow.kinetics.solver.one_rate import has_one_rate, solve_one_rate
from stopflow.kinetics.solver.phase_order import Solved, by_falling_rate
from stopflow.kinetics.solver.refine import INSEPARABLE, refine_minimum
from stopflow.kinetics.solver.result import Fit, FitStatus, Refusal, predict, refused_fit
from stopflow.kinetics.solver.robust import Solver, solve_robust
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
    guess: Mapping[str, float] | None = None,
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
        Key of `LAWS`, a law, or a formula in ``t`` such as ``"a*exp(-k*t) + b"``.
    start_s
        Where the reaction starts; earlier points are dropped. None: the first point.
    weights
        (N,) relative weights, 1 / variance.
    fixed
        Fixed parameters by name: a number, or a `Tie` to another linear parameter.
    robust
        Soft-L1 loss instead of squares, for bubbles and spikes.
    guess
        Where the search of a formula's parameters begins, by name; without it, or for names that
        it lacks, many starts are tried. The laws of the table need none.
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
    fixed = dict(fixed or {})
    needed = max(min_points, free_count(rate_law, fixed) + 1, 3)
    window = screen(
        time_s,
        signal,
        start_s=start_s,
        weights=weights,
        needed=needed,
        centred=may_centre(rate_law, fixed),
    )
    if isinstance(window, Refusal):
        return refused_fit(rate_law, window, points=np.size(signal), fixed=fixed, robust=robust)
    if rate_law.signed:
        window = window.in_own_units()
    found = _fit_window(window, rate_law, fixed=fixed, robust=robust, guess=guess)
    if isinstance(found, Fit):
        return found
    return refused_fit(
        rate_law,
        found,
        points=len(window.time),
        start_s=window.start_s,
        window_s=window.length_s * float(window.time[-1]),
        fixed=fixed,
        robust=robust,
    )


def _fit_window(
    window: Window,
    law: RateLaw,
    *,
    fixed: Mapping[str, float | Tie],
    robust: bool,
    guess: Mapping[str, float] | None,
) -> Fit | Refusal:
    """Fit, and refuse what is not finite.

    Trials far from the minimum may overflow, and a matrix may turn out to be singular; neither is
    a fault of the caller, so both end as a refusal.
    """
    solver = partial(_solve, guess=guess)
    try:
        with np.errstate(all="ignore"):
            pins = pin(law, fixed, window)
            fit = (_fit_robust if robust else _fit_plain)(window, pins, fixed, solver)
    except np.linalg.LinAlgError:
        return Refusal(status=FitStatus.UNDETERMINED, reason=INSEPARABLE)
    if isinstance(fit, Fit) and not _is_finite(fit):
        return Refusal(status=FitStatus.UNDETERMINED, reason=INSEPARABLE)
    return fit


def _is_finite(fit: Fit) -> bool:
    """Whether parameters and errors are numbers."""
    numbers = (*fit.parameters.values(), *fit.stderr.values(), fit.rss, fit.noise_sd)
    return bool(np.isfinite(numbers).all())


def _solve(
    window: Window, pins: Pins, *, guess: Mapping[str, float] | None
) -> tuple[FloatArray, FloatArray] | Refusal:
    """Find the minimum to the accuracy of block means, by the route that suits the law."""
    if pins.law.signed:
        return solve_expression(pins, window, guess=guess)
    if has_one_rate(pins):
        found = solve_one_rate(pins, window)
        return found if isinstance(found, Refusal) else (found.theta, found.coefficients)
    return solve_general(pins, window)


def _fit_plain(
    window: Window, pins: Pins, fixed: Mapping[str, float | Tie], solve: Solver
) -> Fit | Refusal:
    """Solve, take the last steps, and refuse what noise could have made."""
    evidence = None
    if has_one_rate(pins):
        found = solve_one_rate(pins, window)
        if isinstance(found, Refusal):
            return found
        evidence = found.evidence
        if found.accurate:
            solved = Solved(
                pins=pins,
                fixed=fixed,
                theta=found.theta,
                coefficients=found.coefficients,
                inverse=found.inverse,
            )
            return _quote(window, solved, rss=found.rss, evidence=evidence)
        start: tuple[FloatArray, FloatArray] | Refusal = (found.theta, found.coefficients)
    else:
        start = solve(window, pins)
    if isinstance(start, Refusal):
        return start
    refined = refine_minimum(pins, window, theta=start[0], coefficients=start[1])
    if isinstance(refined, Refusal):
        return refined
    theta, coefficients, last = refined
    if evidence is None:
        evidence = phase_evidence(pins, window, theta=theta, rss=last.after)
        refusal = no_amplitude(evidence)
        if refusal:
            return refusal
    solved = Solved(
        pins=pins, fixed=fixed, theta=theta, coefficients=coefficients, inverse=last.inverse
    )
    return _quote(window, by_falling_rate(solved, window), rss=last.after, evidence=evidence)


def _quote(window: Window, solved: Solved, *, rss: float, evidence: Evidence) -> Fit | Refusal:
    """Turn a minimum into a fit, unless correlated noise could have made it."""
    fit = build_fit(
        solved.pins,
        window,
        theta=solved.theta,
        coefficients=solved.coefficients,
        covariance=solved.inverse @ solved.inverse.T,
        rss=rss,
        fixed=solved.fixed,
    )
    return _refuse_correlated(window, solved.pins, fit, evidence) or fit


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


def _fit_robust(
    window: Window, pins: Pins, fixed: Mapping[str, float | Tie], solve: Solver
) -> Fit | Refusal:
    found = solve_robust(window, pins, solve=solve)
    if isinstance(found, Refusal):
        return found
    theta, coefficients, inverse, rss, noise = found
    solved = Solved(pins=pins, fixed=fixed, theta=theta, coefficients=coefficients, inverse=inverse)
    solved = by_falling_rate(solved, window)
    return build_fit(
        solved.pins,
        window,
        theta=solved.theta,
        coefficients=solved.coefficients,
        covariance=solved.inverse @ solved.inverse.T,
        rss=rss,
        fixed=solved.fixed,
        noise=noise,
        robust=True,
    )
