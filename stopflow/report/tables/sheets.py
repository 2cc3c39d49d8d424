"""Tables as sheets of a workbook: numbers as numbers, text that never runs, headers with units."""

import gc
import math
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from stopflow.errors import StopflowError
from stopflow.io.csv_files import LIVE
from stopflow.io.workbook.file import save_workbook
from stopflow.schema import COLUMNS, unit_of

_FILLS = {"PASS": "DCEBF7", "WARN": "FFE8B3", "FAIL": "F8CFC9"}
_INKS = {"PASS": "0B4F82", "WARN": "7A4A00", "FAIL": "8E1B10"}
_NO_XML: Final = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 does not allow: control characters, half a surrogate, U+FFFE and U+FFFF."""
_LONGEST_CELL: Final = 32_767
_LONGEST_SHEET: Final = 1_048_575
"""Rows of a sheet below its header."""


def write_sheets(frames: Mapping[str, pd.DataFrame], path: Path, *, unit: str) -> None:
    """Write a workbook with one sheet a table.

    Parameters
    ----------
    unit
        Of the signal, as headers say it.

    Raises
    ------
    StopflowError
        When the folder of temporary files, where sheets are gathered, is full.
    """
    try:
        book = Workbook(write_only=True)
        for name, frame in frames.items():
            _write_sheet(book.create_sheet(name), frame.head(_LONGEST_SHEET), unit=unit)
        book.properties.creator = "stopflow"
        save_workbook(book, path)
        return
    except Exception as error:  # lxml, where there is one, has an error of its own for a full disk
        if "ENOSPC" not in str(error):
            raise
    _forget(book)
    raise StopflowError(
        f"{tempfile.gettempdir()}, where temporary files go: no space left; make room there, or "
        "name another folder in the environment variable TMPDIR"
    )


def _forget(book: Workbook) -> None:
    """Close what is half written; its generators cannot end as they should, and say so."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda _unraisable: None
    try:
        book._sheets.clear()
        gc.collect()
    finally:
        sys.unraisablehook = hook


def header_of(column: str, *, unit: str) -> str:
    """Return the name of a column with its unit in brackets."""
    own = unit_of(column, signal=unit)
    return f"{column} ({own})" if own else column


def _write_sheet(sheet: WriteOnlyWorksheet, frame: pd.DataFrame, *, unit: str) -> None:
    headers = [header_of(str(name), unit=unit) for name in frame.columns]
    sheet.freeze_panes = "C2" if len(frame.columns) > 4 else "A2"
    for place, (header, name) in enumerate(zip(headers, frame.columns, strict=True), start=1):
        width = _column_width(header, frame[name])
        sheet.column_dimensions[get_column_letter(place)].width = width
    if len(frame.columns):
        last = get_column_letter(len(frame.columns))
        sheet.auto_filter.ref = f"A1:{last}{len(frame) + 1}"
    sheet.append([_head_cell(sheet, header) for header in headers])
    formats = [COLUMNS[name].format if name in COLUMNS else "General" for name in frame.columns]
    columns = [_ColumnCells(sheet, number_format) for number_format in formats]
    for row in zip(*(frame[name].tolist() for name in frame.columns), strict=True):
        sheet.append([column.cell(value) for column, value in zip(columns, row, strict=True)])


def _head_cell(sheet: WriteOnlyWorksheet, text: str) -> Cell:
    cell = _text_cell(sheet, text)
    cell.font = Font(bold=True, color="1C2126")
    cell.fill = PatternFill("solid", fgColor="E8ECEF")
    cell.alignment = Alignment(horizontal="left")
    cell.border = Border(bottom=Side(style="thin", color="5C6670"))
    return cell


class _ColumnCells:
    """The cells of a column: a sheet is written row by row, so that one of each kind will do."""

    def __init__(self, sheet: WriteOnlyWorksheet, number_format: str) -> None:
        self._sheet, self._whole = sheet, number_format == "0"
        self._number, self._text = WriteOnlyCell(sheet), WriteOnlyCell(sheet)
        if number_format not in ("General", "@"):
            self._number.number_format = number_format

    def cell(self, value: object) -> Cell | None:
        """Return the cell of a value, to be written before the next is asked for."""
        if value is None or value is pd.NA or value == "":
            return None
        if isinstance(value, str):
            return self._text_cell(value)
        if isinstance(value, bool | np.bool_):
            return self._text_cell("yes" if value else "no")
        number = float(value)  # type: ignore[arg-type]
        if not math.isfinite(number):
            return None if math.isnan(number) else self._text_cell("open")
        self._number.value = int(number) if self._whole and number == int(number) else number
        return self._number

    def _text_cell(self, text: str) -> Cell:
        if text in _FILLS or text.startswith(LIVE):
            return _text_cell(self._sheet, text)
        self._text.value = printable(text)
        self._text.data_type = "s"
        return self._text


def _text_cell(sheet: WriteOnlyWorksheet, text: str) -> Cell:
    """Make a cell that is text whatever it begins with."""
    cell = WriteOnlyCell(sheet, printable(text))
    cell.data_type = "s"
    if text.startswith(LIVE):
        cell.quotePrefix = True
    if text in _FILLS:
        cell.fill = PatternFill("solid", fgColor=_FILLS[text])
        cell.font = Font(bold=True, color=_INKS[text])
    return cell


def printable(text: str) -> str:
    """Drop the characters that a workbook cannot hold, and what is beyond its longest cell."""
    return _NO_XML.sub("", text)[:_LONGEST_CELL]


def _column_width(name: str, values: Sequence[object]) -> float:
    longest = max((len(v) for v in values if isinstance(v, str)), default=9)
    return float(min(max(len(name) + 3, longest + 2, 9), 60))
