"""Below the traces of an experiment: k against the cut, and k of every shot."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator
from numpy.typing import NDArray

from stopflow import column_names as col
from stopflow.report.kinetics.conditions import ConditionSeries
from stopflow.report.kinetics.experiment_figures import shade_artefact
from stopflow.report.kinetics.experiment_numbers import ExperimentPicture
from stopflow.report.kinetics.experiment_tables import CutLine, ExperimentTables
from stopflow.report.paper.decimate import FloatArray
from stopflow.report.paper.marks import draw_level, draw_lines
from stopflow.report.paper.scales import use_log_y
from stopflow.report.paper.style import ACCENT, INK, MUTED, Ruler, shorten_middle

_RATES = (col.K_PER_S, col.K_LOW95_PER_S, col.K_HIGH95_PER_S)
_LABEL_SIZE = 6.8
"""Size of tick labels in points, as the house style sets it."""


def draw_cuts(axes: Axes, tables: ExperimentTables, picture: ExperimentPicture) -> None:
    """Draw k against the cut, relative to that of the fit; some shot must have several cuts."""
    lines = tables.cuts
    colours = {row: item.colour for item in tables.series for row in item.rows}
    segments = [
        np.column_stack([line.cut_s * picture.time_factor, 100 * line.change]) for line in lines
    ]
    faint = 0.9 if len(lines) <= 3 else 0.35
    draw_lines(
        axes, segments, colours=[colours[line.row] for line in lines], width=0.7, alpha=faint
    )
    if len(lines) > 3:
        x, middle = _median_line(lines)
        median = np.column_stack([x * picture.time_factor, 100 * middle])
        draw_lines(axes, [median], colours=INK, width=1.4)
    starts = tables.shots[col.START_S]
    settled = [100 * line.change[line.cut_s >= starts[line.row]] for line in lines]
    reach = 1.6 * np.quantile(np.abs(np.concatenate([*settled, np.zeros(1)])), 0.95)
    reach = float(np.clip(reach, 1.0, 60.0))
    cuts = np.concatenate([line.cut_s for line in lines]) * picture.time_factor
    axes.set_xlim(cuts.min(), cuts.max())
    axes.set_ylim(-reach, reach)
    draw_level(axes, 0, colour=MUTED, width=0.5)
    shade_artefact(axes, picture)
    axes.set_xlabel(f"cut / {picture.time_unit}")
    axes.set_ylabel("k(cut) / k − 1, %")
    axes.yaxis.set_major_locator(MaxNLocator(5, symmetric=True))


def _median_line(lines: Sequence[CutLine]) -> tuple[FloatArray, FloatArray]:
    low = min(line.cut_s.min() for line in lines)
    high = max(line.cut_s.max() for line in lines)
    grid = np.linspace(low, high, 40)
    stacked = np.array(
        [np.interp(grid, line.cut_s, line.change, left=np.nan, right=np.nan) for line in lines]
    )
    known = np.isfinite(stacked).sum(axis=0) >= max(2, len(lines) // 2)
    return grid[known], np.nanmedian(stacked[:, known], axis=0)


def draw_rates(axes: Axes, tables: ExperimentTables, ruler: Ruler, *, width_mm: float) -> None:
    """Draw k of every shot with its interval, a column a condition; some shot must have one."""
    columns = _build_columns(tables)
    bars = [bar for item in columns for bar in item.bars]
    colours = [item.series.colour for item in columns for _ in item.bars]
    draw_lines(axes, bars, colours=colours, width=0.7)
    means = [item.mean for item in columns if np.isfinite(item.mean).all()]
    draw_lines(axes, means, colours=ACCENT, width=0.7, zorder=0)
    for item in columns:
        _draw_marks(axes, item)
    k = np.concatenate([item.k for item in columns])
    if k.min() > 0 and k.max() / k.min() > 8:
        use_log_y(axes, k.min() / 1.25, k.max() * 1.25)
    else:
        ends = np.concatenate([k, *(bar[:, 1] for bar in bars)])
        room = 0.05 * (ends.max() - ends.min()) or 0.05 * abs(ends.max()) or 1.0
        axes.set_ylim(ends.min() - room, ends.max() + room)
    _name_columns(axes, tables.series, ruler, width_mm=width_mm)
    axes.set_ylabel("k / s⁻¹")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _RateColumn:
    """The rates of one condition as drawn.

    Attributes
    ----------
    x, k
        (n,) places and rates.
    passed
        (n,) whether the shot did.
    bars
        (m, 2, 2) ends of the intervals that are closed.
    mean
        (2, 2) ends of the line of the condition's rate, NaN where it has none.
    """

    series: ConditionSeries
    x: FloatArray
    k: FloatArray
    passed: NDArray[np.bool_]
    bars: FloatArray
    mean: FloatArray


def _build_columns(tables: ExperimentTables) -> list[_RateColumn]:
    """Part the rates by condition, those without any left out."""
    shots = tables.shots
    places = {row: place for place, row in enumerate(shots.index)}
    k, low, high = (shots[name].to_numpy(float) for name in _RATES)
    passed = (shots[col.VERDICT] == "PASS").to_numpy()
    conditions = tables.conditions
    means = dict(zip(conditions[col.CONDITION], conditions[col.K_PER_S], strict=True))
    low = np.maximum(np.nan_to_num(low), k / 10)
    columns = []
    for place, item in enumerate(tables.series):
        own = np.array([places[row] for row in item.rows])
        own = own[np.isfinite(k[own])]
        if not len(own):
            continue
        x = place + (np.linspace(-0.3, 0.3, len(own)) if len(own) > 1 else np.zeros(1))
        ends = np.stack((np.column_stack((x, low[own])), np.column_stack((x, high[own]))), axis=1)
        mean = means.get(item.condition, np.nan)
        columns.append(
            _RateColumn(
                series=item,
                x=x,
                k=k[own],
                passed=passed[own],
                bars=ends[np.isfinite(high[own])],
                mean=np.array([[place - 0.4, mean], [place + 0.4, mean]]),
            )
        )
    return columns


def _draw_marks(axes: Axes, item: _RateColumn) -> None:
    for mask, face in ((item.passed, item.series.colour), (~item.passed, "white")):
        if not mask.any():
            continue
        marks = Line2D(
            item.x[mask],
            item.k[mask],
            linestyle="none",
            marker=item.series.marker,
            markersize=3.0,
            markerfacecolor=face,
            markeredgecolor=item.series.colour,
            markeredgewidth=0.8,
        )
        axes.add_artist(marks)


def _name_columns(
    axes: Axes, series: Sequence[ConditionSeries], ruler: Ruler, *, width_mm: float
) -> None:
    """Name the columns below, aslant where the names would run into each other."""
    count = len(series)
    step = max(1, int(np.ceil(count / 10)))
    places = list(range(0, count, step))
    labels = [shorten_middle(series[place].label, 18) for place in places]
    axes.set_xlim(-0.7, count - 0.3)
    axes.xaxis.set_major_locator(FixedLocator(places))
    axes.xaxis.set_major_formatter(FixedFormatter(labels))
    room_mm = width_mm * step / (count + 0.4)
    widest = max(ruler.width_mm(label, _LABEL_SIZE) for label in labels)
    if len(labels) > 1 and widest + 1.0 > room_mm:
        axes.tick_params(axis="x", labelrotation=35)
