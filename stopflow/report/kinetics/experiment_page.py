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
from stopflow.report.kinetics.experiment_figures import draw_traces
from stopflow.report.kinetics.experiment_numbers import build_experiment_picture
from stopflow.report.kinetics.experiment_strip import draw_cuts, draw_rates
from stopflow.report.kinetics.experiment_tables import ExperimentTables, take_experiment
from stopflow.report.kinetics.repeats import (
    Repeats,
    group_repeats,
    group_series,
    list_doubtful,
    list_repeats,
    name_files,
)
from stopflow.report.kinetics.summary import Counts, count_shots, count_things
from stopflow.report.paper.decimate import FloatArray
from stopflow.report.paper.flow import (
    Block,
    Bookmark,
    Paragraph,
    Picture,
    build_note,
    build_subheading,
)
from stopflow.report.paper.grid import Column, Grid
from stopflow.report.paper.page import Page
from stopflow.report.paper.rounding import MISSING, format_digits, format_pm_column
from stopflow.report.paper.style import MUTED, Paper, Ruler, printable

_LAW_RATES = tuple(f"k_{law.column}_per_s" for _, law in COMPARED)
_MODEL_COLUMNS = (col.K_PER_S, *_LAW_RATES, col.K2_PER_S, col.MODEL_SHIFT_SIGMA)
_CRITERIA = {f"aicc_{law.column}": law.column for _, law in COMPARED}
Columns = Mapping[str, FloatArray]

_LEAST_SHIFT = 0.1
"""Shift of k, in standard errors, below which its size is not worth a number."""
_STRIP_MM, _LEAST_STRIP_MM = 54.0, 44.0
_SIZE, _SMALLER_SIZE = 6.8, 6.2
"""Type of the tables in points, and where that makes them fit on the page."""
_LEAST_TRACES_MM = 50.0
_USUAL_TRACES_MM = 76.0
_MOST_TRACES_MM = 128.0


def build_experiment_blocks(
    data: KineticsReportData, name: str, rows: Sequence[int], *, paper: Paper, ruler: Ruler
) -> list[Block]:
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
    blocks: list[Block] = [
        _title(name, ruler, paper),
        Paragraph(
            text="  ·  ".join(part for part in said if part), size=8.0, colour=MUTED, after_mm=2.5
        ),
    ]
    below: list[Block] = []
    if counts.fitted:
        below += [build_subheading("Models tried"), _models_grid(tables)]
    repeats = group_series(doubtful, series, units)
    below += [build_subheading("Verdicts"), _verdict_grid(shots, repeats)]
    if not counts.read:
        return [*blocks, Paragraph(text="No file of this experiment could be read."), *below]
    said_below = _caption(counts, has_cuts=bool(tables.cuts))
    caption = build_note(said_below)

    def measure_mm(part: Sequence[Block]) -> float:
        return sum(block.height_mm(ruler, paper.text_width_mm) for block in part)

    page_mm = paper.floor_mm - paper.top_mm
    room_mm = page_mm - measure_mm([*blocks, caption]) - 2.0
    least_mm = _LEAST_TRACES_MM + (_LEAST_STRIP_MM if counts.fitted else 0.0)
    if measure_mm(below) > room_mm - least_mm >= measure_mm(smaller := _set_smaller(below)):
        below = smaller
    below_mm = measure_mm(below)
    strip_mm = _strip_mm(room_mm - below_mm) if counts.fitted else 0.0
    traces_mm = _traces_mm(room_mm - strip_mm, below_mm, page_mm=page_mm)
    picture = Picture(
        tall_mm=traces_mm + strip_mm,
        paint=partial(_paint, data, tables, traces_mm, strip_mm),
        after_mm=1.0,
        shows=f"{name} traces",
    )
    return [*blocks, picture, caption, *below]


def _title(name: str, ruler: Ruler, paper: Paper) -> Paragraph:
    """Set the name large where it fits on a line, else small."""
    wide = ruler.width_mm(printable(name), 13.0, bold=True)
    size = 13.0 if wide < paper.text_width_mm else 8.6
    bookmark = Bookmark(title=name, level=1)
    return Paragraph(text=name, size=size, bold=True, after_mm=0.6, leading=1.25, bookmark=bookmark)


def _caption(counts: Counts, *, has_cuts: bool) -> str:
    shots = counts.read
    if not counts.fitted:
        return "Recorded signals; none could be fitted."
    if shots <= 6:
        drawn = "Faint lines are the recorded shots, bold lines their fits"
    else:
        drawn = (
            "Faint areas span the recorded shots; a bold line is the fit of the shot of median k "
            "of its condition"
        )
    return (
        f"{drawn}; red marks shots without a rate. The shaded part was left out as mixing "
        "artefact. Residuals: the grey band is one standard deviation of a shot's noise to either "
        "side, and the lines are the means of the conditions. "
        f"{_strip_caption(counts.fitted, has_cuts=has_cuts)}"
    )


def _strip_caption(fitted: int, *, has_cuts: bool) -> str:
    """Say what stands below the traces: one picture or two."""
    cuts = "k of one exponential with a slope for other cuts, relative to k for the cut used"
    cuts += "; the black line is the median" * (fitted > 3)
    rates = (
        "k of each shot with its 95 % interval; open symbols did not pass, and the bar is the mean"
    )
    if not has_cuts:
        return f"Below: {rates}."
    return f"Below: {cuts}." if fitted == 1 else f"Below left: {cuts}. Below right: {rates}."


def _paint(
    data: KineticsReportData,
    tables: ExperimentTables,
    tall_mm: float,
    strip_mm: float,
    page: Page,
    x_mm: float,
    y_mm: float,
    width_mm: float,
) -> None:
    picture = build_experiment_picture(data, tables)
    if not picture.shots:
        page.text(x_mm, y_mm + 4, "The traces are not stored.", colour=MUTED)
        return
    draw_traces(page, picture, x_mm, y_mm, width_mm=width_mm, tall_mm=tall_mm)
    fitted = int(np.isfinite(tables.shots[col.K_PER_S]).sum())
    half, whole = (width_mm - 36.0) / 2, width_mm - 15.0
    place = partial(page.axes, y_mm=y_mm + tall_mm + 5.0, height_mm=strip_mm - 18.0)
    if tables.cuts:
        wide = whole if fitted == 1 else half
        draw_cuts(place(x_mm + 15.0, width_mm=wide), tables, picture)
    if fitted > 1 or (fitted and not tables.cuts):
        wide = half if tables.cuts else whole
        axes = place(x_mm + width_mm - wide, width_mm=wide)
        draw_rates(axes, tables, page.ruler, width_mm=wide)


def _strip_mm(room_mm: float) -> float:
    """Height of the strip: a little lower where all then fits in the room with the traces."""
    fits = room_mm - _STRIP_MM < _LEAST_TRACES_MM <= room_mm - _LEAST_STRIP_MM
    return room_mm - _LEAST_TRACES_MM if fits else _STRIP_MM


def _set_smaller(blocks: Sequence[Block]) -> list[Block]:
    """Set tables in smaller type, so that those that just miss a page fit on it."""
    return [
        replace(block, size=_SMALLER_SIZE, measured={}) if isinstance(block, Grid) else block
        for block in blocks
    ]


def _traces_mm(room_mm: float, below_mm: float, *, page_mm: float) -> float:
    """Height of the traces, so that no page is left nearly empty.

    A little lower where everything then fits on one page. Else they fill the first page and leave
    the tables to the second, unless the tables take more than one themselves.

    Parameters
    ----------
    room_mm
        What the first page has for the traces and the tables below them.
    below_mm
        Height of the tables.
    """
    if room_mm - below_mm >= _LEAST_TRACES_MM:
        return min(room_mm - below_mm, _MOST_TRACES_MM)
    return room_mm if below_mm <= page_mm else _USUAL_TRACES_MM


def _models_grid(tables: ExperimentTables) -> Grid:
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
    several = any(np.isfinite(own[col.K2_PER_S]).any() for own in fitted)
    reported = {"k": col.K_PER_S, "k₂": col.K2_PER_S} if several else {}
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
        Column(title="Condition"),
        Column(title="Used", align="right"),
        *(
            Column(title=law.heading, unit=f"{law.compared_rate} / s⁻¹", align="right")
            for _, law in COMPARED
        ),
        *(Column(title="Reported", unit=f"{name} / s⁻¹", align="right") for name in reported),
        Column(title="Lowest AICc", unit="shots", align="left"),
        Column(title="Other law that fits", unit="shift of k, SE", align="right"),
    )
    kept = [
        place
        for place, column in enumerate(columns)
        if not column.unit.endswith("s⁻¹") or any(row[place] != MISSING for row in rows)
    ]
    return Grid(
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


def _verdict_grid(shots: pd.DataFrame, series: Sequence[Repeats]) -> Grid:
    passed = shots[shots[col.VERDICT] == "PASS"]
    rows = [(item.verdict, "series", f"{item.reason}: {name_files(item.names)}") for item in series]
    for item in group_repeats(list_repeats(shots)):
        rows.append((item.verdict, str(item.count), f"{item.reason}: {name_files(item.names)}"))
    if len(passed):
        rows.append(("PASS", str(len(passed)), "passed every check"))
    columns = (
        Column(title="Verdict", verdict=True),
        Column(title="Shots", align="right"),
        Column(title="Reason and files", wrap=True),
    )
    return Grid(columns=columns, rows=tuple(rows), size=_SIZE, name="Verdicts")
