"""Tables as sheets of a workbook: numbers as numbers, text that never runs, headers with units."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.io.csv_files import LIVE
from stopflow.io.workbook.cells import column_letters
from stopflow.report.tables.cell_styles import HEADER, VERDICTS, Style
from stopflow.report.tables.workbook import TableSheet, Workbook, writing_workbook
from stopflow.schema import COLUMNS, unit_of
from stopflow.trace import FloatArray

_PLAIN: Final[Mapping[str, Style]] = {}
_NO_XML: Final = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 does not allow: control characters, half a surrogate, U+FFFE and U+FFFF."""
_LONGEST_CELL: Final = 32_767
_LONGEST_SHEET: Final = 1_048_575
"""Rows of a sheet below its header."""
_FINE: Final = re.compile(r"0\.0{3,}")
"""Formats of numbers whose size is that of a lab, as that of a rate or an amplitude."""
_SHOWN_DIGITS, _ERROR_DIGITS = 5, 2
_LONGEST_NUMBER: Final = 9
"""Digits of a number without a power of ten."""
_OWN_SIZE: Final = "[>=100000]0.000E+00;[>=0.001]0.0000;0.000E+00"
_TOGETHER: Final = 1_000
"""Rows that are in memory as text at a time."""


def write_sheets(frames: Mapping[str, pd.DataFrame], path: Path, *, unit: str) -> None:
    """Write a workbook with one sheet a table."""
    with writing_workbook(path) as book:
        for name, whole in frames.items():
            frame = whole.head(_LONGEST_SHEET)
            headers = [header_of(str(column), unit=unit) for column in frame.columns]
            widths = [
                _column_width(header, frame[column])
                for header, column in zip(headers, frame.columns, strict=True)
            ]
            frozen = 2 if len(headers) > 4 else 0
            sheet = TableSheet(name=name, widths=widths, frozen=frozen, rows=len(frame) + 1)
            book.add(sheet, _rows(frame, headers, book))


def header_of(column: str, *, unit: str) -> str:
    """Return the name of a column with its unit in brackets."""
    own = unit_of(column, signal=unit)
    return f"{column} ({own})" if own else column


def _rows(frame: pd.DataFrame, headers: Sequence[str], book: Workbook) -> Iterator[str]:
    """Yield the rows of a table, the first with the headers, many in a text."""
    texts, verdicts = _TextCells(book), _TextCells(book, VERDICTS)
    letters = [column_letters(place) for place in range(1, len(headers) + 1)]
    yield _row(1, map(texts.head, letters, headers))
    styles = [_number_style(str(name), frame[name]) for name in frame.columns]
    columns = [
        _ColumnCells(letter, style, book.style(style), verdicts if name == col.VERDICT else texts)
        for name, letter, style in zip(frame.columns, letters, styles, strict=True)
    ]
    for first in range(0, len(frame), _TOGETHER):
        part = frame.iloc[first : first + _TOGETHER]
        numbers = range(first + 2, first + 2 + len(part))
        cells = [
            column.cells(part.iloc[:, place].tolist(), numbers)
            for place, column in enumerate(columns)
        ]
        yield "".join(map(_row, numbers, zip(*cells, strict=True)))


def _row(number: int, cells: Iterable[str]) -> str:
    return f'<row r="{number}">{"".join(cells)}</row>'


def _number_style(column: str, values: pd.Series) -> Style:
    number_format = COLUMNS[column].format if column in COLUMNS else "General"
    if number_format == "@":
        return Style()
    if _FINE.match(number_format):
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(float)
        digits = _ERROR_DIGITS if "stderr" in column else _SHOWN_DIGITS
        number_format = _fitting_format(numbers, digits)
    return Style(number_format=number_format)


def _fitting_format(values: FloatArray, digits: int) -> str:
    """Return decimals that show some digits of the smallest number; too many are a power of ten."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if not len(sizes):
        return "0.000"
    smallest, largest = math.floor(math.log10(sizes.min())), math.floor(math.log10(sizes.max()))
    decimals = max(digits - 1 - smallest, 0)
    if decimals + max(largest, 0) + 1 > _LONGEST_NUMBER:
        return _OWN_SIZE
    return f"0.{'0' * decimals}" if decimals else "0"


class _TextCells:
    """Cells that are text whatever it begins with; one that comes again is known already."""

    def __init__(self, book: Workbook, looks: Mapping[str, Style] = _PLAIN) -> None:
        self._book, self._looks = book, looks
        self._known: dict[str, str] = {}

    def cell(self, letter: str, number: int, text: str) -> str:
        """Return the cell of a text."""
        made = self._known.get(text)
        if made is None:
            made = self._known[text] = self._make(text, self._looks.get(text, Style()))
        return f'<c r="{letter}{number}" {made}'

    def head(self, letter: str, text: str) -> str:
        """Return the cell at the head of a column."""
        return f'<c r="{letter}1" {self._make(text, HEADER)}'

    def _make(self, text: str, style: Style) -> str:
        held = printable(text)
        look = self._book.style(replace(style, quoted=text.startswith(LIVE)))
        kept = ' xml:space="preserve"' if held != held.strip() else ""
        return f't="inlineStr" s="{look}"><is><t{kept}>{escape(held)}</t></is></c>'


class _ColumnCells:
    """The cells of a column."""

    def __init__(self, letter: str, style: Style, look: int, texts: _TextCells) -> None:
        self._letter, self._look, self._texts = letter, look, texts
        self._whole = style.number_format == "0"

    def cells(self, values: Sequence[object], numbers: Sequence[int]) -> list[str]:
        """Return the cells of some rows; nothing where there is no value."""
        if not self._whole and all(type(value) is float for value in values):
            head, look = f'<c r="{self._letter}', f'" s="{self._look}"><v>'
            return [
                f"{head}{number}{look}{value!r}</v></c>"
                if -math.inf < value < math.inf  # type: ignore[operator]
                else ""
                if value != value
                else self._cell(value, number)
                for value, number in zip(values, numbers, strict=True)
            ]
        return [self._cell(value, number) for value, number in zip(values, numbers, strict=True)]

    def _cell(self, value: object, number: int) -> str:
        if value is None or value is pd.NA or value == "":
            return ""
        if isinstance(value, str):
            return self._texts.cell(self._letter, number, value)
        if isinstance(value, bool | np.bool_):
            return self._texts.cell(self._letter, number, "yes" if value else "no")
        found = float(value)  # type: ignore[arg-type]
        if not math.isfinite(found):
            return "" if math.isnan(found) else self._texts.cell(self._letter, number, "open")
        shown = int(found) if self._whole and found.is_integer() else found
        return f'<c r="{self._letter}{number}" s="{self._look}"><v>{shown!r}</v></c>'


def printable(text: str) -> str:
    """Drop the characters that a workbook cannot hold, and what is beyond its longest cell."""
    return _NO_XML.sub("", text)[:_LONGEST_CELL]


def _column_width(name: str, values: Sequence[object]) -> float:
    longest = max((len(v) for v in values if isinstance(v, str)), default=9)
    return float(min(max(len(name) + 3, longest + 2, 9), 60))
