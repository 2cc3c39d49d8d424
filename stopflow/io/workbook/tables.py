"""The tables of one sheet to rows of values.

Between and around the rows of files there are lines of other kinds: conditions, which hold for the
rows below them; means and sums; footnotes. A value may stand once for a group of rows.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from stopflow.errors import and_more
from stopflow.io.workbook.cells import Cell
from stopflow.io.workbook.concentrations import Choice, choose_concentration
from stopflow.io.workbook.conditions import Condition, parse_conditions, parse_title
from stopflow.io.workbook.decimal_signs import DecimalSign, sign_of_cells
from stopflow.io.workbook.findings import Findings
from stopflow.io.workbook.grid import Sheet
from stopflow.io.workbook.headers import fold_name
from stopflow.io.workbook.layout import TableHead, find_heads, fits
from stopflow.io.workbook.names import FileNames, as_text
from stopflow.io.workbook.remarks import remark_on_columns, remark_on_mixing, remark_on_names
from stopflow.io.workbook.rows import RowReader, SheetRow, settle_units
from stopflow.io.workbook.statements import (
    Statement,
    conditions_of_line,
    find_statement,
    read_statements,
    remark_on_statement,
)
from stopflow.io.workbook.values import SAME_AS_ABOVE, Entry, ValueReader
from stopflow.io.workbook.vocabulary import QUANTITIES
from stopflow.trace import Problem

ONCE_A_GROUP = ("concentration", "temperature", "ionic_strength", "substrate", "dead_time")
"""Quantities that may be given in the first row of a group only, or beside the table."""

SUMMARY_NAMES = frozenset(
    "mean average avg median sd std stdev stddev se sem error total sum count n min max "
    "mittelwert mittel standardabweichung stabw fehler summe anzahl moyenne ecarttype somme".split()
)
"""Folded names of rows that sum others up."""

MOST_ROWS_TURNED = 100
"""Of a sheet in which the files may stand side by side, a quantity a row."""

_MEANS = frozenset("mean average median mittelwert moyenne".split())
_OWN_COLUMNS = frozenset({"verdict", "k_stderr_per_s"})
_LIKE_A_FILE = re.compile(r"^=|\.bka$|[/\\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetTable:
    """A table understood.

    Attributes
    ----------
    columns
        Quantity -> where it stands, e.g. ``"sheet 'Sheet1', column B"``.
    in_rows
        Quantities that have a column; the others stand beside the table.
    """

    sheet: Sheet
    columns: Mapping[str, str]
    in_rows: frozenset[str]
    rows: tuple[SheetRow, ...]
    problems: tuple[Problem, ...]


def parse_sheet(sheet: Sheet, names: FileNames | None = None) -> list[SheetTable]:
    """Return the tables of a sheet; none when it has no column of file names.

    Parameters
    ----------
    names
        Files of the folder; without them every row is taken for that of a file.
    """
    names = names or FileNames()
    heads = find_heads(sheet, names)
    may_be_turned = names and len(sheet.rows) <= MOST_ROWS_TURNED
    if may_be_turned and not any(fits(sheet, head, names) for head in heads):
        turned = sheet.turned()
        turned_heads = find_heads(turned, names)
        if any(fits(turned, head, names) for head in turned_heads):
            sheet, heads = turned, turned_heads
    if not heads or set(heads[0].texts) >= _OWN_COLUMNS:
        return []
    starts = [*(head.row for head in heads), len(sheet.rows)]
    tables = [
        _Table(sheet, head, min(start for start in starts if start > head.row), names)
        for head in heads
    ]
    above = {number: sheet.rows[number] for number in range(heads[0].row)}
    lines = {number: [*parse_conditions(row), *parse_title(row)] for number, row in above.items()}
    _remark_on_titles([number for number in above if not lines[number]], tables[0].reader)
    for table in tables:
        lines |= table.lines
    of_files = sorted(number for table in tables for number in table.numbers)
    values = tables[0].reader.values
    statements = read_statements(lines, of_files, values, head_row=heads[0].row)
    return [table.read(statements) for table in tables]


class _Table:
    """One table of a sheet while it is read."""

    def __init__(self, sheet: Sheet, head: TableHead, stop: int, names: FileNames) -> None:
        self.sheet = sheet
        self.head = head
        numbers = range(head.first, stop)
        in_column = [self._cell(number, head.file_column) for number in numbers]
        self.reader = RowReader(
            sheet=sheet,
            head=head,
            names=names,
            chosen=head.chosen,
            numbers=names.match_numbers(in_column),
            ranges=names.match_ranges(in_column),
            values=ValueReader(findings=Findings(sheet=sheet)),
        )
        self.numbers: list[int] = []
        self.lines: dict[int, list[Condition]] = {}
        self.others: list[int] = []
        for number in numbers:
            self._sort_row(number)

    def read(self, statements: Sequence[Statement]) -> SheetTable:
        """Read the rows and say what was taken for what."""
        choice = self._choose_concentration()
        self.reader.values.decimal_sign = self._decimal_sign()
        settle_units(self.reader, self.numbers)
        read = self._read_rows()
        entries = {number: dict(row.entries) for number, row in read}
        for key in ONCE_A_GROUP:
            if key in self.reader.chosen:
                self._fill_down(key, entries)
        beside = self._fill_from(statements, entries)
        remark_on_columns(self.reader, choice)
        remark_on_names(self.reader)
        remark_on_mixing(self.reader, [*range(self.head.row), *self.others])
        for number in self.others:
            self.reader.findings.add(
                self.sheet.row_place(number),
                repr(_shown(self.sheet.rows[number])),
                level="note",
                kind="no row of a file",
                tail=": not a row of a file; not used",
            )
        columns = {
            key: self.sheet.column_place(column) for key, (column, _) in self.reader.chosen.items()
        }
        return SheetTable(
            sheet=self.sheet,
            columns={**beside, **columns},
            in_rows=frozenset(columns),
            rows=tuple(replace(row, entries=entries[number]) for number, row in read),
            problems=tuple(self.reader.findings.problems()),
        )

    def _read_rows(self) -> list[tuple[int, SheetRow]]:
        """Read the rows of files; of two rows of one file the hidden one comes last."""
        hidden = self.sheet.hidden_rows
        order = sorted(self.numbers, key=lambda number: (number in hidden, number))
        read = [(number, row) for number in order for row in self.reader.read_rows(number)]
        used = [row.place for number, row in read if number in hidden]
        if used:
            found = f"a hidden row of a file{and_more(len(used) - 1)}, read like the others"
            expected = "no hidden rows; delete those that are not to count"
            self.reader.findings.add(used[0], found, expected, "warning", rule="hidden rows")
        return sorted(read, key=lambda item: item[0])

    def _cell(self, number: int, column: int) -> Cell:
        row = self.sheet.rows[number]
        return row[column] if column < len(row) else ""

    def _sort_row(self, number: int) -> None:
        """Sort a row to those of files, to those of conditions, or to the others."""
        cells = [self._cell(number, column) for column in self.head.columns]
        filled = [cell for cell in cells if cell != ""]
        name = self.reader.written_name(number)
        if not filled:
            return
        if self._is_split_by_decimals(number):
            found = f"{len(self.sheet.rows[number])} cells below {self._width} headers"
            expected = "decimal commas in quotes, or semicolons between the cells"
            self.reader.findings.add(
                self.sheet.row_place(number), found, expected, kind="decimal commas"
            )
            return
        if not self.reader.names or (name and self.reader.find_file(name)):
            self.numbers.append(number)
        elif conditions := conditions_of_line(cells):
            self.lines[number] = conditions
        elif _is_summary(name) or _is_footnote(name, filled):
            self.others.append(number)
        else:
            self.numbers.append(number)

    @property
    def _width(self) -> int:
        return len(self.sheet.rows[self.head.row])

    def _is_split_by_decimals(self, number: int) -> bool:
        """Tell a row that is longer than its header because commas separate cells and decimals."""
        surplus = self.sheet.rows[number][self._width :]
        is_split_at_commas = self.sheet.delimiter == "," and not self.sheet.is_turned
        return is_split_at_commas and any(as_text(cell).isdecimal() for cell in surplus)

    def _decimal_sign(self) -> DecimalSign:
        """Return the decimal sign of the table; semicolons between cells leave the comma to it."""
        if self.sheet.delimiter == ";":
            return DecimalSign.COMMA
        columns = [
            column
            for key, (column, _) in self.reader.chosen.items()
            if QUANTITIES[key].units is not None
        ]
        return sign_of_cells(
            self._cell(number, column) for number in self.numbers for column in columns
        )

    def _choose_concentration(self) -> Choice:
        understood = dict(self.head.passed_over)
        understood |= {column: header for column, header in self.head.chosen.values()}
        choice = choose_concentration(
            self.head.texts,
            understood,
            lambda column: [self._cell(number, column) for number in self.numbers],
            hidden=self.sheet.hidden_columns,
        )
        chosen = {key: item for key, item in self.head.chosen.items() if key != "concentration"}
        if choice.column is not None and choice.header is not None:
            chosen["concentration"] = (choice.column, choice.header)
        self.reader.chosen = chosen
        return choice

    def _fill_down(self, key: str, entries: Mapping[int, dict[str, Entry]]) -> None:
        """Give rows the value above them where it stands once a group, or a sign repeats it.

        Blank cells are filled when there are as many of them as of values and no value stands
        twice in a row; never across an empty row.
        """
        column, header = self.reader.chosen[key]
        given = [number for number in entries if key in entries[number]]
        below = [number for number in entries if given and number > given[0]]
        blank = [number for number in below if self._cell(number, column) == ""]
        repeated = [n for n in below if as_text(self._cell(n, column)).casefold() in SAME_AS_ABOVE]
        twice = any(
            first + 1 == second and entries[first][key].value == entries[second][key].value
            for first, second in pairwise(given)
        )
        if twice or len(blank) < len(given):
            blank = []
        for number in below:
            above = entries.get(number - 1, {}).get(key)
            if above and number in {*blank, *repeated}:
                entries[number][key] = above
        filled = [number for number in blank if key in entries[number]]
        if filled:
            found = f"empty cells of column {header.text!r} read as the value above them"
            expected = f"a value in each row; empty in {len(filled)} rows"
            self.reader.findings.add(self.sheet.column_place(column), found, expected, "warning")

    def _fill_from(
        self, statements: Sequence[Statement], entries: Mapping[int, dict[str, Entry]]
    ) -> dict[str, str]:
        """Give rows the conditions beside the table; return where those stand.

        A concentration is taken from there only when no column has one.
        """
        own_column = self.reader.values.filled & {"concentration"}
        used: dict[Statement, None] = {}
        for key in ONCE_A_GROUP:
            for number in entries if key not in own_column else ():
                statement = find_statement(statements, key, number=number)
                if statement and key not in entries[number] and self._is_blank(number, key):
                    entries[number][key] = statement.entry
                    used[statement] = None
        for statement in used:
            remark_on_statement(statement, self.reader.findings)
        return {statement.quantity: statement.entry.place for statement in used}

    def _is_blank(self, number: int, key: str) -> bool:
        chosen = self.reader.chosen.get(key)
        return chosen is None or self._cell(number, chosen[0]) == ""


def _remark_on_titles(numbers: Sequence[int], reader: RowReader) -> None:
    """Name the lines above a table that were not used, but for rows of several cells."""
    rows = reader.sheet.rows
    titles = [number for number in numbers if len({*rows[number]} - {""}) == 1]
    if titles:
        shown = _shown(rows[titles[0]])
        found = f"{shown!r}{and_more(len(titles) - 1)} above the table; not used"
        reader.findings.add(
            reader.sheet.row_place(titles[0]), found, "", "note", rule="lines above"
        )


def _is_summary(name: str) -> bool:
    """Tell ``Mean``, ``Mean ± SD`` and ``Average of 1-3`` from the name of a file."""
    first = fold_name("".join(name.split()[:1]))
    return fold_name(name) in SUMMARY_NAMES or first in _MEANS


def _is_footnote(name: str, filled: Sequence[Cell]) -> bool:
    """Tell a footnote by its mark, or as text that stands alone and is not a file's name."""
    alone = len(set(filled)) == 1 and not _LIKE_A_FILE.search(name)
    return name != "" and (alone or not fold_name(name))


def _shown(cells: Iterable[Cell]) -> str:
    return " ".join(dict.fromkeys(as_text(cell) for cell in cells if cell != ""))[:60]
