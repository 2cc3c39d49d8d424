"""The table of a comparison: errors, cost and speed of learning, one row a method."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from stopflow.learn.compare.compare import DENSE_FULL
from stopflow.learn.compare.runs import ComparedRun
from stopflow.learn.data import LabData
from stopflow.learn.evaluate import compare_with_fit, measure
from stopflow.learn.training.run import TrainStatus
from stopflow.trace import FloatArray

REFERENCES: Final = ("dense", DENSE_FULL)
"""Ways whose test errors the others are set against, run by run, and timed to."""


def comparison_rows(runs: Sequence[ComparedRun], data: LabData) -> list[dict[str, Any]]:
    """Return one row a method, in order of appearance; means over seeds and folds.

    Columns: ``layer, features, runs, mae_per_s, mae_sd_per_s`` (spread over runs, NaN for one),
    ``median_relative_error, p95_relative_error, bias`` (mean relative error), ``ratio_to_fit,
    ratio_to_fit_sd, ratio_to_bound, ratio_to_fit_low_information, parameters, epochs, inputs``
    (what the network was trained on), ``seconds, peak_MB, diverged`` (runs), and for each of
    `REFERENCES` that takes part those of `set_against` and `epochs_to_reach`.
    """
    rows = []
    for way in dict.fromkeys(run.way for run in runs):
        own = [run for run in runs if run.way == way]
        found = [
            compare_with_fit(one.k_per_s[one.split.test], data, rows=one.split.test) for one in own
        ]
        errors = [one.model.mae_per_s for one in found]
        ratios = [one.ratio_to_fit for one in found]
        row = {
            "layer": way,
            "features": own[0].features,
            "runs": len(own),
            "mae_per_s": float(np.mean(errors)),
            "mae_sd_per_s": _spread(errors),
            "median_relative_error": _mean(one.model.median_relative_error for one in found),
            "p95_relative_error": _mean(one.model.p95_relative_error for one in found),
            "bias": _mean(_bias(one, data) for one in own),
            "ratio_to_fit": float(np.mean(ratios)),
            "ratio_to_fit_sd": _spread(ratios),
            "ratio_to_bound": _mean(one.ratio_to_bound for one in found),
            "ratio_to_fit_low_information": _mean(one.low_information_ratio for one in found),
            "parameters": own[0].parameters,
            "epochs": max(one.epochs for one in own),
            "inputs": own[0].inputs_used,
            "seconds": _mean(one.seconds for one in own),
            "peak_MB": _mean(one.peak_bytes / 1e6 for one in own),
            "diverged": sum(one.status == TrainStatus.DIVERGED for one in own),
        }
        for reference in REFERENCES:
            others = [run for run in runs if run.way == reference]
            if others:
                row |= set_against(own, others, data, reference)
                row |= epochs_to_reach(own, others, reference)
        rows.append(row)
    return rows


def set_against(
    own: Sequence[ComparedRun], others: Sequence[ComparedRun], data: LabData, reference: str
) -> dict[str, float]:
    """Compare a method's test error with that of the reference in runs of equal seed and fold.

    ``ratio_to_REFERENCE``: geometric mean of the ratios of the errors; ``ratio_to_REFERENCE_se``:
    its standard error, NaN for fewer than two runs; both NaN where no run is shared, and for the
    reference itself. Seeds on one split say nothing about other experiments; folds do.
    """
    against = {(one.fold, one.seed): _test_mae(one, data) for one in others}
    ratios = [
        _test_mae(one, data) / against[one.fold, one.seed]
        for one in own
        if (one.fold, one.seed) in against and one.way != reference
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        logs: FloatArray = np.log(ratios)
        middle = float(np.exp(np.mean(logs))) if ratios else float("nan")
        error = middle * _spread(logs) / np.sqrt(max(len(ratios), 1))
    name = reference.replace("-", "_")
    return {f"ratio_to_{name}": middle, f"ratio_to_{name}_se": float(error)}


def _test_mae(run: ComparedRun, data: LabData) -> float:
    rows = run.split.test
    return measure(run.k_per_s[rows], data.k_actual_per_s[rows]).mae_per_s


def epochs_to_reach(
    own: Sequence[ComparedRun], others: Sequence[ComparedRun], reference: str
) -> dict[str, float]:
    """Say how soon a method's test error fell to the smallest of the reference in the same run.

    ``epochs_to_REFERENCE``, ``seconds_to_REFERENCE``: medians over the runs that reached it,
    without the time for judging errors; ``reached_REFERENCE``: the share of runs that did; all NaN
    for ways without epochs.
    """
    targets = {(one.fold, one.seed): _best_test(one) for one in others if one.history}
    runs = [one for one in own if one.history and (one.fold, one.seed) in targets]
    first = [_first_below(one, targets[one.fold, one.seed]) for one in runs]
    got = [pair for pair in first if pair is not None]
    name = reference.replace("-", "_")
    return {
        f"epochs_to_{name}": float(np.median([epoch for epoch, _ in got])) if got else np.nan,
        f"seconds_to_{name}": float(np.median([seconds for _, seconds in got])) if got else np.nan,
        f"reached_{name}": len(got) / len(runs) if runs else np.nan,
    }


def _best_test(run: ComparedRun) -> float:
    return min(row["test_mae_per_s"] for row in run.history)


def _first_below(run: ComparedRun, target: float) -> tuple[float, float] | None:
    """(epoch, seconds without judging) of the first test error at or below the target."""
    for row in run.history:
        if row["test_mae_per_s"] <= target:
            return row["epoch"], row["seconds"] - row["judging_s"]
    return None


def _bias(run: ComparedRun, data: LabData) -> float:
    rows = run.split.test
    actual = data.k_actual_per_s[rows]
    return float(np.nanmean((run.k_per_s[rows] - actual) / actual))


def _spread(values: Sequence[float] | FloatArray) -> float:
    return float(np.std(values, ddof=1)) if np.size(values) > 1 else float("nan")


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))
