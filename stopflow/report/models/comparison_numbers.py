"""The numbers behind the comparison of networks: one row a way, its runs, its bias against k."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stopflow.report.data import ModelReportData
from stopflow.report.models.numbers import metric, text_metric
from stopflow.report.paper.decimate import FloatArray
from stopflow.report.paper.rounding import format_digits
from stopflow.wording import join_words

OVER_RUNS = "over_runs"
"""Where a model's metrics keep what is a mean over seeds and folds, under the CSV's names."""

FIT = "fit"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BiasLine:
    """Mean relative error of one way in bins of k.

    Attributes
    ----------
    k_per_s
        (bins,) geometric middle of each bin.
    relative
        (bins,) mean of predicted over actual, minus 1.
    """

    name: str
    k_per_s: FloatArray
    relative: FloatArray


def build_comparison(models: Sequence[ModelReportData]) -> pd.DataFrame:
    """One row a model: errors, their spread over runs, size, time, memory."""
    return pd.DataFrame([_row(model) for model in models])


def _row(model: ModelReportData) -> dict[str, object]:
    def found(name: str, *otherwise: str) -> float:
        """Take the mean over the runs where there were several."""
        mean = metric(model.metrics, OVER_RUNS, name)
        return mean if np.isfinite(mean) else metric(model.metrics, *(otherwise or (name,)))

    memory = metric(model.metrics, OVER_RUNS, "peak_MB") * 1e6
    return {
        "name": model.name,
        "layer": text_metric(model.metrics, "layer"),
        "features": text_metric(model.metrics, "features"),
        "rank": text_metric(model.metrics, "rank"),
        "runs": found("runs"),
        "test_mae_per_s": found("mae_per_s", "test", "mae_per_s"),
        "test_mae_sd_per_s": found("mae_sd_per_s"),
        "ratio_to_fit": found("ratio_to_fit", "test_ratio_to_fit"),
        "ratio_to_dense": found("ratio_to_dense"),
        "ratio_to_dense_se": found("ratio_to_dense_se"),
        "ratio_to_bound": found("ratio_to_bound", "test_ratio_to_bound"),
        "test_median_relative_error": found(
            "median_relative_error", "test", "median_relative_error"
        ),
        "test_p95_relative_error": found("p95_relative_error", "test", "p95_relative_error"),
        "test_bias": found("bias"),
        "parameters": found("parameters"),
        "epochs": metric(model.metrics, "epochs"),
        "seconds": found("seconds"),
        "peak_memory_bytes": (
            memory if np.isfinite(memory) else metric(model.metrics, "peak_memory_bytes")
        ),
        "diverged": found("diverged"),
    }


def state_best(table: pd.DataFrame) -> str:
    """Say in a sentence which way came closest, and which network is the smallest."""
    networks = table[(table["parameters"] > 0) & np.isfinite(table["test_mae_per_s"])]
    if networks.empty:
        return "No network has a test error."
    judged = table[(table["name"] != FIT) & np.isfinite(table["test_mae_per_s"])]
    best = judged.loc[judged["test_mae_per_s"].idxmin()]
    text = (
        f"{'Apart from the fit, ' * (FIT in set(table['name']))}{best['name']} has the smallest "
        f"test error, "
        f"{format_digits(float(best['test_mae_per_s']), 3)} s⁻¹"
    )
    times = float(best["ratio_to_fit"])
    if np.isfinite(times):
        text += f" or {format_digits(times, 3)} times that of the fit itself"
    if len(networks) > 1:
        sizes = networks["parameters"].to_numpy(float)
        small = networks.loc[sizes == sizes.min(), "name"].tolist()
        ratio = sizes.max() / sizes.min()
        if ratio > 1.05:
            text += (
                f"; the smallest {'network is' if len(small) == 1 else 'networks are'} "
                f"{join_words(small)}, with "
                f"{format_digits(ratio, 2)} times fewer parameters than the largest"
            )
    return text + "."


def list_runs(model: ModelReportData) -> FloatArray:
    """Test errors (runs,) of a model's runs in s^-1, those without a number left out."""
    listed = model.metrics.get("run_mae_per_s")
    if not isinstance(listed, list | tuple):
        listed = [metric(model.metrics, "test", "mae_per_s")]
    errors = np.asarray(listed, dtype=float)
    return errors[np.isfinite(errors) & (errors > 0)]


def list_bias(models: Sequence[ModelReportData]) -> list[BiasLine]:
    """Bias against k of every model that has it."""
    lines = []
    for model in models:
        bins = model.metrics.get("test_bias")
        if not isinstance(bins, list | tuple) or len(bins) < 2:
            continue
        low, high, relative = (
            np.array([float(part[name]) for part in bins])
            for name in ("k_low_per_s", "k_high_per_s", "mean_relative_error")
        )
        known = np.isfinite(relative) & (low > 0)
        if known.sum() > 1:
            middle = np.sqrt(low[known] * high[known])
            lines.append(BiasLine(name=model.name, k_per_s=middle, relative=relative[known]))
    return lines
