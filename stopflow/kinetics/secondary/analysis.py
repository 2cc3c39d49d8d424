"""Secondary plots: k_obs against concentration and temperature.

- ``k_obs = k_off + k_on [S]``, or ``k_obs = k_off + k_max [S] / (K + [S])`` where straight points
  would hardly gain as much from a third parameter.
- ``ln k = ln A - Ea / (R T)``: Arrhenius, Z. Phys. Chem. 4, 226 (1889).
- ``ln(k / T) = ln(kB / h) + dS / R - dH / (R T)``: Eyring, J. Chem. Phys. 3, 107 (1935),
  10.1063/1.1749604.

Points are weighted by the error of their mean as the repeatability of the whole lab gives it: the
scatter of three shots alone would be a weight left to chance.
"""

from collections.abc import Sequence
from functools import partial
from math import isnan

import numpy as np

from stopflow.kinetics.secondary.fit import SecondaryFit, quote_parameter
from stopflow.kinetics.secondary.points import (
    SecondaryPoint,
    build_points,
    coordinate_of,
    describe_points,
    group_points,
)
from stopflow.kinetics.secondary.regression import (
    Curve,
    curvature_chance,
    fit_hyperbola,
    fit_line,
    gain_chance,
)
from stopflow.kinetics.secondary.temperature import SCATTERED, ConcentrationLine, fit_temperature
from stopflow.kinetics.verdicts.series import ExperimentAnalysis
from stopflow.trace import FloatArray

CURVED = 0.01
BENT = 0.03
"""Chance below which a hyperbola is taken: of straight series of 4 to 8 points up to 2 %."""


def fit_secondary(experiments: Sequence[ExperimentAnalysis]) -> tuple[SecondaryFit, ...]:
    """Fit every secondary plot that the conditions of a lab allow."""
    points = build_points(experiments)
    fits: list[SecondaryFit] = []
    lines: list[ConcentrationLine] = []
    for experiment in experiments:
        mine = [point for point in points if point.experiment == experiment.name]
        for group in group_points(mine, leave_out="concentration"):
            found = _against_concentration(experiment.name, group)
            fits += found
            if found[0].chosen:
                lines.append(ConcentrationLine(fit=found[0], points=group))
    return (*fits, *fit_temperature(points, lines))


def _against_concentration(experiment: str, group: list[SecondaryPoint]) -> list[SecondaryFit]:
    group = sorted(group, key=lambda point: coordinate_of(point, "concentration") or 0.0)
    x = np.array([coordinate_of(point, "concentration") for point in group], dtype=np.float64)
    y = np.array([point.k_per_s for point in group])
    error = y * np.array([point.relative_error for point in group])
    error_dof = group[0].error_dof
    straight = fit_line(x, y, error, error_dof=error_dof)
    bent = fit_hyperbola(x, y, error, error_dof=error_dof)
    chance = 1.0 if bent is None else gain_chance(straight, bent)
    takes_bent = chance < BENT
    straightness = (
        f"curved (chance {chance:.1g} for a straight line)"
        if takes_bent
        else _linearity(x, y, error, straight)
    )
    described = describe_points(group, leave_out=("concentration",))
    build = partial(
        SecondaryFit,
        plot=f"concentration/{experiment}/{described}",
        experiment=experiment,
        group=described,
        x=x,
        y=y,
        error=error,
        members=tuple(point.condition.index for point in group),
    )
    fits = [
        build(
            kind="line",
            chosen=not takes_bent,
            curve=straight,
            parameters=(
                quote_parameter(straight, 1, name="k_on", unit="M^-1 s^-1"),
                quote_parameter(straight, 0, name="k_off", unit="s^-1"),
            ),
            text=f"k_obs = k_off + k_on [S]; {straightness}",
        )
    ]
    if bent is not None:
        fits.append(
            build(
                kind="hyperbola",
                chosen=takes_bent,
                curve=bent,
                parameters=(
                    quote_parameter(bent, 1, name="k_max", unit="s^-1"),
                    quote_parameter(bent, 2, name="K", unit="M"),
                    quote_parameter(bent, 0, name="k_off", unit="s^-1"),
                ),
                text="k_obs = k_off + k_max [S] / (K + [S]); "
                f"chance {chance:.1g} for a straight line" + _scatter(bent),
            )
        )
    return fits


def _linearity(x: FloatArray, y: FloatArray, error: FloatArray, curve: Curve) -> str:
    chance = curvature_chance(x, y, error, error_dof=curve.error_dof)
    scatter = _scatter(curve)
    if isnan(chance):
        return "too few concentrations to test linearity" + scatter
    if chance < CURVED:
        return f"curved (chance {chance:.1g} for a straight line)"
    if scatter:
        return f"curvature not shown (p = {chance:.2f})" + scatter
    return f"straight (p = {chance:.2f})"


def _scatter(curve: Curve) -> str:
    off = curve.misfit_chance < SCATTERED
    return ", but the points scatter more than their errors say" if off else ""
