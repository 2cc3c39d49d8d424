"""One model through the points of a secondary plot, and its rows in the table."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import nan, sqrt

import numpy as np

from stopflow.kinetics.secondary.regression import Curve
from stopflow.trace import FloatArray, frozen_array


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
    members
        Indices of the conditions of the experiment that are the points; empty over several.
    made_of
        Rates that are the points here and come from other secondary plots.
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
    members: tuple[int, ...] = ()
    made_of: tuple[Parameter, ...] = ()

    def __post_init__(self) -> None:
        for name in ("x", "y", "error"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))


def secondary_rows_of(fits: Sequence[SecondaryFit]) -> list[dict[str, object]]:
    """Give one row a parameter, then one for each pair of parameters.

    A pair's row is named ``"correlation(k_off, K)"``; its value is the correlation of the two
    errors. Covariance = correlation x stderr x stderr: the whole matrix, for bands by the delta
    method. Points that are no means of conditions follow as ``"k_on at 298.15 K"``.
    """
    rows: list[dict[str, object]] = []
    for fit in fits:
        for parameter in (*fit.parameters, *_correlations(fit), *fit.made_of):
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


def quote_parameter(
    curve: Curve, index: int, *, name: str, unit: str, factor: float = 1.0, shift: float = 0.0
) -> Parameter:
    """Quote ``factor * coefficient + shift`` of a curve with its error and interval."""
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
