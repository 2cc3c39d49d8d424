"""The tables of models, each made once for paper and page: cells with what they are sorted by."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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
from stopflow.report.paper.grid import Column, Grid
from stopflow.report.paper.rounding import MISSING, format_digits, format_percent

Cell = tuple[str, float | str]
"""What a cell shows, and what its column is sorted by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of a column; its cells may say the unit themselves.

    Attributes
    ----------
    number
        The column holds numbers.
    """

    title: str
    unit: str = ""
    number: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTable:
    """A table of a model's reports.

    Attributes
    ----------
    name
        Of the CSV file that the page exports it as.
    note
        Stands below it.
    """

    name: str
    title: str
    heads: Sequence[Head]
    rows: Sequence[Sequence[Cell]]
    note: str = ""

    def grid(self, *, size: float = 6.9, after_mm: float = 4.0) -> Grid:
        """Set the table on paper, without its title and note."""
        rows = tuple(tuple(text for text, _ in row) for row in self.rows)
        columns = []
        for place, head in enumerate(self.heads):
            said = any(row[place].endswith(f" {head.unit}") for row in rows)
            columns.append(
                Column(
                    title=head.title,
                    unit="" if said else head.unit,
                    align="right" if head.number else "left",
                )
            )
        return Grid(columns=tuple(columns), rows=rows, size=size, after_mm=after_mm)


def word(text: str) -> Cell:
    """Return a cell that is its own value."""
    return text, text


def count(value: float) -> Cell:
    """Return a cell of a whole number."""
    return say_count(float(value)), float(value)


def score_table(metrics: Mapping[str, object]) -> ModelTable:
    """Errors on the test experiments, on those of the training, and of the fit."""
    rows = [
        (
            word(words),
            count(metric(metrics, key, "n")),
            _number(say_rate, metric(metrics, key, "mae_per_s")),
            _percent(metric(metrics, key, "median_relative_error")),
            _percent(metric(metrics, key, "p95_relative_error")),
        )
        for key, words in SCORED.items()
        if isinstance(metrics.get(key), Mapping)
    ]
    heads = (
        Head(title="On", number=False),
        Head(title="Shots"),
        Head(title="MAE", unit="s⁻¹"),
        Head(title="Median error", unit="%"),
        Head(title="95 % below", unit="%"),
    )
    title = "How good are its rates?"
    return ModelTable(name="scores", title=title, heads=heads, rows=rows, note=KEPT_STATE)


def experiment_table(predictions: pd.DataFrame) -> ModelTable:
    """Errors of each test experiment."""
    rows = [
        (
            word(name),
            count(shots),
            _number(say_rate, mae),
            _percent(median),
            _percent(shift, signed=True),
        )
        for name, shots, mae, median, shift in score_experiments(predictions)
    ]
    heads = (
        Head(title="Test experiment", number=False),
        Head(title="Shots"),
        Head(title="MAE", unit="s⁻¹"),
        Head(title="Median error", unit="%"),
        Head(title="Median bias", unit="%"),
    )
    return ModelTable(name="experiments", title="Test experiments", heads=heads, rows=rows)


def shot_table(predictions: pd.DataFrame) -> ModelTable:
    """Actual and predicted k of every shot."""
    known = known_predictions(predictions)
    rows = [
        (
            word(str(row.file)),
            word(str(row.experiment)),
            word(str(row.split)),
            _number(_four_digits, row.k_actual_per_s),
            _number(_four_digits, row.k_predicted_per_s),
            _percent(row.k_predicted_per_s / row.k_actual_per_s - 1, signed=True),
        )
        for row in known.itertuples(index=False)
    ]
    heads = (
        *(Head(title=title, number=False) for title in ("File", "Experiment", "Part")),
        Head(title="Actual k", unit="s⁻¹"),
        Head(title="Predicted k", unit="s⁻¹"),
        Head(title="Error", unit="%"),
    )
    return ModelTable(name="shots", title="Shots", heads=heads, rows=rows)


def layer_table(metrics: Mapping[str, object]) -> ModelTable:
    """Type, size and rank of every layer; without rows where they are not known."""
    layers = metrics.get("layers")
    if not isinstance(layers, Sequence) or isinstance(layers, str):
        layers = ()
    sized = size_layers(layers, parameters=metric(metrics, "parameters"))
    names = list(dict.fromkeys(str(key) for layer in sized for key in layer))
    heads = [
        Head(
            title=name.replace("_", " "),
            number=any(isinstance(layer.get(name), int | float) for layer in sized),
        )
        for name in names
    ]
    rows = [[_entry(layer.get(name)) for name in names] for layer in sized]
    return ModelTable(name="layers", title="Layers", heads=heads, rows=rows)


def run_table(models: Sequence[ModelReportData]) -> ModelTable:
    """Test error of every run."""
    rows = [
        (word(model.name), count(run), _number(say_rate, float(error)))
        for model in models
        for run, error in enumerate(list_runs(model), start=1)
    ]
    heads = (
        Head(title="Model", number=False),
        Head(title="Run"),
        Head(title="Test MAE", unit="s⁻¹"),
    )
    return ModelTable(name="runs", title="Test error of every run", heads=heads, rows=rows)


def settings_table(provenance: Mapping[str, object]) -> ModelTable:
    """How the results came to be."""
    rows = [(word(name), word(value)) for name, value in list_provenance(provenance)]
    heads = [Head(title=title, number=False) for title in ("Setting", "Value")]
    return ModelTable(name="settings", title="Provenance", heads=heads, rows=rows)


def _entry(value: object) -> Cell:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return word(MISSING if value is None else str(value))
    return count(value) if isinstance(value, int) else _number(_four_digits, value)


def _number(say: Callable[[float], str], value: float) -> Cell:
    return say(value), float(value)


def _four_digits(value: float) -> str:
    return format_digits(value, 4)


def _percent(share: float, *, signed: bool = False) -> Cell:
    return format_percent(share, signed=signed), 100 * float(share)
