"""Pages into one PDF file: the same bytes from the same pages.

Matplotlib draws each page; pypdf then adds bookmarks, metadata and attachments. Coordinates are
cut to a hundredth of a point (3.5 µm) and every stream is deflated, which halves the file.
"""

import gc
import hashlib
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import pandas as pd
from matplotlib.backends.backend_pdf import PdfPages
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    BooleanObject,
    ByteStringObject,
    DictionaryObject,
    EncodedStreamObject,
    NameObject,
    NumberObject,
    TextStringObject,
)

from stopflow.io.atomic import replacing_file
from stopflow.report.paper.flow import Block, Bookmark, Placed, draw_blocks, lay_out
from stopflow.report.paper.page import Furniture, Page
from stopflow.report.paper.style import Paper, Ruler, styled

Progress = Callable[[int, int], None]

MANY_SHEETS = 16
"""From how many pages on a file is drawn in two parts."""

PAGES_BETWEEN = 4
"""Pages after which what drawing them has left is collected."""
_COORDINATES = re.compile(rb"(?m)^(-?\d+\.\d\d)\d* (-?\d+\.\d\d)\d* ([lm])$")
_MEDIA_TYPES = {".csv": "text/csv", ".json": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One page to come: its section, its bookmarks and what draws it.

    Attributes
    ----------
    section
        Stands at the top right of the page.
    draw
        Draws on an empty page.
    bookmarks
        Entries of the outline that begin on this page.
    """

    section: str
    draw: Callable[[Page], None]
    bookmarks: tuple[Bookmark, ...] = ()


def flow_sheets(
    blocks: Sequence[Block], paper: Paper, ruler: Ruler, *, section: str
) -> list[Sheet]:
    """Lay blocks out on pages of one section, with the bookmarks of their headings."""
    if not blocks:
        return []
    return [
        Sheet(
            section=section,
            draw=partial(_draw, placed),
            bookmarks=tuple(
                mark for item in placed if (mark := getattr(item.block, "bookmark", None))
            ),
        )
        for placed in lay_out(blocks, paper, ruler)
    ]


def _draw(placed: Sequence[Placed], page: Page) -> None:
    draw_blocks(page, placed)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentInfo:
    """Metadata of a PDF; `created` is an ISO 8601 time or empty for none."""

    title: str
    subject: str
    keywords: str = ""
    maker: str = "stopflow"
    created: str = ""


def describe_document(
    title: str, *, subject: str, provenance: Mapping[str, object]
) -> DocumentInfo:
    """Make the metadata of a report from what is known of its making."""
    return DocumentInfo(
        title=title,
        subject=subject,
        keywords="stopped-flow, kinetics, rate constants",
        maker=f"stopflow {provenance.get('version', '')}".strip(),
        created=str(provenance.get("created", "") or ""),
    )


def split_parts(sheets: int) -> list[range]:
    """Divide many pages into two parts that can be drawn side by side.

    The parts depend on the number of pages alone, so the bytes of a file do not tell how many
    processes drew it. The second is larger: it is drawn while tables and page are written.
    """
    if sheets < MANY_SHEETS:
        return [range(sheets)]
    cut = round(0.42 * sheets)
    return [range(cut), range(cut, sheets)]


@styled
def draw_sheets(
    sheets: Sequence[Sheet],
    part: range,
    *,
    paper: Paper,
    ruler: Ruler,
    info: DocumentInfo,
    progress: Progress | None = None,
) -> bytes:
    """Draw the sheets of one part as a PDF of its own; pages are numbered over all sheets."""
    buffer = io.BytesIO()
    furniture = Furniture(title=info.title, maker=info.maker)
    kept = {"CreationDate": None, "Producer": None}
    with _collecting_seldom(), PdfPages(buffer, metadata=kept) as pages:
        for done, place in enumerate(part, start=1):
            page = Page(paper, ruler)
            sheets[place].draw(page)
            page.furnish(
                furniture, section=sheets[place].section, number=place + 1, total=len(sheets)
            )
            pages.savefig(page.figure)
            del page
            if done % PAGES_BETWEEN == 0:
                gc.collect()
            if progress is not None:
                progress(done, len(part))
    return buffer.getvalue()


@contextmanager
def _collecting_seldom() -> Iterator[None]:
    """Let no garbage be collected but when asked, and then look at nothing older than this.

    Python's own collections take a quarter of the time of drawing, for they go through all that
    was imported again and again.
    """
    was_on = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_on:
            gc.enable()


def write_pdf(
    sheets: Sequence[Sheet],
    path: Path,
    *,
    paper: Paper,
    ruler: Ruler,
    info: DocumentInfo,
    attachments: Mapping[str, bytes],
    progress: Progress | None = None,
    second: Callable[[], bytes] | None = None,
) -> None:
    """Draw all sheets and write them whole.

    Parameters
    ----------
    attachments
        File name -> content, embedded in the PDF.
    progress
        Called with (pages drawn, pages in all).
    second
        Gives the second part of `split_parts` where another process draws it.

    Raises
    ------
    OSError
        When the folder cannot be written to; an older file is then untouched.
    """
    parts = split_parts(len(sheets))
    here = parts[:1] if second is not None else parts
    drawn, before, along = [], 0, sum(len(part) for part in here)
    for part in here:

        def tell(done: int, _of: int, before: int = before) -> None:
            if progress is not None:
                progress(len(sheets) * (before + done) // along, len(sheets))

        drawn.append(draw_sheets(sheets, part, paper=paper, ruler=ruler, info=info, progress=tell))
        before += len(part)
    if second is not None and len(parts) > 1:
        drawn.append(second())
    content = _finish(drawn, sheets, info=info, attachments=attachments)
    with replacing_file(path) as partial:
        partial.write_bytes(content)


def _finish(
    drawn: Sequence[bytes],
    sheets: Sequence[Sheet],
    *,
    info: DocumentInfo,
    attachments: Mapping[str, bytes],
) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(drawn[0])))
    for part in drawn[1:]:
        writer.append(PdfReader(io.BytesIO(part)), import_outline=False)
    digest = hashlib.sha256(info.title.encode())
    for page in writer.pages:
        stream = page["/Contents"].get_object()
        if isinstance(stream, EncodedStreamObject):
            stream.set_data(_COORDINATES.sub(rb"\1 \2 \3", stream.get_data()))
            digest.update(stream.get_data())
    chapter = None
    for number, sheet in enumerate(sheets):
        for mark in sheet.bookmarks:
            above = chapter if mark.level else None
            entry = writer.add_outline_item(title=mark.title, page_number=number, parent=above)
            chapter = chapter if mark.level else entry
    for name, content in sorted(attachments.items()):
        _attach(writer, name, content)
        digest.update(name.encode() + content)
    _describe(writer, info)
    identity = ByteStringObject(digest.digest()[:16])
    writer._ID = ArrayObject([identity, identity])
    finished = io.BytesIO()
    writer.write(finished)
    return finished.getvalue()


def _attach(writer: PdfWriter, name: str, content: bytes) -> None:
    attached = writer.add_attachment(name, content)
    attached.size = NumberObject(len(content))
    attached.subtype = NameObject("/" + _MEDIA_TYPES[Path(name).suffix])
    stream = cast(Any, attached.pdf_object)["/EF"]["/F"].get_object()
    stream.set_data(zlib.compress(content, 9))
    stream[NameObject("/Filter")] = NameObject("/FlateDecode")


def _describe(writer: PdfWriter, info: DocumentInfo) -> None:
    described = {
        "/Title": info.title,
        "/Subject": info.subject,
        "/Keywords": info.keywords,
        "/Creator": info.maker,
        "/Producer": info.maker,
    }
    if info.created:
        stamp = _pdf_time(info.created)
        described |= {"/CreationDate": stamp, "/ModDate": stamp}
    writer.metadata = described
    root = writer.root_object
    root[NameObject("/Lang")] = TextStringObject("en")
    root[NameObject("/PageMode")] = NameObject("/UseOutlines")
    root[NameObject("/ViewerPreferences")] = DictionaryObject(
        {NameObject("/DisplayDocTitle"): BooleanObject(value=True)}
    )


def _pdf_time(moment: str) -> str:
    """Turn an ISO 8601 time into PDF's, e.g. ``D:20240611093000+02'00'``."""
    time = datetime.fromisoformat(moment)
    zone = time.strftime("%z")
    return f"D:{time:%Y%m%d%H%M%S}" + (f"{zone[:3]}'{zone[3:5]}'" if zone else "")


def json_rows(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Rows of a table for JSON: numbers that do not exist become null."""
    return json.loads(frame.to_json(orient="records", double_precision=12))


def json_bytes(value: object) -> bytes:
    """Serialise deterministically, UTF-8."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str).encode()
