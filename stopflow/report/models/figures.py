"""Pictures of a trained network: learning curves, predicted against actual, errors, ranks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from stopflow.report.data import ModelReportData, TracePair
from stopflow.report.models.numbers import Points, fit_lines, rank_columns, summarise_runs
from stopflow.report.paper.decimate import decimate_min_max
from stopflow.report.paper.legend import say_above
from stopflow.report.paper.rounding import format_digits
from stopflow.report.paper.scales import name_log_ticks, use_log_x, use_log_y
from stopflow.report.paper.style import (
    CATEGORY_COLOURS,
    INK,
    LINE_STYLES,
    MARKERS,
    MUTED,
    printable,
    shorten_middle,
)

_TRAIN = "#aab2ba"
_BAND = "#e3e7ea"
_NAMED = 6
_KEY_LENGTH = 26


def draw_learning(axes: Axes, models: Sequence[ModelReportData]) -> None:
    """Draw MAE against epoch, test in bold lines, training thin and pale.

    Of several runs the median is drawn, of the test error the middle half as a band too.
    """
    lowest, highest = np.inf, 0.0
    for place, model in enumerate(models):
        colour = CATEGORY_COLOURS[place % len(CATEGORY_COLOURS)]
        style = LINE_STYLES[place % len(LINE_STYLES)] if len(models) > 1 else "-"
        history = model.history
        own = shorten_middle(model.name, 22) if len(models) > 1 else "test"
        for column, label, width, line, alpha in (
            ("test_mae_per_s", own, 1.3, style, 1.0),
            ("train_mae_per_s", "training", 0.8, "-", 0.5),
        ):
            if column not in history:
                continue
            curve = summarise_runs(history, column)
            if not len(curve.epochs):
                continue
            if curve.runs > 1 and "test" in column:
                axes.fill_between(
                    curve.epochs, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0
                )
            axes.plot(
                curve.epochs,
                curve.middle,
                color=colour,
                linewidth=width,
                linestyle=line,
                alpha=alpha,
                label=label if len(models) == 1 or "test" in column else None,
                marker="o" if len(curve.epochs) == 1 else None,
                markersize=4.0 if "test" in column else 2.5,
            )
            lowest, highest = min(lowest, curve.low.min()), max(highest, curve.high.max())
    if lowest > 0 and highest / lowest > 6:
        use_log_y(axes, lowest / 1.4, highest * 1.3)
    else:
        axes.set_ylim(0, 1.15 * highest or 1.0)
    count_epochs(axes)
    axes.set_ylabel("mean absolute error / s⁻¹")
    if len(models) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)
    elif axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=2, columnspacing=1.2)


def count_epochs(axes: Axes) -> None:
    """Let whole epochs alone bear a number, also where there is only one."""
    low, high = axes.get_xlim()
    if high - low < 1:
        middle = round((low + high) / 2)
        axes.set_xlim(middle - 0.9, middle + 0.9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")


def draw_fit_level(axes: Axes, level_per_s: float) -> None:
    """Draw the error of the fit itself as the level to reach."""
    if not np.isfinite(level_per_s) or level_per_s <= 0:
        return
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, level_per_s / 1.4), high)
    axes.axhline(level_per_s, color=INK, linewidth=0.8, linestyle=(0, (6, 2)))
    axes.annotate(
        "error of the fit itself",
        (0.02, level_per_s),
        xycoords=("axes fraction", "data"),
        xytext=(0, 2.5),
        textcoords="offset points",
        fontsize=6.5,
        color=INK,
    )


def draw_loss(axes: Axes, history: pd.DataFrame) -> None:
    """Draw the training loss against epoch."""
    values = history["loss"].to_numpy(float)
    known = np.isfinite(values)
    axes.plot(
        history["epoch"][known],
        values[known],
        color=CATEGORY_COLOURS[0],
        linewidth=1.0,
        marker="o" if known.sum() == 1 else None,
    )
    positive = values[known & (values > 0)]
    if len(positive) and positive.max() / positive.min() > 6:
        use_log_y(axes, positive.min() / 1.3, positive.max() * 1.3)
    count_epochs(axes)
    axes.set_ylabel("training loss")


def draw_ranks(axes: Axes, history: pd.DataFrame) -> None:
    """Draw the rank of each low-rank layer against epoch."""
    draw_layers(axes, history, rank_columns(history), label="rank", drawstyle="steps-post")
    axes.set_ylim(bottom=0)
    axes.legend(loc="best")


def draw_layers(
    axes: Axes, history: pd.DataFrame, columns: Sequence[str], *, label: str, **how: Any
) -> None:
    """Draw columns of the history that end in the number of a layer against epoch."""
    for place, name in enumerate(columns):
        axes.plot(
            history["epoch"],
            history[name],
            color=CATEGORY_COLOURS[place % len(CATEGORY_COLOURS)],
            linestyle=LINE_STYLES[place % len(LINE_STYLES)],
            label=f"layer {name.rpartition('_')[2]}",
            **how,
        )
    count_epochs(axes)
    axes.set_ylabel(label)


def _wide(points: Sequence[Points]) -> bool:
    actual = np.concatenate([group.actual for group in points])
    predicted = np.concatenate([group.predicted for group in points])
    return bool(actual.min() > 0 and predicted.min() > 0 and actual.max() / actual.min() > 20)


def draw_predictions(
    axes: Axes, points: Sequence[Points], *, key: bool = True, title: str = ""
) -> None:
    """Draw predicted against actual k with the identity line and a band of 10 %."""
    both = np.concatenate([np.concatenate([g.actual, g.predicted]) for g in points])
    logarithmic = _wide(points)
    low, high = float(both.min()), float(both.max())
    if logarithmic:
        axes.set_xscale("log")
        axes.set_yscale("log")
        low, high = low / 1.3, high * 1.3
        line = np.geomspace(low, high, 60)
    else:
        margin = 0.04 * (high - low) or 1.0
        low, high = min(low, 0.0) - margin, high + margin
        line = np.linspace(low, high, 60)
    axes.fill_between(line, 0.9 * line, 1.1 * line, color=_BAND, linewidth=0, label="± 10 %")
    axes.plot(line, line, color=INK, linewidth=0.7)
    _scatter(axes, points, relative=False)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_box_aspect(1)
    if logarithmic:
        name_log_ticks(axes.xaxis, low, high)
        name_log_ticks(axes.yaxis, low, high)
    axes.set_title(shorten_middle(title, 24))
    axes.set_xlabel("actual k / s⁻¹")
    axes.set_ylabel("predicted k / s⁻¹")
    if key:
        widest = max(len(group.label) for group in points)
        size = 6.8 if widest < 20 else 6.0
        axes.legend(loc="upper left", handletextpad=0.4, borderaxespad=0.2, fontsize=size)


def draw_relative_errors(axes: Axes, points: Sequence[Points]) -> None:
    """Draw the relative error against k; what lies outside sits on the frame and is counted."""
    relative = np.concatenate([group.relative for group in points])
    reach = float(np.clip(1.5 * np.quantile(np.abs(relative), 0.97), 0.02, 1.5))
    axes.axhspan(-10, 10, color=_BAND, linewidth=0)
    axes.axhline(0, color=INK, linewidth=0.7)
    _scatter(axes, points, relative=True, reach=reach)
    if _wide(points):
        actual = np.concatenate([group.actual for group in points])
        use_log_x(axes, actual.min() / 1.3, actual.max() * 1.3)
    axes.set_ylim(-108 * reach, 108 * reach)
    outside = int((np.abs(relative) > reach).sum())
    if outside:
        say_above(axes, f"{outside} beyond the frame, drawn at its edge")
    axes.set_xlabel("actual k / s⁻¹")
    axes.set_ylabel("predicted / actual − 1, %")


def _scatter(
    axes: Axes, points: Sequence[Points], *, relative: bool, reach: float = np.inf
) -> None:
    tests = 0
    for group in points:
        y = 100 * np.clip(group.relative, -reach, reach) if relative else group.predicted
        if group.test:
            place = min(tests, _NAMED)
            colour, marker, size = CATEGORY_COLOURS[place], MARKERS[place], 3.2
            named = (
                "other test experiments"
                if tests == _NAMED
                else shorten_middle(group.label, _KEY_LENGTH)
            )
            label = named if tests <= _NAMED else "_nolegend_"
            tests += 1
        else:
            colour, marker, size, label = _TRAIN, ".", 2.4, group.label
        axes.plot(
            group.actual,
            y,
            linestyle="none",
            marker=marker,
            markersize=size,
            markerfacecolor=colour,
            markeredgewidth=0.25 if group.test else 0,
            markeredgecolor="white",
            label=label,
        )


def draw_histogram(axes: Axes, points: Sequence[Points]) -> None:
    """Draw how relative errors are spread, test filled, training as an outline."""
    parts = {
        test: np.concatenate([g.relative for g in points if g.test is test] or [np.empty(0)])
        for test in (False, True)
    }
    every = np.concatenate(list(parts.values()))
    reach = float(np.clip(1.5 * np.quantile(np.abs(every), 0.97), 0.02, 1.5))
    edges = np.linspace(-reach, reach, 41)
    for test, values in parts.items():
        if not len(values):
            continue
        share, _ = np.histogram(np.clip(values, -reach, reach * (1 - 1e-9)), bins=edges)
        share = 100 * share / len(values)
        label = f"{'test' if test else 'training'} ({len(values)})"
        if test:
            axes.stairs(
                share, 100 * edges, fill=True, color=CATEGORY_COLOURS[0], alpha=0.55, label=label
            )
        else:
            axes.stairs(share, 100 * edges, color=INK, linewidth=0.8, label=label)
    axes.axvline(0, color=MUTED, linewidth=0.5)
    axes.set_xlabel("predicted / actual − 1, %  (outer bins hold the rest)")
    axes.set_ylabel("share of shots / %")
    axes.legend(loc="upper right")


def draw_worst(axes: Axes, pair: TracePair, *, actual: float, predicted: float, unit: str) -> None:
    """Draw a trace with the best curves of the actual and of the predicted k."""
    time, signal = (np.asarray(array, dtype=float) for array in pair)
    factor, seconds = (1e3, "ms") if time[-1] - time[0] < 2 else (1.0, "s")
    x, y = decimate_min_max((time - time[0]) * factor, signal, buckets=150)
    axes.plot(x, y, color=_TRAIN, linewidth=0.5)
    thin = slice(None, None, max(1, len(time) // 400))
    for k, colour, style in ((actual, INK, "-"), (predicted, CATEGORY_COLOURS[1], (0, (4, 1.5)))):
        if np.isfinite(k) and k > 0:
            curve = fit_lines(time, signal, k)
            axes.plot((time[thin] - time[0]) * factor, curve[thin], color=colour, linestyle=style)
    axes.set_xlabel(f"time since the cut / {seconds}", labelpad=1.5)
    axes.set_ylabel(f"signal / {printable(unit)}", labelpad=1.5)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.annotate(
        f"actual {format_digits(actual, 3)}, predicted {format_digits(predicted, 3)} s⁻¹",
        (0.0, 1.03),
        xycoords="axes fraction",
        fontsize=6.4,
        color=MUTED,
    )


def stability_columns(history: pd.DataFrame) -> list[str]:
    """Columns of the history that hold the stability of an OIALR layer."""
    return [name for name in history.columns if name.startswith("stability_")]


def draw_stability(axes: Axes, history: pd.DataFrame) -> None:
    """Draw the stability of each OIALR layer: 1 where its bases have stopped moving."""
    draw_layers(axes, history, sorted(stability_columns(history)), label="stability")
    axes.legend(loc="best")
