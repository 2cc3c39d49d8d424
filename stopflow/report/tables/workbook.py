"""A workbook of plain tables as Office Open XML (ECMA-376, parts 1 and 2), written row by row.

What is common to all tables stands here: the package, its styles, the head of a sheet. A general
library makes an object of every cell, which takes ten times as long as the whole report of a folder
may; a table needs none. The bytes are the same for the same content: no time of their making.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape, quoteattr
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from stopflow.io.atomic import replacing_file
from stopflow.io.workbook.cells import column_letters
from stopflow.report.tables.cell_styles import MAIN, Style, styles_xml

_HEAD: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_FIXED_DATE: Final = (2000, 1, 1, 0, 0, 0)
_LEVEL: Final = 3
"""Of compression: a third of the time of the usual 6 for a tenth more bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSheet:
    """The head of a sheet: its name, the widths of its columns, what stays in view, its rows.

    Attributes
    ----------
    frozen
        How many columns stay in view; the first row always does.
    rows
        The row of headers included.
    """

    name: str
    widths: Sequence[float]
    frozen: int
    rows: int

    @property
    def area(self) -> str:
        """The first and the last cell."""
        return f"A1:{column_letters(max(len(self.widths), 1))}{self.rows}"


@dataclass(slots=True)
class Workbook:
    """A workbook being written; made by `writing_workbook`."""

    archive: ZipFile
    sheets: list[TableSheet] = field(default_factory=list)
    _styles: dict[Style, int] = field(default_factory=lambda: {Style(): 0})

    def style(self, style: Style) -> int:
        """Return the number by which cells name a style."""
        return self._styles.setdefault(style, len(self._styles))

    def add(self, sheet: TableSheet, rows: Iterable[str]) -> None:
        """Write a sheet.

        Parameters
        ----------
        rows
            ``<row>`` elements, as many of them in a text as the caller likes.
        """
        self.sheets.append(sheet)
        entry = _entry(f"xl/worksheets/sheet{len(self.sheets)}.xml")
        with self.archive.open(entry, "w") as target:
            target.write(_sheet_head(sheet, first=len(self.sheets) == 1).encode())
            for text in rows:
                target.write(text.encode())
            filtered = f'<autoFilter ref="{sheet.area}"/>' if sheet.widths else ""
            target.write(f"</sheetData>{filtered}</worksheet>".encode())

    def finish(self) -> None:
        """Write what names the sheets and styles."""
        for name, text in {
            "xl/styles.xml": styles_xml(list(self._styles)),
            "xl/workbook.xml": _workbook_xml(self.sheets),
            "xl/_rels/workbook.xml.rels": _relations(
                [
                    *((f"{_OFFICE}/worksheet", f"worksheets/{_file(n)}") for n in self._numbers),
                    (f"{_OFFICE}/styles", "styles.xml"),
                ]
            ),
            "docProps/core.xml": _CORE,
            "_rels/.rels": _relations(
                [
                    (f"{_OFFICE}/officeDocument", "xl/workbook.xml"),
                    (f"{_PACKAGE}/relationships/metadata/core-properties", "docProps/core.xml"),
                ]
            ),
            "[Content_Types].xml": _content_types(self._numbers),
        }.items():
            self.archive.writestr(_entry(name), _HEAD + text)

    @property
    def _numbers(self) -> range:
        return range(1, len(self.sheets) + 1)


@contextmanager
def writing_workbook(path: Path) -> Iterator[Workbook]:
    """Yield a workbook to add sheets to; an older file is replaced when the block ends well."""
    with replacing_file(path) as partial, ZipFile(partial, "w") as archive:
        book = Workbook(archive)
        yield book
        book.finish()


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name, date_time=_FIXED_DATE)
    entry.compress_type = ZIP_DEFLATED
    entry._compresslevel = _LEVEL  # type: ignore[attr-defined]  # public from Python 3.13 on
    return entry


def _file(number: int) -> str:
    return f"sheet{number}.xml"


def _sheet_head(sheet: TableSheet, *, first: bool) -> str:
    cell = f"{column_letters(sheet.frozen + 1)}2"
    split = f'xSplit="{sheet.frozen}" ' if sheet.frozen else ""
    pane = "bottomRight" if sheet.frozen else "bottomLeft"
    columns = "".join(
        f'<col min="{place}" max="{place}" width="{width:g}" customWidth="1"/>'
        for place, width in enumerate(sheet.widths, start=1)
    )
    shown = 'tabSelected="1" ' if first else ""
    return (
        f'{_HEAD}<worksheet xmlns="{MAIN}"><dimension ref="{sheet.area}"/>'
        f'<sheetViews><sheetView {shown}workbookViewId="0">'
        f'<pane {split}ySplit="1" topLeftCell="{cell}" activePane="{pane}" state="frozen"/>'
        '</sheetView></sheetViews><sheetFormatPr defaultRowHeight="15"/>'
        f"{_element('cols', columns)}<sheetData>"
    )


def _element(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>" if content else ""


def _workbook_xml(sheets: Sequence[TableSheet]) -> str:
    listed = "".join(
        f'<sheet name={quoteattr(sheet.name)} sheetId="{number}" r:id="rId{number}"/>'
        for number, sheet in enumerate(sheets, start=1)
    )
    filters = "".join(
        f'<definedName name="_xlnm._FilterDatabase" localSheetId="{number}" hidden="1">'
        f"{escape(_absolute(sheet))}</definedName>"
        for number, sheet in enumerate(sheets)
        if sheet.widths
    )
    return (
        f'<workbook xmlns="{MAIN}" xmlns:r="{_OFFICE}"><bookViews><workbookView/></bookViews>'
        f"<sheets>{listed}</sheets>{_element('definedNames', filters)}</workbook>"
    )


def _absolute(sheet: TableSheet) -> str:
    quoted = sheet.name.replace("'", "''")
    return f"'{quoted}'!$A$1:${column_letters(len(sheet.widths))}${sheet.rows}"


def _relations(relations: Sequence[tuple[str, str]]) -> str:
    listed = "".join(
        f'<Relationship Id="rId{number}" Type="{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(relations, start=1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{listed}</Relationships>'


def _content_types(sheets: Iterable[int]) -> str:
    parts = {
        "/xl/workbook.xml": f"{_TYPE}.sheet.main+xml",
        "/xl/styles.xml": f"{_TYPE}.styles+xml",
        **{f"/xl/worksheets/{_file(number)}": f"{_TYPE}.worksheet+xml" for number in sheets},
        "/docProps/core.xml": "application/vnd.openxmlformats-package.core-properties+xml",
    }
    listed = "".join(
        f'<Override PartName="{part}" ContentType="{kind}"/>' for part, kind in parts.items()
    )
    return (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{listed}</Types>'
    )


_CORE: Final = (
    '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/'
    'core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:dcterms="http://purl.org/dc/terms/" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><dc:creator>stopflow</dc:creator>'
    '<dcterms:created xsi:type="dcterms:W3CDTF">2000-01-01T00:00:00Z</dcterms:created>'
    "</cp:coreProperties>"
)
