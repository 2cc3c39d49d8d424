"""Rows of a table to what each says of one file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from stopflow.io.guard import SHOWN
from stopflow.io.units import find_scale
from stopflow.io.workbook.cells import Cell
from stopflow.io.workbook.findings import Findings
from stopflow.io.workbook.grid import Sheet
from stopflow.io.workbook.headers import Header, bare_unit, fold_name
from stopflow.io.workbook.layout import UNIT_NAMES, TableHead
from stopflow.io.workbook.names import FileNames, as_text, file_key
from stopflow.io.workbook.values import COUNTS, Entry, ValueReader, parse_cell
from stopflow.io.workbook.vocabulary import QUANTITIES
from stopflow.trace import Level

LONGEST_NAME = 255
"""Characters of a file name, the limit of file systems."""

_OF_ONE_FILE = ("rate", "replicate")
_PATH = re.compile(r"[/\\]|^[A-Za-z]:|^\.\.?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRow:
    """What one row says of one file; `extra` has the columns without a meaning, as text.

    Its `place` is in the sheet of the workbook `book`.
    """

    file: str
    channel: int | None
    entries: Mapping[str, Entry]
    extra: Mapping[str, str]
    book: str
    place: str


@dataclass(slots=True, kw_only=True)
class RowReader:
    """Reads the rows of one table.

    Attributes
    ----------
    sheet, head
        The sheet, and the table's header.
    names
        Files of the folder.
    chosen
        Quantity -> (column, header).
    values
        Reads the cells, and holds what was found so far.
    numbers
        Number in the column of file names -> the file it stands for.
    ranges
        Range in that column, such as ``shots 1-5`` -> its files.
    taken_for
        Name as written -> the file it was taken for, where they differ.
    unit_of_others
        Quantities whose cells without a unit have that of the others.
    """

    sheet: Sheet
    head: TableHead
    names: FileNames
    chosen: Mapping[str, tuple[int, Header]]
    values: ValueReader
    numbers: Mapping[str, str]
    ranges: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    taken_for: dict[str, str] = field(default_factory=dict)
    unit_of_others: set[str] = field(default_factory=set)
    _seen: dict[tuple[str, int | None], SheetRow] = field(default_factory=dict)

    @property
    def findings(self) -> Findings:
        """What was found so far."""
        return self.values.findings

    def written_name(self, number: int) -> str:
        """Return what stands in a row's cell for the file name."""
        cells, column = self.sheet.rows[number], self.head.file_column
        return as_text(cells[column]) if column < len(cells) else ""

    def find_file(self, written: str) -> str | None:
        """Return the file of the folder that a name stands for, or None."""
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
            cell, place = self.with_unit(cells, header, column), self.sheet.place(number, column)
            entry = self.values.read(key, header, cell, place=place)
            if entry:
                entries[key] = entry
            elif key in COUNTS and as_text(cells[column]):
                extra[header.text] = as_text(cells[column])
        channel = int(float(entries.pop("channel").value)) if "channel" in entries else None
        return SheetRow(
            file=file,
            channel=channel,
            entries=entries,
            extra=extra,
            book=self.sheet.book,
            place=self.sheet.row_place(number),
        )

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
            self.values.refuse("file", place, name, expected)
            return ""
        elif len(name) > LONGEST_NAME:
            self.values.refuse("file", place, name, "a file name")
            return ""
        elif _PATH.search(name):
            self.values.refuse("file", place, name, "a name inside this folder, not a path")
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
        self.findings.add(
            row.place, found, expected, level, kind="a file again", topic="conditions"
        )
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


def settle_units(reader: RowReader, numbers: Sequence[int]) -> None:
    """Settle the unit of the columns whose header and some of whose cells have none.

    Where the other cells agree, theirs is that of the whole column; where not, a bare number has
    none and is not used, unless it is 0.
    """
    for key, (column, header) in list(reader.chosen.items()):
        if not QUANTITIES[key].assumed or header.unit:
            continue
        units, is_bare = _units(reader, numbers, column, header)
        scales = {find_scale(QUANTITIES[key].units or {}, bare_unit(unit)) for unit in units}
        if is_bare and len(scales) > 1:
            reader.values.several_units.add(key)
        elif is_bare and scales and None not in scales:
            header = replace(header, scale=scales.pop(), unit=units[0])
            reader.chosen = {**reader.chosen, key: (column, header)}
            reader.unit_of_others.add(key)


def _units(
    reader: RowReader, numbers: Sequence[int], column: int, header: Header
) -> tuple[list[str], bool]:
    """Return the units that stand in a column, and whether a number other than 0 has none."""
    rows = [reader.sheet.rows[number] for number in numbers]
    cells = [reader.with_unit(row, header, column) for row in rows if column < len(row)]
    read = [found for cell in cells if cell != "" and (found := parse_cell(cell, counts=False))]
    return [unit for _, unit in read if unit], any(value and not unit for value, unit in read)
