"""The workbooks of an experiment folder: start times, the lab's own rates, conditions.

Two are usual, `BOOKS`; any other workbook or CSV counts too when it has a column of file names.
Columns are known by meaning (columns.py), sheets by name and else by content. For each value the
first source wins; sources that disagree are reported. A sheet may instead state conditions of all
files; those count where no table has them.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from stopflow.errors import FormatError
from stopflow.io.workbook.condition_sheets import (
    ConditionSheet,
    join_conditions,
    read_condition_sheet,
)
from stopflow.io.workbook.grid import ENDINGS, Sheet, read_sheets
from stopflow.io.workbook.names import FileNames, file_key
from stopflow.io.workbook.rows import Entry, SheetRow
from stopflow.io.workbook.tables import SheetTable, parse_sheet
from stopflow.io.workbook.vocabulary import QUANTITIES
from stopflow.trace import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """A workbook every experiment folder should have."""

    name: str
    sheet: str
    quantity: str
    column: str


BOOKS = (
    Book(name="start_values.XLSX", sheet="start_values", quantity="start", column="x_start"),
    Book(name="Extended_Dataset.XLSX", sheet="Sheet1", quantity="rate", column="Rate"),
)
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
    folder: Path,
    files: Iterable[str] = (),
    *,
    paths: Iterable[Path] | None = None,
    sheets_of: Callable[[Path], list[Sheet]] = read_sheets,
) -> WorkbookReading:
    """Read every workbook of a folder; nothing that is wrong in one raises.

    Parameters
    ----------
    files
        Names of the trace files that the rows may be of.
    paths
        The workbooks and text tables; None: those whose endings say so.
    sheets_of
        Reads the sheets of one.
    """
    names = FileNames(files)
    tables: list[SheetTable] = []
    stated: list[ConditionSheet] = []
    problems: list[Problem] = []
    in_order = sorted(_workbook_paths(folder) if paths is None else paths, key=_rank)
    for path in in_order:
        found, of_all, remarks = _read_book(path, names, sheets_of=sheets_of)
        tables += found
        stated += of_all
        problems += remarks
    columns: dict[str, str] = {}
    for table in tables:
        for quantity, place in table.columns.items():
            columns.setdefault(quantity, f"{table.sheet.book}, {place}")
        problems += table.problems
    problems += _missing(columns, in_order, tables)
    rows = tuple(_with_book(row, table.sheet) for table in tables for row in table.rows)
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
                extra[f"{header} ({row.place})"] = text
    return replace(first, entries=entries, extra=extra), tuple(problems)


def _workbook_paths(folder: Path) -> list[Path]:
    """Return the workbooks of a folder; lock and hidden files left out."""
    return [
        path
        for path in folder.iterdir()
        if path.suffix.casefold() in ENDINGS
        and not path.name.startswith(("~$", "."))
        and path.name.casefold() != TRUTH
        and path.is_file()
    ]


def _rank(path: Path) -> tuple[int, int, str]:
    """Order workbooks: the usual two first."""
    order = [Path(book.name).stem.casefold() for book in BOOKS]
    stem, ending = path.stem.casefold(), path.suffix.casefold()
    known = order.index(stem) if stem in order else len(order)
    return known, ENDINGS.index(ending) if ending in ENDINGS else len(ENDINGS), stem


def _read_book(
    path: Path, names: FileNames, *, sheets_of: Callable[[Path], list[Sheet]]
) -> tuple[list[SheetTable], list[ConditionSheet], list[Problem]]:
    """Read a workbook: the sheets that have something new to say, the usual one first.

    Its sheets of conditions count unless it has tables of other folders' files, too.
    """
    try:
        sheets = sheets_of(path)
    except FormatError as error:
        return [], [], [_problem(path.name, error.where, error.found, expected=error.expected)]
    book = _usual(path)
    if book:
        sheets.sort(key=lambda sheet: sheet.name.casefold() != book.sheet.casefold())
    tables: list[SheetTable] = []
    stated: list[ConditionSheet] = []
    problems: list[Problem] = []
    is_of_others = False
    for sheet in sheets:
        found = parse_sheet(sheet, names)
        conditions = read_condition_sheet(sheet) if _lists_no_file(found, names) else None
        if conditions:
            stated.append(conditions)
            continue
        is_of_others |= any(names and not _has_files(table, names) for table in found)
        for table in found:
            if not tables or _says_new(table, tables, names):
                tables.append(table)
            else:
                problems += _left([table.sheet], "a table that says nothing new")
        if not found and any(cell != "" for row in sheet.rows for cell in row):
            problems.append(_unused(sheet, usual=book is not None and not tables))
    others = [table for table in tables if names and not _has_files(table, names)]
    if is_of_others:
        sheets = [item.sheet for item in stated]
        problems += _left(sheets, "conditions beside tables of files that are not here")
        stated = []
    if len(others) < len(tables):
        tables = [table for table in tables if table not in others]
        sheets = [table.sheet for table in others]
        problems += _left(sheets, "a table without a file of this folder")
    if not tables and not stated and not problems:
        problems.append(_problem(path.name, "", "an empty workbook", expected="a table of files"))
    if book and stated and not tables:
        expected = f"a table with the columns Filename and {book.column}"
        problems.append(_problem(path.name, "", "conditions but no table", expected=expected))
    if tables:
        problems = [replace(problem, level="note") for problem in problems]
    return tables, stated, problems


def _usual(path: Path) -> Book | None:
    stem = path.stem.casefold()
    return next((book for book in BOOKS if Path(book.name).stem.casefold() == stem), None)


def _has_files(table: SheetTable, names: FileNames) -> bool:
    return any(row.file in names for row in table.rows)


def _left(sheets: Iterable[Sheet], what: str) -> list[Problem]:
    """Say of sheets that what stands there is not used."""
    found = f"{what}; not used"
    return [sheet.problem(sheet.whole_place(), found, level="note") for sheet in sheets]


def _lists_no_file(tables: Iterable[SheetTable], names: FileNames) -> bool:
    """Tell whether tables have no column but one of names, none of them a file of the folder."""
    return bool(names) and all(
        table.in_rows == {"file"} and not _has_files(table, names) for table in tables
    )


def _says_new(table: SheetTable, earlier: Iterable[SheetTable], names: FileNames) -> bool:
    """Tell whether a table has another quantity, or rows of files that had none."""
    known = {quantity for other in earlier for quantity in other.columns}
    listed = {file_key(row.file) for other in earlier for row in other.rows}
    return bool(set(table.columns) - known) or any(
        row.file in names and file_key(row.file) not in listed for row in table.rows
    )


def _unused(sheet: Sheet, *, usual: bool) -> Problem:
    head = next(row for row in sheet.rows if any(cell != "" for cell in row))
    shown = ", ".join(str(cell) for cell in head if cell != "")[:80]
    return _problem(
        sheet.book,
        sheet.whole_place(),
        f"no column of file names (first row: {shown}); not used",
        expected="Filename as a header, and names of files below it or numbers that fit one each",
        level="error" if usual else "note",
    )


def _missing(
    columns: Mapping[str, str], paths: list[Path], tables: list[SheetTable]
) -> list[Problem]:
    """Report the usual workbooks and columns that are not there."""
    problems = []
    for book in BOOKS:
        if book.quantity in columns:
            continue
        meaning = QUANTITIES[book.quantity].noun
        own = next((path.name for path in paths if _usual(path) == book), None)
        if own is None:
            expected = f"{book.name} with the columns Filename and {book.column}"
            found = f"no workbook with a column for the {meaning}"
            problems.append(_problem(book.name, "", found, expected=expected, level="warning"))
        elif any(table.sheet.book == own for table in tables):
            expected = f"a column such as {book.column}"
            found = f"no column for the {meaning}"
            problems.append(_problem(own, "header", found, expected=expected, level="warning"))
    return problems


def _with_book(row: SheetRow, sheet: Sheet) -> SheetRow:
    return replace(row, place=f"{sheet.book}, {row.place}")


def _equal(first: Entry, second: Entry) -> bool:
    if isinstance(first.value, str) or isinstance(second.value, str):
        return first.value == second.value
    if first.has_unit != second.has_unit:
        return True  # start times in different units: not comparable before the file is read
    return math.isclose(first.value, second.value, rel_tol=1e-9)


def _disagreement(row: SheetRow, quantity: str, *, kept: Entry, other: Entry) -> Problem:
    book, _, _ = row.place.partition(", ")
    return _problem(
        book,
        other.place,
        f"{QUANTITIES[quantity].meaning} {other.value} of {row.file!r}, elsewhere {kept.value}",
        expected=f"one value; that of {kept.place} is used",
        level="warning",
    )


def _problem(
    file: str,
    where: str,
    found: str,
    *,
    expected: str = "",
    level: Literal["error", "warning", "note"] = "error",
) -> Problem:
    return Problem(
        experiment="", file=file, where=where, found=found, expected=expected, level=level
    )


def rows_by_file(reading: WorkbookReading) -> dict[str, list[SheetRow]]:
    """Return the rows of each file, by `file_key`."""
    found: dict[str, list[SheetRow]] = {}
    for row in reading.rows:
        found.setdefault(file_key(row.file), []).append(row)
    return found
