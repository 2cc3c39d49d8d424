"""Constants and rankings as tables and as text."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd

from stopflow.mechanism.determined import Interval
from stopflow.mechanism.further import SHOTS, Proposal
from stopflow.mechanism.rank import Ranked
from stopflow.mechanism.results import FittedFolder
from stopflow.report.paper.rounding import format_concentration, format_digits, format_value

ENTHALPY, NO_VALUE = "kJ/mol", "–"
COLUMNS = (
    "group",
    "constant",
    "value",
    "unit",
    "low95",
    "high95",
    "relative_stderr",
    "stderr",
    "determined",
)


def format_constant(item: Interval) -> tuple[str, str, str]:
    """Write value, interval and unit; digits end where the interval ends, not the error alone.

    A number that is open on a side has no value: the best one is any of a valley.
    """
    if item.determined:
        error = 0.25 * (item.high - item.low)
        interval = f"{format_value(item.low, error)} to {format_value(item.high, error)}"
        return format_value(item.value, error), interval, item.unit
    if item.open_below and item.open_above:
        return NO_VALUE, "not determined", item.unit
    if item.open_above:
        return NO_VALUE, f"above {format_digits(item.low, 3)}", item.unit
    return NO_VALUE, f"below {format_digits(item.high, 3)}", item.unit


def constants_table(found: FittedFolder) -> pd.DataFrame:
    """One row a constant and group; an open end of an interval is empty."""
    rows = []
    for group in found.groups:
        for item in group.determination.intervals:
            is_rate = item.unit != ENTHALPY
            rows.append(
                {
                    "group": group.label,
                    "constant": item.name,
                    "value": item.value,
                    "unit": item.unit,
                    "low95": np.nan if item.open_below else item.low,
                    "high95": np.nan if item.open_above else item.high,
                    "relative_stderr": item.stderr if is_rate else np.nan,
                    "stderr": item.stderr * (item.value if is_rate else 1.0),
                    "determined": "yes" if item.determined else "no",
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def ranking_row(item: Ranked) -> dict[str, Any]:
    """Give a scheme of the ranking as numbers."""
    return {
        "name": item.scheme.name,
        "scheme": item.scheme.text,
        "aicc_behind": item.behind,
        "numbers": item.numbers,
        "mean_square": item.fit.best.squares / max(item.fit.dof, 1),
        "lack_of_fit": item.lack_of_fit if isfinite(item.lack_of_fit) else None,
        "held_out": item.held_out if isfinite(item.held_out) else None,
        "undecided": item.undecided,
        "contains": item.contains or None,
    }


def describe_proposals(proposals: Sequence[Proposal]) -> list[str]:
    """Say what would determine each open constant, or that nothing of the kind would."""
    said = []
    for item in proposals:
        if not item.helps:
            said.append(
                f"no other concentration or window that was tried would determine {item.constant} "
                "by what is seen here; another species has to be seen, or a response to be known"
            )
            continue
        mixture = ", ".join(f"{name} {format_concentration(value)}" for name, value in item.start_M)
        verb = "would determine" if item.determines else "would say more of"
        error = format_digits(100 * item.relative_stderr, 2)
        said.append(
            f"{SHOTS} further shots with {mixture}, recorded for {format_digits(item.window_s, 2)} "
            f"s, {verb} {item.constant} (± {error} % where it is "
            f"{format_digits(item.assumed, 2)} {item.unit})"
        )
    return said


def ranking_texts(item: Ranked) -> tuple[str, ...]:
    """Write a scheme of the ranking: AICc, mean square, lack of fit, held out, ruled out."""
    row = ranking_row(item)
    tested = [row["lack_of_fit"], row["held_out"]]
    return (
        f"{row['aicc_behind']:.3g}",
        f"{row['mean_square']:.3g}",
        *("–" if value is None else f"{value:.2g}" for value in tested),
        f"contains {item.contains}" if item.contains else ("no" if item.undecided else "yes"),
    )
