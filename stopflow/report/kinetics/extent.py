"""How much of a large lab stands on paper: what is longer belongs in the tables.

A lab of ten thousand experiments would fill tens of thousands of pages that nobody turns. The
answers are over all of it; pages of their own have the experiments most in doubt.
"""

from dataclasses import replace
from typing import Final

import pandas as pd

from stopflow import column_names as col
from stopflow.report.data import KineticsReportData
from stopflow.report.kept import Parts
from stopflow.report.paper.flow import Paragraph
from stopflow.report.paper.style import MUTED
from stopflow.report.paper.units import build_units
from stopflow.wording import count_things

DRAWN_EXPERIMENTS: Final = 200
"""Experiments that have pages of their own; a lab of a year has some 50."""
ATTACHED_SHOTS: Final = 20_000
"""Shots up to which their tables are attached to the PDF; they lie beside it in any case."""


def choose_experiments(shots: pd.DataFrame) -> list[str]:
    """Return the experiments that are drawn, in order: all, or those with most shots in doubt."""
    doubt = pd.DataFrame(
        {
            "fail": (shots[col.VERDICT] == "FAIL").to_numpy(),
            "warn": (shots[col.VERDICT] == "WARN").to_numpy(),
        }
    )
    counts = doubt.groupby(shots[col.EXPERIMENT].to_numpy(), sort=False).sum()
    worst = counts.sort_values(["fail", "warn"], ascending=False, kind="stable")
    chosen = set(worst.index[:DRAWN_EXPERIMENTS])
    return [str(name) for name in counts.index if name in chosen]


def kind_of_sheets(data: KineticsReportData, *, paper: str) -> tuple[object, ...]:
    """Tell the sheets of experiments from other parts of reports that are kept.

    Whatever the experiment, its pages are in the units of the lab.
    """
    return ("sheets", paper, build_units(data.conditions))


def count_missing(data: KineticsReportData, *, paper: str, parts: Parts) -> int:
    """Count the experiments whose sheets have to be drawn."""
    kind = kind_of_sheets(data, paper=paper)
    return sum(not parts.has(name, *kind) for name in choose_experiments(data.shots))


def limit_to(data: KineticsReportData, experiments: list[str]) -> KineticsReportData:
    """Leave out the secondary plots of experiments that are not drawn; those over several stay."""
    drawn = data.secondary[col.EXPERIMENT].isin([*experiments, ""])
    return data if drawn.all() else replace(data, secondary=data.secondary[drawn])


def explain_choice(drawn: int, experiments: int) -> list[Paragraph]:
    """Say which experiments have pages; nothing where all of them have."""
    if drawn == experiments:
        return []
    text = (
        f"Pages follow for {drawn} of {count_things(experiments, 'experiment')}: those with the "
        "most shots that FAIL or WARN. The rates of all are in rates.csv and rates.xlsx; for the "
        "pages of another experiment, ingest its folder alone."
    )
    return [Paragraph(text=text, size=8.2, colour=MUTED)]
