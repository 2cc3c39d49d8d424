"""How conditions are told apart on paper: label, colour, marker and line style of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.report.data import NUMERIC
from stopflow.report.paper.rounding import (
    MISSING,
    format_concentration,
    format_digits,
    format_temperature,
)
from stopflow.report.paper.style import LINE_STYLES, MARKERS, LineStyle, ordered_colours, printable
from stopflow.report.paper.units import Unit, Units

NOTHING_KNOWN = "all shots"
IN_WORDS = ("substrate", "mixture")
_AMOUNT_DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionSeries:
    """The shots of one condition and their look.

    Attributes
    ----------
    label
        What tells the condition from the others of its experiment.
    rows
        Row numbers of its shots in the dataset's table.
    """

    condition: int
    label: str
    colour: str
    marker: str
    line_style: LineStyle
    rows: tuple[int, ...]


def describe_value(name: str, value: float, units: Units) -> str:
    """Write a condition's value with its unit."""
    if not np.isfinite(value):
        return MISSING
    if name == col.CONCENTRATION_M:
        return write_concentration(value, units.concentration)
    if name == col.IONIC_STRENGTH_M:
        return f"I = {write_concentration(value, units.ionic_strength)}"
    return format_temperature(value)


def write_concentration(molar: float, unit: Unit | None) -> str:
    """Write a concentration in a unit, or in that of its size."""
    return f"{write_amount(molar, unit)} {unit[1]}" if unit else format_concentration(molar)


def write_amount(molar: float, unit: Unit | None) -> str:
    """Write the number of a concentration without idle zeros; without a unit, with its own."""
    if unit is None or not np.isfinite(molar):
        return format_concentration(molar)
    text = format_digits(molar * unit[0], _AMOUNT_DIGITS)
    return text.rstrip("0").rstrip(".") if "." in text and "×" not in text else text


def varying_columns(table: pd.DataFrame) -> list[str]:
    """Columns of conditions that take more than one value, missing counting as a value."""
    names = [name for name in (*NUMERIC, *IN_WORDS) if name in table]
    return [name for name in names if _count_values(table[name].tolist()) > 1]


def _count_values(values: Sequence[Any]) -> int:
    """Count different values; pandas takes a hundred times as long for a few."""
    return len({None if value is pd.NA or value != value else value for value in values})


def constant_conditions(table: pd.DataFrame, units: Units) -> str:
    """Say what all shots have in common, e.g. "substrate X, 298.15 K"; "" when nothing is known."""
    said = []
    for name in (*IN_WORDS, *NUMERIC):
        if name not in table or table[name].nunique(dropna=False) != 1:
            continue
        value = table[name].iloc[0]
        if name in IN_WORDS:
            said += [str(value)] if value and pd.notna(value) else []
        elif np.isfinite(value):
            said.append(describe_value(name, float(value), units))
    return ", ".join(said)


def build_series(shots: pd.DataFrame, units: Units) -> list[ConditionSeries]:
    """Group the shots of one experiment by condition, in order of what varies.

    Parameters
    ----------
    shots
        Rows of one experiment; the index holds the row numbers of the dataset.
    """
    groups = _divide(shots, units)
    colours = ordered_colours(len(groups))
    rows = shots.index.tolist()
    return [
        ConditionSeries(
            condition=condition,
            label=label,
            colour=colours[place],
            marker=MARKERS[place % len(MARKERS)],
            line_style=LINE_STYLES[place % len(LINE_STYLES)],
            rows=tuple(int(rows[at]) for at in members),
        )
        for place, (condition, label, members) in enumerate(groups)
    ]


def label_series(shots: pd.DataFrame, units: Units) -> dict[int, str]:
    """Label the conditions of one experiment by its shots, as `build_series`."""
    return {condition: label for condition, label, _ in _divide(shots, units)}


def _divide(shots: pd.DataFrame, units: Units) -> list[tuple[int, str, list[int]]]:
    """Return each condition of an experiment in order, with its label and the places of its shots.

    Single shots that nothing tells apart go by the names of their files.
    """
    varying = varying_columns(shots)
    columns = {name: shots[name].tolist() for name in varying}
    members: dict[int, list[int]] = {}
    for at, condition in enumerate(shots[col.CONDITION].tolist()):
        members.setdefault(int(condition) if pd.notna(condition) else -1, []).append(at)
    numeric = [columns[name] for name in varying if name in NUMERIC]

    def rank(item: tuple[int, list[int]]) -> tuple[float, ...]:
        values = [float(column[item[1][0]]) for column in numeric]
        return (*(value if np.isfinite(value) else np.inf for value in values), item[0])

    ordered = sorted(members.items(), key=rank)
    labels = [
        _label_values({name: column[places[0]] for name, column in columns.items()}, units)
        for _, places in ordered
    ]
    alike = {label for label in labels if labels.count(label) > 1} | {NOTHING_KNOWN}
    files = shots[col.FILE].tolist()
    return [
        (
            condition,
            _name_shot(files[places[0]], label) if label in alike and len(places) == 1 else label,
            places,
        )
        for label, (condition, places) in zip(labels, ordered, strict=True)
    ]


def _name_shot(file: str, label: str) -> str:
    name = printable(Path(str(file)).stem)
    return name if label == NOTHING_KNOWN else f"{label}, {name}"


def label_conditions(table: pd.DataFrame, units: Units) -> list[str]:
    """Name each row of one experiment's table of conditions by what tells it from the others."""
    varying = varying_columns(table)
    columns = [table[name].tolist() for name in varying]
    rows = zip(*columns, strict=True) if columns else [()] * len(table)
    return [_label_values(dict(zip(varying, row, strict=True)), units) for row in rows]


def name_files_apart(shots: pd.DataFrame, conditions: pd.DataFrame) -> list[str]:
    """Name the file of each condition of a single shot that nothing else tells from others.

    Where several channels were fitted, the channel is named as well.
    """
    columns = ["experiment", *NUMERIC, *IN_WORDS]
    alike = conditions.groupby(columns, dropna=False)[col.SHOTS].transform("size").to_numpy() > 1
    of_shots = list(zip(shots[col.EXPERIMENT], shots[col.CONDITION], strict=True))
    files = dict(zip(of_shots, shots[col.FILE], strict=True))
    channels = dict(zip(of_shots, shots[col.CHANNEL], strict=True))
    several = len(set(channels.values())) > 1
    keys = zip(conditions[col.EXPERIMENT], conditions[col.CONDITION], strict=True)
    names = []
    for key, repeated, size in zip(keys, alike, conditions[col.SHOTS], strict=True):
        said = [str(files.get(key, ""))] if repeated and size == 1 else []
        said += [f"channel {channels[key]}"] if repeated and several and key in channels else []
        names.append(", ".join(said))
    return names


def _label_values(values: Mapping[str, Any], units: Units) -> str:
    words = []
    for name, value in values.items():
        if name in IN_WORDS:
            words.append(str(value) if value and pd.notna(value) else MISSING)
        else:
            words.append(describe_value(name, float(value), units))
    return printable(", ".join(words)) or NOTHING_KNOWN
