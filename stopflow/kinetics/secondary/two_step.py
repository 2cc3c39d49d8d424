"""Both phases of a two-step mechanism fitted together: one set of constants for k and k2.

The sum and the product of the two rates are straight lines against the concentration, for induced
fit and for conformational selection alike. Their slopes and intercepts give the first values, so
that nobody has to type any; the rates themselves, with their errors, are what is fitted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
from scipy.optimize import least_squares

from stopflow.kinetics.secondary.curve_model import SecondaryCurve
from stopflow.kinetics.secondary.curve_table import CURVES
from stopflow.kinetics.secondary.regression import Curve
from stopflow.trace import FloatArray

MECHANISMS: Final = tuple(
    dict.fromkeys(curve.mechanism for curve in CURVES.values() if curve.mechanism)
)
SMALLEST: Final = 1e-5
"""Constants below this part of the largest rate are at the end of what the mechanism allows."""
LARGEST: Final = 1e3
TIGHT: Final[dict[str, float]] = {"ftol": 1e-12, "xtol": 1e-12, "gtol": 1e-12}
SPREAD: Final = (1.0, 0.3, 3.0, 0.1, 0.6)
"""What the first value of the isomerisation is multiplied by, to start from several sides."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhasePoints:
    """Points of one phase: rates (n,) in 1/s with their errors, at concentrations (n,) in M."""

    x: FloatArray
    y: FloatArray
    error: FloatArray


def phases_of(mechanism: str) -> tuple[SecondaryCurve, SecondaryCurve]:
    """Return the entries of the table for its fast and its slow phase."""
    fast, slow = (curve for curve in CURVES.values() if curve.mechanism == mechanism)
    return fast, slow


def fit_two_step(
    mechanism: str, fast: PhasePoints, slow: PhasePoints, *, error_dof: float
) -> tuple[Curve, Curve] | None:
    """Fit both phases with the same constants.

    Returns
    -------
    tuple or None
        The fast and the slow phase; both have the same values, covariance and sum of squares, which
        are of all points. None where points are too few, or where a constant goes to 0 or beyond
        all limits: then the mechanism is simpler, or another one.
    """
    models = phases_of(mechanism)
    if min(len(np.unique(part.x)) for part in (fast, slow)) < models[0].fewest:
        return None
    lines = _lines(fast, slow)
    if lines is None:
        return None

    def misfit(logs: FloatArray) -> FloatArray:
        values = np.exp(logs)
        return np.concatenate(
            [
                (model.function(part.x, values)[0] - part.y) / part.error
                for model, part in zip(models, (fast, slow), strict=True)
            ]
        )

    def slopes(logs: FloatArray) -> FloatArray:
        values = np.exp(logs)
        return np.concatenate(
            [
                model.function(part.x, values)[1] * values / part.error[:, None]
                for model, part in zip(models, (fast, slow), strict=True)
            ]
        )

    # In 1/s at the highest concentration no constant is far above the fastest rate.
    units = np.zeros(len(models[0].names))
    units[models[0].names.index("k_on")] = -np.log(float(fast.x.max()))
    size = np.log(float(np.abs(fast.y).max())) + units
    bounds = (size + np.log(SMALLEST / 10), size + np.log(LARGEST))
    found = []
    for factor in SPREAD:
        start = np.clip(np.log(_STARTS[mechanism](*lines, factor)), bounds[0] + 1, bounds[1] - 1)
        found.append(least_squares(misfit, start, jac=slopes, bounds=bounds, **TIGHT))
    best = min(found, key=lambda one: float(one.cost))
    values = np.exp(best.x)
    if mechanism == "conformational selection":
        values = _with_larger_k_off(values)
    logs = np.log(values)
    inside = (logs > size + np.log(SMALLEST)).all() and (logs < size + np.log(LARGEST) - 0.1).all()
    if not inside or not models[0].valid(values):
        return None
    jacobian = slopes(logs) / values
    squares = 2 * float(best.cost)
    points = len(jacobian)
    scale = max(squares / (points - len(values)), 1.0)
    lengths = np.sqrt(np.einsum("np,np->p", jacobian, jacobian))
    back = np.linalg.pinv(jacobian / lengths) / lengths[:, None]
    covariance = back @ back.T * scale
    return tuple(  # type: ignore[return-value]
        Curve(
            model=model,
            values=values,
            covariance=covariance,
            points=points,
            squares=squares,
            error_dof=error_dof,
        )
        for model in models
    )


def _with_larger_k_off(values: FloatArray) -> FloatArray:
    """Take the solution of larger k_off: exchanged with ``k_r + k_-r`` it gives the same rates."""
    k_r, k_back, k_on, k_off = values
    other = np.array([k_r, k_off - k_r, k_on, k_r + k_back])
    return other if other[3] > k_off and other[1] > 0 else values


def falls(slow: Curve) -> bool:
    """Whether the slow phase falls as the concentration rises: only selection does that."""
    k_r, _, _, k_off = slow.values
    return bool(k_off > k_r)


def _lines(fast: PhasePoints, slow: PhasePoints) -> tuple[float, float, float, float] | None:
    """Slope and intercept of the sum and of the product of the rates; None where k_on is not."""
    x, shared_fast, shared_slow = np.intersect1d(fast.x, slow.x, return_indices=True)
    if len(x) < 3:
        return None
    k, k2 = fast.y[shared_fast], slow.y[shared_slow]
    of_sum = np.hypot(fast.error[shared_fast], slow.error[shared_slow])
    of_product = np.hypot(k2 * fast.error[shared_fast], k * slow.error[shared_slow])
    k_on, total = np.polyfit(x, k + k2, 1, w=1 / of_sum)
    rise, product = np.polyfit(x, k * k2, 1, w=1 / of_product)
    if not k_on > 0:
        return None
    smallest = 1e-2 * float(k2.min())
    return (
        float(k_on),
        max(float(total), 4 * smallest),
        max(float(rise), k_on * smallest),
        max(float(product), smallest**2),
    )


def _start_induced(
    k_on: float, total: float, rise: float, product: float, factor: float
) -> FloatArray:
    """``total = k_off + k_2 + k_-2``, ``rise = k_on (k_2 + k_-2)``, ``product = k_off k_-2``."""
    second = min(max(factor * rise / k_on, 0.01 * total), 0.95 * total)
    k_off = total - second
    k_back = min(product / k_off, 0.95 * second)
    return np.array([k_on, k_off, second - k_back, k_back])


def _start_selection(
    k_on: float, total: float, rise: float, product: float, factor: float
) -> FloatArray:
    """``total = k_off + k_r + k_-r``, ``rise = k_on k_r``, ``product = k_off (total - k_off)``."""
    k_r = min(max(factor * rise / k_on, 0.01 * total), 0.95 * total)
    apart = sqrt(max(total**2 - 4 * product, 0.0))
    k_off = min(
        max((total + apart) / 2 if k_r < total / 2 else (total - apart) / 2, 1e-2 * total),
        0.98 * (total - k_r),
    )
    return np.array([k_r, total - k_r - k_off, k_on, k_off])


_STARTS: Final[dict[str, Callable[[float, float, float, float, float], FloatArray]]] = {
    "induced fit": _start_induced,
    "conformational selection": _start_selection,
}
