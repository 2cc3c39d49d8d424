"""Pictures of a comparison: the error of every run, and the bias against k."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from stopflow.report.data import ModelReportData
from stopflow.report.models.comparison_numbers import FIT, BiasLine, list_runs
from stopflow.report.paper.legend import say_above
from stopflow.report.paper.scales import use_log_x
from stopflow.report.paper.style import CATEGORY_COLOURS, INK, LINE_STYLES, MARKERS, shorten_middle

_LEAST_REACH = 0.02
_MOST_REACH = 0.5
_NAME_LENGTH = 22


def draw_runs(axes: Axes, models: Sequence[ModelReportData]) -> None:
    """Draw the test error of each run, a row a model, the mean as a bar."""
    drawn = [(model, list_runs(model)) for model in models]
    drawn = [(model, errors) for model, errors in drawn if len(errors)]
    if not drawn:
        axes.remove()
        return
    for place, (model, errors) in enumerate(drawn):
        if model.name == FIT:
            axes.axvline(errors.mean(), color=INK, linewidth=0.8, linestyle=(0, (6, 2)))
        colour = INK if model.name == FIT else CATEGORY_COLOURS[0]
        axes.plot([errors.mean()] * 2, [place - 0.32, place + 0.32], color=colour, linewidth=2.0)
        axes.plot(
            errors,
            np.full(len(errors), float(place)),
            linestyle="none",
            marker="o",
            markersize=3.6,
            markerfacecolor="none",
            markeredgecolor=colour,
            markeredgewidth=0.8,
        )
    every = np.concatenate([errors for _, errors in drawn])
    use_log_x(axes, every.min() / 1.4, every.max() * 1.4)
    names = [shorten_middle(model.name, _NAME_LENGTH) for model, _ in drawn]
    axes.set_yticks(range(len(drawn)), names)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(len(drawn) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("test error (MAE) / s⁻¹")


def draw_bias(axes: Axes, lines: Sequence[BiasLine]) -> None:
    """Draw the mean relative error in bins of k; what lies beyond the frame is left out."""
    for place, line in enumerate(lines):
        axes.plot(
            line.k_per_s,
            100 * line.relative,
            color=CATEGORY_COLOURS[place % len(CATEGORY_COLOURS)],
            linestyle=LINE_STYLES[place % len(LINE_STYLES)],
            marker=MARKERS[place % len(MARKERS)],
            markersize=3.0,
            label=shorten_middle(line.name, _NAME_LENGTH),
        )
    k = np.concatenate([line.k_per_s for line in lines])
    relative = np.abs(np.concatenate([line.relative for line in lines]))
    reach = float(np.clip(1.15 * relative.max(), _LEAST_REACH, _MOST_REACH))
    axes.axhline(0, color=INK, linewidth=0.7, zorder=0)
    axes.set_ylim(-100 * reach, 100 * reach)
    use_log_x(axes, k.min() / 1.3, k.max() * 1.3)
    outside = int((relative > reach).sum())
    if outside:
        say_above(axes, f"{outside} bins beyond the frame")
    axes.set_xlabel("actual k / s⁻¹")
    axes.set_ylabel("mean of predicted / actual − 1, %")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)
