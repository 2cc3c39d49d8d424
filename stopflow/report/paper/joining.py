"""Drawn pages into one PDF file: the same bytes from the same pages, whoever drew them."""

import hashlib
import io
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from pypdf import PdfWriter
from pypdf.generic import (
    ArrayObject,
    BooleanObject,
    ByteStringObject,
    DictionaryObject,
    EncodedStreamObject,
    FloatObject,
    NameObject,
    NumberObject,
    StreamObject,
    TextStringObject,
)

from stopflow.report.paper.canvas import BOLD, POINTS_PER_INCH, REGULAR, Drawings, DrawnPage, Form
from stopflow.report.paper.embedding import embed_typeface
from stopflow.report.paper.flow import Bookmark
from stopflow.report.paper.style import MM_PER_INCH, Paper

_MEDIA_TYPES = {".csv": "text/csv", ".json": "application/json"}
_VERSION = "%PDF-1.4"
"""The first that knows transparency."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnSheet:
    """A page of a section: its layers, the lowest first, and the outline's entries on it."""

    section: str
    layers: tuple[DrawnPage, ...]
    bookmarks: tuple[Bookmark, ...] = ()


def join_pages(
    pages: Sequence[DrawnSheet],
    *,
    paper: Paper,
    info: DocumentInfo,
    attachments: Mapping[str, bytes],
    drawings: Drawings | None = None,
) -> bytes:
    """Join pages into a PDF with outline, metadata and attachments.

    Parameters
    ----------
    attachments
        File name -> content.
    drawings
        Where the type that earlier reports embed is kept; by default nowhere.
    """
    writer = PdfWriter()
    writer.pdf_header = _VERSION
    layers = [layer for page in pages for layer in page.layers]
    resources = writer._add_object(_resources(writer, layers, drawings))
    digest = hashlib.sha256(info.title.encode())
    width, height = (mm * POINTS_PER_INCH / MM_PER_INCH for mm in (paper.width_mm, paper.height_mm))
    for page in pages:
        sheet = writer.add_blank_page(width=width, height=height)
        sheet[NameObject("/Resources")] = resources
        contents = [writer._add_object(_deflated(layer.content)) for layer in page.layers]
        sheet[NameObject("/Contents")] = ArrayObject(contents)
        for layer in page.layers:
            digest.update(layer.content)
    _outline(writer, pages)
    for name, content in sorted(attachments.items()):
        _attach(writer, name, content)
        digest.update(name.encode() + content)
    _describe(writer, info)
    identity = ByteStringObject(digest.digest()[:16])
    writer._ID = ArrayObject([identity, identity])
    finished = io.BytesIO()
    writer.write(finished)
    return finished.getvalue()


def _resources(
    writer: PdfWriter, layers: Iterable[DrawnPage], drawings: Drawings | None
) -> DictionaryObject:
    """Gather what all pages refer to: fonts, transparencies and shapes."""
    regular, bold = set[str](), set[str]()
    transparencies: dict[str, tuple[int, int]] = {}
    forms: dict[str, Form] = {}
    for layer in layers:
        regular.update(layer.regular)
        bold.update(layer.bold)
        transparencies |= layer.transparencies
        forms |= layer.forms
    fonts = DictionaryObject()
    for name, characters in ((REGULAR, regular), (BOLD, bold)):
        if characters:
            font = embed_typeface(writer, characters, bold=name == BOLD, drawings=drawings)
            fonts[NameObject(f"/{name}")] = writer._add_object(font)
    states = DictionaryObject()
    for name, (line, area) in sorted(transparencies.items()):
        states[NameObject(f"/{name}")] = DictionaryObject(
            {
                NameObject("/CA"): FloatObject(line / 1000),
                NameObject("/ca"): FloatObject(area / 1000),
            }
        )
    shapes = DictionaryObject()
    for name, form in sorted(forms.items()):
        shapes[NameObject(f"/{name}")] = writer._add_object(_shape(form))
    return DictionaryObject(
        {
            NameObject("/Font"): fonts,
            NameObject("/ExtGState"): states,
            NameObject("/XObject"): shapes,
        }
    )


def _shape(form: Form) -> StreamObject:
    shape = _deflated(zlib.compress(form.content))
    shape[NameObject("/Type")] = NameObject("/XObject")
    shape[NameObject("/Subtype")] = NameObject("/Form")
    shape[NameObject("/BBox")] = ArrayObject([FloatObject(edge) for edge in form.box])
    return shape


def _deflated(content: bytes) -> EncodedStreamObject:
    """Return a stream of bytes that are deflated already."""
    stream = EncodedStreamObject()
    stream._data = content
    stream[NameObject("/Filter")] = NameObject("/FlateDecode")
    return stream


def _outline(writer: PdfWriter, pages: Sequence[DrawnSheet]) -> None:
    chapter = None
    for number, page in enumerate(pages):
        for mark in page.bookmarks:
            above = chapter if mark.level else None
            entry = writer.add_outline_item(title=mark.title, page_number=number, parent=above)
            chapter = chapter if mark.level else entry


def _attach(writer: PdfWriter, name: str, content: bytes) -> None:
    attached = writer.add_attachment(name, content)
    attached.size = NumberObject(len(content))
    attached.subtype = NameObject("/" + _MEDIA_TYPES[Path(name).suffix])
    stream = cast(Any, attached.pdf_object)["/EF"]["/F"].get_object()
    stream.set_data(zlib.compress(content))
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
