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
from math import isnan, log, nan, sqrt

import numpy as np
from scipy.constants import Boltzmann, Planck, R

from stopflow.kinetics.regression import Curve, curvature_chance, fit_hyperbola, fit_line
from stopflow.kinetics.repeatability import Repeatability, pool
from stopflow.kinetics.series import ConditionAnalysis, ExperimentAnalysis
from stopflow.trace import FloatArray, frozen_array

FEWEST_POINTS = 3
CURVED = 0.01
SCATTERED = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A number with its error, 95 % interval and unit."""

    name: str
    value: float
    stderr: float
    low: float
    high: float
    unit: str


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    experiment: str
    condition: ConditionAnalysis
    extra: tuple[tuple[str, str], ...]
    relative_error: float

    @property
    def k_per_s(self) -> float:
        return self.condition.mean.k_per_s


def fit_secondary(experiments: Sequence[ExperimentAnalysis]) -> tuple[SecondaryFit, ...]:
    """Fit every secondary plot that the conditions of a lab allow."""
    points = _points(experiments)
    fits: list[SecondaryFit] = []
    for experiment in experiments:
        mine = [point for point in points if point.experiment == experiment.name]
        for group in _groups(mine, leave_out="concentration"):
            fits += _against_concentration(experiment.name, group)
    for group in _groups(points, leave_out="temperature"):
        fits += _against_temperature(group)
    return tuple(fits)


def secondary_rows_of(fits: Sequence[SecondaryFit]) -> list[dict[str, object]]:
    """One row a parameter, and one for the correlation of the first two (for the band)."""
    rows: list[dict[str, object]] = []
    for fit in fits:
        spread = fit.curve.covariance
        scale = sqrt(spread[0, 0] * spread[1, 1])
        correlation = float(spread[0, 1]) / scale if scale > 0 else nan
        known = Parameter(
            name="correlation", value=correlation, stderr=nan, low=nan, high=nan, unit=""
        )
        for parameter in (*fit.parameters, known):
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


def _points(experiments: Sequence[ExperimentAnalysis]) -> list[_Point]:
    names = _constant_extras(experiments)
    common = pool([condition.run for item in experiments for condition in item.conditions])
    return [
        _Point(
            experiment=experiment.name,
            condition=condition,
            extra=tuple((name, condition.conditions.extra.get(name, "")) for name in names),
            relative_error=_relative_error(condition.run.error, common),
        )
        for experiment in experiments
        for condition in experiment.conditions
        if condition.mean.shots
    ]


def _relative_error(errors: FloatArray, common: Repeatability) -> float:
    """Error of the mean of ln k; never exactly 0."""
    return max(sqrt((common.tau**2 + float((errors**2).mean())) / len(errors)), 1e-9)


def _constant_extras(experiments: Sequence[ExperimentAnalysis]) -> tuple[str, ...]:
    """Workbook columns that describe the mixture: equal for all replicates, everywhere."""
    varying: set[str] = set()
    seen: dict[str, None] = {}
    replicated = False
    for experiment in experiments:
        for condition in experiment.conditions:
            extras = [experiment.shots[i].shot.conditions.extra for i in condition.members]
            replicated = replicated or len(extras) > 1
            for name in dict.fromkeys(name for extra in extras for name in extra):
                seen.setdefault(name)
                if len({extra.get(name, "") for extra in extras}) > 1:
                    varying.add(name)
    return tuple(name for name in seen if name not in varying) if replicated else ()


def _groups(points: Sequence[_Point], *, leave_out: str) -> list[list[_Point]]:
    """Points that differ in one thing only, with at least 3 values of it."""
    groups: dict[tuple[object, ...], list[_Point]] = {}
    for point in points:
        value = _coordinate(point, leave_out)
        if value is None:
            continue
        given = point.condition.conditions
        other = (
            given.temperature_K
            if leave_out == "concentration"
            else point.condition.concentration_after_mixing_M
        )
        extra = tuple(
            (name, text) for name, text in point.extra if not _follows(name, points, leave_out)
        )
        key = (given.substrate, other, given.ionic_strength_M, extra)
        groups.setdefault(key, []).append(point)
    return [
        group
        for group in groups.values()
        if len({_coordinate(point, leave_out) for point in group}) >= FEWEST_POINTS
    ]


def _coordinate(point: _Point, name: str) -> float | None:
    if name == "concentration":
        return point.condition.concentration_after_mixing_M
    return point.condition.conditions.temperature_K


def _follows(name: str, points: Sequence[_Point], coordinate: str) -> bool:
    """Whether an extra column only repeats the coordinate, e.g. a temperature in words."""
    texts: dict[float | None, set[str]] = {}
    for point in points:
        texts.setdefault(_coordinate(point, coordinate), set()).add(dict(point.extra)[name])
    single = all(len(found) == 1 for found in texts.values())
    return single and len({text for found in texts.values() for text in found}) > 1


def _describe(points: Sequence[_Point], *, leave_out: str) -> str:
    given = points[0].condition
    parts = [given.conditions.substrate or ""]
    if leave_out != "concentration" and given.concentration_after_mixing_M is not None:
        parts.append(f"{given.concentration_after_mixing_M * 1e3:.4g} mM")
    if leave_out != "temperature" and given.conditions.temperature_K is not None:
        parts.append(f"{given.conditions.temperature_K:.2f} K")
    if given.conditions.ionic_strength_M is not None:
        parts.append(f"I = {given.conditions.ionic_strength_M:.4g} M")
    return ", ".join(part for part in parts if part)


def _parameter(
    curve: Curve, index: int, *, name: str, unit: str, factor: float = 1.0, shift: float = 0.0
) -> Parameter:
    value = factor * float(curve.values[index]) + shift
    error = abs(factor) * sqrt(float(curve.covariance[index, index]))
    half = curve.quantile() * error
    return Parameter(
        name=name, value=value, stderr=error, low=value - half, high=value + half, unit=unit
    )


def _against_concentration(experiment: str, group: list[_Point]) -> list[SecondaryFit]:
    group = sorted(group, key=lambda point: _coordinate(point, "concentration") or 0.0)
    x = np.array([_coordinate(point, "concentration") for point in group], dtype=np.float64)
    y = np.array([point.k_per_s for point in group])
    error = y * np.array([point.relative_error for point in group])
    straight, bent = fit_line(x, y, error), fit_hyperbola(x, y, error)
    takes_bent = bent is not None and bent.aicc < straight.aicc
    described = _describe(group, leave_out="concentration")
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


def _against_temperature(group: list[_Point]) -> list[SecondaryFit]:
    group = sorted(group, key=lambda point: _coordinate(point, "temperature") or 0.0)
    kelvin = np.array([_coordinate(point, "temperature") for point in group], dtype=np.float64)
    k = np.array([point.k_per_s for point in group])
    error = np.array([point.relative_error for point in group])
    names = list(dict.fromkeys(point.experiment for point in group))
    described = _describe(group, leave_out="temperature")
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
