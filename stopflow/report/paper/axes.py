"""Axes whose ticks are drawn in one stroke: the same look, without an artist for each of them.

Matplotlib makes three lines and two texts a tick and measures each of them several times, which is
half of the time of a page. Where ticks lie, and what they say, is still its locators' and
formatters' to choose.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis, YAxis
from matplotlib.backend_bases import RendererBase
from matplotlib.path import Path
from matplotlib.transforms import IdentityTransform
from numpy.typing import NDArray

from stopflow.report.paper.typeface import find_font

Floats = NDArray[np.float64]
Which = Literal["major", "minor"]
OFFSET_PAD_PT = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ticks:
    """Ticks of one kind: where they are in pixels along the axis, and what they say."""

    places: Floats
    labels: tuple[str, ...]
    length_pt: float
    width_pt: float
    pad_pt: float
    size_pt: float
    angle: float
    colour: Any
    ink: Any


def _pixels(renderer: RendererBase, points: float) -> float:
    return float(np.asarray(renderer.points_to_pixels(points)))


@cache
def _style_names(axis: str) -> tuple[Any, ...]:
    return tuple(name for name in mpl.rcParams if name.startswith(f"{axis}tick."))


class _PaperAxis(Axis):
    """What both axes share; ticks point outwards, below or to the left."""

    axis_name: str
    side: Literal["bottom", "left"]
    fixed_label = False

    def reset_ticks(self) -> None:
        """Hold no tick, for matplotlib makes the first of each kind to set what it never draws.

        The style of ticks is that of the moment: a figure may be saved where another one holds.
        """
        self.majorTicks, self.minorTicks = [], []
        names = _style_names(self.axis_name)
        self._style: dict[str, Any] = {name: mpl.rcParams[name] for name in names}

    def set_label_coords(self, x: float, y: float, transform: Any = None) -> None:
        """Fix the place of the axis label."""
        super().set_label_coords(x, y, transform)
        self.fixed_label = True

    def draw(self, renderer: RendererBase) -> None:
        """Draw marks, labels, and the label of the axis."""
        if not self.get_visible():
            return
        found = [self._ticks(which) for which in ("major", "minor")]
        for ticks in found:
            self._draw_marks(renderer, ticks)
        reach = max([self._draw_labels(renderer, ticks) for ticks in found])
        if not self.fixed_label:
            self._place_label(renderer, reach + _pixels(renderer, self.labelpad))
        self.label.draw(renderer)
        self._draw_offset(renderer, reach)
        self.stale = False

    def _ticks(self, which: Which) -> _Ticks:
        """Ask locator and formatter for the ticks in view."""
        own, style, name = self.get_tick_params(which), self._style, f"{self.axis_name}tick"
        colour = own.get("color", style[f"{name}.color"])
        ink = own.get("labelcolor", style[f"{name}.labelcolor"])
        if which == "major":
            locations, formatter = self.get_majorticklocs(), self.get_major_formatter()
        else:
            locations, formatter = self.get_minorticklocs(), self.get_minor_formatter()
        low, high = self._in_pixels(np.asarray(self.get_view_interval(), dtype=float))
        places = self._in_pixels(np.asarray(locations, dtype=float))
        labels = (
            formatter.format_ticks(list(locations)) if own.get(f"label{self.side}", True) else []
        )
        edge = 1e-6 * abs(high - low)
        seen = (places >= min(low, high) - edge) & (places <= max(low, high) + edge)
        return _Ticks(
            places=places[seen],
            labels=tuple(text for text, inside in zip(labels, seen, strict=False) if inside),
            length_pt=own.get("length", style[f"{name}.{which}.size"]),
            width_pt=own.get("width", style[f"{name}.{which}.width"]),
            pad_pt=own.get("pad", style[f"{name}.{which}.pad"]),
            size_pt=own.get("labelsize", style[f"{name}.labelsize"]),
            angle=float(own.get("labelrotation", own.get("rotation", 0.0)) or 0.0),
            colour=colour,
            ink=colour if isinstance(ink, str) and ink == "inherit" else ink,
        )

    def _in_pixels(self, locations: Floats) -> Floats:
        """Return where values of this axis lie along it."""
        other = np.zeros_like(locations)
        along = 0 if self.axis_name == "x" else 1
        pairs = (locations, other) if along == 0 else (other, locations)
        blended = (
            self.axes.get_xaxis_transform("tick1")
            if along == 0
            else self.axes.get_yaxis_transform("tick1")
        )
        return np.asarray(blended.transform(np.column_stack(pairs)))[:, along]

    def _foot(self) -> float:
        """Return where the axis line lies, across the axis."""
        left, bottom, _, _ = np.asarray(self.axes.bbox.extents, dtype=float)
        return float(bottom if self.axis_name == "x" else left)

    def _draw_marks(self, renderer: RendererBase, ticks: _Ticks) -> None:
        length = _pixels(renderer, ticks.length_pt)
        if not len(ticks.places) or length <= 0:
            return
        ends = np.empty((len(ticks.places), 2, 2))
        along, across = (0, 1) if self.axis_name == "x" else (1, 0)
        ends[:, :, along] = ticks.places[:, None]
        ends[:, 0, across] = self._foot()
        ends[:, 1, across] = self._foot() - length
        codes = np.tile([Path.MOVETO, Path.LINETO], len(ends))
        context = renderer.new_gc()
        context.set_foreground(ticks.colour)
        context.set_linewidth(_pixels(renderer, ticks.width_pt))
        context.set_capstyle("butt")
        renderer.draw_path(context, Path(ends.reshape(-1, 2), codes), IdentityTransform())
        context.restore()

    def _draw_labels(self, renderer: RendererBase, ticks: _Ticks) -> float:
        """Draw the labels; return how far they reach from the axis line, in pixels."""
        reach = _pixels(renderer, ticks.length_pt if len(ticks.places) else 0.0)
        if not any(ticks.labels):
            return reach
        begin = _pixels(renderer, ticks.length_pt + ticks.pad_pt)
        font = find_font(ticks.size_pt)
        context = renderer.new_gc()
        context.set_foreground(ticks.ink)
        _, height = renderer.get_canvas_width_height()
        for place, text in zip(ticks.places, ticks.labels, strict=False):
            if not text:
                continue
            size = renderer.get_text_width_height_descent(text, font, ismath=False)
            x, y, depth = self._label_place(place, begin, size, ticks.angle)
            reach = max(reach, depth)
            y = height - y if renderer.flipy() else y
            renderer.draw_text(context, x, y, text, font, ticks.angle, ismath=False)
        context.restore()
        return reach

    def _label_place(
        self, place: float, begin: float, size: Sequence[float], angle: float
    ) -> tuple[float, float, float]:
        """Return where a label's baseline begins, and how far it reaches from the axis line."""
        raise NotImplementedError

    def _place_label(self, renderer: RendererBase, reach: float) -> None:
        raise NotImplementedError

    def _draw_offset(self, renderer: RendererBase, reach: float) -> None:
        """Write the power of ten that all labels share, where there is one."""
        text = self.get_major_formatter().get_offset()
        if not text:
            return
        self.offsetText.set_text(text)
        self._place_offset(renderer, reach)
        self.offsetText.draw(renderer)

    def _place_offset(self, renderer: RendererBase, reach: float) -> None:
        raise NotImplementedError


class PaperXAxis(_PaperAxis, XAxis):
    """The horizontal axis, below."""

    side = "bottom"

    def _label_place(
        self, place: float, begin: float, size: Sequence[float], angle: float
    ) -> tuple[float, float, float]:
        width, height, descent = size
        if angle:  # a slanted label ends below its tick
            turn = np.deg2rad(angle)
            cosine, sine = float(np.cos(turn)), float(np.sin(turn))
            rise = height - descent
            x = place - width * cosine + rise * sine
            y = self._foot() - begin - width * sine - rise * cosine
            return x, y, self._foot() - y + descent * cosine
        y = self._foot() - begin - (height - descent)
        return place - width / 2, y, begin + height

    def _place_label(self, renderer: RendererBase, reach: float) -> None:  # noqa: ARG002
        x, _ = self.label.get_position()
        self.label.set_position((x, self._foot() - reach))

    def _place_offset(self, renderer: RendererBase, reach: float) -> None:
        x, _ = self.offsetText.get_position()
        self.offsetText.set_position((x, self._foot() - reach - _pixels(renderer, OFFSET_PAD_PT)))


class PaperYAxis(_PaperAxis, YAxis):
    """The vertical axis, on the left."""

    side = "left"

    def _label_place(
        self,
        place: float,
        begin: float,
        size: Sequence[float],
        angle: float,  # noqa: ARG002
    ) -> tuple[float, float, float]:
        width, height, descent = size
        return self._foot() - begin - width, place - (height - descent) / 2, begin + width

    def _place_label(self, renderer: RendererBase, reach: float) -> None:  # noqa: ARG002
        _, y = self.label.get_position()
        self.label.set_position((self._foot() - reach, y))

    def _place_offset(self, renderer: RendererBase, reach: float) -> None:  # noqa: ARG002
        x, _ = self.offsetText.get_position()
        pad = _pixels(renderer, OFFSET_PAD_PT)
        self.offsetText.set_position((x, float(np.asarray(self.axes.bbox.ymax)) + pad))


class PaperAxes(Axes):
    """Axes of a page: titles stand where they are put, and no tick is an artist."""

    def _init_axis(self) -> None:
        self.xaxis = PaperXAxis(self, clear=False)
        self.spines.bottom.register_axis(self.xaxis)
        self.spines.top.register_axis(self.xaxis)
        self.yaxis = PaperYAxis(self, clear=False)
        self.spines.left.register_axis(self.yaxis)
        self.spines.right.register_axis(self.yaxis)

    def _update_title_position(self, renderer: RendererBase) -> None:
        """Leave titles alone: nothing on these axes stands above the frame."""
