"""The tables of models, each made once for paper and page: cells with what they are sorted by."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from stopflow.report.data import ModelReportData
from stopflow.report.kinetics.closing import list_provenance
from stopflow.report.models.comparison_numbers import list_runs
from stopflow.report.models.formats import say_count, say_rate
from stopflow.report.models.numbers import (
    KEPT_STATE,
    SCORED,
    known_predictions,
    metric,
    score_experiments,
    size_layers,
)
from stopflow.report.paper.grid import GridColumn, TableGrid
from stopflow.report.paper.rounding import MISSING, format_digits, format_percent

Cell = tuple[str, float | str]
"""What a cell shows, and what its column is sorted by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTable:
    """A table of a model's reports.

    Attributes
    ----------
    name
        Of the CSV file that the page exports it as.
    columns
        On the page all have their units; on paper those whose cells do not say them.
    note
        Stands below it.
    """

    name: str
    title: str
    columns: Sequence[GridColumn]
    rows: Sequence[Sequence[Cell]]
    note: str = ""

    def grid(self, *, size: float = 6.9, after_mm: float = 4.0) -> TableGrid:
        """Set the table on paper, without its title and note."""
        rows = tuple(tuple(text for text, _ in row) for row in self.rows)
        columns = []
        for at, column in enumerate(self.columns):
            is_said = any(row[at].endswith(f" {column.unit}") for row in rows)
            columns.append(replace(column, unit="") if is_said else column)
        return TableGrid(columns=tuple(columns), rows=rows, size=size, after_mm=after_mm)


def word_cell(text: str) -> Cell:
    """Return a cell that is its own value."""
    return text, text


def count_cell(value: float) -> Cell:
    """Return a cell of a whole number."""
    return say_count(float(value)), float(value)


def score_table(metrics: Mapping[str, object]) -> ModelTable:
    """Errors on the test experiments, on those of the training, and of the fit."""
    rows = [
        (
            word_cell(words),
            count_cell(metric(metrics, key, "n")),
            _number(say_rate, metric(metrics, key, "mae_per_s")),
            _percent(metric(metrics, key, "median_relative_error")),
            _percent(metric(metrics, key, "p95_relative_error")),
        )
        for key, words in SCORED.items()
        if isinstance(metrics.get(key), Mapping)
    ]
    columns = (
        GridColumn(title="On"),
        GridColumn(title="Shots", align="right"),
        GridColumn(title="MAE", unit="s⁻¹", align="right"),
        GridColumn(title="Median error", unit="%", align="right"),
        GridColumn(title="95 % below", unit="%", align="right"),
    )
    title = "How good are its rates?"
    return ModelTable(name="scores", title=title, columns=columns, rows=rows, note=KEPT_STATE)


def experiment_table(predictions: pd.DataFrame) -> ModelTable:
    """Errors of each test experiment."""
    rows = [
        (
            word_cell(name),
            count_cell(shots),
            _number(say_rate, mae),
            _percent(median),
            _percent(shift, signed=True),
        )
        for name, shots, mae, median, shift in score_experiments(predictions)
    ]
    columns = (
        GridColumn(title="Test experiment"),
        GridColumn(title="Shots", align="right"),
        GridColumn(title="MAE", unit="s⁻¹", align="right"),
        GridColumn(title="Median error", unit="%", align="right"),
        GridColumn(title="Median bias", unit="%", align="right"),
    )
    return ModelTable(name="experiments", title="Test experiments", columns=columns, rows=rows)


def shot_table(predictions: pd.DataFrame) -> ModelTable:
    """Actual and predicted k of every shot."""
    known = known_predictions(predictions)
    rows = [
        (
            word_cell(str(row.file)),
            word_cell(str(row.experiment)),
            word_cell(str(row.split)),
            _number(_four_digits, row.k_actual_per_s),
            _number(_four_digits, row.k_predicted_per_s),
            _percent(row.k_predicted_per_s / row.k_actual_per_s - 1, signed=True),
        )
        for row in known.itertuples(index=False)
    ]
    columns = (
        *(GridColumn(title=title) for title in ("File", "Experiment", "Part")),
        GridColumn(title="Actual k", unit="s⁻¹", align="right"),
        GridColumn(title="Predicted k", unit="s⁻¹", align="right"),
        GridColumn(title="Error", unit="%", align="right"),
    )
    return ModelTable(name="shots", title="Shots", columns=columns, rows=rows)


def layer_table(metrics: Mapping[str, object]) -> ModelTable:
    """Type, size and rank of every layer; without rows where they are not known."""
    layers = metrics.get("layers")
    if not isinstance(layers, Sequence) or isinstance(layers, str):
        layers = ()
    sized = size_layers(layers, parameters=metric(metrics, "parameters"))
    names = list(dict.fromkeys(str(key) for layer in sized for key in layer))
    columns = [
        GridColumn(
            title=name.replace("_", " "),
            align="right"
            if any(isinstance(layer.get(name), int | float) for layer in sized)
            else "left",
        )
        for name in names
    ]
    rows = [[_entry(layer.get(name)) for name in names] for layer in sized]
    return ModelTable(name="layers", title="Layers", columns=columns, rows=rows)


def run_table(models: Sequence[ModelReportData]) -> ModelTable:
    """Test error of every run."""
    rows = [
        (word_cell(model.name), count_cell(run), _number(say_rate, float(error)))
        for model in models
        for run, error in enumerate(list_runs(model), start=1)
    ]
    columns = (
        GridColumn(title="Model"),
        GridColumn(title="Run", align="right"),
        GridColumn(title="Test MAE", unit="s⁻¹", align="right"),
    )
    return ModelTable(name="runs", title="Test error of every run", columns=columns, rows=rows)


def settings_table(provenance: Mapping[str, object]) -> ModelTable:
    """How the results came to be."""
    rows = [(word_cell(name), word_cell(value)) for name, value in list_provenance(provenance)]
    columns = [GridColumn(title=title) for title in ("Setting", "Value")]
    return ModelTable(name="settings", title="Provenance", columns=columns, rows=rows)


def _entry(value: object) -> Cell:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return word_cell(MISSING if value is None else str(value))
    return count_cell(value) if isinstance(value, int) else _number(_four_digits, value)


def _number(say: Callable[[float], str], value: float) -> Cell:
    return say(value), float(value)


def _four_digits(value: float) -> str:
    return format_digits(value, 4)


def _percent(share: float, *, signed: bool = False) -> Cell:
    return format_percent(share, signed=signed), 100 * float(share)
