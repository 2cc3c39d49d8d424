"""Conditions beside the tables of a sheet: the rows that they hold for, and remarks on them.

Above the first table they hold for all rows, within one for the rows below, below the last for all
rows again. Those that contradict each other are not used.
"""

from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stopflow.io.workbook.cells import Cell
from stopflow.io.workbook.conditions import Condition, parse_bare_condition, parse_conditions
from stopflow.io.workbook.findings import Findings
from stopflow.io.workbook.headers import AFTER_MIXING, NAMED_BELOW, is_before_mixing, parse_header
from stopflow.io.workbook.values import Entry, ValueReader
from stopflow.io.workbook.vocabulary import QUANTITIES
from stopflow.trace import Topic

_Place = Literal["above", "within", "below"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A condition beside the tables.

    Attributes
    ----------
    number
        The row it stands in.
    shown
        As it is quoted.
    place
        Relative to the rows of files.
    is_assumed
        True when its unit is.
    is_of_a_species
        True for a concentration that is not called that of the substrate.
    """

    number: int
    quantity: str
    entry: Entry
    shown: str
    place: _Place
    is_assumed: bool
    is_of_a_species: bool


def conditions_of_line(cells: Sequence[Cell]) -> list[Condition]:
    """Return the conditions of a row that states nothing else; none for other rows."""
    filled = [cell for cell in cells if cell != ""]
    texts = [cell for cell in filled if isinstance(cell, str)]
    if len(set(filled)) == 1 and texts:
        bare = parse_bare_condition(texts[0])
        return [bare] if bare else parse_conditions(texts[:1])
    if len(texts) == len(filled) and all(set(text) & set("=:") for text in texts):
        return parse_conditions(cells)
    named = texts[:1] == filled[:1] and parse_header(texts[0].rstrip(" :="))
    return parse_conditions(cells) if named and len(filled) <= 3 else []


def read_statements(
    lines: Mapping[int, Sequence[Condition]],
    of_files: Sequence[int],
    values: ValueReader,
    *,
    head_row: int,
) -> list[Statement]:
    """Read the conditions beside tables, in the order of their rows.

    Parameters
    ----------
    lines
        Number of a row -> the conditions in it.
    of_files
        Numbers of the rows of files, sorted.
    """
    blocks: dict[int, list[tuple[int, Condition]]] = {}
    for number in sorted(lines):
        block = blocks.setdefault(bisect(of_files, number), [])
        block += [(number, condition) for condition in lines[number]]
    aside = replace(values, filled=set())
    statements = []
    for passed, block in blocks.items():
        for key in dict.fromkeys(condition.header.quantity for _, condition in block):
            found = [item for item in block if item[1].header.quantity == key]
            best = min(condition.header.rank for _, condition in found)
            found = [item for item in found if item[1].header.rank == best]
            place: _Place = "below" if passed == len(of_files) else "within"
            place = "above" if found[-1][0] < head_row else place
            statement = _read_statement(found, aside, place=place)
            if statement:
                statements.append(statement)
    return statements


def find_statement(
    statements: Sequence[Statement], quantity: str, *, number: int
) -> Statement | None:
    """Return what holds for a row: the last statement above it, else one below the tables."""
    own = [item for item in statements if item.quantity == quantity]
    above = [item for item in own if item.number < number and item.place != "below"]
    below = [item for item in own if item.place == "below"]
    return (below + above)[-1] if below + above else None


def remark_on_statement(statement: Statement, findings: Findings) -> None:
    """Say which rows a condition was taken to hold for."""
    quantity = QUANTITIES[statement.quantity]
    rows = "the rows below it" if statement.place == "within" else "all rows of the table"
    found = f"{statement.shown!r} taken as {quantity.meaning} of {rows}"
    guessed = statement.is_assumed and quantity.assumed != ""
    found += f", no unit: taken as {quantity.assumed}" if guessed else ""
    found += ", the only one named" if statement.is_of_a_species else ""
    level: Literal["note", "warning"] = "warning"
    if statement.place == "above" and not guessed and not statement.is_of_a_species:
        level = "note"
    expected = ""
    if statement.quantity == "concentration" and is_before_mixing(statement.shown):
        found, expected, level = f"{found}; used as it stands", AFTER_MIXING, "warning"
    topic: Topic = "conditions" if expected else ""
    findings.add(
        statement.entry.place,
        found,
        expected,
        level,
        rule=f"{statement.quantity} of rows",
        topic=topic,
    )


def _read_statement(
    found: Sequence[tuple[int, Condition]], values: ValueReader, *, place: _Place
) -> Statement | None:
    """Read what the lines between two rows of files say of one quantity."""
    read = []
    for number, condition in found:
        values.assumed = {}
        header, key = condition.header, condition.header.quantity
        where = values.findings.sheet.place(number, condition.column)
        entry = values.read(key, header, condition.value, place=where)
        if entry:
            statement = Statement(
                number=number,
                quantity=key,
                entry=entry,
                shown=condition.shown,
                place=place,
                is_assumed=key in values.assumed,
                is_of_a_species=key == "concentration"
                and header.rank >= NAMED_BELOW
                and not is_before_mixing(condition.shown),
            )
            read.append(statement)
    if len({statement.entry.value for statement in read}) > 1:
        shown = ", ".join(repr(statement.shown) for statement in read)
        expected = f"one {QUANTITIES[read[0].quantity].meaning} beside the table; none is used"
        values.findings.add(
            read[0].entry.place,
            shown,
            expected,
            "warning",
            rule=f"several: {read[0].quantity}",
            topic="conditions",
        )
        return None
    return read[-1] if read else None
