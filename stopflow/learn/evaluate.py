"""How good a set of rates is: absolute, relative, beside the fit, beside the Cramer-Rao bound."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stopflow.errors import StopflowError
from stopflow.learn.data import LabData, Numbers
from stopflow.trace import FloatArray

BIAS_BINS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Errors of `n` predicted rates.

    Attributes
    ----------
    mae_per_s
        Mean |k - k_actual|, s^-1.
    median_relative_error, p95_relative_error
        Median and 95th percentile of |k - k_actual| / k_actual.
    n
        Shots compared.
    """

    mae_per_s: float
    median_relative_error: float
    p95_relative_error: float
    n: int

    def to_dict(self) -> dict[str, float | int | None]:
        """For metrics.json; NaN becomes None."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: None if value != value else value for name, value in values.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Predictions beside the fit and the bound, on the same shots.

    Attributes
    ----------
    model, fit
        Errors against the actual rates, where both exist.
    ratio_to_fit
        MAE of the model over MAE of the fit; NaN unless the true rates are known.
    ratio_to_bound
        Root mean square of (k - k_true) / (Cramer-Rao SD); 1 is the best an unbiased one can do.
    low_information_ratio
        `ratio_to_fit` in the half of the shots with the largest bound relative to k.
    """

    model: Metrics
    fit: Metrics
    ratio_to_fit: float
    ratio_to_bound: float
    low_information_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasBin:
    """Mean relative error of the shots with k in [low, high): a biased model shows here."""

    k_low_per_s: float
    k_high_per_s: float
    mean_relative_error: float
    n: int


def measure(k_predicted_per_s: ArrayLike, k_actual_per_s: ArrayLike) -> Metrics:
    """Errors of predictions (n,) against actual rates (n,); pairs with a NaN are left out.

    Raises
    ------
    StopflowError
        When the two differ in shape.
    """
    predicted = np.asarray(k_predicted_per_s, dtype=np.float64)
    actual = np.asarray(k_actual_per_s, dtype=np.float64)
    if predicted.shape != actual.shape or predicted.ndim != 1:
        raise StopflowError(f"predicted {predicted.shape} and actual {actual.shape} must match")
    known = ~(np.isnan(predicted) | np.isnan(actual))
    error = np.abs(predicted[known] - actual[known])
    if not error.size:
        return Metrics(
            mae_per_s=np.nan, median_relative_error=np.nan, p95_relative_error=np.nan, n=0
        )
    relative = error / np.abs(actual[known])
    return Metrics(
        mae_per_s=float(error.mean()),
        median_relative_error=float(np.median(relative)),
        p95_relative_error=float(np.quantile(relative, 0.95)),
        n=int(error.size),
    )


def compare_with_fit(
    k_predicted_per_s: ArrayLike, data: LabData, *, rows: Numbers | None = None
) -> Comparison:
    """Set predictions (len(rows),) for `rows` of `data` (default all) beside the fit."""
    rows = np.arange(len(data)) if rows is None else rows
    predicted = np.asarray(k_predicted_per_s, dtype=np.float64)
    true, fitted = data.k_true_per_s[rows], data.k_fit_per_s[rows]
    bound = data.k_bound_per_s[rows]
    usable = ~(np.isnan(true) | np.isnan(fitted) | np.isnan(predicted))
    known = usable & ~np.isnan(bound)
    low = least_informed(bound, true, usable=known)
    deviation = (predicted[known] - true[known]) / bound[known]
    return Comparison(
        model=measure(predicted, data.k_actual_per_s[rows]),
        fit=measure(fitted, true),
        ratio_to_fit=_mae_ratio(predicted, fitted, true, usable),
        ratio_to_bound=float(np.sqrt(np.mean(deviation**2))) if known.any() else np.nan,
        low_information_ratio=_mae_ratio(predicted, fitted, true, low),
    )


def least_informed(
    bound: FloatArray, true: FloatArray, *, usable: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Tell the half of the usable shots with the largest bound relative to k; all (n,)."""
    if not usable.any():
        return usable
    relative = np.where(usable, bound / true, -np.inf)
    return relative >= np.median(relative[usable])


def _mae_ratio(
    predicted: FloatArray, fitted: FloatArray, true: FloatArray, chosen: np.ndarray
) -> float:
    if not chosen.any():
        return float("nan")
    ours = np.abs(predicted[chosen] - true[chosen]).mean()
    fits = np.abs(fitted[chosen] - true[chosen]).mean()
    return float(ours / fits) if fits > 0 else float("nan")


def bias_against_k(
    k_predicted_per_s: ArrayLike, k_actual_per_s: ArrayLike, *, bins: int = BIAS_BINS
) -> tuple[BiasBin, ...]:
    """Mean relative error in `bins` of equal numbers of shots, slowest first."""
    predicted = np.asarray(k_predicted_per_s, dtype=np.float64)
    actual = np.asarray(k_actual_per_s, dtype=np.float64)
    order = np.argsort(actual, kind="stable")
    found = []
    for part in np.array_split(order, min(bins, len(order))):
        relative = (predicted[part] - actual[part]) / actual[part]
        found.append(
            BiasBin(
                k_low_per_s=float(actual[part[0]]),
                k_high_per_s=float(actual[part[-1]]),
                mean_relative_error=float(relative.mean()),
                n=len(part),
            )
        )
    return tuple(found)
