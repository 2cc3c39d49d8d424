"""Secondary plots: k_obs against concentration and temperature.

- ``k_obs = k_off + k_on [S]`` or ``k_obs = k_off + k_max [S] / (K + [S])``, the better by AICc.
- ``ln k = ln A - Ea / (R T)``: Arrhenius, Z. Phys. Chem. 4, 226 (1889).
- ``ln(k / T) = ln(kB / h) + dS / R - dH / (R T)``: Eyring, J. Chem. Phys. 3, 107 (1935),
  10.1063/1.1749604.

Points are weighted by the error of their mean as the repeatability of the whole lab gives it: the
scatter of three shots alone would be a weight left to chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isnan, log, nan, sqrt

import numpy as np
from scipy.constants import Boltzmann, Planck, R

from stopflow.kinetics.regression import Curve, curvature_chance, fit_hyperbola, fit_line
from stopflow.kinetics.secondary_points import (
    SecondaryPoint,
    build_points,
    coordinate_of,
    describe_points,
    group_points,
)
from stopflow.kinetics.series import ExperimentAnalysis
from stopflow.trace import FloatArray, frozen_array

CURVED = 0.01
SCATTERED = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A number with its error, 95 % interval and unit.

    Attributes
    ----------
    index, sign
        The coefficient of the curve that it is made of, and whether it rises or falls with it.
    """

    name: str
    value: float
    stderr: float = nan
    low: float = nan
    high: float = nan
    unit: str = ""
    index: int = 0
    sign: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SecondaryFit:
    """One model through the points of one secondary plot.

    Attributes
    ----------
    plot
        Equal for the models that share their points.
    experiment
        Empty when over several.
    group
        The conditions that all points have in common.
    kind
        line, hyperbola, arrhenius or eyring.
    chosen
        Whether this is the model to report.
    x, y, error
        (n,) the points: concentration in M and k in 1/s; or 1/T in 1/K and ln k or ln(k/T).
    curve
        For its `band`.
    text
        Equation and what was tested.
    """

    plot: str
    experiment: str
    group: str
    kind: str
    chosen: bool
    x: FloatArray
    y: FloatArray
    error: FloatArray
    curve: Curve
    parameters: tuple[Parameter, ...]
    text: str

    def __post_init__(self) -> None:
        for name in ("x", "y", "error"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))


def fit_secondary(experiments: Sequence[ExperimentAnalysis]) -> tuple[SecondaryFit, ...]:
    """Fit every secondary plot that the conditions of a lab allow."""
    points = build_points(experiments)
    fits: list[SecondaryFit] = []
    for experiment in experiments:
        mine = [point for point in points if point.experiment == experiment.name]
        for group in group_points(mine, leave_out="concentration"):
            fits += _against_concentration(experiment.name, group)
    for group in group_points(points, leave_out="temperature"):
        fits += _against_temperature(group)
    return tuple(fits)


def secondary_rows_of(fits: Sequence[SecondaryFit]) -> list[dict[str, object]]:
    """Give one row a parameter, then one for each pair of parameters.

    A pair's row is named ``"correlation(k_off, K)"``; its value is the correlation of the two
    errors. Covariance = correlation x stderr x stderr: the whole matrix, for bands by the delta
    method.
    """
    rows: list[dict[str, object]] = []
    for fit in fits:
        for parameter in (*fit.parameters, *_correlations(fit)):
            rows.append(
                {
                    "plot": fit.plot,
                    "experiment": fit.experiment,
                    "group": fit.group,
                    "kind": fit.kind,
                    "chosen": fit.chosen,
                    "points": fit.curve.points,
                    "parameter": parameter.name,
                    "value": parameter.value,
                    "stderr": parameter.stderr,
                    "low95": parameter.low,
                    "high95": parameter.high,
                    "unit": parameter.unit,
                    "aicc": fit.curve.aicc,
                    "text": fit.text,
                }
            )
    return rows


def _correlations(fit: SecondaryFit) -> list[Parameter]:
    """Correlate every pair of parameters; a factor below 0 turns a correlation round."""
    found = []
    for first, second in combinations(fit.parameters, 2):
        spread = fit.curve.covariance[np.ix_(*2 * [(first.index, second.index)])]
        scale = sqrt(spread[0, 0] * spread[1, 1])
        sign = first.sign * second.sign
        found.append(
            Parameter(
                name=f"correlation({first.name}, {second.name})",
                value=sign * float(spread[0, 1]) / scale if scale > 0 else nan,
            )
        )
    return found


def _parameter(
    curve: Curve, index: int, *, name: str, unit: str, factor: float = 1.0, shift: float = 0.0
) -> Parameter:
    value = factor * float(curve.values[index]) + shift
    error = abs(factor) * sqrt(float(curve.covariance[index, index]))
    half = curve.quantile() * error
    return Parameter(
        name=name,
        value=value,
        stderr=error,
        low=value - half,
        high=value + half,
        unit=unit,
        index=index,
        sign=1 if factor > 0 else -1,
    )


def _against_concentration(experiment: str, group: list[SecondaryPoint]) -> list[SecondaryFit]:
    group = sorted(group, key=lambda point: coordinate_of(point, "concentration") or 0.0)
    x = np.array([coordinate_of(point, "concentration") for point in group], dtype=np.float64)
    y = np.array([point.k_per_s for point in group])
    error = y * np.array([point.relative_error for point in group])
    straight, bent = fit_line(x, y, error), fit_hyperbola(x, y, error)
    takes_bent = bent is not None and bent.aicc < straight.aicc
    described = describe_points(group, leave_out="concentration")
    plot = f"concentration/{experiment}/{described}"
    common = {"plot": plot, "experiment": experiment, "group": described}
    fits = [
        SecondaryFit(
            **common,
            kind="line",
            chosen=not takes_bent,
            x=x,
            y=y,
            error=error,
            curve=straight,
            parameters=(
                _parameter(straight, 1, name="k_on", unit="M^-1 s^-1"),
                _parameter(straight, 0, name="k_off", unit="s^-1"),
            ),
            text="k_obs = k_off + k_on [S]; " + _linearity(x, y, error, straight),
        )
    ]
    if bent is not None:
        fits.append(
            SecondaryFit(
                **common,
                kind="hyperbola",
                chosen=takes_bent,
                x=x,
                y=y,
                error=error,
                curve=bent,
                parameters=(
                    _parameter(bent, 1, name="k_max", unit="s^-1"),
                    _parameter(bent, 2, name="K", unit="M"),
                    _parameter(bent, 0, name="k_off", unit="s^-1"),
                ),
                text="k_obs = k_off + k_max [S] / (K + [S]); "
                f"AICc {bent.aicc - straight.aicc:+.1f} against the line",
            )
        )
    return fits


def _linearity(x: FloatArray, y: FloatArray, error: FloatArray, curve: Curve) -> str:
    chance = curvature_chance(x, y, error)
    if isnan(chance):
        return "too few concentrations to test linearity"
    if chance < CURVED:
        return f"curved (chance {chance:.1g} for a straight line)"
    scattered = ", but the points scatter more than their errors say"
    return f"straight (p = {chance:.2f})" + (scattered if curve.misfit_chance < SCATTERED else "")


def _against_temperature(group: list[SecondaryPoint]) -> list[SecondaryFit]:
    group = sorted(group, key=lambda point: coordinate_of(point, "temperature") or 0.0)
    kelvin = np.array([coordinate_of(point, "temperature") for point in group], dtype=np.float64)
    k = np.array([point.k_per_s for point in group])
    error = np.array([point.relative_error for point in group])
    names = list(dict.fromkeys(point.experiment for point in group))
    described = describe_points(group, leave_out="temperature")
    fits = []
    for kind, y in (("arrhenius", np.log(k)), ("eyring", np.log(k / kelvin))):
        curve = fit_line(1 / kelvin, y, error)
        off_line = curve.misfit_chance < SCATTERED
        fits.append(
            SecondaryFit(
                plot=f"temperature/{names[0] if len(names) == 1 else ''}/{described}/{kind}",
                experiment=names[0] if len(names) == 1 else "",
                group=described,
                kind=kind,
                chosen=not off_line,
                x=1 / kelvin,
                y=y,
                error=error,
                curve=curve,
                parameters=_temperature_parameters(kind, curve),
                text=_TEMPERATURE_TEXT[kind]
                + ("; the points do not lie on a line within their errors" if off_line else ""),
            )
        )
    return fits


_TEMPERATURE_TEXT = {
    "arrhenius": "ln k = ln A - Ea / (R T), k = k_obs in 1/s",
    "eyring": "ln(k / T) = ln(kB / h) + dS / R - dH / (R T), k = k_obs in 1/s",
}


def _temperature_parameters(kind: str, curve: Curve) -> tuple[Parameter, ...]:
    if kind == "arrhenius":
        return (
            _parameter(curve, 1, name="Ea", unit="kJ/mol", factor=-R / 1e3),
            _parameter(curve, 0, name="ln A", unit=""),
        )
    return (
        _parameter(curve, 1, name="dH", unit="kJ/mol", factor=-R / 1e3),
        _parameter(
            curve, 0, name="dS", unit="J/(mol K)", factor=R, shift=-R * log(Boltzmann / Planck)
        ),
    )
