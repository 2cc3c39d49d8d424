"""The table of a comparison: one row a way, its errors, its cost, and how soon it was as good."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from stopflow.learn.attempts import Attempt
from stopflow.learn.compare import DENSE_FULL
from stopflow.learn.data import LabData
from stopflow.learn.evaluate import compare_with_fit
from stopflow.learn.run import TrainStatus

REFERENCES: Final = ("dense", DENSE_FULL)
"""Ways whose best test error the others are timed to."""


def comparison_rows(attempts: Sequence[Attempt], data: LabData) -> list[dict[str, Any]]:
    """Return one row a way, in order of appearance; means over seeds and folds.

    Columns: ``layer, features, runs, mae_per_s, mae_sd_per_s`` (spread over runs, NaN for one),
    ``median_relative_error, p95_relative_error, bias`` (mean relative error), ``ratio_to_fit,
    ratio_to_fit_sd, ratio_to_bound, ratio_to_fit_low_information, parameters, epochs, inputs``
    (what the network was trained on), ``seconds, peak_MB, diverged`` (runs), and for each of
    `REFERENCES` that takes part those of `reach`.
    """
    rows = []
    for way in dict.fromkeys(attempt.way for attempt in attempts):
        own = [attempt for attempt in attempts if attempt.way == way]
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
            others = [attempt for attempt in attempts if attempt.way == reference]
            if others:
                row |= reach(own, others, reference)
        rows.append(row)
    return rows


def reach(own: Sequence[Attempt], others: Sequence[Attempt], reference: str) -> dict[str, float]:
    """How soon a way's test error was as small as the best of the reference in the same run.

    ``epochs_to_REFERENCE``, ``seconds_to_REFERENCE``: medians over the runs that got there, the
    time for judging errors left out; ``reached_REFERENCE``: the share of runs that did; all NaN
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


def _best_test(attempt: Attempt) -> float:
    return min(row["test_mae_per_s"] for row in attempt.history)


def _first_below(attempt: Attempt, target: float) -> tuple[float, float] | None:
    """(epoch, seconds without judging) of the first test error at or below the target."""
    for row in attempt.history:
        if row["test_mae_per_s"] <= target:
            return row["epoch"], row["seconds"] - row["judging_s"]
    return None


def _bias(attempt: Attempt, data: LabData) -> float:
    rows = attempt.split.test
    actual = data.k_actual_per_s[rows]
    return float(np.nanmean((attempt.k_per_s[rows] - actual) / actual))


def _spread(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))
