"""Results of a finished run beside its model: metrics, and a predicted rate for every shot."""

from dataclasses import asdict
from typing import Any

from stopflow.learn.data import LabData
from stopflow.learn.evaluate import bias_against_k, compare_with_fit, measure
from stopflow.learn.model import Model, predict
from stopflow.learn.split import Split
from stopflow.learn.training.train import Trained
from stopflow.trace import FloatArray


def predict_lab(model: Model, data: LabData) -> FloatArray:
    """Predict the rates (N,) of all shots of a lab."""
    return predict(model, data.inputs, window_s=data.window_s).k_per_s


def part_metrics(k_per_s: FloatArray, data: LabData, split: Split) -> dict[str, Any]:
    """Return ``test``, ``train``, ``validation`` and ``fit_on_test`` of metrics.json.

    ``fit_on_test`` and ``test_ratio_to_fit`` are None where the true rates are not known.
    """
    found: dict[str, Any] = {}
    for name in ("test", "train", "validation"):
        rows = getattr(split, name)
        if rows.size:
            found[name] = measure(k_per_s[rows], data.k_actual_per_s[rows]).to_dict()
    beside = compare_with_fit(k_per_s[split.test], data, rows=split.test)
    known = beside.fit.n > 0
    found["fit_on_test"] = beside.fit.to_dict() if known else None
    found["test_ratio_to_fit"] = beside.ratio_to_fit if known else None
    found["test_ratio_to_bound"] = beside.ratio_to_bound if known else None
    found["test_ratio_to_fit_low_information"] = beside.low_information_ratio if known else None
    actual = data.k_actual_per_s[split.test]
    found["test_bias"] = [asdict(part) for part in bias_against_k(k_per_s[split.test], actual)]
    return found


def metrics_of(trained: Trained, data: LabData, k_per_s: FloatArray) -> dict[str, Any]:
    """Return the content of metrics.json for a run whose model predicts `k_per_s` (N,)."""
    return part_metrics(k_per_s, data, trained.split) | trained.summary()


def prediction_rows(k_per_s: FloatArray, data: LabData, split: Split) -> list[dict[str, Any]]:
    """Return the rows of predictions.csv, one a shot; actual is the true rate, else the label."""
    actual = data.k_actual_per_s
    return [
        {
            "experiment": str(data.experiment[index]),
            "file": str(data.file[index]),
            "split": part,
            "k_actual_per_s": float(actual[index]),
            "k_predicted_per_s": float(k_per_s[index]),
        }
        for index, part in enumerate(split.part_of_rows())
    ]
