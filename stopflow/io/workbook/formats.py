"""Workbooks of every format to grids of cells: xlsx by openpyxl, others by calamine.

These libraries believe what a file says of itself and partly run outside Python. This module is
therefore imported only by the process of `reader_process`, which is ended when it takes too long.
"""

import io
import re
import warnings
import zipfile
from xml.parsers import expat

import openpyxl
from openpyxl.utils import column_index_from_string
from python_calamine import CalamineWorkbook

from stopflow.errors import FormatError
from stopflow.io.workbook.cells import Grid, require_size, require_text_size, to_cell
from stopflow.io.workbook.xlsx import read_worksheet

MOST_UNPACKED_BYTES = 128_000_000
"""Bytes of all parts of a packed workbook together."""
MOST_BYTES_WITH_FORMATS = 6_000_000
"""Bytes of the sheets of an xlsx file up to which openpyxl reads it; see `read_grids`."""

ZIP = b"PK\x03\x04"
_OPEN_DOCUMENT = "content.xml"
_SHEETS = "xl/worksheets/"
_MERGED = re.compile(
    rb'<(?:\w+:)?mergeCell\s[^>]*?ref="\$?([A-Z]{1,3})\$?(\d{1,7}):\$?([A-Z]{1,3})\$?(\d{1,7})"'
)


def read_grids(data: bytes, *, book: str) -> list[Grid]:
    """Return the sheets of a workbook; hidden ones come last.

    An xlsx file of usual size is read with its number formats, merged cells, hidden rows and
    formulas. One whose sheets are large (some 100,000 cells) is read by calamine, which takes
    values only, and a twentieth of the time.

    Raises
    ------
    FormatError
        When a size in the file is out of all proportion.
    """
    if not data.startswith(ZIP):
        return _read_values(data, book=book)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {part.filename: part.file_size for part in archive.infolist()}
        unpacked = sum(part.file_size for part in archive.infolist())
        if unpacked > MOST_UNPACKED_BYTES:
            found = f"a packed file that unpacks to {unpacked / 1e6:.0f} MB"
            expected = f"a workbook of at most {MOST_UNPACKED_BYTES / 1e6:.0f} MB"
            raise FormatError(book, found=found, expected=expected)
        if "xl/workbook.xml" not in parts:
            if _OPEN_DOCUMENT in parts:
                _require_whole_xml(archive.read(_OPEN_DOCUMENT), book=book)
            return _read_values(data, book=book)
        if sum(size for name, size in parts.items() if name.startswith(_SHEETS)) > (
            MOST_BYTES_WITH_FORMATS
        ):
            return _read_values(data, book=book)
        sheets = [archive.read(name) for name in parts if name.startswith(_SHEETS)]
    for sheet in sheets:
        _require_merged_size(sheet, book=book)
    has_formulas = any(b"<f>" in sheet or b"<f " in sheet for sheet in sheets)
    return _read_xlsx(data, book=book, has_formulas=has_formulas)


def _read_xlsx(data: bytes, *, book: str, has_formulas: bool) -> list[Grid]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
        formulas = openpyxl.load_workbook(io.BytesIO(data)) if has_formulas else None
    grids, characters = [], 0
    for worksheet in sorted(values.worksheets, key=lambda sheet: sheet.sheet_state != "visible"):
        title = worksheet.title
        require_size(book, title, rows=worksheet.max_row, columns=worksheet.max_column)
        grids.append(read_worksheet(worksheet, formulas[title] if formulas else None))
        characters = require_text_size(book, grids[-1].rows, characters)
    return grids


def _require_merged_size(sheet: bytes, *, book: str) -> None:
    """Refuse merged cells that reach over more cells than a sheet may have."""
    area = 0
    for left, top, right, bottom in _MERGED.findall(sheet):
        first, last = (column_index_from_string(name.decode()) for name in (left, right))
        width = last - first + 1
        height = int(bottom) - int(top) + 1
        area += width * height
        try:
            require_size(book, "", rows=area, columns=1)
        except FormatError as error:
            merged = f"{left.decode()}{top.decode()}:{right.decode()}{bottom.decode()}"
            found = f"cells {merged} merged into one"
            expected = "merged cells within the table; unmerge them"
            raise FormatError(book, found=found, expected=expected) from error


def _require_whole_xml(content: bytes, *, book: str) -> None:
    """Refuse XML that is damaged: calamine may look for the end of an element for ever."""
    try:
        expat.ParserCreate().ParseFile(io.BytesIO(content))
    except expat.ExpatError as error:
        found = f"a damaged file ({error})"
        raise FormatError(book, where=_OPEN_DOCUMENT, found=found, expected="whole XML") from error


def _read_values(data: bytes, *, book: str) -> list[Grid]:
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
    grids, characters = [], 0
    for name in workbook.sheet_names:
        sheet = workbook.get_sheet_by_name(name)
        last_row, last_column = sheet.end or (0, 0)
        require_size(book, name, rows=last_row + 1, columns=last_column + 1)
        rows = [list(map(to_cell, row)) for row in sheet.to_python(skip_empty_area=False)]
        characters = require_text_size(book, rows, characters)
        grids.append(Grid(name=name, rows=rows, hidden_rows=[], hidden_columns=[]))
    return grids
