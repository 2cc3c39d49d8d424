"""The table "Rates by condition" of the first page: what each of its columns holds, its note."""

from collections.abc import Callable, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.kinetics.laws.table import error_columns
from stopflow.report.data import KineticsReportData, sort_conditions
from stopflow.report.kinetics.conditions import name_files_apart, varying_columns, write_amount
from stopflow.report.kinetics.summary import OF_ALL_PHASES, further_rates, has_several_phases
from stopflow.report.paper.flow import FlowBlock, build_heading, build_note
from stopflow.report.paper.grid import GridColumn, TableGrid
from stopflow.report.paper.rounding import (
    MISSING,
    column_errors,
    format_celsius,
    format_digits,
    format_half_life,
    format_interval,
    format_pm,
    format_value,
)
from stopflow.report.paper.units import Unit, build_units
from stopflow.report.tables.tables import signal_unit, signal_units
from stopflow.wording import join_words

TITLE = "Rates by condition"
_USUAL = (col.CONCENTRATION_M, col.TEMPERATURE_K)
"""Columns that stand wherever anything is known, even where nothing varies."""
_FIT_OF = {"joint": "a joint fit", "mean": "a fit to the mean trace"}
Row = Mapping[str, Any]
"""A condition by the names of its columns, with the errors that its cells are rounded by."""
Say = Callable[[Row], str]
"""What the cell of a column says of a condition."""


def build_condition_blocks(data: KineticsReportData) -> list[FlowBlock]:
    """Compose the table with its heading and its note; nothing without conditions."""
    if not len(data.conditions):
        return []
    return [build_heading(TITLE), _condition_grid(data), build_note(_table_note(data))]


def _condition_grid(data: KineticsReportData) -> TableGrid:
    files = name_files_apart(data.shots, data.conditions)
    table = sort_conditions(data.conditions.assign(file=files))
    relative = table[col.K_STDERR_PER_S] / table[col.K_PER_S]
    table = table.assign(half_error_s=relative * table[col.HALF_LIFE_S])
    signals = signal_units(data.shots)
    mixed = len(set(signals.values())) > 1
    columns = _shown_columns(table, signal="" if mixed else signal_unit(data.shots))
    rows: list[tuple[str, ...]] = []
    several = table[col.EXPERIMENT].nunique() > 1
    for name, part in groupby(table.to_dict("records"), key=itemgetter(col.EXPERIMENT)):
        own = list(part)
        errors = column_errors([row[col.K_STDERR_PER_S] for row in own])
        of_half = column_errors([row["half_error_s"] for row in own])
        if several:
            rows.append((f"{name}: amplitude / {signals[name]}" if mixed else str(name),))
        further = {
            name: column_errors([row[error_columns(name)[0]] for row in own])
            for name in further_rates(table).values()
        }
        for place, (row, error, half) in enumerate(zip(own, errors, of_half, strict=True)):
            rounded = row | {"shown_error": error, "half_error_s": half}
            rounded |= {error_columns(name)[0]: even[place] for name, even in further.items()}
            rows.append(tuple(say(rounded) for _, say in columns))
    heads = tuple(head for head, _ in columns)
    return TableGrid(columns=heads, rows=tuple(rows), size=6.9, after_mm=1.5, name=TITLE)


def _shown_columns(table: pd.DataFrame, *, signal: str) -> list[tuple[GridColumn, Say]]:
    """Return the columns that have something to say of these conditions, in their order."""
    units, varying = build_units(table), varying_columns(table)
    known = [name for name in _USUAL if np.isfinite(table[name]).any()]
    shown = {
        *varying,
        *known,
        *(name for name in (col.FILE, col.OUTLIER_FILES) if any(table[name])),
    }
    shown |= {col.K_FROM} if set(table[col.K_FROM]) - {"each"} else set()
    listed: list[tuple[str, GridColumn, Say]] = [
        (col.FILE, GridColumn(title="File"), itemgetter(col.FILE)),
        (col.SUBSTRATE, GridColumn(title="Substrate"), _word(col.SUBSTRATE)),
        (col.MIXTURE, GridColumn(title="Mixture"), _word(col.MIXTURE)),
        _amount("Conc.", col.CONCENTRATION_M, units.concentration),
        _amount("I", col.IONIC_STRENGTH_M, units.ionic_strength),
        (col.TEMPERATURE_K, _right("T", "°C"), lambda row: format_celsius(row[col.TEMPERATURE_K])),
        ("", _right("Shots"), _say_shots),
        ("", _right("k", "s⁻¹"), _value(col.K_PER_S, "shown_error")),
        ("", _right("95 % interval", "s⁻¹"), _say_interval),
        *(
            ("", _right(symbol, "s⁻¹"), _pair(name, error_columns(name)[0]))
            for symbol, name in further_rates(table).items()
        ),
        (col.K_FROM, _right("k of each", "s⁻¹"), _value(col.K_EACH_PER_S, col.K_EACH_STDERR_PER_S)),
        (
            col.OUTLIER_FILES,
            _right("k of all shots", "s⁻¹"),
            _value(col.K_ALL_PER_S, col.K_ALL_STDERR_PER_S),
        ),
        ("", _right("Shot SD", "s⁻¹"), _digits(col.BETWEEN_SHOT_SD_PER_S, 2)),
        ("", _right("Half-life"), _say_half_life),
        ("", _right("Amplitude", signal), _digits(col.AMPLITUDE, 3)),
        ("", _right("S/N"), _digits(col.SIGNAL_TO_NOISE, 2)),
        ("", GridColumn(title="Verdict", verdict=True), _word(col.VERDICT)),
    ]
    return [(head, say) for needs, head, say in listed if needs in {"", *shown}]


def _right(title: str, unit: str = "") -> GridColumn:
    return GridColumn(title=title, unit=unit, align="right")


def _amount(title: str, name: str, unit: Unit | None) -> tuple[str, GridColumn, Say]:
    """Return a column of concentrations; without a common unit, each cell has its own."""
    return name, _right(title, unit[1] if unit else ""), lambda row: write_amount(row[name], unit)


def _word(name: str) -> Say:
    return lambda row: str(row[name] or MISSING)


def _value(name: str, error: str) -> Say:
    return lambda row: format_value(row[name], row[error])


def _pair(name: str, error: str) -> Say:
    return lambda row: format_pm(row[name], row[error])


def _digits(name: str, digits: int) -> Say:
    return lambda row: format_digits(row[name], digits)


def _say_shots(row: Row) -> str:
    fitted, shots = row[col.FITTED], row[col.SHOTS]
    return str(shots) if fitted == shots else f"{fitted} of {shots}"


def _say_interval(row: Row) -> str:
    return format_interval(
        row[col.K_LOW95_PER_S], row[col.K_HIGH95_PER_S], error=row["shown_error"]
    )


def _say_half_life(row: Row) -> str:
    return format_half_life(row[col.HALF_LIFE_S], row["half_error_s"])


def _table_note(data: KineticsReportData) -> str:
    sources = set(data.conditions[col.UNCERTAINTY_SOURCE])
    how = set(data.conditions[col.K_FROM]) - {"each"}
    note = "k is the mean over the shots of a condition."
    if how:
        named = join_words(_FIT_OF[name] for name in sorted(how))
        note = (
            f"k is that of {named} of the usable shots of a condition where there are two or more; "
            "k of each: mean of the rates of the single shots."
        )
    if any(data.conditions[col.VERDICT] != "PASS"):
        note += (
            " A condition is warned of for a reason of its own or where a shot of it did not pass."
        )
    if any(data.conditions[col.OUTLIER_FILES]):
        note += (
            " Shots far from their replicates are left out of k; k of all shots: the mean with "
            "them."
        )
    note += (
        " Shot SD: standard deviation of k between shots. S/N: amplitude over noise of one shot."
    )
    if has_several_phases(data.conditions):
        note += f" Half-life{OF_ALL_PHASES}, not of k alone."
    if "replicates" in sources:
        note += " Intervals come from the scatter between replicates"
        note += "; with a single shot, from its fit." if "single shot" in sources else "."
    return note
