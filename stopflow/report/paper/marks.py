"""Marks on axes whose limits are set: no artist looks for limits, which takes most of its time.

Each function adds one artist, however many lines or areas it draws.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from stopflow.report.paper.style import LineStyle

Floats = NDArray[np.float64]
Colours = str | Sequence[str]


def draw_lines(
    axes: Axes,
    lines: Sequence[Floats],
    *,
    colours: Colours,
    width: float,
    alpha: float | None = None,
    styles: Sequence[LineStyle] = ("-",),
    zorder: float = 2,
) -> None:
    """Draw lines, each an (N, 2) array of points."""
    axes.add_artist(
        LineCollection(
            lines, colors=colours, linewidths=width, alpha=alpha, linestyles=styles, zorder=zorder
        )
    )


def fill_outlines(
    axes: Axes,
    outlines: Sequence[Floats],
    *,
    colours: Colours,
    edge: float = 0.0,
    alpha: float | None = None,
) -> None:
    """Fill outlines, each an (N, 2) array of points; `edge` is the width of a line round them."""
    axes.add_artist(
        PolyCollection(
            outlines, facecolors=colours, edgecolors=colours, linewidths=edge, alpha=alpha
        )
    )


def fill_band(axes: Axes, x: Floats, low: Floats, high: Floats, *, colour: str) -> None:
    """Fill what lies between two lines."""
    outline = np.column_stack((np.concatenate((x, x[::-1])), np.concatenate((low, high[::-1]))))
    fill_outlines(axes, [outline], colours=colour)


def draw_level(axes: Axes, y: float, *, colour: str, width: float) -> None:
    """Draw a horizontal line from edge to edge."""
    line = Line2D([0, 1], [y, y], color=colour, linewidth=width)
    line.set_transform(axes.get_yaxis_transform(which="grid"))
    axes.add_artist(line)


def draw_uprights(
    axes: Axes, places: Floats, *, colour: str, width: float, style: LineStyle
) -> None:
    """Draw vertical lines from edge to edge, below everything else."""
    x = np.repeat(places, 3)
    y = np.tile([0.0, 1.0, np.nan], len(places))
    line = Line2D(x, y, color=colour, linewidth=width, linestyle=style, zorder=1)
    line.set_transform(axes.get_xaxis_transform(which="grid"))
    axes.add_artist(line)


def shade_between(axes: Axes, left: float, right: float, *, colour: str) -> None:
    """Shade an upright strip from edge to edge, at the bottom of everything."""
    strip = Rectangle((left, 0), right - left, 1, facecolor=colour, linewidth=0, zorder=0)
    strip.set_transform(axes.get_xaxis_transform(which="grid"))
    axes.add_artist(strip)
