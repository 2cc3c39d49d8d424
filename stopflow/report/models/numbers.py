"""The numbers behind the model report's pictures and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stopflow import column_names as col
from stopflow.report.data import ModelReportData
from stopflow.report.paper.rounding import format_bytes, format_digits
from stopflow.wording import count_things

FloatArray = NDArray[np.float64]

SCORED: Final[Mapping[str, str]] = {
    "test": "Test experiments, never seen in training",
    "train": "Training experiments",
    "fit_on_test": "For comparison: the fit itself, on the test experiments (against truth)",
}
"""What a model's metrics judge, and how a report says it."""
KEPT_STATE: Final = (
    "A network is judged as it was after its best epoch, that of the smallest error on the "
    "validation shots or, without these, on the training shots; its curve may end elsewhere."
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points:
    """Predictions of one group of shots.

    Attributes
    ----------
    label
        "training" or the name of a test experiment.
    actual, predicted
        (n,) in s^-1.
    """

    label: str
    test: bool
    actual: FloatArray
    predicted: FloatArray

    @property
    def relative(self) -> FloatArray:
        """Predicted over actual, minus 1."""
        return self.predicted / self.actual - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunCurve:
    """A column of the history over all runs.

    Attributes
    ----------
    epochs
        (n,) those that at least half the runs have.
    middle, low, high
        (n,) median and quartiles over the runs.
    """

    runs: int
    epochs: FloatArray
    middle: FloatArray
    low: FloatArray
    high: FloatArray


def summarise_runs(history: pd.DataFrame, column: str) -> RunCurve:
    """Reduce a column of the history to its median and quartiles over the runs."""
    known = history[np.isfinite(history[column].astype(float)) & (history[column] > 0)]
    runs = int(known["run"].nunique()) if "run" in known else 1
    groups = known.groupby("epoch")[column]
    kept = groups.size() * 2 >= runs
    low, middle, high = (groups.quantile(share)[kept] for share in (0.25, 0.5, 0.75))
    return RunCurve(
        runs=runs,
        epochs=middle.index.to_numpy(float),
        middle=middle.to_numpy(float),
        low=low.to_numpy(float),
        high=high.to_numpy(float),
    )


def count_runs(model: ModelReportData) -> int:
    """Count the runs whose shots or curves are given."""
    tables = (model.predictions, model.history)
    return max([1, *(int(table["run"].nunique()) for table in tables if "run" in table)])


def known_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that have an actual rate above 0 and a predicted one."""
    return predictions[
        np.isfinite(predictions[col.K_ACTUAL_PER_S].astype(float))
        & np.isfinite(predictions[col.K_PREDICTED_PER_S].astype(float))
        & (predictions[col.K_ACTUAL_PER_S].astype(float) > 0)
    ]


def split_points(predictions: pd.DataFrame) -> list[Points]:
    """Training shots first, then each test experiment; rows without numbers are left out."""
    known = known_predictions(predictions)
    test = known[col.SPLIT] == "test"
    groups = [_points("training", known[~test], test=False)]
    for name, part in known[test].groupby(col.EXPERIMENT, sort=True):
        groups.append(_points(str(name), part, test=True))
    return [group for group in groups if len(group.actual)]


def _points(label: str, part: pd.DataFrame, *, test: bool) -> Points:
    return Points(
        label=label,
        test=test,
        actual=part[col.K_ACTUAL_PER_S].to_numpy(float),
        predicted=part[col.K_PREDICTED_PER_S].to_numpy(float),
    )


def score_experiments(predictions: pd.DataFrame) -> list[tuple[str, int, float, float, float]]:
    """Each test experiment's name, shots, MAE, median relative error and bias (medians)."""
    rows = []
    for group in split_points(predictions):
        if group.test:
            error = np.abs(group.predicted - group.actual)
            rows.append(
                (
                    group.label,
                    len(error),
                    float(error.mean()),
                    float(np.median(np.abs(group.relative))),
                    float(np.median(group.relative)),
                )
            )
    return rows


def list_worst(predictions: pd.DataFrame, *, count: int) -> pd.DataFrame:
    """Return the test shots of largest relative error, the worst first."""
    test = predictions[predictions[col.SPLIT] == "test"]
    pool = test if len(test) else predictions
    actual = pool[col.K_ACTUAL_PER_S].astype(float)
    error = (pool[col.K_PREDICTED_PER_S].astype(float) / actual - 1).abs()
    known = pool.assign(relative_error=error)[np.isfinite(error)]
    return known.sort_values("relative_error", ascending=False, kind="stable").head(count)


def rank_columns(history: pd.DataFrame) -> list[str]:
    """Columns of the history that hold the rank of a layer."""
    return [name for name in history.columns if name.startswith("rank_")]


def name_layers(layers: object) -> str:
    """Name a network by its layers, e.g. ``784 – dlrt 256 (rank 20) – dense 10``."""
    if not isinstance(layers, Sequence) or isinstance(layers, str) or not layers:
        return ""
    names = [str(layers[0].get("inputs", ""))]
    for layer in layers:
        rank = layer.get("rank")
        ranked = f" (rank {rank})" if isinstance(rank, int) else ""
        names.append(f"{layer.get('type')} {layer.get('outputs')}{ranked}")
    return " – ".join(filter(None, names))


def describe_model(metrics: Mapping[str, object]) -> str:
    """Say in a line what a network is made of and how it was trained, as far as that is known."""
    epochs = metric(metrics, "epochs")
    known = [(word, text_metric(metrics, word)) for word in ("features", "seed")]
    features, seed = (f"{word} {text}" if text else "" for word, text in known)
    said = [
        name_layers(metrics.get("layers", ())),
        text_metric(metrics, "data"),
        features,
        count_things(int(epochs), "epoch") if np.isfinite(epochs) else "",
        seed,
    ]
    return " · ".join(filter(None, said))


def size_layers(
    layers: Sequence[Mapping[str, object]], *, parameters: float
) -> list[dict[str, object]]:
    """Add to each layer what it stores and what a dense layer would store.

    A layer of rank r stores ``r (inputs + outputs + r) + outputs`` numbers (U, S, V and a bias), a
    dense one ``inputs outputs + outputs``. Where that does not add up to the network's own count,
    as for other kinds of layers, the rows come back as they were.
    """
    rows: list[dict[str, object]] = []
    total = 0
    for layer in layers:
        known = [layer.get(name) for name in ("inputs", "outputs")]
        if not all(isinstance(value, int) for value in known):
            return [dict(row) for row in layers]
        inputs, outputs = (int(str(value)) for value in known)
        rank = layer.get("rank")
        dense = inputs * outputs + outputs
        stored = rank * (inputs + outputs + rank) + outputs if isinstance(rank, int) else dense
        total += stored
        rows.append(
            {
                **layer,
                "parameters": stored,
                "dense would need": dense,
                "memory (float32)": format_bytes(4.0 * stored),
            }
        )
    return rows if total == parameters else [dict(row) for row in layers]


def changing_ranks(history: pd.DataFrame) -> list[str]:
    """Columns of ranks, when at least one changes in training; else none."""
    names = rank_columns(history)
    return names if any(history[name].nunique() > 1 for name in names) else []


def fit_lines(time_s: FloatArray, signal: FloatArray, k_per_s: float) -> FloatArray:
    """Best ``a t + b + c exp(-k t)`` for a given k, by linear least squares."""
    since = time_s - time_s[0]
    basis = np.column_stack([since, np.ones_like(since), np.exp(-k_per_s * since)])
    scale = np.abs(basis).max(axis=0)
    scale[scale == 0] = 1.0
    coefficients, *_ = np.linalg.lstsq(basis / scale, signal, rcond=None)
    return basis / scale @ coefficients


def metric(metrics: Mapping[str, object], *path: str) -> float:
    """Look up a number in nested metrics; NaN when it is not there."""
    value: object = metrics
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return float("nan")
        value = value[key]
    return float(value) if isinstance(value, int | float) else float("nan")


def text_metric(metrics: Mapping[str, object], key: str) -> str:
    """Look up a text or a number to print; "" when it is not there."""
    value = metrics.get(key)
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value)


def advise_fit(metrics: Mapping[str, object]) -> str:
    """Say that the fit is better where it is, on shots whose true rates are known; else nothing."""
    if metric(metrics, "fit_on_test", "mae_per_s") == 0 < metric(metrics, "test", "mae_per_s"):
        return "Use the fit for shots like these: it makes no error on the test experiments."
    times = metric(metrics, "test_ratio_to_fit")
    if not times > 1:
        return ""
    return (
        "Use the fit for shots like these: on the test experiments the error of the network is "
        f"{format_digits(times, 2)} times that of the fit, where the true rates are known."
    )
