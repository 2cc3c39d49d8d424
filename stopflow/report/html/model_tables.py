"""The tables of a model's page and of a comparison's: cells with what they are sorted by."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from stopflow.report.data import ModelReportData
from stopflow.report.html.parts import Cell, column, says, table
from stopflow.report.kinetics.closing import list_provenance
from stopflow.report.models.comparison_numbers import list_runs
from stopflow.report.models.formats import say_count, say_percent, say_rate
from stopflow.report.models.numbers import (
    KEPT_STATE,
    SCORED,
    known_predictions,
    metric,
    score_experiments,
    size_layers,
)
from stopflow.report.paper.rounding import MISSING, format_digits


def score_table(metrics: Mapping[str, object]) -> dict[str, Any]:
    """Errors on the test experiments, on those of the training, and of the fit."""
    rows = [
        [
            says(words),
            _whole(metric(metrics, key, "n")),
            _cell(say_rate, metric(metrics, key, "mae_per_s")),
            _percent(metric(metrics, key, "median_relative_error")),
            _percent(metric(metrics, key, "p95_relative_error")),
        ]
        for key, words in SCORED.items()
        if isinstance(metrics.get(key), Mapping)
    ]
    heads = [
        column("On"),
        column("Shots", number=True),
        column("MAE", "s⁻¹", number=True),
        column("Median error", "%", number=True),
        column("95 % below", "%", number=True),
    ]
    return table("scores", "How good are its rates?", heads, rows, note=KEPT_STATE)


def experiment_tables(predictions: pd.DataFrame) -> list[dict[str, Any]]:
    """Errors of each test experiment; no table without one."""
    rows = [
        [
            says(name),
            _whole(count),
            _cell(say_rate, mae),
            _percent(median),
            _percent(shift, signed=True),
        ]
        for name, count, mae, median, shift in score_experiments(predictions)
    ]
    heads = [
        column("Test experiment"),
        column("Shots", number=True),
        column("MAE", "s⁻¹", number=True),
        column("Median error", "%", number=True),
        column("Median bias", "%", number=True),
    ]
    return [table("experiments", "Test experiments", heads, rows)] if rows else []


def shot_tables(predictions: pd.DataFrame) -> list[dict[str, Any]]:
    """Actual and predicted k of every shot; no table without one."""
    known = known_predictions(predictions)
    rows = [
        [
            says(str(row.file)),
            says(str(row.experiment)),
            says(str(row.split)),
            _cell(lambda value: format_digits(value, 4), row.k_actual_per_s),
            _cell(lambda value: format_digits(value, 4), row.k_predicted_per_s),
            _percent(row.k_predicted_per_s / row.k_actual_per_s - 1, signed=True),
        ]
        for row in known.itertuples(index=False)
    ]
    heads = [
        column("File"),
        column("Experiment"),
        column("Part"),
        column("Actual k", "s⁻¹", number=True),
        column("Predicted k", "s⁻¹", number=True),
        column("Error", "%", number=True),
    ]
    return [table("shots", "Shots", heads, rows)] if rows else []


def layer_tables(metrics: Mapping[str, object]) -> list[dict[str, Any]]:
    """Type, size and rank of every layer; no table where they are not known."""
    layers = metrics.get("layers")
    if not isinstance(layers, Sequence) or isinstance(layers, str) or not layers:
        return []
    sized = size_layers(layers, parameters=metric(metrics, "parameters"))
    names = list(dict.fromkeys(str(key) for layer in sized for key in layer))
    heads = [
        column(
            name.replace("_", " "),
            number=place > 0 and any(isinstance(layer.get(name), int | float) for layer in sized),
        )
        for place, name in enumerate(names)
    ]
    rows = [[_entry(layer.get(name)) for name in names] for layer in sized]
    return [table("layers", "Layers", heads, rows)]


def run_table(models: Sequence[ModelReportData]) -> dict[str, Any]:
    """Test error of every run."""
    rows = [
        [says(model.name), _whole(run), _cell(say_rate, float(error))]
        for model in models
        for run, error in enumerate(list_runs(model), start=1)
    ]
    heads = [column("Model"), column("Run", number=True), column("Test MAE", "s⁻¹", number=True)]
    return table("runs", "Test error of every run", heads, rows)


def settings_table(provenance: Mapping[str, object]) -> dict[str, Any]:
    """How the results came to be."""
    rows = [[says(name), says(value)] for name, value in list_provenance(provenance)]
    return table("settings", "Provenance", [column("Setting"), column("Value")], rows)


def _entry(value: object) -> Cell:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return says(MISSING if value is None else str(value))
    return _whole(value) if isinstance(value, int) else _cell(lambda v: format_digits(v, 4), value)


def _cell(say: Callable[[float], str], value: float) -> Cell:
    return say(value), float(value)


def _whole(value: float) -> Cell:
    return say_count(float(value)), float(value)


def _percent(share: float, *, signed: bool = False) -> Cell:
    return say_percent(share, signed=signed).removesuffix(" %"), 100 * float(share)
