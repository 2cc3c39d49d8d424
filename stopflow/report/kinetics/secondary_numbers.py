"""The numbers behind the secondary plots: points from the conditions, curves from the fits."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.kinetics.laws import error_columns
from stopflow.kinetics.laws.phases import FIRST_RATE
from stopflow.kinetics.secondary.curve_table import CURVES
from stopflow.report.data import KineticsReportData, divide, made_once, rows_of
from stopflow.report.kinetics.secondary_titles import title_plot, write_phase
from stopflow.report.paper.decimate import FloatArray
from stopflow.report.paper.rounding import (
    concentration_unit,
    format_digits,
    format_pm,
)
from stopflow.report.paper.units import Units, build_units, shared_unit

SYMBOLS = {
    item.name: item.symbol for curve in CURVES.values() for item in curve.parameters if item.symbol
}
"""Parameters whose names print otherwise."""
DECADES = 100.0
"""Points that span more than this factor stand on a logarithmic axis."""
_AXES_COLUMNS = (col.CONCENTRATION_M, col.TEMPERATURE_K, col.MIXTURE_PH)
_INTERVAL = (col.K_PER_S, col.K_LOW95_PER_S, col.K_HIGH95_PER_S)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CurveLine:
    """A fitted curve and, where its covariance is known, its 95 % band."""

    kind: str
    chosen: bool
    x: FloatArray
    y: FloatArray
    low: FloatArray | None
    high: FloatArray | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SecondaryPicture:
    """One secondary plot.

    Attributes
    ----------
    x, y, low, high
        (n,) the points and the ends of their 95 % intervals, in the units of the axes.
    said
        Chosen parameters with their errors, a line each.
    members
        (n,) places in the table of conditions; empty where the points are not the k of conditions.
    factor
        From the coefficients' x (mol/L, 1/K, pH) to that of the axis.
    log_x, log_y
        Whether the axes are logarithmic: the points span more than two decades.
    """

    title: str
    kind: str
    x_label: str
    y_label: str
    x: FloatArray
    y: FloatArray
    low: FloatArray
    high: FloatArray
    curves: tuple[CurveLine, ...]
    said: tuple[str, ...]
    members: tuple[int, ...] = ()
    factor: float = 1.0
    log_x: bool = False
    log_y: bool = False


@made_once
def pictured_plots(data: KineticsReportData) -> list[tuple[SecondaryPicture, pd.DataFrame]]:
    """Return every secondary plot of a lab with the rows that it was built from."""
    return list(build_plots(data.secondary, data.conditions.reset_index(drop=True)))


def build_plots(
    secondary: pd.DataFrame, conditions: pd.DataFrame
) -> Iterator[tuple[SecondaryPicture, pd.DataFrame]]:
    """Rebuild every secondary plot from the dataset's tables, with the rows that it is built from.

    Parameters
    ----------
    secondary
        One row a parameter, and ``correlation(first, second)`` for each pair.
    conditions
        Their means are the points.
    """
    units = build_units(conditions)
    several = set(secondary[col.EXPERIMENT]) != {""} and secondary[col.PLOT].nunique() > 1
    # A wide table is slow to divide.
    rates = dict.fromkeys((FIRST_RATE, *" ".join(secondary[col.RATES].unique()).split()))
    numbers = [name for rate in rates for name in (rate, *error_columns(rate))]
    means = conditions[[*_AXES_COLUMNS, *numbers]]
    for _, part in divide(secondary, col.PLOT):
        points = _points_of(part, means)
        if len(points):
            yield _picture(part, points, units, named=several), part


def _points_of(part: pd.DataFrame, conditions: pd.DataFrame) -> pd.DataFrame:
    """Take the conditions that the rows name, or the rates from other plots."""
    first = part.iloc[0]
    own = part[part[col.ROLE] == "point"]
    if len(own):
        return _k_on_points(own, CURVES[str(first[col.KIND])].against)
    points = conditions.iloc[[int(row) for row in str(first[col.CONDITIONS]).split()]]
    return _take_rates(points, str(first[col.RATES]).split())


def _take_rates(points: pd.DataFrame, rates: Sequence[str]) -> pd.DataFrame:
    """Put slower phases or amplitudes in the columns of k, where the points are those."""
    if set(rates) <= {FIRST_RATE}:
        return points
    places = range(len(points))
    for column in (FIRST_RATE, *error_columns(FIRST_RATE)):
        own = [column if rate == FIRST_RATE else _column_of(rate, column) for rate in rates]
        values = [points[name].iloc[at] for name, at in zip(own, places, strict=True)]
        points = points.assign(**{column: values})
    return points


def _column_of(rate: str, column: str) -> str:
    """Column of another rate that is to it what `column` is to k."""
    own = (rate, *error_columns(rate))
    return own[(FIRST_RATE, *error_columns(FIRST_RATE)).index(column)]


def _k_on_points(own: pd.DataFrame, against: str) -> pd.DataFrame:
    """Take the points from rows of k_on at a temperature or a pH."""
    return pd.DataFrame(
        {
            col.MIXTURE_PH if against == "pH" else col.TEMPERATURE_K: own[col.AT],
            col.K_PER_S: own[col.VALUE],
            col.K_LOW95_PER_S: own[col.LOW95].where(own[col.LOW95] > 0),
            col.K_HIGH95_PER_S: own[col.HIGH95],
            "rate": "k_on",
        }
    )


def _picture(
    part: pd.DataFrame, points: pd.DataFrame, units: Units, *, named: bool
) -> SecondaryPicture:
    kind = str(part[col.KIND].iloc[0])
    against = CURVES[kind].against
    x, y, low, high, factor, x_label, y_label = _AXES[against](points, kind, units)
    log_x = against == "concentration" and _spans_decades(x)
    curves = []
    for name, own in divide(part, col.KIND):
        line_x = _line_x(x / factor, from_zero=against == "concentration", log_x=log_x)
        curves.append(_curve(name, own, line_x, factor))
    chosen = part[part[col.CHOSEN].astype(bool) & is_parameter(part)]
    phase = write_phase(part.iloc[0])
    if phase != "k":
        unit = str(part[col.UNIT].iloc[0]) if CURVES[kind].of == "amplitude" else ""
        y_label = f"{phase} / {unit}".removesuffix(" / ") if unit else y_label
        y_label = y_label.replace("k", phase, 1) if CURVES[kind].of == "rate" else y_label
    return SecondaryPicture(
        title=title_plot(part, named=named),
        kind=kind,
        x_label=x_label,
        y_label=y_label,
        x=x,
        y=y,
        low=low,
        high=high,
        curves=tuple(curves),
        said=tuple(describe_parameter(row) for row in rows_of(chosen)),
        members=() if "rate" in points or phase != "k" else tuple(int(at) for at in points.index),
        factor=factor,
        log_x=log_x,
        log_y=log_x and _spans_decades(y) and bool((low > 0).all()),
    )


def _spans_decades(values: FloatArray) -> bool:
    """Whether positive numbers reach over more than two powers of ten."""
    return bool((values > 0).all() and values.max() > DECADES * values.min())


def _line_x(x: FloatArray, *, from_zero: bool, log_x: bool) -> FloatArray:
    if log_x:
        return np.geomspace(x.min() / 1.5, x.max() * 1.5, 160)
    return np.linspace(*_span(x, from_zero=from_zero), 120)


def is_parameter(secondary: pd.DataFrame) -> "pd.Series[bool]":
    """Tell the rows of parameters from those of correlations and points."""
    return secondary[col.ROLE] == "parameter"


def describe_parameter(row: Mapping[str, object]) -> str:
    """Write ``k_on = 123 ± 4 M⁻¹ s⁻¹``."""
    factor, unit = shown_unit(row)
    value, error = (factor * float(str(row[name])) for name in ("value", "stderr"))
    if error == 0:
        return f"{row[col.PARAMETER]} = {format_digits(value, 3)} {unit}, given"
    return f"{row[col.PARAMETER]} = {format_pm(value, error)} {unit}".strip()


def shown_unit(row: Mapping[str, object]) -> tuple[float, str]:
    """Give factor and unit of a parameter on paper: concentrations in that of their size."""
    unit, value = str(row[col.UNIT]), abs(float(str(row[col.VALUE])))
    if unit == "M" and 0 < value < np.inf:
        return concentration_unit(value)
    return 1.0, unit.replace("^-1", "⁻¹")


def _span(x: FloatArray, *, from_zero: bool) -> tuple[float, float]:
    low, high = float(x.min()), float(x.max())
    margin = 0.06 * (high - low) or 0.06 * abs(high)
    return (0.0 if from_zero else low - margin), high + margin


Axis = tuple[FloatArray, FloatArray, FloatArray, FloatArray, float, str, str]


def _concentration_axes(points: pd.DataFrame, kind: str, units: Units) -> Axis:
    x = points[col.CONCENTRATION_M].to_numpy(float)
    factor, unit = units.concentration or shared_unit(list(x))
    y, low, high = (points[name].to_numpy(float) for name in _INTERVAL)
    label = "k / s⁻¹" if CURVES[kind].of == "rate" else "amplitude"
    return x * factor, y, low, high, factor, f"concentration / {unit}", label


def _ph_axes(points: pd.DataFrame, kind: str, units: Units) -> Axis:
    del kind, units
    y, low, high = (points[name].to_numpy(float) for name in _INTERVAL)
    label = "k_on / M⁻¹ s⁻¹" if "rate" in points else "k / s⁻¹"
    return points[col.MIXTURE_PH].to_numpy(float), y, low, high, 1.0, "pH", label


def _temperature_axes(points: pd.DataFrame, kind: str, units: Units) -> Axis:
    del units
    kelvin = points[col.TEMPERATURE_K].to_numpy(float)
    over = kelvin if kind == "eyring" else np.ones_like(kelvin)
    rate, unit = ("k_on", "M⁻¹ s⁻¹") if "rate" in points else ("k", "s⁻¹")
    label = f"ln({rate} / T), T in K" if kind == "eyring" else f"ln {rate}"
    label += f", {rate} in {unit}"
    y, low, high = (
        np.log(np.maximum(points[name].to_numpy(float), 1e-12) / over) for name in _INTERVAL
    )
    return 1e3 / kelvin, y, low, high, 1e3, "1000 K / T", label


_AXES: Mapping[str, Callable[[pd.DataFrame, str, Units], Axis]] = {
    "concentration": _concentration_axes,
    "temperature": _temperature_axes,
    "pH": _ph_axes,
}


def _curve(kind: str, own: pd.DataFrame, x: FloatArray, factor: float) -> CurveLine:
    values, covariance = _coefficients(kind, own)
    y, slopes = CURVES[kind].function(x, values)
    variance = np.einsum("mi,ij,mj->m", slopes, covariance, slopes)
    half = _quantile(own) * np.sqrt(np.maximum(variance, 0))
    known = bool(np.isfinite(half).all())
    return CurveLine(
        kind=kind,
        chosen=bool(own[col.CHOSEN].iloc[0]),
        x=x * factor,
        y=y,
        low=y - half if known else None,
        high=y + half if known else None,
    )


def _coefficients(kind: str, own: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """Collect the parameters (p,) of the curve and their covariance (p, p)."""
    parameters = own[col.PARAMETER].tolist()
    found = dict(zip(parameters, own[col.VALUE].tolist(), strict=True))
    stderr = dict(zip(parameters, own[col.STDERR].tolist(), strict=True))
    names = CURVES[kind].names
    values, errors = (np.array([known[name] for name in names]) for known in (found, stderr))
    correlations = np.full((len(names), len(names)), np.nan)
    np.fill_diagonal(correlations, 1.0)
    for i, j in permutations(range(len(names)), 2):
        value = found.get(f"correlation({names[i]}, {names[j]})")
        if value is not None:
            known = errors[i] * errors[j] > 0
            correlations[i, j] = correlations[j, i] = value if known else 0.0
    return values, np.outer(errors, errors) * correlations


def _quantile(own: pd.DataFrame) -> float:
    """Student's quantile that the intervals of the table were made with."""
    high, value, stderr = (
        own[name].to_numpy(float) for name in (col.HIGH95, col.VALUE, col.STDERR)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (high - value) / stderr
    ratio = ratio[np.isfinite(ratio)]
    return float(ratio[0]) if len(ratio) else float("nan")
