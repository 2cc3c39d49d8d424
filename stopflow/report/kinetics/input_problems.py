"""What was found in the input, in lines: those of one kind in one, disagreements apart."""

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from stopflow.report.kinetics.summary import reason_family

LEVELS = ("error", "warning")
"""Levels of what a reader has to look at."""
CONDITIONS = "conditions"
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


def say_problem(row: Mapping[str, Any]) -> str:
    """Say a problem in a line: its level, its place, what was found and what was expected."""
    return f"{row['level']}: {_say(row)}"


def group_problems(problems: pd.DataFrame) -> tuple[str, ...]:
    """One line a kind of problem: the first of it, and how many more there are.

    What the sources of the conditions disagree about is not among them.
    """
    others = problems[problems["topic"] != CONDITIONS]
    return tuple(f"{row['level']}: {_say(row)}{more}" for row, more in _kinds(others))


def say_disagreements(problems: pd.DataFrame) -> tuple[str, ...]:
    """One line a kind of disagreement between the sources of the conditions, and what was used."""
    found = problems[problems["topic"] == CONDITIONS]
    return tuple(f"{_say(row)}{more}" for row, more in _kinds(found))


def _kinds(problems: pd.DataFrame) -> list[tuple[dict[str, Any], str]]:
    """Return the first problem of each kind, and the words for how many more there are."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in problems.to_dict("records"):
        if row["level"] in LEVELS:
            key = (row["level"], _kind(row["found"]), _kind(row["expected"]))
            groups.setdefault(key, []).append(row)
    return [
        (rows[0], f" (and {len(rows) - 1} more like it)" if len(rows) > 1 else "")
        for rows in groups.values()
    ]


def _kind(text: str) -> str:
    """Reduce a text to its kind: what is quoted in it, and its numbers, differ from row to row."""
    return reason_family(_QUOTED.sub("#", text))


def _say(row: Mapping[str, Any]) -> str:
    place = ", ".join(part for part in (f"{row['experiment']}/{row['file']}", row["where"]) if part)
    expected = f"; expected {row['expected']}" if row["expected"] else ""
    return f"{place}: {row['found']}{expected}"
