"""What the secondary plots gave, in sentences for the first page."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from stopflow import column_names as col
from stopflow.kinetics.secondary.curve_table import CURVES
from stopflow.report.kinetics.secondary_titles import name_plot, place_of_plot
from stopflow.report.kinetics.summary import FEW
from stopflow.report.paper.rounding import format_pm, format_value
from stopflow.wording import count_things, join_words

_MOST = 8
"""So many plots of different reactions are named one by one."""
_SLOW_PHASES = tuple(kind for kind in CURVES if kind.endswith(", slow phase"))


def summarise_secondary(secondary: pd.DataFrame) -> str:
    """Say what the secondary plots gave: each value of a few, the range of many."""
    if secondary.empty:
        return ""
    chosen = secondary[secondary[col.CHOSEN].astype(bool)]
    said = []
    headlines = {
        item.name: item.headline
        for curve in CURVES.values()
        for item in curve.parameters
        if item.headline
    }
    for name, words in headlines.items():
        # Both phases of a mechanism have the same constants.
        own = chosen[(chosen[col.PARAMETER] == name) & ~chosen[col.KIND].isin(_SLOW_PHASES)]
        rows = own.to_dict("records")
        if not rows:
            continue
        unit = str(rows[0][col.UNIT]).replace("^-1", "⁻¹")
        reactions = {_reaction(row) for row in rows}
        if len(rows) <= (FEW if len(reactions) == 1 else _MOST):
            values = [
                f"{format_pm(float(row[col.VALUE]), float(row[col.STDERR]))} {unit} "
                f"({place_of_plot(row)})"
                for row in rows
            ]
            said.append(f"{words}: {'; '.join(values)}.")
        else:
            said.append(f"{words} {_range_of(rows, unit)}.")
    said += _undecided(secondary)
    return " ".join(text[0].upper() + text[1:] if text[:2] != "k_" else text for text in said)


def _undecided(secondary: pd.DataFrame) -> list[str]:
    """Say which plots decide nothing: each of a few by its name, of many how many."""
    decided = secondary.groupby(col.PLOT, sort=False)[col.CHOSEN].transform("any").astype(bool)
    first = secondary[~decided].drop_duplicates(col.PLOT).to_dict("records")
    if not first:
        return []
    named = join_words(map(name_plot, first))
    which = named if len(first) <= FEW else count_things(len(first), "plot")
    return [
        f"no constant is reported for {which}, because no curve through the points is established; "
        "the reasons are said with the secondary plots."
    ]


def _range_of(rows: Sequence[Mapping[Hashable, Any]], unit: str) -> str:
    """Give the range over the plots of each reaction; of many reactions only where to look."""
    reactions: dict[str, list[Mapping[Hashable, Any]]] = {}
    for row in rows:
        reactions.setdefault(_reaction(row), []).append(row)
    if len(reactions) > FEW:
        return f"of {len(reactions)} reactions: in the table of secondary plots"
    said = []
    for name, own in reactions.items():
        ordered = sorted(own, key=lambda row: float(str(row[col.VALUE])))
        low, high = (
            format_value(float(str(row[col.VALUE])), float(str(row[col.STDERR])))
            for row in (ordered[0], ordered[-1])
        )
        spread = f"{low} to {high}" if len(own) > 1 else low
        of = f" with {name}" if len(reactions) > 1 and name else ""
        said.append(f"of {count_things(len(own), 'plot')}{of}: {spread} {unit}")
    return "; ".join(said)


def _reaction(row: Mapping[Hashable, Any]) -> str:
    return str(row.get(col.SUBSTRATE) or "")
