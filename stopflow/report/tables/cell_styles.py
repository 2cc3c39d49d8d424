"""Looks of the cells of a workbook: number formats, colours, the line below a header."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import quoteattr

MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_FIRST_FORMAT: Final = 164
"""Numbers of formats below this one are Excel's own."""
_FILLS: Final = ("none", "gray125")
"""The first two fills of a workbook, which Excel takes for granted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a cell looks.

    Attributes
    ----------
    number_format
        As Excel writes it.
    ink, fill
        Colours as RRGGBB; text with an `ink` is bold.
    head
        Whether the cell heads a column: to the left, with a line below.
    quoted
        Whether it is text whatever it begins with.
    """

    number_format: str = "General"
    ink: str = ""
    fill: str = ""
    head: bool = False
    quoted: bool = False


VERDICTS: Final = {
    "PASS": Style(fill="DCEBF7", ink="0B4F82"),
    "WARN": Style(fill="FFE8B3", ink="7A4A00"),
    "FAIL": Style(fill="F8CFC9", ink="8E1B10"),
}
HEADER: Final = Style(fill="E8ECEF", ink="1C2126", head=True)


def styles_xml(styles: Sequence[Style]) -> str:
    """Describe styles; cells name them by their places."""
    formats = {style.number_format: None for style in styles if style.number_format != "General"}
    numbers = {code: number for number, code in enumerate(formats, start=_FIRST_FORMAT)}
    plain = '<font><sz val="11"/><name val="Calibri"/></font>'
    empty, dotted = (f'<fill><patternFill patternType="{kind}"/></fill>' for kind in _FILLS)
    fonts, fills = [plain], [empty, dotted]
    cells = []
    for style in styles:
        font = _place(fonts, _font(style.ink) if style.ink else plain)
        fill = _place(fills, _fill(style.fill) if style.fill else empty)
        kind = numbers.get(style.number_format, 0)
        quoted = ' quotePrefix="1"' if style.quoted else ""
        begin = (
            f'<xf numFmtId="{kind}" fontId="{font}" fillId="{fill}" borderId="{int(style.head)}" '
            f'xfId="0" applyNumberFormat="1" applyFont="1" applyFill="1" applyBorder="1"{quoted}'
        )
        left = ' applyAlignment="1"><alignment horizontal="left"/></xf>'
        cells.append(begin + (left if style.head else "/>"))
    codes = [
        f'<numFmt numFmtId="{number}" formatCode={quoteattr(code)}/>'
        for code, number in numbers.items()
    ]
    sides = "<left/><right/><top/>"
    lines = [
        f"<border>{sides}<bottom/><diagonal/></border>",
        f'<border>{sides}<bottom style="thin"><color rgb="FF5C6670"/></bottom></border>',
    ]
    base = '<xf numFmtId="0" fontId="0" fillId="0" borderId="0"/>'
    return (
        f'<styleSheet xmlns="{MAIN}">{_listed("numFmts", codes) if codes else ""}'
        f"{_listed('fonts', fonts)}{_listed('fills', fills)}{_listed('borders', lines)}"
        f"{_listed('cellStyleXfs', [base])}{_listed('cellXfs', cells)}"
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
        "</styleSheet>"
    )


def _place(known: list[str], wanted: str) -> int:
    if wanted not in known:
        known.append(wanted)
    return known.index(wanted)


def _font(ink: str) -> str:
    return f'<font><b/><sz val="11"/><color rgb="FF{ink}"/><name val="Calibri"/></font>'


def _fill(colour: str) -> str:
    return (
        f'<fill><patternFill patternType="solid"><fgColor rgb="FF{colour}"/></patternFill></fill>'
    )


def _listed(name: str, items: Sequence[str]) -> str:
    return f'<{name} count="{len(items)}">{"".join(items)}</{name}>'
