"""Text, tables and pictures poured over pages.

`lay_out` measures blocks and deals them to pages without drawing, so the number of pages is
known before the first is drawn; `draw_blocks` then draws one page's share.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from stopflow.report.paper.flow import FlowBlock, Paragraph, Picture
from stopflow.report.paper.page import Page
from stopflow.report.paper.style import Paper, Ruler

_LEAST_PART_MM = 22.0
NEARLY_EMPTY = 0.35
"""Share of a page up to which the last one counts as nearly empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A block, or a part of one, and the height at which it stands on its page.

    Attributes
    ----------
    source
        Which of the blocks that were dealt it is of.
    """

    block: FlowBlock
    y_mm: float
    source: int = 0


def lay_out(blocks: Sequence[FlowBlock], paper: Paper, ruler: Ruler) -> list[list[Placed]]:
    """Deal blocks to pages; where little is left for the last, it takes the section before, too.

    Returns
    -------
    pages
        At least one, each a list of blocks with their heights; a block that can be cut is.
    """
    return _balance(_deal(blocks, paper, ruler), blocks, paper, ruler)


def _deal(blocks: Sequence[FlowBlock], paper: Paper, ruler: Ruler) -> list[list[Placed]]:
    width = paper.text_width_mm
    pages: list[list[Placed]] = [[]]
    y = paper.top_mm
    queue = deque(blocks)
    while queue:
        source = len(blocks) - len(queue)
        block = queue.popleft()
        room = paper.floor_mm - y
        own, notes = block.height_mm(ruler, width), _notes_mm(queue, ruler, width)
        needed = own + notes + _company_mm(block, queue, ruler, width)
        if needed <= room + 1e-6:
            pages[-1].append(Placed(block=block, y_mm=y, source=source))
            y += own
            continue
        fits_without = own - block.after_mm <= room
        if notes and (fits_without or isinstance(block, Picture)):  # the last rows, or a picture
            room -= notes + block.after_mm
        head, tail = block.split(ruler, width_mm=width, room_mm=room)
        if head is not None:
            pages[-1].append(Placed(block=head, y_mm=y, source=source))
            if tail is None:  # a shorter picture, whose note stays with it
                y += head.height_mm(ruler, width)
                continue
        elif not pages[-1] and y <= paper.top_mm:
            pages[-1].append(Placed(block=block, y_mm=y, source=source))
            tail = None
        if tail is not None:
            queue.appendleft(tail)
        pages.append([])
        y = paper.top_mm
    if not pages[-1] and len(pages) > 1:
        pages.pop()
    return pages


def _balance(
    pages: list[list[Placed]], blocks: Sequence[FlowBlock], paper: Paper, ruler: Ruler
) -> list[list[Placed]]:
    """Let a nearly empty last page begin with the last heading of the page before it."""
    if len(pages) < 2 or not pages[-1]:
        return pages
    if not _is_nearly_empty(pages[-1], paper, ruler):
        return pages
    before = pages[-2]
    leads = [item.block.keep_with_next for item in before]
    headings = [at for at in range(1, len(before)) if leads[at] and not leads[at - 1]]
    if not headings or _is_nearly_empty(before[: headings[-1]], paper, ruler):
        return pages
    first = before[headings[-1]].source
    moved = _deal(blocks[first:], paper, ruler)
    if len(moved) != 1:
        return pages
    whole = [replace(item, source=item.source + first) for item in moved[0]]
    return [*pages[:-2], before[: headings[-1]], whole]


def _is_nearly_empty(page: Sequence[Placed], paper: Paper, ruler: Ruler) -> bool:
    end = page[-1].y_mm + page[-1].block.height_mm(ruler, paper.text_width_mm)
    return end - paper.top_mm <= NEARLY_EMPTY * (paper.floor_mm - paper.top_mm)


def _notes_mm(following: Iterable[FlowBlock], ruler: Ruler, width_mm: float) -> float:
    """Height of the notes that come next."""
    notes = takewhile(lambda block: isinstance(block, Paragraph) and block.is_note, following)
    return sum(block.height_mm(ruler, width_mm) for block in notes)


def _company_mm(
    block: FlowBlock, following: Iterable[FlowBlock], ruler: Ruler, width_mm: float
) -> float:
    """Room that what follows a heading needs at least on the same page."""
    room = 0.0
    for after in following:
        if not block.keep_with_next:
            break
        room += _least_mm(after, ruler, width_mm)
        block = after
    return room


def _least_mm(block: FlowBlock, ruler: Ruler, width_mm: float) -> float:
    """Height of the least part of a block that may stand alone; of a picture, the shorter one."""
    whole = block.height_mm(ruler, width_mm)
    if isinstance(block, Picture):
        return whole if block.shorter is None else block.shorter.height_mm(ruler, width_mm)
    room = _LEAST_PART_MM
    while room < whole and block.split(ruler, width_mm=width_mm, room_mm=room)[0] is None:
        room += _LEAST_PART_MM / 4
    return min(room, whole)


def draw_blocks(page: Page, placed: Sequence[Placed]) -> None:
    """Draw one page's share of `lay_out`."""
    for item in placed:
        item.block.draw(page, page.paper.side_mm, item.y_mm, width_mm=page.paper.text_width_mm)
