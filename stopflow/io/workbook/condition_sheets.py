"""Sheets that hold no table of files but conditions, for all files of the folder.

Each row states one condition, as beside a table (``Temperature | 25 | °C``, ``T = 25 °C``), or the
names stand in one row and their values in the next.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from stopflow.errors import and_more
from stopflow.io.workbook.conditions import parse_title
from stopflow.io.workbook.findings import Findings
from stopflow.io.workbook.grid import Sheet
from stopflow.io.workbook.headers import NAMED_BELOW
from stopflow.io.workbook.names import as_text
from stopflow.io.workbook.statements import Statement, conditions_of_line, read_statements
from stopflow.io.workbook.values import Entry, ValueReader
from stopflow.io.workbook.vocabulary import QUANTITIES
from stopflow.trace import Problem, note_of, warning_of

MOST_ROWS = 100
"""Of a sheet of conditions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionSheet:
    """What a sheet states for all files.

    Attributes
    ----------
    statements
        At most one for each quantity.
    problems
        Rows that could not be used.
    """

    sheet: Sheet
    statements: tuple[Statement, ...]
    problems: tuple[Problem, ...]


def read_condition_sheet(sheet: Sheet) -> ConditionSheet | None:
    """Return the conditions that a sheet without a table states; None when it states none.

    A concentration counts only where it is called that of the substrate, not before mixing.
    """
    filled = [row for row in sheet.rows if any(cell != "" for cell in row)]
    if len(filled) > MOST_ROWS:
        return None
    found = _read(sheet)
    return found if found or len(filled) != 2 else _read(sheet.turned())


def join_conditions(
    sheets: Iterable[ConditionSheet], in_tables: Collection[str]
) -> tuple[dict[str, Entry], list[Problem]]:
    """Return what sheets of conditions say of all files, and what was taken for what.

    Parameters
    ----------
    in_tables
        Quantities that some row of a table has; they are not taken from a sheet.
    """
    stated: dict[str, list[tuple[Sheet, Statement]]] = {}
    problems: list[Problem] = []
    for item in sheets:
        problems += item.problems
        for statement in item.statements:
            stated.setdefault(statement.quantity, []).append((item.sheet, statement))
    shared = {}
    for key, found in stated.items():
        sheet, first = found[0]
        if key in in_tables:
            remark = f"{first.shown!r} not used: a table has the {QUANTITIES[key].noun}"
            problems.append(note_of(sheet.book, remark, where=first.entry.place))
        elif len({statement.entry.value for _, statement in found}) > 1:
            remark = ", ".join(repr(statement.shown) for _, statement in found)
            expected = f"one {QUANTITIES[key].meaning} for all files; none is used"
            problems.append(
                warning_of(
                    sheet.book,
                    remark,
                    where=first.entry.place,
                    expected=expected,
                    topic="conditions",
                    rule=f"several of all files: {key}",
                )
            )
        else:
            shared[key] = first.entry
            problems.append(_taken(sheet, first))
    return shared, problems


def _read(sheet: Sheet) -> ConditionSheet | None:
    lines = {
        number: [*conditions_of_line(row), *parse_title(row)]
        for number, row in enumerate(sheet.rows)
        if any(cell != "" for cell in row)
    }
    usable = {
        number: [
            condition
            for condition in conditions
            if condition.header.quantity != "concentration" or condition.header.rank < NAMED_BELOW
        ]
        for number, conditions in lines.items()
    }
    findings = Findings(sheet=sheet)
    statements = read_statements(usable, [], ValueReader(findings=findings), head_row=0)
    if not statements and not findings:
        return None
    unread = [number for number, conditions in usable.items() if not conditions]
    if unread:
        shown = " ".join(as_text(cell) for cell in sheet.rows[unread[0]] if cell != "")[:60]
        found = f"{shown!r}{and_more(len(unread) - 1)}; not used"
        findings.add(sheet.row_place(unread[0]), found, "", "note", rule="unused lines")
    return ConditionSheet(
        sheet=sheet, statements=tuple(statements), problems=tuple(findings.problems())
    )


def _taken(sheet: Sheet, statement: Statement) -> Problem:
    quantity, where = QUANTITIES[statement.quantity], statement.entry.place
    found = f"{statement.shown!r} taken as {quantity.meaning} of all files"
    if not (statement.is_assumed and quantity.assumed):
        return note_of(sheet.book, found, where=where, rule=statement.quantity)
    found += f", no unit: taken as {quantity.assumed}"
    return warning_of(sheet.book, found, where=where, expected="a unit", rule=statement.quantity)
