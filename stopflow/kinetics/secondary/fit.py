"""One model through the points of a secondary plot, and its rows in the table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import nan
from typing import Literal

import numpy as np

from stopflow.kinetics.laws.phases import name_phase
from stopflow.kinetics.secondary.regression import Curve
from stopflow.trace import FloatArray, frozen_array


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A number with its error, 95 % interval and unit.

    A number with a place is a point of the plot, at that temperature in K or that pH; one of a pair
    is the correlation of their errors.
    """

    name: str
    value: float
    role: Literal["parameter", "correlation", "point"] = "parameter"
    at: float = nan
    stderr: float = nan
    low: float = nan
    high: float = nan
    unit: str = ""


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
        The conditions that all points have in common, as the plot is told from others by them.
    shared
        The same as values, by column of a table of conditions.
    kind
        Key of `CURVES`.
    chosen
        Whether this is the model to report.
    x, y, error
        (n,) the points: concentration in M, or pH, and k in 1/s or an amplitude; or 1/T in 1/K and
        ln k or ln(k/T).
    curve
        For its `band`.
    members
        The conditions that are the points, each as (experiment, index); empty where the points
        are rates from other plots.
    rates
        Which column of each of `members` is the point, such as ``"k2_per_s"``.
    made_of
        Rates that are the points here and come from other secondary plots.
    text
        The equation.
    remark
        What was tested, and why the model is or is not the one to report.
    """

    plot: str
    experiment: str
    group: str
    shared: Mapping[str, float | str]
    kind: str
    chosen: bool
    x: FloatArray
    y: FloatArray
    error: FloatArray
    curve: Curve
    parameters: tuple[Parameter, ...]
    text: str
    remark: str = ""
    members: tuple[tuple[str, int], ...] = ()
    rates: tuple[str, ...] = ()
    made_of: tuple[Parameter, ...] = ()

    @property
    def phase(self) -> str:
        """Name of the phase: that of its rate at the highest concentration, such as ``"k2"``."""
        return name_phase(self.rates)

    def __post_init__(self) -> None:
        for name in ("x", "y", "error"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))


def secondary_rows_of(
    fits: Sequence[SecondaryFit], rows_of_conditions: Mapping[tuple[str, int], int]
) -> list[dict[str, object]]:
    """Give one row a parameter, then one for each pair of parameters.

    The column ``conditions`` lists the points as row numbers of the table of conditions,
    `rows_of_conditions`, separated by blanks; ``rates`` the rate that each of them gives.

    A pair's row is named ``"correlation(k_off, K)"``; its value is the correlation of the two
    errors. Covariance = correlation x stderr x stderr: the whole matrix, for bands by the delta
    method. Points that are no means of conditions follow, each ``at`` its temperature or pH.
    """
    rows: list[dict[str, object]] = []
    for fit in fits:
        for parameter in (*fit.parameters, *_correlations(fit), *fit.made_of):
            rows.append(
                {
                    "plot": fit.plot,
                    "experiment": fit.experiment,
                    "group": fit.group,
                    **fit.shared,
                    "kind": fit.kind,
                    "chosen": fit.chosen,
                    "points": fit.curve.points,
                    "conditions": " ".join(
                        str(rows_of_conditions[member]) for member in fit.members
                    ),
                    "rates": " ".join(fit.rates),
                    "role": parameter.role,
                    "parameter": parameter.name,
                    "at": parameter.at,
                    "value": parameter.value,
                    "stderr": parameter.stderr,
                    "low95": parameter.low,
                    "high95": parameter.high,
                    "unit": parameter.unit,
                    "aicc": fit.curve.aicc,
                    "text": fit.text,
                    "remark": fit.remark,
                }
            )
    return rows


def _correlations(fit: SecondaryFit) -> list[Parameter]:
    """Correlate the errors of every pair of parameters."""
    errors = np.sqrt(np.diag(fit.curve.covariance))
    return [
        Parameter(
            role="correlation",
            name=f"correlation({fit.parameters[i].name}, {fit.parameters[j].name})",
            value=float(fit.curve.covariance[i, j] / (errors[i] * errors[j]))
            if errors[i] * errors[j] > 0
            else nan,
        )
        for i, j in combinations(range(len(fit.parameters)), 2)
    ]


def quote_parameters(curve: Curve, *, unit: str = "s^-1") -> tuple[Parameter, ...]:
    """Quote the parameters of a curve with their errors and 95 % intervals.

    Parameters
    ----------
    unit
        Of the points.
    """
    errors = np.sqrt(np.diag(curve.covariance))
    half = curve.quantile() * errors
    return tuple(
        Parameter(
            name=item.name,
            value=float(value),
            stderr=float(error),
            low=float(value - reach),
            high=float(value + reach),
            unit=unit if item.unit == "y" else item.unit,
        )
        for item, value, error, reach in zip(
            curve.model.parameters, curve.values, errors, half, strict=True
        )
    )
