"""Tables on paper: columns as wide as their content, headers repeated on every page."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from stopflow.report.paper.flow import FlowBlock
from stopflow.report.paper.style import (
    INK,
    MM_PER_POINT,
    MUTED,
    VERDICT_COLOURS,
    VERDICT_SIGNS,
    Ruler,
    printable,
)

if TYPE_CHECKING:  # loading it takes longer than a table takes to be set
    from stopflow.report.paper.page import Page

Cells = list[list[str]]
"""Lines of each cell of a row."""

_GAP_MM = 2.6
_WIDEST_GAP_MM = 8.0
_LEAST_WRAP_MM = 60.0
_NARROWEST_MM = ((True, 40.0), (False, 9.0), (True, 22.0))
"""Where room is short, wrapping columns and texts give way by turns, down to so much."""
LONGER_THAN_PAGES_MM = 600.0
"""A grid as high as this has to be cut, whatever the paper."""
_CONTINUED = ", continued"


@dataclass(frozen=True, slots=True, kw_only=True)
class GridColumn:
    """A table column.

    Attributes
    ----------
    title
        First header line.
    unit
        Second header line; may be empty.
    align
        Text to the left, numbers to the right.
    wrap
        Takes the width that is left and breaks its text into lines.
    verdict
        Cells are PASS, WARN or FAIL and get their sign and colour.
    whole
        Never cut short: other columns give way.
    """

    title: str
    unit: str = ""
    align: Literal["left", "right"] = "left"
    wrap: bool = False
    verdict: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TableGrid:
    """A table that can be cut between rows.

    A row of a single cell is a heading across all columns; it never stands last on a page, and is
    said again where its rows run on to the next. A row whose first cell is empty goes on with the
    row above and stays with it.

    Attributes
    ----------
    name
        Stands above the part on a further page, with "continued".
    measured
        Lines of the cells of each row, by the widths of the columns. The parts of a grid share it,
        so that each row is broken into lines once, however many pages the grid takes.
    """

    columns: tuple[GridColumn, ...]
    rows: tuple[tuple[str, ...], ...]
    size: float = 7.0
    after_mm: float = 4.0
    keep_with_next: bool = field(default=False)
    widths_mm: tuple[float, ...] = ()
    name: str = ""
    continued: bool = False
    measured: dict[tuple[object, ...], Cells] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def _line_mm(self) -> float:
        return self.size * 1.36 * MM_PER_POINT

    @property
    def _lead_mm(self) -> float:
        return self._line_mm + 1.6 if self.continued and self.name else 0.0

    @property
    def _head_mm(self) -> float:
        lines = 2 if any(column.unit for column in self.columns) else 1
        return self._lead_mm + lines * self._line_mm + 2.4

    def _shown(self, column: GridColumn, cell: str) -> str:
        text = printable(cell)
        sign = VERDICT_SIGNS.get(text) if column.verdict else None
        return f"{sign} {text}" if sign else text

    def fit_widths(self, ruler: Ruler, width_mm: float) -> tuple[float, ...]:
        """Width of each column; too wide text columns give way, the wrapping one takes the rest."""
        if self.widths_mm:
            return self.widths_mm
        natural = [self._natural_mm(place, ruler) for place in range(len(self.columns))]
        room = width_mm - _GAP_MM * (len(self.columns) - 1)
        wraps = [place for place, column in enumerate(self.columns) if column.wrap]
        least = [
            min(natural[p], _LEAST_WRAP_MM) if p in wraps else natural[p] for p in _all(natural)
        ]
        excess = sum(least) - room
        texts = [p for p in _all(natural) if self._gives_way(p) and p not in wraps]
        for wrapping, narrowest in _NARROWEST_MM:
            while excess > 1e-6 and (wraps if wrapping else texts):
                widest = max(wraps if wrapping else texts, key=lambda p: least[p])
                cut = min(excess, max(least[widest] * 0.1, 0.5))
                if least[widest] - cut < narrowest:
                    break
                least[widest] -= cut
                excess -= cut
        for place in wraps:
            least[place] += max(room - sum(least), 0.0) / len(wraps)
        return tuple(least)

    def _gives_way(self, place: int) -> bool:
        return self.columns[place].align == "left" and not self.columns[place].whole

    def _gap_mm(self, widths: Sequence[float], width_mm: float) -> float:
        """Spread the columns over the width, but not so far that a row falls apart."""
        gaps = max(len(widths) - 1, 1)
        return min(max((width_mm - sum(widths)) / gaps, _GAP_MM), _WIDEST_GAP_MM)

    def _natural_mm(self, place: int, ruler: Ruler) -> float:
        column = self.columns[place]
        heads = (column.title, column.unit)
        head = max(ruler.width_mm(text, self.size, bold=True) for text in heads)
        rows = (row for row in self.rows if len(row) > 1)
        distinct = {self._shown(column, row[place]) for row in rows}
        bold = column.verdict
        return max([head, *(ruler.width_mm(text, self.size, bold=bold) for text in distinct)])

    def _lines(self, row: tuple[str, ...], ruler: Ruler, widths: tuple[float, ...]) -> Cells:
        key = (row, widths)
        found = self.measured.get(key)
        if found is None:
            found = self.measured[key] = self._break(row, ruler, widths)
        return found

    def _break(self, row: tuple[str, ...], ruler: Ruler, widths: tuple[float, ...]) -> Cells:
        if len(row) == 1:
            whole = sum(widths) + _GAP_MM * (len(widths) - 1)
            return [[ruler.shorten(printable(row[0]), self.size, width_mm=whole, bold=True)]]
        cells = []
        for column, cell, width in zip(self.columns, row, widths, strict=True):
            text = self._shown(column, cell)
            if column.wrap:
                cells.append(ruler.wrap(text, self.size, width_mm=width))
            else:
                cells.append([ruler.shorten(text, self.size, width_mm=width + 0.05)])
        return cells

    def _row_mm(self, cells: Sequence[Sequence[str]]) -> float:
        return max(len(lines) for lines in cells) * self._line_mm + 0.9

    def height_mm(self, ruler: Ruler, width_mm: float) -> float:
        """Header and all rows; of a grid that is longer than any page, the first of them."""
        widths = self.fit_widths(ruler, width_mm)
        height = self._head_mm + self.after_mm
        for row in self.rows:
            height += self._row_mm(self._lines(row, ruler, widths))
            if height > LONGER_THAN_PAGES_MM:
                break
        return height

    def split(
        self, ruler: Ruler, *, width_mm: float, room_mm: float
    ) -> tuple[FlowBlock | None, FlowBlock | None]:
        """Cut between rows; the header is repeated and the column widths stay."""
        widths = self.fit_widths(ruler, width_mm)
        used = self._head_mm + 1.0
        count = 0
        for row in self.rows:
            used += self._row_mm(self._lines(row, ruler, widths))
            if used > room_mm:
                break
            count += 1
        if len(self.rows) - count == 1 and count > 3:
            count -= 1
        while 0 < count < len(self.rows) and self._together(count):
            count -= 1
        if count < min(2, len(self.rows)):
            return None, self
        if count == len(self.rows):
            return replace(self, widths_mm=widths), None
        rest = (*self._running_heading(count), *self.rows[count:])
        tail = replace(self, rows=rest, widths_mm=widths, continued=True)
        return replace(self, rows=self.rows[:count], widths_mm=widths), tail

    def _together(self, place: int) -> bool:
        """Whether a row may not be parted from the one above: a heading's, or one that goes on."""
        return len(self.rows[place - 1]) == 1 or not self.rows[place][0]

    def _running_heading(self, count: int) -> tuple[tuple[str], ...]:
        """Say the heading of the row at `count` again, when the heading stands before it."""
        if len(self.rows[count]) == 1:
            return ()
        before = [row[0] for row in self.rows[:count] if len(row) == 1]
        return ((f"{before[-1].removesuffix(_CONTINUED)}{_CONTINUED}",),) if before else ()

    def draw(self, page: "Page", x_mm: float, y_mm: float, *, width_mm: float) -> None:
        """Draw the header between two rules, then the rows."""
        widths = self.fit_widths(page.ruler, width_mm)
        gap = self._gap_mm(widths, width_mm)
        width_mm = sum(widths) + gap * (len(widths) - 1)
        if self._lead_mm:
            lead = f"{self.name}{_CONTINUED}"
            page.text(x_mm, y_mm + self._line_mm * 0.92, lead, size=self.size, colour=MUTED)
        top = y_mm + self._lead_mm
        page.rule(x_mm, top, length_mm=width_mm, colour=INK, width=0.8)
        y = top + self._line_mm + 0.2
        self._draw_line(page, x_mm, y, [c.title for c in self.columns], widths, gap, bold=True)
        if any(column.unit for column in self.columns):
            units = [c.unit for c in self.columns]
            self._draw_line(page, x_mm, y + self._line_mm, units, widths, gap, colour=MUTED)
        y = y_mm + self._head_mm
        page.rule(x_mm, y - 0.8, length_mm=width_mm, colour=INK, width=0.5)
        for row in self.rows:
            cells = self._lines(row, page.ruler, widths)
            if len(row) == 1:
                baseline = y + self._line_mm * 0.92
                page.text(x_mm, baseline, cells[0][0], size=self.size, bold=True)
            else:
                self._draw_row(page, x_mm, y, row, cells, widths, gap)
            y += self._row_mm(cells)
            page.rule(x_mm, y - 0.2, length_mm=width_mm, width=0.3)

    def _draw_line(
        self,
        page: "Page",
        x_mm: float,
        y_mm: float,
        texts: Sequence[str],
        widths: Sequence[float],
        gap: float,
        *,
        bold: bool = False,
        colour: str = INK,
    ) -> None:
        x = x_mm
        for column, text, width in zip(self.columns, texts, widths, strict=True):
            edge = x + width if column.align == "right" else x
            page.text(
                edge, y_mm, text, size=self.size, bold=bold, colour=colour, align=column.align
            )
            x += width + gap

    def _draw_row(
        self,
        page: "Page",
        x_mm: float,
        y_mm: float,
        row: Sequence[str],
        cells: Sequence[Sequence[str]],
        widths: Sequence[float],
        gap: float,
    ) -> None:
        x = x_mm
        for column, raw, lines, width in zip(self.columns, row, cells, widths, strict=True):
            edge = x + width if column.align == "right" else x
            colour = VERDICT_COLOURS.get(raw, INK) if column.verdict else INK
            for number, line in enumerate(lines):
                if line:
                    page.text(
                        edge,
                        y_mm + self._line_mm * (number + 0.92),
                        line,
                        size=self.size,
                        colour=colour,
                        bold=column.verdict,
                        align=column.align,
                    )
            x += width + gap


def _all(values: Sequence[float]) -> range:
    return range(len(values))
