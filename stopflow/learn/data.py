"""A lab's shots as arrays: rows of features, the rates to learn, and how well each is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stopflow.errors import StopflowError, and_more
from stopflow.features import FeatureSpec
from stopflow.trace import FloatArray, frozen_array

Rows = NDArray[np.float32]
Numbers = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabData:
    """N usable shots; made by `lab_data`.

    Attributes
    ----------
    inputs
        (N, n) float32 rows of `features`.
    features
        What the rows are.
    window_s
        (N,) window T of the trimmed trace.
    k_label_per_s
        (N,) the rate to learn: the fit's, or the lab's own from the workbook.
    k_true_per_s
        (N,) the true rate, NaN where it is not known.
    k_fit_per_s, k_fit_stderr_per_s
        (N,) the fit's rate and standard error, NaN where there is none.
    k_bound_per_s
        (N,) smallest SD any unbiased estimate can have (Cramer-Rao), NaN where not known.
    experiment, file
        (N,) where each shot comes from.
    row
        (N,) its row in the dataset's table of shots.
    """

    inputs: Rows
    features: FeatureSpec
    window_s: FloatArray
    k_label_per_s: FloatArray
    k_true_per_s: FloatArray
    k_fit_per_s: FloatArray
    k_fit_stderr_per_s: FloatArray
    k_bound_per_s: FloatArray
    experiment: NDArray[np.str_]
    file: NDArray[np.str_]
    row: Numbers

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def k_actual_per_s(self) -> FloatArray:
        """(N,) what predictions are judged by: the true rate where known, else the label."""
        return np.where(np.isnan(self.k_true_per_s), self.k_label_per_s, self.k_true_per_s)

    @property
    def experiments(self) -> tuple[str, ...]:
        """Names of the experiments, in order of appearance."""
        return tuple(dict.fromkeys(self.experiment.tolist()))

    def describe(self, index: int) -> str:
        """Name a shot as a user knows it."""
        return f"{self.experiment[index]}/{self.file[index]}"


def lab_data(
    inputs: ArrayLike,
    *,
    features: FeatureSpec,
    window_s: ArrayLike,
    k_label_per_s: ArrayLike,
    experiment: Sequence[str] | NDArray[np.str_],
    file: Sequence[str] | NDArray[np.str_],
    row: ArrayLike | None = None,
    k_true_per_s: ArrayLike | None = None,
    k_fit_per_s: ArrayLike | None = None,
    k_fit_stderr_per_s: ArrayLike | None = None,
    k_bound_per_s: ArrayLike | None = None,
) -> LabData:
    """Check and freeze a lab's arrays; what is not given is NaN (`row`: 0 to N - 1).

    Raises
    ------
    StopflowError
        No shots; arrays of different length; rows of another length than `features` says; a
        value that is not finite, a window or a label that is not positive, each with its shot.
    """
    rows = np.ascontiguousarray(inputs, dtype=np.float32)
    if rows.ndim != 2 or len(rows) == 0:
        raise StopflowError("there is no shot to learn from: none was read, trimmed and fitted")
    if rows.shape[1] != features.n_inputs:
        raise StopflowError(
            f"rows have {rows.shape[1]} values; {features.kind} with {features.pairs} pairs "
            f"has {features.n_inputs}"
        )
    count = len(rows)

    def column(name: str, values: ArrayLike | None) -> FloatArray:
        array = frozen_array(np.full(count, np.nan) if values is None else values)
        if array.shape != (count,):
            raise StopflowError(f"{name} has shape {array.shape}; expected ({count},)")
        return array

    rows.setflags(write=False)
    data = LabData(
        inputs=rows,
        features=features,
        window_s=column("window_s", window_s),
        k_label_per_s=column("k_label_per_s", k_label_per_s),
        k_true_per_s=column("k_true_per_s", k_true_per_s),
        k_fit_per_s=column("k_fit_per_s", k_fit_per_s),
        k_fit_stderr_per_s=column("k_fit_stderr_per_s", k_fit_stderr_per_s),
        k_bound_per_s=column("k_bound_per_s", k_bound_per_s),
        experiment=np.array(experiment, dtype=np.str_),
        file=np.array(file, dtype=np.str_),
        row=np.arange(count) if row is None else np.array(row, dtype=np.intp),
    )
    for name in ("experiment", "file", "row"):
        if getattr(data, name).shape != (count,):
            raise StopflowError(f"{name} has shape {getattr(data, name).shape}, not ({count},)")
    _require_numbers(data)
    return data


def _require_numbers(data: LabData) -> None:
    finite = np.array([np.isfinite(row).all() for row in data.inputs])
    _refuse(data, ~finite, "a feature that is not a finite number (NaN or infinite)")
    for name in ("window_s", "k_label_per_s"):
        values = getattr(data, name)
        _refuse(data, ~(np.isfinite(values) & (values > 0)), f"a {name} that is not above 0")


def _refuse(data: LabData, wrong: ArrayLike, what: str) -> None:
    found = np.flatnonzero(wrong)
    if found.size:
        first = data.describe(int(found[0]))
        raise StopflowError(f"{first}{and_more(found.size - 1)}: {what}; leave it out")
