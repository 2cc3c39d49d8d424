"""Fit one trace: no starting values, one answer, or the reason why there is none."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from stopflow.kinetics.laws import Proportional, RateLaw, find_law
from stopflow.kinetics.solver.expression import solve_expression
from stopflow.kinetics.solver.fixed_parameters import Constraints, constrain, free_count, may_centre
from stopflow.kinetics.solver.global_search import follow_on_points, solve_general
from stopflow.kinetics.solver.one_rate import has_one_rate, solve_one_rate
from stopflow.kinetics.solver.phase_order import Solved, by_falling_rate
from stopflow.kinetics.solver.refine import refine_minimum
from stopflow.kinetics.solver.refusals import FitStatus, Refusal, refuse
from stopflow.kinetics.solver.result import Fit, predict, refused_fit
from stopflow.kinetics.solver.robust import Solver, solve_robust
from stopflow.kinetics.solver.significance import (
    LARGEST_INFLATION,
    Significance,
    no_amplitude,
    phase_significance,
)
from stopflow.kinetics.solver.statistics import build_fit, quoted_parameters
from stopflow.kinetics.solver.window import MIN_POINTS, Window, validate_trace
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
    fixed: Mapping[str, float | Proportional] | None = None,
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
        Fixed parameters by name: a number, or a `Proportional` to another linear parameter.
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
    window = validate_trace(
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
    fixed: Mapping[str, float | Proportional],
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
            constraints = constrain(law, fixed, window)
            fit = (_fit_robust if robust else _fit_plain)(window, constraints, fixed, solver)
    except np.linalg.LinAlgError:
        return refuse("undetermined")
    if isinstance(fit, Fit) and not _is_finite(fit):
        return refuse("undetermined")
    return fit


def _is_finite(fit: Fit) -> bool:
    """Whether parameters and errors are numbers."""
    numbers = (*fit.parameters.values(), *fit.stderr.values(), fit.rss, fit.noise_sd)
    return bool(np.isfinite(numbers).all())


def _solve(
    window: Window, constraints: Constraints, *, guess: Mapping[str, float] | None
) -> tuple[FloatArray, FloatArray] | Refusal:
    """Find the minimum to the accuracy of block means, by the route that suits the law."""
    if constraints.law.signed:
        return solve_expression(constraints, window, guess=guess)
    if has_one_rate(constraints):
        found = solve_one_rate(constraints, window)
        return found if isinstance(found, Refusal) else (found.theta, found.coefficients)
    return solve_general(constraints, window)


def _fit_plain(
    window: Window,
    constraints: Constraints,
    fixed: Mapping[str, float | Proportional],
    solve: Solver,
) -> Fit | Refusal:
    """Solve, take the last steps, and refuse what noise could have made."""
    significance, solved = None, partial(Solved, constraints=constraints, fixed=fixed)
    if has_one_rate(constraints):
        found = solve_one_rate(constraints, window)
        if isinstance(found, Refusal):
            return found
        significance = found.significance
        if found.accurate:
            one = solved(theta=found.theta, coefficients=found.coefficients, inverse=found.inverse)
            return _quote(window, one, rss=found.rss, significance=significance)
        start: tuple[FloatArray, FloatArray] | Refusal = (found.theta, found.coefficients)
    else:
        start = solve(window, constraints)
    if isinstance(start, Refusal):
        return start
    refined = refine_minimum(constraints, window, theta=start[0], coefficients=start[1])
    if isinstance(refined, Refusal) and constraints.law.exponentials > 1 and constraints.free.any():
        start = follow_on_points(constraints, window, start[0])
        refined = refine_minimum(
            constraints, window, theta=start[0], coefficients=start[1], bent_on_points=True
        )
    if isinstance(refined, Refusal):
        nearest = quoted_parameters(constraints, window, theta=start[0], coefficients=start[1])
        return replace(refined, nearest=nearest)
    theta, coefficients, last = refined
    if significance is None:
        significance = phase_significance(constraints, window, theta=theta, rss=last.after)
        refusal = no_amplitude(significance)
        if refusal:
            return refusal
    ordered = by_falling_rate(
        solved(theta=theta, coefficients=coefficients, inverse=last.inverse), window
    )
    return _quote(window, ordered, rss=last.after, significance=significance)


def _quote(
    window: Window, solved: Solved, *, rss: float, significance: Significance
) -> Fit | Refusal:
    """Turn a minimum into a fit, unless correlated noise could have made it."""
    fit = _fit_of(window, solved, rss=rss)
    return _refuse_correlated(window, solved.constraints, fit, significance) or fit


def _fit_of(
    window: Window, solved: Solved, *, rss: float, noise: float | None = None, robust: bool = False
) -> Fit:
    return build_fit(
        solved.constraints,
        window,
        theta=solved.theta,
        coefficients=solved.coefficients,
        covariance=solved.inverse @ solved.inverse.T,
        rss=rss,
        fixed=solved.fixed,
        noise=noise,
        robust=robust,
    )


def _refuse_correlated(
    window: Window, constraints: Constraints, fit: Fit, significance: Significance
) -> Refusal | None:
    """Refuse phases that correlated noise alone could have made."""
    if no_amplitude(significance, inflation=LARGEST_INFLATION) is None:
        return None
    time = window.start_s + window.length_s * window.time
    residuals = window.centre + window.unit * window.signal - predict(fit, time)
    noise = noise_correlation(window.weighted(residuals), parameters=constraints.count)
    if not noise.significant:
        return None
    return no_amplitude(significance, inflation=min(noise.inflation, LARGEST_INFLATION))


def _fit_robust(
    window: Window,
    constraints: Constraints,
    fixed: Mapping[str, float | Proportional],
    solve: Solver,
) -> Fit | Refusal:
    found = solve_robust(window, constraints, solve=solve)
    if isinstance(found, Refusal):
        return found
    theta, coefficients, inverse, rss, noise = found
    solved = Solved(
        constraints=constraints,
        fixed=fixed,
        theta=theta,
        coefficients=coefficients,
        inverse=inverse,
    )
    return _fit_of(window, by_falling_rate(solved, window), rss=rss, noise=noise, robust=True)
