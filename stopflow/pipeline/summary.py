"""What an ingest says at its end: a table of conditions, the problems, one line."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from stopflow.report.rounding import format_concentration, format_pm
from stopflow.store import Dataset

SHOWN_ROWS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The outcome of an ingest, ready to print.

    Attributes
    ----------
    counts
        Shots by verdict.
    problems
        One line each for everything that could not be used as it was.
    exit_code
        1 when a file could not be read or a shot not fitted, else 0.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    counts: dict[str, int]
    problems: tuple[str, ...]
    exit_code: int
    headline: str

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "counts": self.counts,
            "conditions": [dict(zip(self.columns, row, strict=True)) for row in self.rows],
            "problems": list(self.problems),
            "summary": self.headline,
        }


def summarise(dataset: Dataset) -> Summary:
    """Build the summary of an ingested lab."""
    shots = dataset.shots
    verdicts = {name: int((shots["verdict"] == name).sum()) for name in ("PASS", "WARN", "FAIL")}
    refused = int(shots["k_per_s"].isna().sum())
    counts = {"shots": len(shots), "fitted": len(shots) - refused, "refused": refused, **verdicts}
    problems = tuple(
        _problem_line(row)
        for row in dataset.problems.to_dict("records")
        if row["level"] in ("error", "warning")
    )
    broken = bool((dataset.problems["level"] == "error").any()) or refused > 0
    conditions = dataset.conditions
    columns, rows = _condition_table(conditions)
    experiments = shots["experiment"].nunique()
    headline = (
        f"{counts['fitted']} of {counts['shots']} shots fitted in {experiments} experiments: "
        f"{verdicts['PASS']} PASS, {verdicts['WARN']} WARN, {verdicts['FAIL']} FAIL"
    )
    return Summary(
        columns=columns,
        rows=rows,
        counts=counts,
        problems=problems,
        exit_code=int(broken),
        headline=headline,
    )


CONDITION_CELLS: dict[str, Callable[[dict[str, Any]], str]] = {
    "experiment": lambda row: str(row["experiment"]),
    "conc.": lambda row: _if_known(row["concentration_M"], format_concentration),
    "ionic str.": lambda row: _if_known(row["ionic_strength_M"], format_concentration),
    "T": lambda row: _if_known(row["temperature_K"], _celsius),
    "shots": lambda row: f"{row['fitted']:.0f}/{row['shots']:.0f}",
    "k (1/s)": lambda row: _if_known(row["k_per_s"], lambda k: format_pm(k, row["k_stderr_per_s"])),
    "verdict": lambda row: str(row["verdict"]),
}


def _condition_table(
    conditions: pd.DataFrame,
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return columns and rows; a column that says nothing anywhere is left out."""
    records = conditions.head(SHOWN_ROWS).to_dict("records")
    cells = {name: [cell(row) for row in records] for name, cell in CONDITION_CELLS.items()}
    columns = tuple(name for name, texts in cells.items() if any(texts))
    rows = tuple(zip(*(cells[name] for name in columns), strict=True))
    if len(conditions) > SHOWN_ROWS:
        more = f"... {len(conditions) - SHOWN_ROWS} more in reports"
        rows += ((more, *[""] * (len(columns) - 1)),)
    return columns, rows


def _if_known(value: float, write: Callable[[float], str]) -> str:
    return "" if pd.isna(value) else write(value)


def _celsius(kelvin: float) -> str:
    return f"{kelvin - 273.15:.1f} °C"


def _problem_line(row: dict[str, Any]) -> str:
    place = ", ".join(part for part in (f"{row['experiment']}/{row['file']}", row["where"]) if part)
    expected = f"; expected {row['expected']}" if row["expected"] else ""
    return f"{row['level']}: {place}: {row['found']}{expected}"
