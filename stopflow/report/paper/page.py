"""One sheet of paper, measured in millimetres from its top left corner."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.path import Path
from matplotlib.transforms import IdentityTransform

from stopflow.report.paper.axes import PaperAxes
from stopflow.report.paper.canvas import POINTS_PER_INCH, DrawnPage, PageRenderer
from stopflow.report.paper.style import (
    INK,
    MM_PER_INCH,
    MUTED,
    RULE,
    LineStyle,
    Paper,
    Ruler,
    printable,
)
from stopflow.report.paper.typeface import find_font

Align = Literal["left", "center", "right"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Furniture:
    """What every page repeats: a running title, the maker, and the page number."""

    title: str
    maker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLine:
    """A line of text and where its baseline begins, in millimetres from the top left corner."""

    x_mm: float
    y_mm: float
    text: str
    size: float
    colour: str
    bold: bool


RuleLook = tuple[str, float, LineStyle]
"""Colour, width in points, and line style."""
Rules = dict[RuleLook, list[tuple[float, float, float]]]
"""Horizontal lines by their look: each from left to right, and how far down, in mm."""


class TextLines(Artist):
    """Draws lines whose widths are known, many times faster than matplotlib's own text."""

    def __init__(self, lines: Sequence[TextLine]) -> None:
        super().__init__()
        self._lines = lines

    def draw(self, renderer: RendererBase) -> None:
        """Hand each line to the renderer."""
        scale, height = _measure(self)
        context = renderer.new_gc()
        for line in self._lines:
            font = find_font(line.size, bold=line.bold)
            context.set_foreground(line.colour)
            y = line.y_mm * scale
            y = y if renderer.flipy() else height - y
            renderer.draw_text(context, line.x_mm * scale, y, line.text, font, 0.0, ismath=False)
        context.restore()


class RuleLines(Artist):
    """Draws horizontal lines, those of one look in one stroke."""

    zorder = 2

    def __init__(self, rules: Rules) -> None:
        super().__init__()
        self._rules = rules

    def draw(self, renderer: RendererBase) -> None:
        """Hand the lines of each look to the renderer."""
        scale, height = _measure(self)
        for (colour, width_pt, style), lines in self._rules.items():
            left, right, down = scale * np.array(lines).T
            ends = np.column_stack((left, height - down, right, height - down)).reshape(-1, 2)
            path = Path(ends, np.tile([Path.MOVETO, Path.LINETO], len(lines)))
            context = renderer.new_gc()
            context.set_foreground(colour)
            context.set_linewidth(float(np.asarray(renderer.points_to_pixels(width_pt))))
            if not isinstance(style, str):  # dashes grow with the width of their line, in points
                context.set_dashes(0, [width_pt * length for length in style[1]])
            context.set_capstyle("butt")
            renderer.draw_path(context, path, IdentityTransform())
            context.restore()


def _measure(artist: Artist) -> tuple[float, float]:
    """Return the pixels of a millimetre of an artist's figure, and its height in pixels."""
    figure = artist.get_figure(root=True)
    if figure is None:
        raise ValueError("it stands on no figure")
    return figure.dpi / MM_PER_INCH, figure.bbox.height


@dataclass(slots=True, eq=False)
class Page:
    """A figure of paper size; `text`, `rule`, `box` and `axes` place things in millimetres."""

    paper: Paper
    ruler: Ruler
    figure: Figure = field(init=False)
    lines: list[TextLine] = field(default_factory=list)
    rules: Rules = field(default_factory=dict)

    def __post_init__(self) -> None:
        size = (self.paper.width_mm / MM_PER_INCH, self.paper.height_mm / MM_PER_INCH)
        self.figure = Figure(figsize=size, dpi=POINTS_PER_INCH)
        self.figure.add_artist(TextLines(self.lines))
        self.figure.add_artist(RuleLines(self.rules))

    def _x(self, mm: float) -> float:
        return mm / self.paper.width_mm

    def _y(self, mm: float) -> float:
        return 1.0 - mm / self.paper.height_mm

    def text(
        self,
        x_mm: float,
        y_mm: float,
        text: str,
        *,
        size: float = 8.0,
        colour: str = INK,
        bold: bool = False,
        align: Align = "left",
    ) -> None:
        """Write one line with its baseline at `y_mm`; nothing in it is taken for mathematics."""
        shown = printable(text)
        wide = self.ruler.width_mm(shown, size, bold=bold)
        left = x_mm - {"left": 0.0, "center": 0.5, "right": 1.0}[align] * wide
        self.lines.append(
            TextLine(x_mm=left, y_mm=y_mm, text=shown, size=size, colour=colour, bold=bold)
        )

    def rule(
        self,
        x_mm: float,
        y_mm: float,
        *,
        length_mm: float,
        colour: str = RULE,
        width: float = 0.6,
        style: LineStyle = "-",
    ) -> None:
        """Draw a horizontal line."""
        lines = self.rules.setdefault((colour, width, style), [])
        lines.append((x_mm, x_mm + length_mm, y_mm))

    def box(
        self, x_mm: float, y_mm: float, *, width_mm: float, height_mm: float, colour: str
    ) -> None:
        """Fill a rectangle whose top left corner is given."""
        patch = Rectangle(
            (self._x(x_mm), self._y(y_mm + height_mm)),
            width_mm / self.paper.width_mm,
            height_mm / self.paper.height_mm,
            transform=self.figure.transFigure,
            facecolor=colour,
            edgecolor="none",
            zorder=-1,
        )
        self.figure.add_artist(patch)

    def axes(
        self,
        x_mm: float,
        y_mm: float,
        *,
        width_mm: float,
        height_mm: float,
        sharex: Axes | None = None,
        sharey: Axes | None = None,
    ) -> Axes:
        """Add axes whose data area has its top left corner at (x_mm, y_mm)."""
        place = (
            self._x(x_mm),
            self._y(y_mm + height_mm),
            width_mm / self.paper.width_mm,
            height_mm / self.paper.height_mm,
        )
        axes = PaperAxes(self.figure, place, sharex=sharex, sharey=sharey)
        self.figure.add_axes(axes)
        return axes

    def finish(self) -> DrawnPage:
        """Return the page as it is drawn in a PDF."""
        self.figure.patch.set_visible(False)  # the sheet is white, and may be laid over another
        renderer = PageRenderer(self.paper)
        self.figure.draw(renderer)
        return renderer.finish()

    def furnish(self, furniture: Furniture, *, section: str, number: int, total: int) -> None:
        """Write the running title, the section, the maker and the page number."""
        paper = self.paper
        half = paper.text_width_mm * 0.5
        title = self.ruler.shorten(printable(furniture.title), 6.8, width_mm=half - 4, bold=True)
        part = self.ruler.shorten(printable(section), 6.8, width_mm=half - 4)
        right = paper.width_mm - paper.side_mm
        self.text(paper.side_mm, 11.5, title, size=6.8, colour=MUTED, bold=True)
        self.text(right, 11.5, part, size=6.8, colour=MUTED, align="right")
        self.rule(paper.side_mm, 13.5, length_mm=paper.text_width_mm)
        foot = paper.height_mm - 9.0
        self.text(paper.side_mm, foot, furniture.maker, size=6.5, colour=MUTED)
        self.text(right, foot, f"{number} of {total}", size=6.5, colour=MUTED, align="right")
