"""Below the traces of an experiment: k against the cut, and k of every shot."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from stopflow import column_names as col
from stopflow.report.kinetics.conditions import Series
from stopflow.report.kinetics.experiment_figures import shade_artefact
from stopflow.report.kinetics.experiment_numbers import ExperimentPicture, relative_cuts
from stopflow.report.paper.decimate import FloatArray
from stopflow.report.paper.scales import use_log_y
from stopflow.report.paper.style import ACCENT, INK, MUTED


def draw_cuts(
    axes: Axes,
    cuts: pd.DataFrame,
    shots: pd.DataFrame,
    picture: ExperimentPicture,
) -> bool:
    """Draw k against the cut, relative to the k reported; False when there is nothing to draw."""
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


def draw_rates(axes: Axes, shots: pd.DataFrame, picture: ExperimentPicture) -> None:
    """Draw k of every shot with its interval, a column a condition; some shot must have one."""
    for place, item in enumerate(picture.series):
        own = shots.loc[list(item.rows)]
        own = own[np.isfinite(own[col.K_PER_S])]
        if own.empty:
            continue
        _draw_column(axes, own, item, place)
    k = shots[col.K_PER_S].to_numpy(float)
    k = k[np.isfinite(k)]
    if k.min() > 0 and k.max() / k.min() > 8:
        use_log_y(axes, k.min() / 1.25, k.max() * 1.25)
    _name_columns(axes, picture.series)
    axes.set_ylabel("k / s⁻¹")


def _draw_column(axes: Axes, own: pd.DataFrame, item: Series, place: int) -> None:
    offsets = np.linspace(-0.3, 0.3, len(own)) if len(own) > 1 else np.zeros(1)
    k = own[col.K_PER_S].to_numpy(float)
    low = np.nan_to_num(own[col.K_LOW95_PER_S].to_numpy(float), nan=0.0)
    high = own[col.K_HIGH95_PER_S].to_numpy(float)
    closed = np.isfinite(high)
    foot = np.maximum(low, k / 10)
    axes.vlines(
        (place + offsets)[closed], foot[closed], high[closed], color=item.colour, linewidth=0.7
    )
    passed = (own[col.VERDICT] == "PASS").to_numpy()
    for mask, face in ((passed, item.colour), (~passed, "white")):
        if not mask.any():
            continue
        axes.plot(
            (place + offsets)[mask],
            k[mask],
            linestyle="none",
            marker=item.marker,
            markersize=3.0,
            markerfacecolor=face,
            markeredgecolor=item.colour,
            markeredgewidth=0.8,
        )
    mean = [float(k.mean())] * 2
    axes.plot([place - 0.4, place + 0.4], mean, color=ACCENT, linewidth=0.7, zorder=0)


def _name_columns(axes: Axes, series: Sequence[Series]) -> None:
    count = len(series)
    step = max(1, int(np.ceil(count / 10)))
    places = list(range(0, count, step))
    labels = [series[place].label for place in places]
    axes.set_xlim(-0.7, count - 0.3)
    axes.set_xticks(places)
    crowded = sum(len(label) for label in labels) > 46
    for text in axes.set_xticklabels([_short(label) for label in labels]):
        text.set_rotation(35 if crowded else 0)
        text.set_horizontalalignment("right" if crowded else "center")
        text.set_rotation_mode("anchor")


def _short(label: str) -> str:
    return label if len(label) <= 18 else label[:9] + "…" + label[-8:]
