"""What was found in the input, in lines: those of one kind in one, disagreements apart."""

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from stopflow import column_names as col
from stopflow.report.kinetics.reasons import mask_numbers

LEVELS = ("error", "warning")
"""Levels of what a reader has to look at."""
CONDITIONS = "conditions"
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


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
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in problems.to_dict("records"):
        if row[col.LEVEL] in LEVELS:
            key = (row[col.LEVEL], _kind(row[col.FOUND]), _kind(row[col.EXPECTED]))
            groups.setdefault(key, []).append(row)
    return [
        (rows[0], f" (and {len(rows) - 1} more like it)" if len(rows) > 1 else "")
        for rows in groups.values()
    ]


def _kind(text: str) -> str:
    """Reduce a text to its kind: what is quoted in it, and its numbers, differ from row to row."""
    return mask_numbers(_QUOTED.sub("#", text))


def _say(row: Mapping[str, Any]) -> str:
    place = ", ".join(
        part
        for part in ("/".join(filter(None, (row[col.EXPERIMENT], row[col.FILE]))), row[col.WHERE])
        if part
    )
    expected = f"; expected {row[col.EXPECTED]}" if row[col.EXPECTED] else ""
    return f"{place}: {row[col.FOUND]}{expected}"
