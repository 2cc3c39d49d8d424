"""Below the traces of an experiment: k against the cut, and k of every shot."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator
from numpy.typing import NDArray

from stopflow import column_names as col
from stopflow.report.kinetics.conditions import Series
from stopflow.report.kinetics.experiment_figures import shade_artefact
from stopflow.report.kinetics.experiment_numbers import ExperimentPicture, relative_cuts
from stopflow.report.paper.decimate import FloatArray
from stopflow.report.paper.scales import use_log_y
from stopflow.report.paper.style import ACCENT, INK, MUTED, Ruler

_RATE_COLUMNS = [col.K_PER_S, col.K_LOW95_PER_S, col.K_HIGH95_PER_S, col.VERDICT]
_LABEL_SIZE = 6.8
"""Size of tick labels in points, as the house style sets it."""


def draw_cuts(
    axes: Axes,
    cuts: pd.DataFrame,
    shots: pd.DataFrame,
    picture: ExperimentPicture,
) -> bool:
    """Draw k against the cut, relative to that of the fit; False when there is nothing to draw."""
    lines = relative_cuts(cuts, shots)
    if not lines:
        return False
    owners = {row: item for item in picture.series for row in item.rows}
    segments = [np.column_stack([x * picture.time_factor, 100 * y]) for _, x, y in lines]
    colours = [owners[row].colour for row, _, _ in lines]
    faint = 0.9 if len(lines) <= 3 else 0.35
    axes.add_collection(LineCollection(segments, colors=colours, linewidths=0.7, alpha=faint))
    if len(lines) > 3:
        x, middle = _median_line(lines)
        axes.plot(x * picture.time_factor, 100 * middle, color=INK, linewidth=1.4)
    starts = {row: shots.loc[row, col.START_S] for row, _, _ in lines}
    settled = np.concatenate([100 * y[x >= starts[row]] for row, x, y in lines] + [np.zeros(1)])
    reach = float(np.clip(1.6 * np.quantile(np.abs(settled), 0.95), 1.0, 60.0))
    xs = np.concatenate([x for _, x, _ in lines]) * picture.time_factor
    axes.set_xlim(xs.min(), xs.max())
    axes.set_ylim(-reach, reach)
    axes.axhline(0, color=MUTED, linewidth=0.5)
    shade_artefact(axes, picture)
    axes.set_xlabel(f"cut / {picture.time_unit}")
    axes.set_ylabel("k(cut) / k − 1, %")
    axes.yaxis.set_major_locator(MaxNLocator(5, symmetric=True))
    return True


def _median_line(
    lines: Sequence[tuple[int, FloatArray, FloatArray]],
) -> tuple[FloatArray, FloatArray]:
    low = min(x.min() for _, x, _ in lines)
    high = max(x.max() for _, x, _ in lines)
    grid = np.linspace(low, high, 40)
    stacked = np.array([np.interp(grid, x, y, left=np.nan, right=np.nan) for _, x, y in lines])
    known = np.isfinite(stacked).sum(axis=0) >= max(2, len(lines) // 2)
    return grid[known], np.nanmedian(stacked[:, known], axis=0)


def draw_rates(
    axes: Axes,
    shots: pd.DataFrame,
    picture: ExperimentPicture,
    ruler: Ruler,
    *,
    width_mm: float,
) -> None:
    """Draw k of every shot with its interval, a column a condition; some shot must have one.

    Parameters
    ----------
    width_mm
        Width of the axes.
    """
    columns = [
        _column(shots, item, place)
        for place, item in enumerate(picture.series)
        if np.isfinite(shots.loc[list(item.rows), col.K_PER_S]).any()
    ]
    bars = [(bar, item.series.colour) for item in columns for bar in item.bars]
    means = [item.mean for item in columns]
    axes.add_collection(
        LineCollection([bar for bar, _ in bars], colors=[c for _, c in bars], linewidths=0.7),
        autolim=False,
    )
    axes.add_collection(
        LineCollection(means, colors=ACCENT, linewidths=0.7, zorder=0), autolim=False
    )
    for item in columns:
        _draw_marks(axes, item)
    k = np.concatenate([item.k for item in columns])
    if k.min() > 0 and k.max() / k.min() > 8:
        use_log_y(axes, k.min() / 1.25, k.max() * 1.25)
    else:
        ends = np.concatenate([k, *(bar[:, 1] for bar, _ in bars)])
        room = 0.05 * (ends.max() - ends.min()) or 0.05 * abs(ends.max()) or 1.0
        axes.set_ylim(ends.min() - room, ends.max() + room)
    _name_columns(axes, picture.series, ruler, width_mm=width_mm)
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
        (2, 2) ends of the intervals that are closed.
    mean
        (2, 2) ends of the line of the mean.
    """

    series: Series
    x: FloatArray
    k: FloatArray
    passed: NDArray[np.bool_]
    bars: tuple[FloatArray, ...]
    mean: FloatArray


def _column(shots: pd.DataFrame, item: Series, place: int) -> _RateColumn:
    own = shots.loc[list(item.rows), _RATE_COLUMNS]
    own = own[np.isfinite(own[col.K_PER_S])]
    offsets = np.linspace(-0.3, 0.3, len(own)) if len(own) > 1 else np.zeros(1)
    x, k = place + offsets, own[col.K_PER_S].to_numpy(float)
    low = np.nan_to_num(own[col.K_LOW95_PER_S].to_numpy(float), nan=0.0)
    high = own[col.K_HIGH95_PER_S].to_numpy(float)
    foot = np.maximum(low, k / 10)
    ends = zip(x, foot, high, np.isfinite(high), strict=True)
    return _RateColumn(
        series=item,
        x=x,
        k=k,
        passed=(own[col.VERDICT] == "PASS").to_numpy(),
        bars=tuple(np.array([[at, a], [at, b]]) for at, a, b, closed in ends if closed),
        mean=np.array([[place - 0.4, k.mean()], [place + 0.4, k.mean()]]),
    )


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


def _name_columns(axes: Axes, series: Sequence[Series], ruler: Ruler, *, width_mm: float) -> None:
    """Name the columns below, aslant where the names would run into each other."""
    count = len(series)
    step = max(1, int(np.ceil(count / 10)))
    places = list(range(0, count, step))
    labels = [_short(series[place].label) for place in places]
    axes.set_xlim(-0.7, count - 0.3)
    axes.xaxis.set_major_locator(FixedLocator(places))
    axes.xaxis.set_major_formatter(FixedFormatter(labels))
    room_mm = width_mm * step / (count + 0.4)
    widest = max(ruler.width_mm(label, _LABEL_SIZE) for label in labels)
    if len(labels) > 1 and widest + 1.0 > room_mm:
        axes.tick_params(axis="x", labelrotation=35)


def _short(label: str) -> str:
    return label if len(label) <= 18 else label[:9] + "…" + label[-8:]
