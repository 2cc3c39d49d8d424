"""Drawn sheets as bytes, and back: the same sheets give the same bytes."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from stopflow.report.paper.canvas import DrawnPage, Form
from stopflow.report.paper.flow import Bookmark
from stopflow.report.paper.joining import DrawnSheet


def pack_sheets(sheets: Sequence[DrawnSheet]) -> bytes:
    """Write sheets as JSON."""
    return json.dumps([_told(sheet) for sheet in sheets], ensure_ascii=False).encode()


def unpack_sheets(packed: bytes) -> list[DrawnSheet]:
    """Read what `pack_sheets` wrote.

    Raises
    ------
    ValueError
        When the bytes are no sheets.
    """
    try:
        sheets = [_read(sheet) for sheet in json.loads(packed)]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no drawn sheets: {error}") from error
    if not sheets:
        raise ValueError("no drawn sheets: none")
    return sheets


def _told(sheet: DrawnSheet) -> dict[str, Any]:
    return {
        "section": sheet.section,
        "bookmarks": [[mark.title, mark.level] for mark in sheet.bookmarks],
        "layers": [_told_page(layer) for layer in sheet.layers],
    }


def _told_page(page: DrawnPage) -> dict[str, Any]:
    return {
        "content": _text(page.content),
        "regular": page.regular,
        "bold": page.bold,
        "transparencies": page.transparencies,
        "forms": {name: [form.box, _text(form.content)] for name, form in page.forms.items()},
    }


def _read(told: Mapping[str, Any]) -> DrawnSheet:
    return DrawnSheet(
        section=str(told["section"]),
        layers=tuple(_read_page(layer) for layer in told["layers"]),
        bookmarks=tuple(Bookmark(title=title, level=level) for title, level in told["bookmarks"]),
    )


def _read_page(told: Mapping[str, Any]) -> DrawnPage:
    forms = {
        str(name): Form(box=tuple(map(float, box)), content=_bytes(content))  # type: ignore[arg-type]
        for name, (box, content) in told["forms"].items()
    }
    return DrawnPage(
        content=_bytes(told["content"]),
        regular=str(told["regular"]),
        bold=str(told["bold"]),
        transparencies={
            str(name): (int(line), int(area))
            for name, (line, area) in told["transparencies"].items()
        },
        forms=forms,
    )


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
