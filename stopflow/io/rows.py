"""One sheet of a workbook to rows of values, every cell that cannot be used reported."""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from stopflow.io.columns import QUANTITIES, Header, match_headers
from stopflow.io.sheets import Cell, Sheet
from stopflow.io.units import Scale, fold_unit, parse_quantity
from stopflow.trace import Problem

HEADER_WITHIN = 30
"""Rows in which the header is looked for."""

BELOW_IS_CELSIUS = 200.0
"""A temperature without a unit is in degrees Celsius below this, in kelvin above."""

EMPTY_WORDS = frozenset({"", "-", "–", "—", "n/a", "na", "none", "n.a."})

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
_COUNTS = ("replicate", "channel")
_PATH = re.compile(r"[/\\]|^[A-Za-z]:|^\.\.?$")
_OWN_COLUMNS = frozenset({"verdict", "k_stderr_per_s"})


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetTable:
    """A sheet understood.

    Attributes
    ----------
    columns
        Quantity -> column place, e.g. ``"sheet 'Sheet1', column B"``.
    """

    sheet: Sheet
    columns: Mapping[str, str]
    rows: tuple[SheetRow, ...]
    problems: tuple[Problem, ...]


def file_key(name: str) -> str:
    """Return what two spellings of a file name share: case and the ending do not count."""
    plain = unicodedata.normalize("NFC", name).strip().casefold()
    return plain.removesuffix(".bka")


def parse_sheet(sheet: Sheet) -> SheetTable | None:
    """Return the table of a sheet; None when it has no column of file names."""
    top = _header_row(sheet)
    if top is None:
        return None
    texts = [_as_text(cell) for cell in sheet.rows[top]]
    if _OWN_COLUMNS <= set(texts):
        return None
    chosen, passed_over = match_headers(texts)
    reader = _RowReader(sheet=sheet, texts=texts, chosen=chosen)
    rows = [row for number in range(top + 1, len(sheet.rows)) if (row := reader.read_row(number))]
    reader.note_columns(passed_over)
    return SheetTable(
        sheet=sheet,
        columns={key: sheet.column_place(column) for key, (column, _) in chosen.items()},
        rows=tuple(rows),
        problems=tuple(reader.problems),
    )


def _header_row(sheet: Sheet) -> int | None:
    """Return the first row with a file-name column and another known one, else with only that."""
    only_names = None
    for number, row in enumerate(sheet.rows[:HEADER_WITHIN]):
        chosen, _ = match_headers([_as_text(cell) for cell in row])
        if "file" in chosen and len(chosen) > 1:
            return number
        if only_names is None and "file" in chosen and len([c for c in row if c != ""]) > 1:
            only_names = number
    return only_names


@dataclass(slots=True, kw_only=True)
class _RowReader:
    """Reads rows of one sheet and collects what is wrong with them."""

    sheet: Sheet
    texts: Sequence[str]
    chosen: Mapping[str, tuple[int, Header]]
    problems: list[Problem] = field(default_factory=list)
    _assumed: set[str] = field(default_factory=set)
    _filled: set[str] = field(default_factory=lambda: {"file"})
    _seen: dict[tuple[str, int | None], SheetRow] = field(default_factory=dict)

    def read_row(self, number: int) -> SheetRow | None:
        cells = self.sheet.rows[number]
        if all(cell == "" for cell in cells):
            return None
        name = self._file_name(number)
        if not name:
            return None
        entries, extra = {}, self._extra(number)
        for key, (column, header) in self.chosen.items():
            if key == "file" or column >= len(cells):
                continue
            entry = self._entry(key, header, cells[column], number, column)
            if entry:
                entries[key] = entry
            elif key in _COUNTS and _as_text(cells[column]):
                extra[header.text] = _as_text(cells[column])
        channel = int(float(entries.pop("channel").value)) if "channel" in entries else None
        row = SheetRow(
            file=name,
            channel=channel,
            entries=entries,
            extra=extra,
            place=self.sheet.row_place(number),
        )
        return row if self._is_new(row) else None

    def _file_name(self, number: int) -> str:
        cells, column = self.sheet.rows[number], self.chosen["file"][0]
        name = _as_text(cells[column]) if column < len(cells) else ""
        place = self.sheet.place(number, column)
        if not name:
            shown = " ".join(_as_text(cell) for cell in cells if cell != "")
            self._report(place, f"no file name in the row {shown[:60]!r}", "a name", "warning")
        elif name.startswith("="):
            self._report(place, repr(name), "a file name; the formula has no stored value")
        elif _PATH.search(name):
            self._report(place, repr(name), "a name inside this folder, not a path")
            return ""
        return "" if name.startswith("=") else name

    def _is_new(self, row: SheetRow) -> bool:
        first = self._seen.setdefault((file_key(row.file), row.channel), row)
        if first is row:
            return True
        same = {key: entry.value for key, entry in first.entries.items()} == {
            key: entry.value for key, entry in row.entries.items()
        }
        found = f"{row.file!r} again, {'with the same' if same else 'with other'} values"
        expected = f"one row a file; the first ({first.place}) is used"
        self._report(row.place, found, expected, "warning" if same else "error")
        return False

    def _extra(self, number: int) -> dict[str, str]:
        used = {column for column, _ in self.chosen.values()}
        extra: dict[str, str] = {}
        for column, cell in enumerate(self.sheet.rows[number]):
            if column in used or cell == "":
                continue
            header = self.texts[column] if column < len(self.texts) else ""
            place = self.sheet.column_place(column)
            extra[place if not header or header in extra else header] = _as_text(cell)
        return extra

    def _entry(
        self, key: str, header: Header, cell: Cell, number: int, column: int
    ) -> Entry | None:
        place = self.sheet.place(number, column)
        if isinstance(cell, str) and cell.casefold() in EMPTY_WORDS:
            return None
        self._filled.add(key)
        if isinstance(cell, str) and cell.startswith("="):
            self._report(
                place, repr(cell), "a value; the formula has none stored: open, calculate, save"
            )
            return None
        if key in _TEXTS:
            return Entry(value=_as_text(cell), place=place)
        read = parse_quantity(cell) if isinstance(cell, str) else (cell, "")
        level: Literal["error", "warning"] = "warning" if key in _COUNTS else "error"
        if read is None or not math.isfinite(read[0]):
            self._report(place, repr(cell), f"a number ({QUANTITIES[key].meaning})", level)
            return None
        value, unit = read
        scale = self._scale(key, header, value, unit)
        if scale is None and unit:
            units = ", ".join(QUANTITIES[key].units or ()) or "none"
            self._report(place, repr(cell), f"a number with a known unit ({units})", level)
            return None
        ours = scale.to_ours(value) if scale else value
        expected, valid = VALID.get(key, ("", lambda _: True))
        if not valid(ours):
            self._report(place, repr(cell), f"{expected} ({QUANTITIES[key].meaning})", level)
            return None
        return Entry(value=ours, place=place, has_unit=scale is not None)

    def _scale(self, key: str, header: Header, value: float, unit: str) -> Scale | None:
        """Return the scale of a value: its own unit, the header's, or the assumed one."""
        units = QUANTITIES[key].units or {}
        if unit:
            return units.get(fold_unit(unit))
        if header.scale:
            return header.scale
        self._assumed.add(key)
        if key == "temperature":
            return units["c" if value < BELOW_IS_CELSIUS else "k"]
        assumed = QUANTITIES[key].assumed
        return units[fold_unit(assumed)] if assumed else None

    def note_columns(self, passed_over: Mapping[int, Header]) -> None:
        """Say which column was taken for what, and in which unit."""
        for key, (column, header) in self.chosen.items():
            unit, level = self._unit_remark(key, header)
            unit = unit if key in self._filled else ", but empty"
            found = f"column {header.text!r} taken as {QUANTITIES[key].meaning}{unit}"
            self._report(self.sheet.column_place(column), found, "", level)
        for column, header in passed_over.items():
            meaning, place = QUANTITIES[header.quantity].meaning, self.sheet.column_place(column)
            if header.quantity in self.chosen:
                used = self.chosen[header.quantity][1].text
                found = f"column {header.text!r} kept as it is: {used!r} is the {meaning}"
                self._report(place, found, "", "note")
            else:
                units = ", ".join(QUANTITIES[header.quantity].units or ())
                found = f"column {header.text!r} not used: {header.unit!r} is no unit of {meaning}"
                self._report(place, found, f"one of {units}", "warning")

    def _unit_remark(self, key: str, header: Header) -> tuple[str, Literal["note", "warning"]]:
        if header.unit:
            return f", in {header.unit}", "note"
        if key not in self._assumed or not QUANTITIES[key].units:
            return "", "note"
        if key == "start":
            return ", in the time unit of each file", "note"
        if key == "temperature":
            return f", no unit: below {BELOW_IS_CELSIUS:g} °C, above K", "note"
        level: Literal["note", "warning"] = "note" if key == "rate" else "warning"
        return f", no unit: taken as {QUANTITIES[key].assumed}", level

    def _report(
        self,
        where: str,
        found: str,
        expected: str,
        level: Literal["error", "warning", "note"] = "error",
    ) -> None:
        problem = Problem(
            experiment="",
            file=self.sheet.book,
            where=where,
            found=found,
            expected=expected,
            level=level,
        )
        self.problems.append(problem)


def _as_text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else f"{cell:.15g}"
