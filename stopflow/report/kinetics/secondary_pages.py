"""Secondary plots on paper: points, chosen curve with its band, parameters with intervals."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import cycle
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from stopflow import column_names as col
from stopflow.io.workbook.cells import column_letters
from stopflow.kinetics.secondary.curve_table import CURVES
from stopflow.report.data import KineticsReportData
from stopflow.report.kept import digest_value
from stopflow.report.kinetics.secondary_numbers import SYMBOLS, SecondaryPicture, pictured_plots
from stopflow.report.kinetics.secondary_table import capitalise, secondary_grid
from stopflow.report.paper.flow import (
    FlowBlock,
    Painter,
    Paragraph,
    build_heading,
    build_note,
    leave_empty,
    row_picture,
)
from stopflow.report.paper.scales import use_log_x, use_log_y
from stopflow.report.paper.style import (
    CATEGORY_COLOURS,
    INK,
    MARKERS,
    MM_PER_INCH,
    MUTED,
    LineStyle,
    Ruler,
    ordered_colours,
)

_OVERLAID = 8
_Corner = Literal["upper left", "upper right", "lower left", "lower right"]
_TITLE_SIZE = 7.2
_KEY_WIDTH, _KEY_HEIGHT = 0.55, 0.25
"""Room for the key of the curves, as parts of the frame."""
_NARROW_MM = 35.0
"""Width of a frame below which its key has no room for more than names."""
_LOG_ROOM = 1.5
"""Factor by which a logarithmic axis goes beyond the points."""
_NOT_TAKEN: tuple[LineStyle, ...] = ((0, (1, 1.5)), (0, (4, 1.5)), (0, (4, 1.5, 1, 1.5)))
"""Line styles of curves that were tried and not taken."""


def build_secondary_blocks(data: KineticsReportData) -> list[FlowBlock]:
    """Compose the secondary plots and their table; empty when there are none."""
    if data.secondary.empty:
        return []
    pictures = [picture for picture, _ in pictured_plots(data)]
    alone = [p for p in pictures if CURVES[p.kind].against != "temperature"]
    single = sorted(alone, key=_place_of)
    blocks: list[FlowBlock] = [
        build_heading("Secondary plots", level=0),
        _equations(data.secondary),
    ]
    for row in rows_of_three(single):
        painters: list[Painter] = [partial(draw_secondary, pictures=[picture]) for picture in row]
        if len(single) > 3:
            painters += [leave_empty] * (3 - len(row))
        blocks.append(
            row_picture(
                painters,
                tall_mm=62.0 if len(painters) > 2 else 80.0,
                top_mm=14.0,
                shows=[f"{picture.title} against concentration" for picture in row],
                key=digest_value((len(painters), row)),
            )
        )
    against_temperature = [
        [p for p in pictures if (p.kind, p.y_label) == axes]
        for axes in dict.fromkeys(
            (p.kind, p.y_label) for p in pictures if CURVES[p.kind].against == "temperature"
        )
    ]
    letters = letter_groups(against_temperature)
    for first in range(0, max(map(len, against_temperature), default=0), _OVERLAID):
        panels: list[Painter] = [
            partial(draw_secondary, pictures=group[first : first + _OVERLAID], letters=letters)
            for group in against_temperature
            if group[first:]
        ]
        kinds = [group[first].kind for group in against_temperature if group[first:]]
        blocks += [
            row_picture(panels[at : at + 2], tall_mm=80.0, top_mm=12.0, shows=kinds[at : at + 2])
            for at in range(0, len(panels), 2)
        ]
    blocks.append(secondary_grid(data.secondary, letters=letters))
    blocks.append(
        build_note(
            "Points are the means of conditions with their 95 % intervals. The solid line is "
            "the model reported, and the shaded area is its 95 % band; a broken line is a model "
            "that was tried and not taken. Errors are standard errors; intervals are at 95 % by "
            "Student's t."
        )
    )
    return blocks


def rows_of_three(pictures: Sequence[SecondaryPicture]) -> list[Sequence[SecondaryPicture]]:
    """Deal plots to rows; one that would stand in a row of its own joins the row before."""
    starts = list(range(0, len(pictures), 3))
    if len(pictures) % 3 == 1 and len(starts) > 1:
        starts.pop()
    # Without a plot there is no row, and only the end is left.
    ends = [*starts[1:], len(pictures)]
    return [pictures[start:end] for start, end in zip(starts, ends, strict=False)]


def _place_of(picture: SecondaryPicture) -> tuple[bool, bool]:
    """Rates against concentration first, then amplitudes, then what stands against pH."""
    curve = CURVES[picture.kind]
    return curve.against == "pH", curve.of == "amplitude"


def letter_groups(plots: Sequence[Sequence[SecondaryPicture]]) -> dict[str, str]:
    """Give each group of an overlaid plot a letter; its name stands in the table below."""
    names = dict.fromkeys(p.title for group in plots if len(group) > 1 for p in group)
    return {name: column_letters(number).lower() for number, name in enumerate(names, start=1)}


def _equations(secondary: pd.DataFrame) -> Paragraph:
    chosen = set(secondary.loc[secondary[col.CHOSEN].astype(bool), col.KIND])
    named = chosen or set(secondary[col.KIND])
    equations = [f"{capitalise(kind)}: {CURVES[kind].paper}." for kind in CURVES if kind in named]
    return Paragraph(text="  ".join(equations), after_mm=3.0, keep_with_next=True)


def draw_secondary(
    axes: Axes, *, pictures: Sequence[SecondaryPicture], letters: Mapping[str, str] | None = None
) -> None:
    """Draw one plot, or several of one kind over each other, each with its letter of the table."""
    names = letters or {}
    colours = ordered_colours(len(pictures)) if len(pictures) > 1 else [CATEGORY_COLOURS[0]]
    groups = []
    for place, picture in enumerate(pictures):
        colour, marker = colours[place], MARKERS[place % len(MARKERS)]
        lines = _draw_curves(axes, picture, colour=colour)
        closed = np.isfinite(picture.low) & np.isfinite(picture.high)
        axes.vlines(
            picture.x[closed],
            picture.low[closed],
            picture.high[closed],
            color=colour,
            linewidth=0.8,
        )
        groups += axes.plot(
            picture.x,
            picture.y,
            linestyle="none",
            marker=marker,
            markersize=4.0,
            markerfacecolor=colour,
            markeredgecolor="white",
            markeredgewidth=0.3,
            label=names.get(picture.title, picture.title),
        )
    first = pictures[0]
    if first.log_x:
        use_log_x(axes, float(first.x.min()) / _LOG_ROOM, float(first.x.max()) * _LOG_ROOM)
    _limit_y(axes, pictures)
    if not first.log_y and CURVES[first.kind].against != "temperature":
        if not first.log_x and CURVES[first.kind].against == "concentration":
            axes.set_xlim(left=0)
    axes.set_xlabel(first.x_label)
    axes.set_ylabel(first.y_label)
    if len(pictures) > 1:
        axes.legend(
            handles=groups,
            loc="lower left",
            bbox_to_anchor=(-0.02, 1.0),
            ncols=len(pictures),
            columnspacing=1.0,
            handletextpad=0.2,
            fontsize=6.8,
        )
        return
    _write_title(axes, first)
    if len(lines) > 1 or not first.said:
        axes.legend(handles=lines, loc=_free_corner(axes, first), fontsize=5.8, handlelength=2.4)


def _limit_y(axes: Axes, pictures: Sequence[SecondaryPicture]) -> None:
    """Make room for the points and the curves reported; one that was not taken may leave.

    Rates and amplitudes of one sign are drawn from zero on.
    """
    shown = [values for p in pictures for values in (p.y, p.low, p.high)]
    shown += [curve.y for p in pictures for curve in p.curves if curve.chosen]
    values = np.concatenate(shown)
    values = values[np.isfinite(values)]
    first = pictures[0]
    if first.log_y:
        use_log_y(axes, values.min() / _LOG_ROOM, values.max() * _LOG_ROOM)
        return
    from_zero = CURVES[first.kind].against != "temperature"
    low = 0.0 if from_zero and np.nanmin(first.y) > 0 else float(values.min())
    high = 0.0 if from_zero and np.nanmax(first.y) < 0 else float(values.max())
    room = 0.05 * (high - low or abs(high) or 1.0)
    axes.set_ylim(0.0 if low == 0 else low - room, 0.0 if high == 0 else high + room)


def _draw_curves(axes: Axes, picture: SecondaryPicture, *, colour: str) -> list[Line2D]:
    """Draw the curve reported with its band, and those that were tried, each with its name.

    That a curve was not taken is said where there is room; the text below the table says it, too.
    """
    lines = []
    unsaid = "" if _room_mm(axes) < _NARROW_MM else ", not taken"
    styles = cycle(_NOT_TAKEN)
    for curve in picture.curves:
        if curve.chosen and curve.low is not None and curve.high is not None:
            axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0)
        lines += axes.plot(
            curve.x,
            curve.y,
            color=colour if curve.chosen else MUTED,
            linestyle="-" if curve.chosen else next(styles),
            linewidth=1.0 if curve.chosen else 0.8,
            label=curve.kind + ("" if curve.chosen else unsaid),
        )
    return lines


def _free_corner(axes: Axes, picture: SecondaryPicture) -> _Corner:
    """Find the corner through which the fewest points and curves run."""
    lines = [(picture.x, picture.y), *((curve.x, curve.y) for curve in picture.curves)]
    drawn = np.concatenate([np.column_stack(line) for line in lines])
    axes.autoscale_view()  # Without it the limits are still those of an empty plot.
    x, y = axes.transAxes.inverted().transform(axes.transData.transform(drawn)).T
    shown = (y >= 0) & (y <= 1)
    x, y = x[shown], y[shown]
    left, right = x < _KEY_WIDTH, x > 1 - _KEY_WIDTH
    low, high = y < _KEY_HEIGHT, y > 1 - _KEY_HEIGHT
    inside: dict[_Corner, NDArray[np.bool_]] = {
        "upper left": high & left,
        "upper right": high & right,
        "lower left": low & left,
        "lower right": low & right,
    }
    return min(inside, key=lambda corner: np.count_nonzero(inside[corner]))


def _room_mm(axes: Axes) -> float:
    return axes.bbox.width / axes.figure.dpi * MM_PER_INCH


def _write_title(axes: Axes, picture: SecondaryPicture) -> None:
    title = _fitting_title(picture.title, _room_mm(axes))
    said = picture.said or ("no model was taken",)
    axes.set_title(title, pad=4.5 + 7.6 * len(said), fontsize=_TITLE_SIZE)
    for place, line in enumerate(reversed(said)):
        axes.annotate(
            _symbols(line),
            (0.0, 1.0),
            xycoords="axes fraction",
            xytext=(0, 2.5 + 7.6 * place),
            textcoords="offset points",
            fontsize=6.2,
            color=INK,
        )


def _fitting_title(title: str, room_mm: float) -> str:
    """Shorten a title to a width; its last part tells it from its neighbours and stays whole."""
    ruler = Ruler()
    name, comma, last = title.rpartition(", ")
    left_mm = room_mm - ruler.width_mm(comma + last, _TITLE_SIZE, bold=True)
    if not comma or left_mm < room_mm / 3:
        return ruler.shorten(title, _TITLE_SIZE, width_mm=room_mm, bold=True)
    return ruler.shorten(name, _TITLE_SIZE, width_mm=left_mm, bold=True) + comma + last


def _symbols(text: str) -> str:
    for plain, symbol in SYMBOLS.items():
        text = text.replace(f"{plain} ", f"{symbol} ")
    return text
