"""Which of several fits of the same points is reported, by AICc."""

from collections.abc import Sequence

import numpy as np

from stopflow.kinetics.secondary.regression import FOLLOWED, Curve

DECISIVE = 2.7
"""Difference of AICc that a further parameter has to gain: straight points do so in 3 of 100."""


def choose_curve(curves: Sequence[Curve]) -> tuple[Curve, Curve | None, float]:
    """Choose the model to report: (it, the next best one, how much higher the AICc of that is).

    Parameters
    ----------
    curves
        Fits of the same points, at least one. A constant counts only where the points follow it
        within their errors, as far as these are known, and are enough to judge a line by. What a
        curve is given counts as a parameter, so that one which needs nothing goes first.
    """
    curves = _without_idle_constant(curves)
    widest = max(curves, key=lambda curve: len(curve.values))
    known = widest.error_dof > 0 and widest.misfit_chance >= FOLLOWED

    def information(curve: Curve) -> float:
        found = curve.information(errors_known=known)
        return found if np.isfinite(found) else np.inf

    lowest = min(information(curve) for curve in curves)
    near = [curve for curve in curves if not information(curve) > lowest + DECISIVE]
    chosen = min(near or curves, key=lambda curve: (len(curve.values), information(curve)))
    others = [curve for curve in curves if curve is not chosen]
    following = min(others, key=information, default=None)
    if following is None or not np.isfinite(information(following)):
        return chosen, None, np.nan
    return chosen, following, information(following) - information(chosen)


def _without_idle_constant(curves: Sequence[Curve]) -> Sequence[Curve]:
    """Leave a constant out that could only win because the others have too few points."""
    others = [curve for curve in curves if len(curve.values) > 1]
    judged = any(np.isfinite(curve.aicc) for curve in others)
    flat = all(
        curve.misfit_chance >= FOLLOWED or curve.error_dof == 0
        for curve in curves
        if curve not in others
    )
    return curves if (judged and flat) or not others else others
