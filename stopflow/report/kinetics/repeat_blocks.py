"""What to repeat, on paper: series as a whole, then single shots, each with its reason."""

from collections.abc import Sequence

import pandas as pd

from stopflow import column_names as col
from stopflow.report.kinetics.repeats import (
    Repeats,
    group_repeats,
    group_series,
    join_experiments,
    list_doubtful,
    list_repeats,
    name_files,
)
from stopflow.report.kinetics.summary import count_things, join_words
from stopflow.report.paper.flow import Block, Paragraph
from stopflow.report.paper.grid import Column, Grid
from stopflow.report.paper.units import build_units


def build_repeat_blocks(shots: pd.DataFrame, conditions: pd.DataFrame) -> list[Block]:
    """Compose the lists of what to repeat or to look at; empty when there is nothing."""
    wanted, doubtful = list_repeats(shots), list_doubtful(conditions)
    blocks: list[Block] = []
    series = group_series(doubtful, conditions, build_units(conditions))
    if len(doubtful):
        said = f"{len(doubtful)} series of replicates should be looked at."
        blocks += [
            Paragraph(text=said, keep_with_next=True),
            _grid(series, counted="Series", named="Reason and series"),
        ]
    if len(wanted):
        blocks += [
            Paragraph(text=_what_to_do(wanted), keep_with_next=True),
            _grid(group_repeats(wanted), counted="Shots", named="Reason and files"),
        ]
    return blocks


def _what_to_do(wanted: pd.DataFrame) -> str:
    failed = int((wanted[col.VERDICT] == "FAIL").sum())
    warned = len(wanted) - failed
    said = []
    if failed:
        named = "shot that" if failed == 1 else "shots that"
        said.append(f"repeat {failed} {named} gave no usable rate")
    if warned:
        things = f"{warned}" if failed else count_things(warned, "shot")
        named = "it" if warned == 1 else "them"
        said.append(f"look at {things} with a warning before using {named}")
    sentence = join_words(said)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _grid(groups: Sequence[Repeats], *, counted: str, named: str) -> Grid:
    rows = [
        (
            item.verdict,
            item.experiment,
            str(item.count),
            f"{item.reason}: {name_files(item.names)}",
        )
        for item in join_experiments(groups)
    ]
    columns = (
        Column(title="Verdict", verdict=True),
        Column(title="Experiment"),
        Column(title=counted, align="right"),
        Column(title=named, wrap=True),
    )
    return Grid(columns=columns, rows=tuple(rows), size=6.8, name="What to repeat")
