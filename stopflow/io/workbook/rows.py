"""Rows of a table to values in our units; every cell that cannot be used is reported."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from stopflow.io.guard import SHOWN
from stopflow.io.workbook.cells import Cell
from stopflow.io.workbook.decimal_signs import DecimalSign, is_ambiguous, without_groups
from stopflow.io.workbook.findings import Findings, Level
from stopflow.io.workbook.grid import Sheet
from stopflow.io.workbook.headers import Header, bare_unit, fold_name
from stopflow.io.workbook.layout import UNIT_NAMES, Head
from stopflow.io.workbook.names import FileNames, as_text, file_key
from stopflow.io.workbook.units import (
    Scale,
    find_scale,
    fold_unit,
    is_approximate,
    parse_quantity,
    without_uncertainty,
)
from stopflow.io.workbook.vocabulary import QUANTITIES

BELOW_IS_CELSIUS = 200.0
"""A temperature without a unit is in degrees Celsius below this, in kelvin above."""

EMPTY_WORDS = frozenset(
    {"", "-", "–", "—", "--", "n/a", "na", "none", "n.a.", "n.d.", "nd", "n.m."}
)

SAME_AS_ABOVE = frozenset({'"', "''", "”", "“", "〃", "ditto", "dito", "idem"})

LONGEST_NAME = 255
"""Characters of a file name, the limit of file systems."""

MOST_COUNT = 1e9
"""Replicates and channels have smaller numbers."""

VALID: dict[str, tuple[str, Callable[[float], bool]]] = {
    "rate": ("a number greater than 0", lambda value: value > 0),
    "concentration": ("a number not below 0", lambda value: value >= 0),
    "ionic_strength": ("a number not below 0", lambda value: value >= 0),
    "dead_time": ("a number not below 0", lambda value: value >= 0),
    "temperature": ("a temperature above absolute zero", lambda value: value > 0),
    "replicate": ("a whole number", lambda value: value.is_integer() and abs(value) < MOST_COUNT),
    "channel": (
        "a whole number from 1",
        lambda value: value.is_integer() and 1 <= value < MOST_COUNT,
    ),
}
"""What a value must be, beyond a finite number."""

_TEXTS = ("file", "substrate")
_OF_ONE_FILE = ("rate", "replicate")
_COUNTS = ("replicate", "channel")
_PATH = re.compile(r"[/\\]|^[A-Za-z]:|^\.\.?$")
_BEFORE_COUNT = re.compile(r"^(?:#|no\.?|nr\.?|r|rep\.?|replicate)\s*(?=\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A value and where it stands.

    Attributes
    ----------
    value
        Text, or a number in s, mol/L, K, s^-1; a start time without a unit as written.
    has_unit
        False for a start time in the unit of its file.
    """

    value: Cell
    place: str
    has_unit: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRow:
    """What one row says of one file; `extra` has the columns without a meaning, as text."""

    file: str
    channel: int | None
    entries: Mapping[str, Entry]
    extra: Mapping[str, str]
    place: str


@dataclass(slots=True, kw_only=True)
class RowReader:
    """Reads rows of one table and collects what is wrong with them.

    Attributes
    ----------
    sheet, head
        The sheet, and the table's header.
    names
        Files of the folder.
    chosen
        Quantity -> (column, header).
    numbers
        Number in the column of file names -> the file it stands for.
    ranges
        Range in that column, such as ``shots 1-5`` -> its files.
    findings
        What was found so far.
    filled
        Quantities with a value.
    assumed
        Quantity -> its largest value whose unit was assumed.
    taken_for
        Name as written -> the file it was taken for, where they differ.
    unit_of_others
        Quantities whose cells without a unit have that of the others.
    several_units
        Quantities whose cells have several units, so that none can be assumed.
    decimal_sign
        The decimal sign that the numbers written as text in this table show.
    """

    sheet: Sheet
    head: Head
    names: FileNames
    chosen: Mapping[str, tuple[int, Header]]
    numbers: Mapping[str, str]
    ranges: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    findings: Findings
    filled: set[str] = field(default_factory=lambda: {"file"})
    assumed: dict[str, float] = field(default_factory=dict)
    taken_for: dict[str, str] = field(default_factory=dict)
    unit_of_others: set[str] = field(default_factory=set)
    several_units: set[str] = field(default_factory=set)
    decimal_sign: DecimalSign = DecimalSign.UNKNOWN
    _seen: dict[tuple[str, int | None], SheetRow] = field(default_factory=dict)

    def written_name(self, number: int) -> str:
        """Return what stands in a row's cell for the file name."""
        cells, column = self.sheet.rows[number], self.head.file_column
        return as_text(cells[column]) if column < len(cells) else ""

    def find_file(self, written: str) -> str | None:
        """Return the file of the folder that a name stands for; None when there is none."""
        if written in self.names:
            return written
        return self.numbers.get(written) or self.names.find_similar(written)

    def read_rows(self, number: int) -> list[SheetRow]:
        """Read a row for each of its files; none when it has no name or they had rows before."""
        written = self.written_name(number)
        files = self.ranges.get(written)
        if not files:
            name = self._file_name(number)
            files = (name,) if name else ()
        else:
            self.taken_for[written] = " to ".join(dict.fromkeys((files[0], files[-1])))
        rows = [self._read_row(number, file, is_alone=len(files) == 1) for file in files]
        return [row for row in rows if self._is_new(row)]

    def _read_row(self, number: int, file: str, *, is_alone: bool) -> SheetRow:
        cells = self.sheet.rows[number]
        entries, extra = {}, self._extra(number)
        for key, (column, header) in self.chosen.items():
            if key == "file" or column >= len(cells):
                continue
            if key in _OF_ONE_FILE and not is_alone:
                extra[header.text] = as_text(cells[column])
                place = self.sheet.place(number, column)
                self.findings.add(
                    place,
                    repr(cells[column]),
                    "one of each; kept as text",
                    "note",
                    kind=f"{key} of several files",
                    tail=" of several files",
                )
                continue
            cell = self.with_unit(cells, header, column)
            entry = self.read_value(key, header, cell, number=number, column=column)
            if entry:
                entries[key] = entry
            elif key in _COUNTS and as_text(cells[column]):
                extra[header.text] = as_text(cells[column])
        channel = int(float(entries.pop("channel").value)) if "channel" in entries else None
        return SheetRow(
            file=file,
            channel=channel,
            entries=entries,
            extra=extra,
            place=self.sheet.row_place(number),
        )

    def read_value(
        self, key: str, header: Header, cell: Cell, *, number: int, column: int
    ) -> Entry | None:
        """Read the cell of a quantity; None when it is empty or cannot be used."""
        place = self.sheet.place(number, column)
        if isinstance(cell, str) and cell.casefold() in EMPTY_WORDS | SAME_AS_ABOVE:
            return None
        self.filled.add(key)
        if isinstance(cell, str) and cell.startswith("="):
            expected = "a value; the formula has none stored: open, calculate, save"
            self._report_cell(key, place, cell, expected)
            return None
        if key in _TEXTS:
            return Entry(value=as_text(cell), place=place)
        if is_ambiguous(cell, self.decimal_sign):
            expected = "a number that is not ambiguous, such as 1000 or 1.0"
            self._report_cell(key, place, cell, expected)
            return None
        if isinstance(cell, str):
            cell = without_groups(cell, self.decimal_sign)
        read = parse_cell(cell, counts=key in _COUNTS)
        level: Level = "warning" if key in _COUNTS else "error"
        if read is None or not math.isfinite(read[0]):
            expected = f"a number ({QUANTITIES[key].meaning})"
            expected += "; kept as text" if key in _COUNTS else ""
            self._report_cell(key, place, cell, expected, level)
            return None
        value, unit = read
        if key in self.several_units and value and not unit:
            expected = f"a unit, as in other cells ({QUANTITIES[key].usual})"
            self._report_cell(key, place, cell, expected)
            return None
        scale = self._scale(key, header, value, unit)
        if scale is None and unit:
            expected = f"a number with a known unit ({QUANTITIES[key].usual})"
            self._report_cell(key, place, cell, expected, level)
            return None
        ours = scale.to_ours(value) if scale else value
        required, valid = VALID.get(key, ("", lambda _: True))
        if not valid(ours):
            self._report_cell(key, place, cell, f"{required} ({QUANTITIES[key].meaning})", level)
            return None
        if isinstance(cell, str) and is_approximate(cell):
            tail = f" taken as exact ({QUANTITIES[key].meaning})"
            kind = f"{key} approximate"
            self.findings.add(place, repr(cell), "", "warning", kind=kind, tail=tail)
        return Entry(value=ours, place=place, has_unit=scale is not None)

    def _report_cell(
        self, key: str, place: str, cell: Cell, expected: str, level: Level = "error"
    ) -> None:
        """Report a cell that cannot be used; those of one quantity are one problem."""
        shown = repr(cell if isinstance(cell, float) else cell[:SHOWN])
        self.findings.add(place, shown, expected, level, kind=f"{key}: {expected}")

    def with_unit(self, cells: Sequence[Cell], header: Header, column: int) -> Cell:
        """Return a cell with the unit that stands in a column of units beside it."""
        cell, beside = cells[column], column + 1
        named = beside < len(self.head.texts) and fold_name(self.head.texts[beside]) in UNIT_NAMES
        unit = cells[beside] if named and beside < len(cells) else ""
        has_none = isinstance(cell, float) and not header.unit and isinstance(unit, str)
        return f"{as_text(cell)} {unit}" if has_none and unit else cell

    def _file_name(self, number: int) -> str:
        name = self.written_name(number)
        place = self.sheet.place(number, self.head.file_column)
        if not name:
            shown = " ".join(as_text(cell) for cell in self.sheet.rows[number] if cell != "")
            found = f"no file name in the row {shown[:SHOWN]!r}"
            self.findings.add(place, found, "a name", "warning", kind="no file name")
        elif name.startswith("="):
            expected = "a file name; the formula has no stored value"
            self._report_cell("file", place, name, expected)
            return ""
        elif len(name) > LONGEST_NAME:
            self._report_cell("file", place, name, "a file name")
            return ""
        elif _PATH.search(name):
            self._report_cell("file", place, name, "a name inside this folder, not a path")
            return ""
        file = self.find_file(name) or name
        if file != name:
            self.taken_for[name] = file
        return file

    def _is_new(self, row: SheetRow) -> bool:
        first = self._seen.setdefault((file_key(row.file), row.channel), row)
        if first is row:
            return True
        same = {key: entry.value for key, entry in first.entries.items()} == {
            key: entry.value for key, entry in row.entries.items()
        }
        found = f"{row.file!r} again, {'with the same' if same else 'with other'} values"
        expected = f"one row a file; the first ({first.place}) is used"
        level: Level = "warning" if same else "error"
        self.findings.add(row.place, found, expected, level, kind="a file again")
        return False

    def _extra(self, number: int) -> dict[str, str]:
        used = {column for column, _ in self.chosen.values()}
        texts = self.head.texts
        extra: dict[str, str] = {}
        for column, cell in enumerate(self.sheet.rows[number]):
            outside = column < len(texts) and column not in self.head.columns
            if column in used or cell == "" or outside:
                continue
            header = texts[column] if column < len(texts) else ""
            place = self.sheet.column_place(column)
            extra[place if not header or header in extra else header] = as_text(cell)
        return extra

    def _scale(self, key: str, header: Header, value: float, unit: str) -> Scale | None:
        """Return the scale of a value: its own unit, the header's, or the assumed one."""
        units = QUANTITIES[key].units or {}
        if unit:
            return find_scale(units, bare_unit(unit))
        if header.scale:
            return header.scale
        if key not in self.several_units:
            self.assumed[key] = max(value, self.assumed.get(key, value))
        if key == "temperature":
            return units["c" if value < BELOW_IS_CELSIUS else "k"]
        assumed = QUANTITIES[key].assumed
        return units[fold_unit(assumed)] if assumed else None


def parse_cell(cell: Cell, *, counts: bool) -> tuple[float, str] | None:
    """Return the number of a cell and its unit; None when it is no number."""
    if not isinstance(cell, str):
        return cell, ""
    return parse_quantity(_BEFORE_COUNT.sub("", cell) if counts else without_uncertainty(cell))
