"""What an ingest says at its end: a table of conditions, the problems, one line."""

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
    rows = tuple(_condition_row(row) for row in conditions.head(SHOWN_ROWS).to_dict("records"))
    if len(conditions) > SHOWN_ROWS:
        rows += (("...", "", f"and {len(conditions) - SHOWN_ROWS} more", "", "", ""),)
    experiments = shots["experiment"].nunique()
    headline = (
        f"{counts['fitted']} of {counts['shots']} shots fitted in {experiments} experiments: "
        f"{verdicts['PASS']} PASS, {verdicts['WARN']} WARN, {verdicts['FAIL']} FAIL"
    )
    return Summary(
        columns=("experiment", "concentration", "T", "shots", "k (1/s)", "verdict"),
        rows=rows,
        counts=counts,
        problems=problems,
        exit_code=int(broken),
        headline=headline,
    )


def _condition_row(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(row["experiment"]),
        "" if pd.isna(row["concentration_M"]) else format_concentration(row["concentration_M"]),
        "" if pd.isna(row["temperature_K"]) else f"{row['temperature_K'] - 273.15:.1f} °C",
        f"{row['fitted']:.0f}/{row['shots']:.0f}",
        "-" if pd.isna(row["k_per_s"]) else format_pm(row["k_per_s"], row["k_stderr_per_s"]),
        str(row["verdict"]),
    )


def _problem_line(row: dict[str, Any]) -> str:
    place = ", ".join(part for part in (f"{row['experiment']}/{row['file']}", row["where"]) if part)
    expected = f"; expected {row['expected']}" if row["expected"] else ""
    return f"{row['level']}: {place}: {row['found']}{expected}"
