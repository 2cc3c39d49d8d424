"""What was found in the input, in lines: those of one kind in one, disagreements apart."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from stopflow import column_names as col

LEVELS = ("error", "warning")
"""Levels of what a reader has to look at."""
CONDITIONS = "conditions"


def say_problem(row: Mapping[str, Any]) -> str:
    """Say a problem in a line: its level, its place, what was found and what was expected."""
    return f"{row[col.LEVEL]}: {_say(row)}"


def group_problems(problems: pd.DataFrame) -> tuple[str, ...]:
    """One line a kind of problem: the first of it, and how many more there are.

    What the sources of the conditions disagree about is not among them.
    """
    others = problems[problems[col.TOPIC] != CONDITIONS]
    return tuple(f"{row[col.LEVEL]}: {_say(row)}{more}" for row, more in _kinds(others))


def say_disagreements(problems: pd.DataFrame) -> tuple[str, ...]:
    """One line a kind of disagreement between the sources of the conditions, and what was used."""
    found = problems[problems[col.TOPIC] == CONDITIONS]
    return tuple(f"{_say(row)}{more}" for row, more in _kinds(found))


def _kinds(problems: pd.DataFrame) -> list[tuple[dict[str, Any], str]]:
    """Return the first problem of each kind, and the words for how many more there are."""
    groups: dict[Hashable, list[dict[str, Any]]] = {}
    for row in problems.to_dict("records"):
        if row[col.LEVEL] in LEVELS:
            groups.setdefault(kind_of_problem(row), []).append(row)
    return [
        (rows[0], f" (and {len(rows) - 1} more like it)" if len(rows) > 1 else "")
        for rows in groups.values()
    ]


def kind_of_problem(row: Mapping[str, Any]) -> Hashable:
    """Return what problems have in common that differ in their names and numbers alone."""
    return row[col.LEVEL], row[col.RULE] or (row[col.FOUND], row[col.EXPECTED])


def _say(row: Mapping[str, Any]) -> str:
    place = ", ".join(
        part
        for part in ("/".join(filter(None, (row[col.EXPERIMENT], row[col.FILE]))), row[col.WHERE])
        if part
    )
    expected = f"; expected {row[col.EXPECTED]}" if row[col.EXPECTED] else ""
    return f"{place}: {row[col.FOUND]}{expected}"
