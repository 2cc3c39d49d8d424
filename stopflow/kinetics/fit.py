"""Fit one trace: no starting values, one answer, or the reason why there is none."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from stopflow.kinetics.fit_pins import Pins, free_count, may_centre, pin
from stopflow.kinetics.fit_rate import solve_one_rate
from stopflow.kinetics.fit_result import Fit, FitStatus, Refusal, predict, refused_fit
from stopflow.kinetics.fit_screen import MIN_POINTS, Window, screen
from stopflow.kinetics.fit_statistics import build_fit, gauss_newton
from stopflow.kinetics.models import RateLaw, Tie, find_law

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
    found = _fit_window(window, pin(rate_law, pinned, window), fixed=pinned)
    if isinstance(found, Refusal):
        return refused_fit(
            rate_law,
            found,
            points=len(window.time),
            start_s=window.start_s,
            window_s=window.length_s,
            fixed=pinned,
            robust=robust,
        )
    return found


def _fit_window(window: Window, pins: Pins, *, fixed: Mapping[str, float | Tie]) -> Fit | Refusal:
    solution = solve_one_rate(pins, window)
    if isinstance(solution, Refusal):
        return solution
    last = gauss_newton(
        pins,
        window.time,
        window.signal,
        window.root_weights,
        theta=solution.theta,
        coefficients=solution.coefficients,
    )
    if isinstance(last, Refusal):
        return last
    theta = solution.theta.copy()
    free = int(pins.free.sum())
    theta[pins.free] += last.step[:free]
    return build_fit(
        pins,
        window,
        theta=theta,
        coefficients=solution.coefficients + last.step[free:],
        covariance=last.inverse @ last.inverse.T,
        rss=last.after,
        fixed=fixed,
    )
