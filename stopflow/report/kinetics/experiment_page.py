"""One page an experiment: pictures, the laws tried, the verdicts with their reasons."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import nan

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.kinetics.laws import COMPARED
from stopflow.report.data import KineticsReportData
from stopflow.report.kinetics.conditions import constant_conditions
from stopflow.report.kinetics.experiment_pictures import build_picture_blocks, write_captions
from stopflow.report.kinetics.experiment_room import share_room
from stopflow.report.kinetics.experiment_tables import ExperimentTables, take_experiment
from stopflow.report.kinetics.repeats import (
    ShotsToRepeat,
    group_repeats,
    group_series,
    list_doubtful,
    list_repeats,
    name_files,
)
from stopflow.report.kinetics.summary import FURTHER_RATES, count_shots, further_rates
from stopflow.report.paper.decimate import FloatArray
from stopflow.report.paper.flow import (
    Bookmark,
    FlowBlock,
    Paragraph,
    build_note,
    build_subheading,
)
from stopflow.report.paper.grid import GridColumn, TableGrid
from stopflow.report.paper.rounding import MISSING, format_digits, format_pm_column
from stopflow.report.paper.style import MUTED, Paper, Ruler, printable
from stopflow.wording import count_things

_LAW_RATES = tuple(f"k_{law.column}_per_s" for _, law in COMPARED)
_MODEL_COLUMNS = (
    col.K_PER_S,
    *_LAW_RATES,
    *FURTHER_RATES.values(),
    col.MODEL_SHIFT_SIGMA,
)
_CRITERIA = {f"aicc_{law.column}": law.column for _, law in COMPARED}
Columns = Mapping[str, FloatArray]

_LEAST_SHIFT = 0.1
"""Shift of k, in standard errors, below which its size is not worth a number."""
_SIZE, _SMALLER_SIZE = 6.8, 6.2
"""Type of the tables in points, and where that makes them fit on the page."""


def build_experiment_blocks(
    data: KineticsReportData, name: str, rows: Sequence[int], *, paper: Paper, ruler: Ruler
) -> list[FlowBlock]:
    """Compose the page of one experiment; long tables run on to further pages.

    Parameters
    ----------
    rows
        Row numbers of its shots in ``data.shots``.
    """
    tables = take_experiment(data, rows)
    shots, series, units = tables.shots, tables.conditions, tables.units
    counts, doubtful = count_shots(shots), list_doubtful(series)
    said = [
        constant_conditions(shots, units),
        count_things(counts.files, "shot"),
        f"{counts.fitted} fitted, {counts.warned} warned, {counts.refused} refused",
        f"{len(doubtful)} of {len(series)} series warned" if len(doubtful) else "",
    ]
    blocks: list[FlowBlock] = [
        _title(name, ruler, paper),
        Paragraph(
            text="  ·  ".join(part for part in said if part), size=8.0, colour=MUTED, after_mm=2.5
        ),
    ]
    below: list[FlowBlock] = []
    if counts.fitted:
        below += [build_subheading("Models tried"), _models_grid(tables)]
    repeats = group_series(doubtful, series, units)
    below += [build_subheading("Verdicts"), _verdict_grid(shots, repeats)]
    if not counts.read:
        return [*blocks, Paragraph(text="No file of this experiment could be read."), *below]
    captions = write_captions(counts, has_cuts=bool(tables.cuts))

    def measure_mm(*part: FlowBlock) -> float:
        return sum(block.height_mm(ruler, paper.text_width_mm) for block in part)

    share = partial(
        share_room,
        page_mm=paper.floor_mm - paper.top_mm,
        above_mm=measure_mm(*blocks),
        notes_mm=tuple(measure_mm(build_note(said)) for said in captions),
        has_strip=counts.fitted > 0,
    )
    room = share(below_mm=measure_mm(*below))
    if not room.on_one_page:
        smaller = _set_smaller(below)
        tight = share(below_mm=measure_mm(*smaller))
        room, below = (tight, smaller) if tight.on_one_page else (room, below)
    drawn = build_picture_blocks(data, tables, name, room=room, captions=captions)
    return [*blocks, *drawn, *below]


def _title(name: str, ruler: Ruler, paper: Paper) -> Paragraph:
    """Set the name large where it fits on a line, else small."""
    wide = ruler.width_mm(printable(name), 13.0, bold=True)
    size = 13.0 if wide < paper.text_width_mm else 8.6
    bookmark = Bookmark(title=name, level=1)
    return Paragraph(text=name, size=size, bold=True, after_mm=0.6, leading=1.25, bookmark=bookmark)


def _set_smaller(blocks: Sequence[FlowBlock]) -> list[FlowBlock]:
    """Set tables in smaller type, so that those that just miss a page fit on it."""
    return [
        replace(block, size=_SMALLER_SIZE, measured={}) if isinstance(block, TableGrid) else block
        for block in blocks
    ]


def _models_grid(tables: ExperimentTables) -> TableGrid:
    shots, series = tables.shots, tables.series
    places = {row: place for place, row in enumerate(shots.index)}
    names = [name for name in (*_MODEL_COLUMNS, *_CRITERIA) if name in shots]
    numbers = {name: shots[name].to_numpy(float) for name in names}
    usable = np.isfinite(numbers[col.K_PER_S]) & (shots[col.VERDICT] != "FAIL").to_numpy()
    fitted: list[Columns] = []
    for item in series:
        own = np.array([places[row] for row in item.rows])
        own = own[usable[own]]
        fitted.append({name: values[own] for name, values in numbers.items()})
    further = further_rates(shots[usable])
    reported = {"k": col.K_PER_S} | further if further else {}
    rates = [
        format_pm_column([_mean_rate(own, column) for own in fitted])
        for column in (*_LAW_RATES, *reported.values())
    ]
    rows = [
        (
            item.label,
            f"{len(own[col.K_PER_S])} of {len(item.rows)}",
            *(column[place] for column in rates),
            _preferred(own),
            _open_law(own),
        )
        for place, (item, own) in enumerate(zip(series, fitted, strict=True))
    ]
    columns = (
        GridColumn(title="Condition"),
        GridColumn(title="Used", align="right"),
        *(
            GridColumn(title=law.heading, unit=f"{law.compared_rate} / s⁻¹", align="right")
            for _, law in COMPARED
        ),
        *(GridColumn(title="Reported", unit=f"{name} / s⁻¹", align="right") for name in reported),
        GridColumn(title="Lowest AICc", unit="shots", align="left"),
        GridColumn(title="Other law that fits", unit="shift of k, SE", align="right"),
    )
    kept = [
        place
        for place, column in enumerate(columns)
        if not column.unit.endswith("s⁻¹") or any(row[place] != MISSING for row in rows)
    ]
    return TableGrid(
        columns=tuple(columns[place] for place in kept),
        rows=tuple(tuple(row[place] for place in kept) for row in rows),
        size=_SIZE,
        name="Models tried",
    )


def _mean_rate(shots: Columns, column: str) -> tuple[float, float]:
    """Return the mean of the shots and its standard error, as far as they are known."""
    values = _known(shots, column)
    if not len(values):
        return nan, nan
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else nan
    return float(values.mean()), float(error)


def _preferred(shots: Columns) -> str:
    names = [name for name in _CRITERIA if name in shots]
    if not names:
        return MISSING
    table = np.column_stack([shots[name] for name in names])
    table = np.where(np.isfinite(table), table, np.inf)
    winners = Counter(table[np.isfinite(table).any(axis=1)].argmin(axis=1).tolist())
    said = [f"{_CRITERIA[names[place]]} {count}" for place, count in winners.most_common()]
    return ", ".join(said) or MISSING


def _open_law(shots: Columns) -> str:
    """Say how far k moves under a law that is not ruled out; median over the shots.

    The shift is 0 where every other law is ruled out, however far its k lies.
    """
    values = np.abs(_known(shots, col.MODEL_SHIFT_SIGMA))
    if not len(values):
        return MISSING
    middle = float(np.median(values))
    if 0 < middle < _LEAST_SHIFT:
        return f"< {_LEAST_SHIFT}"
    return format_digits(middle, 2) if middle > 0 else "none"


def _known(shots: Columns, column: str) -> FloatArray:
    values = shots.get(column, np.empty(0))
    return values[np.isfinite(values)]


def _verdict_grid(shots: pd.DataFrame, series: Sequence[ShotsToRepeat]) -> TableGrid:
    passed = shots[shots[col.VERDICT] == "PASS"]
    rows = [(item.verdict, "series", f"{item.reason}: {name_files(item.names)}") for item in series]
    for item in group_repeats(list_repeats(shots)):
        rows.append((item.verdict, str(item.count), f"{item.reason}: {name_files(item.names)}"))
    if len(passed):
        rows.append(("PASS", str(len(passed)), "passed every check"))
    columns = (
        GridColumn(title="Verdict", verdict=True),
        GridColumn(title="Shots", align="right"),
        GridColumn(title="Reason and files", wrap=True),
    )
    return TableGrid(columns=columns, rows=tuple(rows), size=_SIZE, name="Verdicts")
