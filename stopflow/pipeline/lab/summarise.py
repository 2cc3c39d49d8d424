"""What is said of a dataset at the end of an ingest, from its tables."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd

from stopflow.io.units import say_celsius
from stopflow.kinetics.laws.table import error_columns
from stopflow.pipeline.lab.summary import Summary
from stopflow.report.data import sort_conditions
from stopflow.report.kinetics.conditions import (
    name_files_apart,
    write_concentration,
)
from stopflow.report.kinetics.input_problems import (
    LEVELS,
    group_problems,
    say_disagreements,
    say_problem,
)
from stopflow.report.kinetics.law_choice import list_law_choices, say_law_choice, say_remedies
from stopflow.report.kinetics.repeats import list_doubtful
from stopflow.report.kinetics.summary import further_rates, usable_shots
from stopflow.report.paper.rounding import format_pm_groups
from stopflow.report.paper.units import Units, build_units
from stopflow.store import Dataset
from stopflow.wording import count_things

SHOWN_ROWS = 40
GIVEN_STARTS = ("workbook", "decision")
"""Sources of a start that somebody has set."""


def summarise(dataset: Dataset) -> Summary:
    """Build the summary of an ingested lab."""
    shots = dataset.shots
    verdicts = {name: int((shots["verdict"] == name).sum()) for name in ("PASS", "WARN", "FAIL")}
    refused = int(shots["k_per_s"].isna().sum())
    counts = {"shots": len(shots), "fitted": len(shots) - refused, "refused": refused, **verdicts}
    problems = tuple(
        say_problem(row) for row in dataset.problems.to_dict("records") if row["level"] in LEVELS
    )
    broken = bool((dataset.problems["level"] == "error").any()) or refused > 0
    columns, rows = _condition_table(dataset)
    headline = (
        f"{counts['fitted']} of {count_things(counts['shots'], 'shot')} fitted in "
        f"{count_things(shots['experiment'].nunique(), 'experiment')}: "
        f"{verdicts['PASS']} PASS, {verdicts['WARN']} WARN, {verdicts['FAIL']} FAIL"
    )
    left_out = dataset.provenance.get("left_out") or ()
    if left_out:
        headline += f"; {count_things(len(left_out), 'shot')} left out by decisions.csv"
    doubtful = len(list_doubtful(dataset.conditions))
    if doubtful:
        headline += f"; {doubtful} of {len(dataset.conditions)} series with a warning as a whole"
    remedies = say_remedies(shots)
    if remedies:
        headline += f"; {remedies}"
    return Summary(
        columns=columns,
        rows=rows,
        counts=counts,
        problems=problems,
        grouped=group_problems(dataset.problems),
        errors=group_problems(dataset.problems[dataset.problems["level"] == "error"]),
        disagreements=say_disagreements(dataset.problems),
        law_choices=tuple(say_law_choice(choice) for choice in list_law_choices(shots)),
        hints=_hints(shots),
        exit_code=int(broken),
        headline=headline,
    )


CONDITION_CELLS: dict[str, Callable[[dict[str, Any], Units], str]] = {
    "experiment": lambda row, _: str(row["experiment"]),
    "file": lambda row, _: str(row["file"]),
    "mixture": lambda row, _: str(row["mixture"]),
    "conc.": lambda row, units: _if_known(
        row["concentration_M"], partial(write_concentration, unit=units.concentration)
    ),
    "ionic str.": lambda row, units: _if_known(
        row["ionic_strength_M"], partial(write_concentration, unit=units.ionic_strength)
    ),
    "T": lambda row, _: _if_known(row["temperature_K"], say_celsius),
    "shots": lambda row, _: f"{row['fitted']:.0f}/{row['shots']:.0f}",
}
"""Columns before the rates."""


def _condition_table(dataset: Dataset) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return columns and rows; a column that says nothing anywhere is left out."""
    conditions = sort_conditions(
        dataset.conditions.assign(file=name_files_apart(dataset.shots, dataset.conditions))
    )
    units = build_units(conditions)
    shown = conditions.head(SHOWN_ROWS)
    records = shown.to_dict("records")
    cells = {name: [cell(row, units) for row in records] for name, cell in CONDITION_CELLS.items()}
    for symbol, name in ({"k": "k_per_s"} | further_rates(shown)).items():
        pairs = list(zip(shown[name], shown[error_columns(name)[0]], strict=True))
        rates = format_pm_groups(list(shown["experiment"]), pairs)
        known = shown[name].notna()
        cells[f"{symbol} (1/s)"] = [
            text if there else "" for text, there in zip(rates, known, strict=True)
        ]
    cells["verdict"] = list(shown["verdict"].astype(str))
    columns = tuple(name for name, texts in cells.items() if any(texts))
    rows = tuple(zip(*(cells[name] for name in columns), strict=True))
    if len(conditions) > SHOWN_ROWS:
        more = f"... {len(conditions) - SHOWN_ROWS} more"
        rows += ((more, *[""] * (len(columns) - 1)),)
    return columns, rows


def _hints(shots: pd.DataFrame) -> tuple[str, ...]:
    hints = []
    if shots["k_per_s"].isna().all():
        hints.append(
            "no shot gave a rate: the reasons are in the column reason of rates.csv; look at one "
            "shot with: stopflow view FILE"
        )
    usable = usable_shots(shots)
    detected = int((~usable["start_source"].isin(GIVEN_STARTS)).sum())
    if detected:
        hints.append(
            f"the start of the fit was found from the trace for {detected} of "
            f"{count_things(len(usable), 'shot')} with a usable rate; "
            "to set it yourself, write a start_values.csv in the folder with the columns Filename "
            "and x_start"
        )
    if shots["concentration_M"].isna().all() and len(shots) > 1:
        hints.append(
            "no concentrations are known, so there is no plot of k against them; to give them, "
            "write an Extended_Dataset.csv in the folder with the columns Filename and "
            "Concentration (mM)"
        )
    return tuple(hints)


def _if_known(value: float, write: Callable[[float], str]) -> str:
    return "" if pd.isna(value) else write(value)
