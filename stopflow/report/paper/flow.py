"""Blocks that pages are made of: running text, headings, and pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from stopflow.report.paper.style import ACCENT, INK, MM_PER_POINT, MUTED, Ruler, printable

if TYPE_CHECKING:  # loading it takes longer than a table takes to be set
    from matplotlib.axes import Axes

    from stopflow.report.paper.page import Page

Painter = Callable[["Axes"], None]
_SHORTER = 0.8
"""Height of a row of axes, relative to the usual, where a little room is wanting."""


class FlowBlock(Protocol):
    """Something with a height that can be drawn at a place, and perhaps cut in two."""

    @property
    def after_mm(self) -> float:
        """Space below."""
        ...

    @property
    def keep_with_next(self) -> bool:
        """Whether the block may not stand last on a page."""
        ...

    def height_mm(self, ruler: Ruler, width_mm: float) -> float:
        """Height at a given width, space below included."""
        ...

    def split(
        self, ruler: Ruler, *, width_mm: float, room_mm: float
    ) -> tuple["FlowBlock | None", "FlowBlock | None"]:
        """Divide into what fits in `room_mm` and the rest; ``(None, self)`` when nothing fits."""
        ...

    def draw(self, page: "Page", x_mm: float, y_mm: float, *, width_mm: float) -> None:
        """Draw with the top left corner at (x_mm, y_mm)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """An entry of the outline; level 0 is a chapter."""

    title: str
    level: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """Running text; one size, one colour, and perhaps a place in the outline.

    Attributes
    ----------
    is_note
        Whether it explains what stands above, and stays on the page of it.
    """

    text: str
    size: float = 8.2
    colour: str = INK
    bold: bool = False
    after_mm: float = 2.4
    before_mm: float = 0.0
    keep_with_next: bool = False
    leading: float = 1.42
    bookmark: Bookmark | None = None
    is_note: bool = False

    def _lines(self, ruler: Ruler, width_mm: float) -> list[str]:
        text = printable(self.text)
        return ruler.wrap(text, self.size, width_mm=width_mm, bold=self.bold)

    @property
    def _step_mm(self) -> float:
        return self.size * self.leading * MM_PER_POINT

    def height_mm(self, ruler: Ruler, width_mm: float) -> float:
        """Height of all lines, space before and after included."""
        lines = len(self._lines(ruler, width_mm))
        return self.before_mm + lines * self._step_mm + self.after_mm

    def split(
        self, ruler: Ruler, *, width_mm: float, room_mm: float
    ) -> tuple[FlowBlock | None, FlowBlock | None]:
        """Cut between two lines."""
        lines = self._lines(ruler, width_mm)
        fits = int((room_mm - self.before_mm) / self._step_mm)
        if fits >= len(lines) and not self.keep_with_next:
            return self, None
        if len(lines) - fits == 1:
            fits -= 1
        if fits < 2 or self.keep_with_next:
            return None, self
        plain = replace(self, before_mm=0.0, bookmark=None)
        first, rest = (" ".join(part) for part in (lines[:fits], lines[fits:]))
        return replace(plain, text=first), replace(plain, text=rest)

    def draw(self, page: "Page", x_mm: float, y_mm: float, *, width_mm: float) -> None:
        """Draw line by line."""
        y = y_mm + self.before_mm + self.size * MM_PER_POINT
        for line in self._lines(page.ruler, width_mm):
            page.text(x_mm, y, line, size=self.size, colour=self.colour, bold=self.bold)
            y += self._step_mm


def build_heading(text: str, *, level: int = 1) -> Paragraph:
    """Return the heading of a question or a section; `level` is its place in the outline."""
    return Paragraph(
        text=text,
        bookmark=Bookmark(title=text, level=level),
        size=11.5,
        bold=True,
        colour=ACCENT,
        before_mm=3.2,
        after_mm=1.8,
        keep_with_next=True,
        leading=1.2,
    )


def build_note(text: str) -> Paragraph:
    """Return the small print below a picture or a table, on whose page it stays."""
    return Paragraph(text=text, size=6.6, colour=MUTED, is_note=True)


def build_subheading(text: str) -> Paragraph:
    """Return a small heading inside a section."""
    return Paragraph(
        text=text, size=8.6, bold=True, before_mm=1.6, after_mm=1.0, keep_with_next=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A drawing of fixed height; `paint(page, x_mm, y_mm, width_mm)` draws it.

    Attributes
    ----------
    shows
        What it shows: its name as a file of its own; without one it is none.
    panels
        Pictures side by side, each a file of its own instead of the whole.
    key
        What it is drawn from, told from anything else; a picture that has one can be kept.
    shorter
        The same, less high, for where a little room is wanting.
    """

    tall_mm: float
    paint: Callable[["Page", float, float, float], None]
    after_mm: float = 4.0
    keep_with_next: bool = False
    shows: str = ""
    panels: "tuple[Picture, ...]" = ()
    key: str = ""
    shorter: "Picture | None" = None

    def height_mm(self, ruler: Ruler, width_mm: float) -> float:  # noqa: ARG002
        """Return the fixed height."""
        return self.tall_mm + self.after_mm

    def split(
        self,
        ruler: Ruler,
        *,
        width_mm: float,
        room_mm: float,
    ) -> tuple[FlowBlock | None, FlowBlock | None]:
        """Never cut; the shorter one where that fits."""
        if self.shorter is not None and self.shorter.height_mm(ruler, width_mm) <= room_mm:
            return self.shorter, None
        return None, self

    def draw(self, page: "Page", x_mm: float, y_mm: float, *, width_mm: float) -> None:
        """Let `paint` draw."""
        self.paint(page, x_mm, y_mm, width_mm)


def row_picture(
    painters: Sequence[Painter],
    *,
    tall_mm: float,
    top_mm: float = 5.0,
    shows: Sequence[str] = (),
    key: str = "",
) -> Picture:
    """Axes side by side, each drawn by its painter; titles stand in the `top_mm` above.

    `shows` names what each painter shows, from the left; `key` is that of `Picture`.
    """

    def row(part: Sequence[Painter], tall_mm: float) -> Picture:
        paint = partial(_paint_row, part, tall_mm, top_mm)
        return Picture(tall_mm=tall_mm, paint=paint, after_mm=2.0)

    panels = tuple(
        replace(row([draw], tall_mm), shows=name)
        for draw, name in zip(painters, shows, strict=False)
        if name
    )
    shorter = replace(row(painters, _SHORTER * tall_mm), key=f"{key}, shorter" if key else "")
    return replace(row(painters, tall_mm), panels=panels, key=key, shorter=shorter)


def _paint_row(
    painters: Sequence[Painter],
    tall_mm: float,
    top_mm: float,
    page: "Page",
    x_mm: float,
    y_mm: float,
    width_mm: float,
) -> None:
    count = len(painters)
    gutter = 14.0 if count < 3 else 12.0
    between = 4.0 if count < 3 else 2.0
    wide = (width_mm - count * gutter - (count - 1) * between) / count
    for place, draw in enumerate(painters):
        left = x_mm + gutter + place * (wide + gutter + between)
        draw(page.axes(left, y_mm + top_mm, width_mm=wide, height_mm=tall_mm - 10.0 - top_mm))


def leave_empty(axes: "Axes") -> None:
    """Paint nothing, so that the last row of a series keeps its columns."""
    axes.remove()
