"""The table of a comparison: what each of its columns holds and how it is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from stopflow.report.models.formats import say_count
from stopflow.report.models.numbers import KEPT_STATE
from stopflow.report.models.tables import ModelTable
from stopflow.report.paper.grid import GridColumn
from stopflow.report.paper.rounding import MISSING, format_bytes, format_digits, format_pm

Row = Mapping[Any, Any]
ALWAYS: Final = "Test MAE"
"""The column that stands also where no model has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedColumn:
    """A column of the comparison.

    Attributes
    ----------
    text
        What is printed of a row; `MISSING` or "" where the model has nothing there.
    value
        What the column is sorted by.
    """

    head: GridColumn
    text: Callable[[Row], str]
    value: Callable[[Row], float | str]


def _number(row: Row, name: str) -> float:
    found = row.get(name)
    return float(found) if isinstance(found, int | float) else np.nan


def _words(title: str, name: str, *, number: bool = False) -> ComparedColumn:
    return ComparedColumn(
        head=GridColumn(title=title, align="right" if number else "left"),
        text=lambda row: str(row[name] or MISSING),
        value=lambda row: str(row[name] or ""),
    )


def _digits(
    title: str, name: str, *, unit: str = "", digits: int = 3, factor: float = 1.0
) -> ComparedColumn:
    return ComparedColumn(
        head=GridColumn(title=title, unit=unit, align="right"),
        text=lambda row: format_digits(factor * _number(row, name), digits),
        value=lambda row: factor * _number(row, name),
    )


def _spread(title: str, name: str, error: str, *, unit: str) -> ComparedColumn:
    return ComparedColumn(
        head=GridColumn(title=title, unit=unit, align="right"),
        text=lambda row: format_pm(_number(row, name), _number(row, error)),
        value=lambda row: _number(row, name),
    )


def _count(title: str, name: str, *, zero: str = "0") -> ComparedColumn:
    def text(row: Row) -> str:
        value = _number(row, name)
        return zero if value == 0 else say_count(value)

    return ComparedColumn(
        head=GridColumn(title=title, align="right"), text=text, value=lambda row: _number(row, name)
    )


COLUMNS: Final[tuple[ComparedColumn, ...]] = (
    _words("Model", "name"),
    ComparedColumn(
        head=GridColumn(title="Layer"),
        text=lambda row: str(row["layer"] if row["layer"] != row["name"] else MISSING) or MISSING,
        value=lambda row: str(row["layer"]),
    ),
    _words("Rank", "rank", number=True),
    _count("Runs", "runs"),
    _spread(ALWAYS, "test_mae_per_s", "test_mae_sd_per_s", unit="s⁻¹"),
    _digits("MAE", "ratio_to_fit", unit="/ fit’s"),
    _spread("MAE", "ratio_to_dense", "ratio_to_dense_se", unit="/ dense’s"),
    _digits("MAE", "ratio_to_bound", unit="/ bound"),
    _digits("Median", "test_median_relative_error", unit="%", digits=2, factor=100.0),
    _digits("95 %", "test_p95_relative_error", unit="%", digits=2, factor=100.0),
    _digits("Bias", "test_bias", unit="%", digits=2, factor=100.0),
    _count("Parameters", "parameters", zero=MISSING),
    _count("Epochs", "epochs", zero=MISSING),
    _digits("Time", "seconds", unit="s"),
    ComparedColumn(
        head=GridColumn(title="Memory", unit="peak", align="right"),
        text=lambda row: format_bytes(_number(row, "peak_memory_bytes") or np.nan),
        value=lambda row: _number(row, "peak_memory_bytes") or np.nan,
    ),
)


def comparison_table(compared: pd.DataFrame) -> ModelTable:
    """Set `build_comparison` as a table of the columns that at least one model has something in."""
    records = compared.to_dict("records")
    columns = [
        column
        for column in COLUMNS
        if column.head.title == ALWAYS
        or any(column.text(row) not in (MISSING, "") for row in records)
    ]
    return ModelTable(
        name="compared",
        title="Ways compared",
        columns=[column.head for column in columns],
        rows=[[(column.text(row), column.value(row)) for column in columns] for row in records],
        note=table_note(compared),
    )


def table_note(table: pd.DataFrame) -> str:
    """Say what the columns mean, and which runs diverged."""
    note = (
        "Errors on test experiments, which no network saw in training. Median and 95 %: relative "
        "errors."
    )
    if np.isfinite(table["test_bias"]).any():
        note += " Bias: mean relative error."
    if np.isfinite(table["ratio_to_bound"]).any():
        note += " Bound: the smallest error any unbiased fit could have (Cramér-Rao)."
    if np.isfinite(table["test_mae_sd_per_s"]).any():
        note += (
            " Several runs (seeds and folds): all numbers are means; ± is the standard deviation "
            "of the error between runs."
        )
    if np.isfinite(table["ratio_to_dense_se"]).any():
        note += (
            " MAE / dense’s: geometric mean over pairs of runs of equal seed and split, ± its "
            "standard error."
        )
    if (table["epochs"] > 0).any():
        note += f" {KEPT_STATE}"
    diverged = table[table["diverged"] > 0]
    if len(diverged):
        named = [f"{row['name']} ({row['diverged']:.0f})" for row in diverged.to_dict("records")]
        note += f" Runs that diverged: {', '.join(named)}."
    return note
