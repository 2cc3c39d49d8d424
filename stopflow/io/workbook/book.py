"""One workbook to its tables of files and its sheets of conditions, with what was left out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stopflow.errors import FormatError
from stopflow.io.guard import guarded
from stopflow.io.workbook.condition_sheets import ConditionSheet, read_condition_sheet
from stopflow.io.workbook.grid import Sheet, read_sheets
from stopflow.io.workbook.names import FileNames, file_key
from stopflow.io.workbook.reader_process import EXPECTED
from stopflow.io.workbook.tables import SheetTable, parse_sheet
from stopflow.trace import Level, Problem, note_of


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

MOST_FILLED_CELLS = 100_000
"""Filled cells of a table of files: 2,000 files with 50 values each."""
MOST_FILLED_IN_A_ROW = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class BookReading:
    """What one workbook says.

    Attributes
    ----------
    tables
        Those that have something new to say, the usual sheet first.
    stated
        Sheets of conditions of all files.
    problems
        What could not be used; their `experiment` is empty.
    """

    tables: tuple[SheetTable, ...] = ()
    stated: tuple[ConditionSheet, ...] = ()
    problems: tuple[Problem, ...] = ()


def read_book(
    path: Path, names: FileNames, *, sheets_of: Callable[[Path], list[Sheet]] = read_sheets
) -> BookReading:
    """Read a workbook; whatever goes wrong inside it becomes a problem of this workbook."""
    try:
        with guarded(path.name, expected=EXPECTED):
            return _parse_book(path, sheets_of(path), names)
    except FormatError as error:
        problem = Problem.of_error(path.name, error)
        return BookReading(problems=(problem,))


def usual_book(path: Path) -> Book | None:
    """Return which of the usual workbooks a file is; None for any other."""
    stem = path.stem.casefold()
    return next((book for book in BOOKS if Path(book.name).stem.casefold() == stem), None)


@dataclass(slots=True)
class _Sorted:
    """The sheets of a workbook while they are sorted."""

    tables: list[SheetTable] = field(default_factory=list)
    stated: list[ConditionSheet] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    has_other_files: bool = False


def _parse_book(path: Path, sheets: Sequence[Sheet], names: FileNames) -> BookReading:
    book = usual_book(path)
    usual_sheet = book.sheet.casefold() if book else ""
    in_order = sorted(sheets, key=lambda sheet: sheet.name.casefold() != usual_sheet)
    found = _Sorted()
    for sheet in in_order:
        level: Level = "error" if book and not found.tables else "note"
        _sort_sheet(sheet, names, found, level=level)
    _leave_other_files(found, names)
    tables, problems = found.tables, found.problems
    if not tables and not found.stated and not problems:
        expected = "a trace or a table of files"
        problems.append(Problem(path.name, "nothing in it", expected=expected))
    if book and found.stated and not tables:
        expected = f"a table with the columns Filename and {book.column}"
        problems.append(Problem(path.name, "conditions but no table", expected=expected))
    if tables:
        problems = [replace(problem, level="note") for problem in problems]
    return BookReading(tables=tuple(tables), stated=tuple(found.stated), problems=tuple(problems))


def _sort_sheet(sheet: Sheet, names: FileNames, found: _Sorted, *, level: Level) -> None:
    """Add a sheet to the tables with anything new, to the conditions, or to what is not used."""
    if too_large := _too_large(sheet):
        where = sheet.whole_place()
        found.problems.append(Problem(sheet.book, too_large, where=where, level=level))
        return
    tables = parse_sheet(sheet, names)
    conditions = read_condition_sheet(sheet) if _lists_no_file(tables, names) else None
    if conditions:
        found.stated.append(conditions)
        return
    found.has_other_files |= any(names and not _has_files(table, names) for table in tables)
    for table in tables:
        if not found.tables or _says_new(table, found.tables, names):
            found.tables.append(table)
        else:
            found.problems += _left([table.sheet], "a table that says nothing new")
    if not tables and any(cell != "" for row in sheet.rows for cell in row):
        found.problems.append(_unused(sheet, level=level))


def _leave_other_files(found: _Sorted, names: FileNames) -> None:
    """Leave out the tables of other folders' files and the conditions that may be theirs."""
    if found.has_other_files:
        sheets = [item.sheet for item in found.stated]
        found.problems += _left(sheets, "conditions beside tables of files that are not here")
        found.stated = []
    own = [table for table in found.tables if not names or _has_files(table, names)]
    if own:
        sheets = [table.sheet for table in found.tables if names and not _has_files(table, names)]
        found.problems += _left(sheets, "a table without a file of this folder")
        found.tables = own


def _too_large(sheet: Sheet) -> str:
    """Say how large a sheet is that is too large for a table of files; ``""`` for any other."""
    filled = [count for row in sheet.rows if (count := sum(cell != "" for cell in row))]
    if sum(filled) <= MOST_FILLED_CELLS and max(filled, default=0) <= MOST_FILLED_IN_A_ROW:
        return ""
    return (
        f"{len(filled)} rows of up to {max(filled)} cells, too many for a table of files; not used"
    )


def _has_files(table: SheetTable, names: FileNames) -> bool:
    return any(row.file in names for row in table.rows)


def _left(sheets: Iterable[Sheet], what: str) -> list[Problem]:
    """Say of sheets that what stands there is not used."""
    found = f"{what}; not used"
    return [note_of(sheet.book, found, where=sheet.whole_place()) for sheet in sheets]


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


def _unused(sheet: Sheet, *, level: Level) -> Problem:
    head = next(row for row in sheet.rows if any(cell != "" for cell in row))
    shown = ", ".join(str(cell)[:80] for cell in head if cell != "")[:80]
    return Problem(
        sheet.book,
        f"no column of file names (first row: {shown}); not used",
        where=sheet.whole_place(),
        expected="Filename as a header, and names of files below it or numbers that fit one each",
        level=level,
    )
