"""What a report begins with: its title, and its figures in a row of cells."""

from collections.abc import Sequence
from functools import partial

from stopflow.report.paper.flow import Bookmark, FlowBlock, Paragraph, Picture
from stopflow.report.paper.page import Page
from stopflow.report.paper.style import INK, MM_PER_POINT, MUTED, WASH

_LONG = 60
"""Longest title that is set large."""
_TALL_MM, _GAP_MM, _INSET_MM = 17.0, 3.0, 2.5

Cell = tuple[str, str] | tuple[str, str, str]
"""A number, what it is, and a colour other than ink."""


def build_title(title: str, described: str = "") -> list[FlowBlock]:
    """Compose a title with its bookmark, and a line below it; a long title is set smaller."""
    size = 20.0 if len(title) <= _LONG else 11.0
    mark = Bookmark(title=title)
    text = Paragraph(text=title, size=size, bold=True, after_mm=1.0, leading=1.15, bookmark=mark)
    below = Paragraph(text=described, size=8.4, colour=MUTED, after_mm=3.2)
    return [text, below] if described else [text]


def build_cells(cells: Sequence[Cell], *, size: float = 13.5, label_size: float = 6.4) -> Picture:
    """Compose a row of numbers, each over the words for what it is."""
    paint = partial(_paint_cells, cells, size, label_size)
    return Picture(tall_mm=_TALL_MM, paint=paint, after_mm=4.2)


def _paint_cells(
    cells: Sequence[Cell],
    size: float,
    label_size: float,
    page: Page,
    x_mm: float,
    y_mm: float,
    width_mm: float,
) -> None:
    wide = (width_mm - _GAP_MM * (len(cells) - 1)) / len(cells)
    for place, (value, label, *colour) in enumerate(cells):
        left = x_mm + place * (wide + _GAP_MM)
        page.box(left, y_mm, width_mm=wide, height_mm=_TALL_MM, colour=WASH)
        of_value, of_label = (colour[0], colour[0]) if colour else (INK, MUTED)
        page.text(left + _INSET_MM, y_mm + 9.0, value, size=size, bold=True, colour=of_value)
        lines = page.ruler.wrap(label, label_size, width_mm=wide - 2 * _INSET_MM)
        leading = 1.1 * label_size * MM_PER_POINT
        for line, said in enumerate(lines):
            # Of two lines the middle stands where the one does.
            below = y_mm + 14.0 + leading * (line - 0.5 * (len(lines) - 1))
            page.text(left + _INSET_MM, below, said, size=label_size, colour=of_label)
