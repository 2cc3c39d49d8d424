"""Which of several fits of the same points is reported: by AICc, if its constant is not zero."""

from collections.abc import Sequence

import numpy as np

from stopflow.kinetics.secondary.regression import FOLLOWED, Curve

DECISIVE = 2.7
"""Difference of AICc that each further parameter has to gain: straight points do so in 3 of 100."""

RULED_OUT = 0.01
"""Chance of a misfit below which points are not taken for level, whatever else there is."""
ONE_SIDED = 0.90
"""Level of the two-sided interval of which either end is passed by chance in 5 of 100."""
LARGEST_CHANGE = 0.5
"""Change along a series, over its mean, that must be excluded before it is called level."""


def choose_curve(curves: Sequence[Curve]) -> tuple[Curve, Curve | None, float]:
    """Choose the model to report: (it, the next best one, how much higher the AICc of that is).

    Parameters
    ----------
    curves
        Fits of the same points, at least one. A constant counts only where the points follow it
        within their errors and are enough to judge a line by. What a curve is given counts as a
        parameter, so that one which needs nothing goes first.
    """
    curves = _without_idle_constant(curves)
    widest = max(curves, key=lambda curve: len(curve.values))
    known = widest.error_dof > 0 and widest.misfit_chance >= FOLLOWED

    def information(curve: Curve) -> float:
        found = curve.information(errors_known=known)
        return found if np.isfinite(found) else np.inf

    def cost(curve: Curve) -> tuple[float, int]:
        return information(curve) + DECISIVE * len(curve.values), len(curve.values)

    chosen = min(curves, key=cost)
    others = [curve for curve in curves if curve is not chosen]
    following = min(others, key=information, default=None)
    if following is None or not np.isfinite(information(following)):
        return chosen, None, np.nan
    return chosen, following, information(following) - information(chosen)


def curve_to_report(
    chosen: Curve, curves: Sequence[Curve], *, span: float
) -> tuple[Curve | None, str]:
    """Say which curve is reported once one is chosen, and why it is another one or none.

    A curve whose characteristic constant is not different from zero says no more than that the
    points are level, and a line that falls has no rate constant for its slope.

    Parameters
    ----------
    chosen
        One of `curves`, all fits of the same points.
    span
        From the smallest to the largest x of the points.

    Returns
    -------
    tuple
        The curve, None where the points decide nothing; and what is to be said of it.
    """
    model = chosen.model
    if not model.characteristic:
        return chosen, ""
    value, reach = characteristic_constant(chosen)
    if model.kind == "line" and value + reach < 0:
        return None, "k_obs falls as the concentration rises, so that the slope is not a k_on"
    if abs(value) > reach:
        return chosen, ""
    name = " - ".join(name for name, _ in model.characteristic)
    said = f"{name} of the {model.kind}, {_quote(value, reach)}, is not different from zero"
    level = next((curve for curve in curves if not curve.model.characteristic), None)
    change = (abs(value) + reach) * span
    if level is not None and model.kind == "line" and _shows_level(level, change=change):
        return level, said
    return None, f"undecided: {said}"


def is_established(curve: Curve) -> bool:
    """Whether the characteristic constant of a curve is different from zero."""
    value, reach = characteristic_constant(curve)
    return abs(value) > reach


def characteristic_constant(curve: Curve) -> tuple[float, float]:
    """Return the constant without which a curve is level, and what it must exceed to be shown.

    Its sign is known beforehand, so that the test is one-sided, at 5 %.
    """
    weights = np.zeros(len(curve.values))
    for name, weight in curve.model.characteristic:
        weights[curve.model.names.index(name)] = weight
    variance = float(weights @ curve.covariance @ weights)
    return float(weights @ curve.values), curve.quantile(ONE_SIDED) * np.sqrt(max(variance, 0.0))


def _shows_level(level: Curve, *, change: float) -> bool:
    """Whether points that may change by `change` at most follow a level within their errors.

    Errors behind which are no replicates leave out part of the scatter, so that the points alone
    tell that of the level.
    """
    follows = level.error_dof == 0 or level.misfit_chance >= FOLLOWED
    return follows and change < LARGEST_CHANGE * abs(float(level.values[0]))


def _quote(value: float, reach: float) -> str:
    return f"{value:.3g} +- {reach:.2g} (90 %)"


def _without_idle_constant(curves: Sequence[Curve]) -> Sequence[Curve]:
    """Leave a constant out that could only win because the others have too few points."""
    others = [curve for curve in curves if len(curve.values) > 1]
    judged = any(np.isfinite(curve.aicc) for curve in others)
    flat = all(curve.misfit_chance >= RULED_OUT for curve in curves if curve not in others)
    return curves if (judged and flat) or not others else others
