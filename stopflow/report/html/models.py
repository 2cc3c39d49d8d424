"""The pages of a trained model and of a comparison of several."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from stopflow.io.atomic import write_text
from stopflow.report.data import ModelReportData
from stopflow.report.html.document import build_document
from stopflow.report.html.model_plots import bias, learning, loss, ranks, relative_errors, scatter
from stopflow.report.models.comparison_numbers import build_comparison, state_best
from stopflow.report.models.comparison_table import comparison_table
from stopflow.report.models.formats import say_count, say_rate, say_seconds
from stopflow.report.models.numbers import advise_fit, describe_model, metric
from stopflow.report.models.tables import (
    experiment_table,
    layer_table,
    run_table,
    score_table,
    settings_table,
    shot_table,
)
from stopflow.report.paper.rounding import format_bytes, format_percent


def write_model_page(model: ModelReportData, path: Path) -> None:
    """Write the report of a trained model as a page; it replaces `path` when it is whole."""
    write_text(path, build_model_page(model))


def write_comparison_page(models: Sequence[ModelReportData], path: Path) -> None:
    """Write the comparison of several models as a page; it replaces `path` when it is whole."""
    write_text(path, build_comparison_page(models))


def build_model_page(model: ModelReportData) -> str:
    """Build the text of the page of a model."""
    return build_document(
        f"Model {model.name}",
        about=describe_model(model.metrics),
        answers=_model_answers(model.metrics),
        tables=[score_table(model.metrics), experiment_table(model.predictions)],
        plots=[
            *scatter(model, title="Predicted against actual"),
            *relative_errors(model, title="Relative error"),
            *learning([model]),
            *loss(model.history),
            *ranks(model.history),
        ],
        closing=[
            shot_table(model.predictions),
            layer_table(model.metrics),
            settings_table(model.provenance),
        ],
    )


def build_comparison_page(models: Sequence[ModelReportData]) -> str:
    """Build the text of the page of a comparison."""
    compared = build_comparison(models)
    return build_document(
        "Comparison of networks",
        about=", ".join(model.name for model in models),
        answers=[("Which is closest?", state_best(compared))],
        tables=[comparison_table(compared)],
        plots=[
            *learning(models),
            *bias(models),
            *(drawn for model in models for drawn in scatter(model, title=model.name)),
        ],
        closing=[run_table(models), settings_table(models[0].provenance if models else {})],
    )


def _model_answers(metrics: Mapping[str, object]) -> list[tuple[str, str]]:
    error = metric(metrics, "test", "mae_per_s")
    said = "no error on test experiments is known"
    if np.isfinite(error):
        median = format_percent(metric(metrics, "test", "median_relative_error"))
        said = (
            f"{say_rate(error)} s⁻¹ mean absolute error on test experiments, "
            f"{median} median relative error"
        )
    size = [
        f"{say_count(metric(metrics, 'parameters'))} parameters",
        f"trained in {say_seconds(metric(metrics, 'seconds'))}",
    ]
    memory = metric(metrics, "peak_memory_bytes")
    size += [f"{format_bytes(memory)} of memory at the peak"] if np.isfinite(memory) else []
    answers = [("How good are its rates?", said)]
    advice = advise_fit(metrics)
    answers += [("Network or fit?", advice)] if advice else []
    return [*answers, ("What did it take?", ", ".join(size))]
