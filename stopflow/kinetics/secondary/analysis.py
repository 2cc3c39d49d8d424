"""Secondary plots: k_obs against concentration and temperature, by the models of `CURVES`.

Points are weighted by the error of their mean as the repeatability of the whole lab gives it: the
scatter of three shots alone would be a weight left to chance. The model of lowest AICc is reported
and the next best one named; among models that the data hardly tell apart it is the one with the
fewest parameters.
"""

from collections.abc import Sequence
from math import isnan

import numpy as np

from stopflow.kinetics.secondary.curves import CURVES
from stopflow.kinetics.secondary.fit import SecondaryFit, name_phase, quote_parameters
from stopflow.kinetics.secondary.points import (
    SecondaryPoint,
    build_points,
    coordinate_of,
    describe_points,
    group_points,
)
from stopflow.kinetics.secondary.regression import FOLLOWED, Curve, curvature_chance, fit_curve
from stopflow.kinetics.secondary.temperature import SCATTERED, ConcentrationLine, fit_temperature
from stopflow.kinetics.verdicts.series import ExperimentAnalysis
from stopflow.kinetics.verdicts.series_phases import FIRST_RATE, FURTHER

CURVED = 0.01
DECISIVE = 2.7
"""Difference of AICc that a further parameter has to gain: straight points do so in 3 of 100."""


def fit_secondary(experiments: Sequence[ExperimentAnalysis]) -> tuple[SecondaryFit, ...]:
    """Fit every secondary plot that the conditions of a lab allow.

    Every phase has its own plot against concentration; those against temperature are of k.
    """
    points = build_points(experiments)
    fits: list[SecondaryFit] = []
    lines: list[ConcentrationLine] = []
    for experiment in experiments:
        mine = [point for point in points if point.experiment == experiment.name]
        for group in group_points(mine, leave_out="concentration"):
            found = _against_concentration(experiment.name, group)
            fits += found
            lines += [
                ConcentrationLine(fit=fit, points=group)
                for fit in found
                if fit.kind == "line" and fit.chosen
            ]
    for rate in FURTHER:
        slower = build_points(experiments, rate=rate)
        for experiment in experiments:
            mine = [point for point in slower if point.experiment == experiment.name]
            for group in group_points(mine, leave_out="concentration"):
                fits += _against_concentration(experiment.name, group)
    return (*fits, *fit_temperature(points, lines))


def choose_curve(curves: Sequence[Curve]) -> tuple[Curve, Curve | None, float]:
    """Choose the model to report: (it, the next best one, how much higher the AICc of that is).

    Parameters
    ----------
    curves
        Fits of the same points, at least one. A constant counts only where the points follow it
        within their errors and are enough to judge a line by.
    """
    curves = _without_idle_constant(curves)
    widest = max(curves, key=lambda curve: len(curve.values))
    known = widest.error_dof > 0 and widest.misfit_chance >= FOLLOWED

    def information(curve: Curve) -> float:
        found = curve.information(errors_known=known)
        return np.inf if isnan(found) else found

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
    others = [curve for curve in curves if curve.model.kind != "constant"]
    judged = any(np.isfinite(curve.aicc) for curve in others)
    flat = all(curve.misfit_chance >= FOLLOWED for curve in curves if curve not in others)
    return curves if (judged and flat) or not others else others


def _against_concentration(experiment: str, group: list[SecondaryPoint]) -> list[SecondaryFit]:
    group = sorted(group, key=lambda point: coordinate_of(point, "concentration") or 0.0)
    x = np.array([coordinate_of(point, "concentration") for point in group], dtype=np.float64)
    y = np.array([point.k_per_s for point in group])
    error = y * np.array([point.relative_error for point in group])
    error_dof = group[0].error_dof
    candidates = [model for model in CURVES.values() if model.against == "concentration"]
    curves = [
        curve
        for model in candidates
        if (curve := fit_curve(model, x, y, error, error_dof=error_dof)) is not None
    ]
    chosen, following, behind = choose_curve(curves)
    chance = curvature_chance(x, y, error, error_dof=error_dof)
    described = describe_points(group, leave_out=("concentration",))
    rates = tuple(point.phase.rate for point in group)
    phase = "" if set(rates) == {FIRST_RATE} else f"/{name_phase(rates)}"
    return [
        SecondaryFit(
            plot=f"concentration/{experiment}/{described}{phase}",
            experiment=experiment,
            group=described,
            kind=curve.model.kind,
            chosen=curve is chosen and not _falls(curve),
            x=x,
            y=y,
            error=error,
            members=tuple(point.place for point in group),
            rates=rates,
            curve=curve,
            parameters=quote_parameters(curve),
            text="; ".join(
                part
                for part in (
                    curve.model.equation,
                    _shape(curve, chance),
                    _rank(curve, chosen, following, behind),
                )
                if part
            ),
        )
        for curve in curves
    ]


def _falls(curve: Curve) -> bool:
    """Whether a line falls beyond its error: then its slope is no k_on."""
    if curve.model.kind != "line":
        return False
    return bool(curve.values[0] + 2 * np.sqrt(curve.covariance[0, 0]) < 0)


def _shape(curve: Curve, chance: float) -> str:
    if _falls(curve):
        return "k_obs falls as the concentration rises, so that the slope is not a k_on"
    scatter = ""
    if curve.misfit_chance < SCATTERED:
        scatter = ", but the points scatter more than their errors say"
    if curve.model.kind != "line":
        return scatter.removeprefix(", but ")
    if isnan(chance):
        return "too few concentrations to test linearity" + scatter
    if chance < CURVED:
        return f"curved (chance {chance:.1g} for a straight line)"
    if scatter:
        return f"curvature not shown (p = {chance:.2f})" + scatter
    return f"straight (p = {chance:.2f})"


def _rank(curve: Curve, chosen: Curve, following: Curve | None, behind: float) -> str:
    if curve is not chosen or following is None:
        return ""
    if behind < 0:
        return f"the {following.model.kind} is not better by enough to take (AICc {behind:+.1f})"
    return f"next best: {following.model.kind} (AICc {behind:+.1f})"
