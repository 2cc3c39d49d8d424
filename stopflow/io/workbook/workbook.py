"""The workbooks of an experiment folder: start times, the lab's own rates, conditions.

Two are usual, `BOOKS`; any other workbook or CSV counts too when it has a column of file names.
Columns are known by meaning (vocabulary.py), sheets by name and else by content. For each value the
first source wins; sources that disagree are reported. A sheet may instead state conditions of all
files; those count where no table has them.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from stopflow.io.workbook.book import BOOKS, read_book, usual_book
from stopflow.io.workbook.condition_sheets import ConditionSheet, join_conditions
from stopflow.io.workbook.grid import ENDINGS, Sheet
from stopflow.io.workbook.names import FileNames, file_key
from stopflow.io.workbook.rows import SheetRow
from stopflow.io.workbook.tables import SheetTable
from stopflow.io.workbook.values import Entry
from stopflow.io.workbook.vocabulary import QUANTITIES
from stopflow.trace import Level, Problem, note_of, warning_of

TRUTH = "truth.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkbookReading:
    """Everything the workbooks of a folder say.

    Attributes
    ----------
    rows
        Best source first; a file can have several.
    columns
        Quantity -> where its column is, of every quantity that has one.
    shared
        Quantity -> its value for every file, of those that a sheet states and no row has.
    problems
        Columns taken (notes) and whatever could not be used; their `experiment` is empty.
    """

    rows: tuple[SheetRow, ...]
    columns: Mapping[str, str]
    shared: Mapping[str, Entry]
    problems: tuple[Problem, ...]

    def filled(self, quantity: str) -> bool:
        """Tell whether any file has a value of that quantity."""
        return any(quantity in row.entries for row in self.rows)


def read_workbooks(
    paths: Iterable[Path], sheets_of: Callable[[Path], list[Sheet]], *, files: Iterable[str]
) -> WorkbookReading:
    """Read every workbook of a folder; nothing that is wrong in one raises.

    Parameters
    ----------
    paths
        The workbooks and text tables.
    files
        Names of the trace files that the rows may be of.
    """
    names = FileNames(files)
    tables: list[SheetTable] = []
    stated: list[ConditionSheet] = []
    problems: list[Problem] = []
    in_order = sorted(paths, key=_rank)
    for path in in_order:
        book = read_book(path, names, sheets_of=sheets_of)
        tables += book.tables
        stated += book.stated
        problems += book.problems
    columns: dict[str, str] = {}
    for table in tables:
        for quantity, place in table.columns.items():
            columns.setdefault(quantity, f"{table.sheet.book}, {place}")
        problems += table.problems
    problems += _missing(columns, in_order, tables)
    rows = tuple(row for table in tables for row in table.rows)
    in_tables = {quantity for row in rows for quantity in row.entries}
    shared, remarks = join_conditions(stated, in_tables)
    problems += remarks
    return WorkbookReading(rows=rows, columns=columns, shared=shared, problems=tuple(problems))


def merge_rows(rows: Iterable[SheetRow]) -> tuple[SheetRow, tuple[Problem, ...]]:
    """Merge rows of one file, first source first.

    Returns
    -------
    tuple
        The merged row, and a warning for every value in which two sources differ.
    """
    first, *others = rows
    entries, extra, problems = dict(first.entries), dict(first.extra), []
    for row in others:
        for quantity, entry in row.entries.items():
            kept = entries.setdefault(quantity, entry)
            if not _equal(kept, entry):
                problems.append(_disagreement(row, quantity, kept=kept, other=entry))
        for header, text in row.extra.items():
            if extra.setdefault(header, text) != text:
                extra[f"{header} ({row.book}, {row.place})"] = text
    return replace(first, entries=entries, extra=extra), tuple(problems)


def _rank(path: Path) -> tuple[int, int, str]:
    """Order workbooks: the usual two first."""
    order = [Path(book.name).stem.casefold() for book in BOOKS]
    stem, ending = path.stem.casefold(), path.suffix.casefold()
    known = order.index(stem) if stem in order else len(order)
    return known, ENDINGS.index(ending) if ending in ENDINGS else len(ENDINGS), stem


def _missing(
    columns: Mapping[str, str], paths: list[Path], tables: list[SheetTable]
) -> list[Problem]:
    """Report the usual workbooks and columns that are not there.

    Nobody needs them: starts are found, and few labs keep rates of their own. So this is a note,
    unless the workbook of start times is there and holds none.
    """
    problems = []
    for book in BOOKS:
        if book.quantity in columns:
            continue
        meaning = QUANTITIES[book.quantity].noun
        own = next((path.name for path in paths if usual_book(path) == book), None)
        if own is None:
            expected = f"{book.name} with the columns Filename and {book.column}"
            found = f"no workbook with a column for the {meaning}"
            problems.append(note_of(book.name, found, expected=expected))
        elif any(table.sheet.book == own for table in tables):
            expected = f"a column such as {book.column}"
            found = f"no column for the {meaning}"
            level: Level = "note" if book.quantity == "rate" else "warning"
            problems.append(Problem(own, found, where="header", expected=expected, level=level))
    return problems


def _equal(first: Entry, second: Entry) -> bool:
    if isinstance(first.value, str) or isinstance(second.value, str):
        return first.value == second.value
    if first.has_unit != second.has_unit:
        return True  # start times in different units: not comparable before the file is read
    return math.isclose(first.value, second.value, rel_tol=1e-9)


def _disagreement(row: SheetRow, quantity: str, *, kept: Entry, other: Entry) -> Problem:
    return warning_of(
        row.book,
        f"{QUANTITIES[quantity].meaning} {other.value} of {row.file!r}, elsewhere {kept.value}",
        where=other.place,
        expected=f"one value; that of {kept.place} is used",
        rule=f"rows-differ: {quantity}",
        topic="conditions",
    )


def rows_by_file(reading: WorkbookReading) -> dict[str, list[SheetRow]]:
    """Return the rows of each file, by `file_key`."""
    found: dict[str, list[SheetRow]] = {}
    for row in reading.rows:
        found.setdefault(file_key(row.file), []).append(row)
    return found
