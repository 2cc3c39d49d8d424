"""Rows of a table to values in our units; every cell that cannot be used is reported."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from stopflow.errors import and_more
from stopflow.io.workbook.cells import Cell
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
from stopflow.trace import Problem

BELOW_IS_CELSIUS = 200.0
"""A temperature without a unit is in degrees Celsius below this, in kelvin above."""

EMPTY_WORDS = frozenset(
    {"", "-", "–", "—", "--", "n/a", "na", "none", "n.a.", "n.d.", "nd", "n.m."}
)

SAME_AS_ABOVE = frozenset({'"', "''", "”", "“", "〃", "ditto", "dito", "idem"})

VALID: dict[str, tuple[str, Callable[[float], bool]]] = {
    "rate": ("a number greater than 0", lambda value: value > 0),
    "concentration": ("a number not below 0", lambda value: value >= 0),
    "ionic_strength": ("a number not below 0", lambda value: value >= 0),
    "dead_time": ("a number not below 0", lambda value: value >= 0),
    "temperature": ("a temperature above absolute zero", lambda value: value > 0),
    "replicate": ("a whole number", lambda value: value.is_integer()),
    "channel": ("a whole number from 1", lambda value: value.is_integer() and value >= 1),
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
    problems
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
    """

    sheet: Sheet
    head: Head
    names: FileNames
    chosen: Mapping[str, tuple[int, Header]]
    numbers: Mapping[str, str]
    ranges: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    filled: set[str] = field(default_factory=lambda: {"file"})
    assumed: dict[str, float] = field(default_factory=dict)
    taken_for: dict[str, str] = field(default_factory=dict)
    unit_of_others: set[str] = field(default_factory=set)
    several_units: set[str] = field(default_factory=set)
    _seen: dict[tuple[str, int | None], SheetRow] = field(default_factory=dict)
    _not_counted: dict[str, list[tuple[str, Cell]]] = field(default_factory=dict)
    _approximate: dict[str, list[tuple[str, Cell]]] = field(default_factory=dict)

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
                found = f"{cells[column]!r} of several files"
                self.report(place, found, "one of each; kept as text", "note")
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
            self.report(
                place, repr(cell), "a value; the formula has none stored: open, calculate, save"
            )
            return None
        if key in _TEXTS:
            return Entry(value=as_text(cell), place=place)
        read = parse_cell(cell, counts=key in _COUNTS)
        level: Literal["error", "warning"] = "warning" if key in _COUNTS else "error"
        if read is None or not math.isfinite(read[0]):
            if key in _COUNTS:
                self._not_counted.setdefault(key, []).append((place, cell))
            else:
                self.report(place, repr(cell), f"a number ({QUANTITIES[key].meaning})")
            return None
        value, unit = read
        if key in self.several_units and value and not unit:
            self.report(place, repr(cell), f"a unit, as in other cells ({QUANTITIES[key].usual})")
            return None
        scale = self._scale(key, header, value, unit)
        if scale is None and unit:
            expected = f"a number with a known unit ({QUANTITIES[key].usual})"
            self.report(place, repr(cell), expected, level)
            return None
        ours = scale.to_ours(value) if scale else value
        expected, valid = VALID.get(key, ("", lambda _: True))
        if not valid(ours):
            self.report(place, repr(cell), f"{expected} ({QUANTITIES[key].meaning})", level)
            return None
        if isinstance(cell, str) and is_approximate(cell):
            self._approximate.setdefault(key, []).append((place, cell))
        return Entry(value=ours, place=place, has_unit=scale is not None)

    def report_alike(self) -> None:
        """Report counts that are no numbers and approximate numbers, a line for each column."""
        for key, cells in self._not_counted.items():
            expected = f"a number ({QUANTITIES[key].meaning}); kept as text"
            self.report(cells[0][0], _alike(cells), expected, "warning")
        for key, cells in self._approximate.items():
            found = f"{_alike(cells)} taken as exact ({QUANTITIES[key].meaning})"
            self.report(cells[0][0], found, "", "warning")

    def report(
        self,
        where: str,
        found: str,
        expected: str,
        level: Literal["error", "warning", "note"] = "error",
    ) -> None:
        """Add a problem of this workbook."""
        self.problems.append(self.sheet.problem(where, found, expected=expected, level=level))

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
            self.report(place, f"no file name in the row {shown[:60]!r}", "a name", "warning")
        elif name.startswith("="):
            self.report(place, repr(name), "a file name; the formula has no stored value")
            return ""
        elif _PATH.search(name):
            self.report(place, repr(name), "a name inside this folder, not a path")
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
        self.report(row.place, found, expected, "warning" if same else "error")
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


def _alike(cells: Sequence[tuple[str, Cell]]) -> str:
    """Quote the first of some cells and say how many more there are."""
    return f"{cells[0][1]!r}{and_more(len(cells) - 1, 'more like it')}"


def parse_cell(cell: Cell, *, counts: bool) -> tuple[float, str] | None:
    """Return the number of a cell and its unit; None when it is no number."""
    if not isinstance(cell, str):
        return cell, ""
    return parse_quantity(_BEFORE_COUNT.sub("", cell) if counts else without_uncertainty(cell))
