"""Blocks into the pages of a PDF: laid out, drawn one by one, stamped, and joined.

What stands at the head and foot of every page is drawn when the pages are joined, for only then
their number is known; so a page that was drawn before can be used again.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from stopflow.io.atomic import replacing_file
from stopflow.memory import collect_if_much, collecting_seldom
from stopflow.report.paper.canvas import Drawings, DrawnPage
from stopflow.report.paper.flow import Bookmark, FlowBlock
from stopflow.report.paper.joining import DocumentInfo, DrawnSheet, describe_document, join_pages
from stopflow.report.paper.layout import Placed, draw_blocks, lay_out
from stopflow.report.paper.packing import pack_sheets, unpack_sheets
from stopflow.report.paper.page import Furniture, Page
from stopflow.report.paper.style import Paper, Ruler, require_paper, styled

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfSheet:
    """One page to come: its section, its bookmarks and what draws it.

    Attributes
    ----------
    section
        Stands at the top right of the page.
    bookmarks
        Entries of the outline that begin on this page.
    """

    section: str
    placed: tuple[Placed, ...]
    bookmarks: tuple[Bookmark, ...] = ()


def flow_sheets(
    blocks: Sequence[FlowBlock], paper: Paper, ruler: Ruler, *, section: str
) -> list[PdfSheet]:
    """Lay blocks out on pages of one section, with the bookmarks of their headings."""
    if not blocks:
        return []
    return [
        PdfSheet(
            section=section,
            placed=tuple(placed),
            bookmarks=tuple(
                mark for item in placed if (mark := getattr(item.block, "bookmark", None))
            ),
        )
        for placed in lay_out(blocks, paper, ruler)
    ]


@styled
def draw_sheets(
    sheets: Sequence[PdfSheet],
    *,
    paper: Paper,
    ruler: Ruler,
    drawings: Drawings | None = None,
    progress: Progress | None = None,
) -> list[DrawnSheet]:
    """Draw sheets one by one, without what every page repeats.

    Parameters
    ----------
    drawings
        Where pictures that have a key are kept; by default nowhere.
    progress
        Called with (pages drawn, pages in all).
    """
    drawn = []
    with collecting_seldom():
        for done, sheet in enumerate(sheets, start=1):
            layers = _draw_layers(sheet, paper, ruler, drawings)
            drawn.append(
                DrawnSheet(section=sheet.section, layers=layers, bookmarks=sheet.bookmarks)
            )
            collect_if_much()
            if progress is not None:
                progress(done, len(sheets))
    return drawn


def _draw_layers(
    sheet: PdfSheet, paper: Paper, ruler: Ruler, drawings: Drawings | None
) -> tuple[DrawnPage, ...]:
    """Draw a sheet; pictures that have a key are layers of their own, drawn once and kept."""
    page = Page(paper, ruler)
    kept = []
    for item in sheet.placed:
        key = getattr(item.block, "key", "")
        if key and drawings is not None:
            place = f"{key} on {paper.key} at {item.y_mm:.4f}"
            kept.append(_draw_kept(item, place, paper, ruler, drawings))
        else:
            draw_blocks(page, [item])
    return (page.finish(), *kept)


def _draw_kept(item: Placed, key: str, paper: Paper, ruler: Ruler, drawings: Drawings) -> DrawnPage:
    packed = drawings.find(key)
    if packed is not None:
        try:
            return unpack_sheets(packed)[0].layers[0]
        except (ValueError, IndexError):  # damaged: it is drawn again
            pass
    page = Page(paper, ruler)
    draw_blocks(page, [item])
    drawn = page.finish()
    drawings.keep(key, pack_sheets([DrawnSheet(section="", layers=(drawn,))]))
    return drawn


def write_pdf(
    blocks: Sequence[FlowBlock],
    path: Path,
    *,
    paper: str,
    section: str,
    title: str,
    subject: str,
    provenance: Mapping[str, object],
    attachments: Mapping[str, bytes],
    progress: Progress | None = None,
) -> None:
    """Write a report of one section; an older file is replaced only when the new one is whole.

    Parameters
    ----------
    title, subject, provenance
        As `describe_document`.
    attachments
        File name -> content, embedded in the PDF.
    progress
        Called with (pages drawn, pages in all).

    Raises
    ------
    SettingsError
        Unknown paper.
    OSError
        When the folder cannot be written to.
    """
    size, ruler = require_paper(paper), Ruler()
    sheets = flow_sheets(blocks, size, ruler, section=section)
    drawn = draw_sheets(sheets, paper=size, ruler=ruler, progress=progress)
    info = describe_document(title, subject=subject, provenance=provenance)
    join_sheets(drawn, path, paper=size, ruler=ruler, info=info, attachments=attachments)


@styled
def join_sheets(
    drawn: Sequence[DrawnSheet],
    path: Path,
    *,
    paper: Paper,
    ruler: Ruler,
    info: DocumentInfo,
    attachments: Mapping[str, bytes],
    drawings: Drawings | None = None,
) -> None:
    """Write sheets as one PDF with their numbers; an older file is replaced by a whole one.

    `drawings` keep the type that it embeds.
    """
    furniture = Furniture(title=info.title, maker=info.maker)
    pages = []
    for number, sheet in enumerate(drawn, start=1):
        stamp = Page(paper, ruler)
        stamp.furnish(furniture, section=sheet.section, number=number, total=len(drawn))
        pages.append(replace(sheet, layers=(*sheet.layers, stamp.finish())))
    content = join_pages(pages, paper=paper, info=info, attachments=attachments, drawings=drawings)
    with replacing_file(path) as partial:
        partial.write_bytes(content)


def json_rows(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Rows of a table for JSON: numbers that do not exist become null."""
    return json.loads(frame.to_json(orient="records", double_precision=12))


def json_bytes(value: object) -> bytes:
    """Serialise deterministically, UTF-8; on one line, which takes a tenth of the time."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).encode()
