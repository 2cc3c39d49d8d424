"""Remarks on the columns of a table: what each was taken for, and what was assumed."""

from collections.abc import Iterable, Sequence
from typing import Literal

from stopflow.errors import and_more
from stopflow.io.workbook.concentrations import Choice
from stopflow.io.workbook.headers import (
    AFTER_MIXING,
    Header,
    is_before_mixing,
    says_all_before_mixing,
)
from stopflow.io.workbook.rows import RowReader
from stopflow.io.workbook.values import BELOW_IS_CELSIUS
from stopflow.io.workbook.vocabulary import QUANTITIES
from stopflow.trace import Topic

_Level = Literal["note", "warning"]


def remark_on_columns(reader: RowReader, choice: Choice) -> None:
    """Say which column was taken for what, in which unit, and which one was not used."""
    for key, (column, header) in reader.chosen.items():
        unit, level = _unit_remark(key, header, reader)
        unit = unit if key in reader.values.filled else ", but empty"
        found = f"column {header.text!r} taken as {QUANTITIES[key].meaning}{unit}"
        expected = "a unit in the header" if level == "warning" else ""
        if column in reader.sheet.hidden_columns and key in reader.values.filled:
            found, level = f"hidden {found}", "warning"
        if key == "concentration":
            found, expected, level = _with_choice(reader, choice, found, expected, level)
        topic: Topic = "conditions" if expected == AFTER_MIXING else ""
        reader.findings.add(reader.sheet.column_place(column), found, expected, level, topic=topic)
    if choice.column is None and choice.left:
        found = f"no column taken as concentration; not used: {_quoted(reader, choice.left)}"
        expected = "Concentration with its unit over the column that is meant"
        reader.findings.add("header", found, expected, "warning")
    for column, unit in reader.head.other_units.items():
        found = f"column {reader.head.texts[column]!r} with another unit beside it, {unit!r}"
        expected = "one unit; that of the header is used"
        place = reader.sheet.column_place(column)
        reader.findings.add(place, found, expected, "warning", topic="conditions")
    _remark_on_others(reader, choice)


def remark_on_mixing(reader: RowReader, lines: Iterable[int]) -> None:
    """Warn of lines around the table that say of its concentrations that they are before mixing."""
    _, header = reader.chosen.get("concentration", (0, None))
    if "concentration" not in reader.values.filled or (header and is_before_mixing(header.text)):
        return
    for number in lines:
        for column, cell in enumerate(reader.sheet.rows[number]):
            if isinstance(cell, str) and says_all_before_mixing(cell):
                place = reader.sheet.place(number, column)
                reader.findings.add(
                    place,
                    f"{cell!r}; used as they stand",
                    AFTER_MIXING,
                    "warning",
                    topic="conditions",
                )
                return


def remark_on_names(reader: RowReader) -> None:
    """Say where file names stand under another header, and which are spelt in another way."""
    column = reader.head.file_column
    where = reader.sheet.column_place(column)
    if reader.head.unknown_name:
        text = reader.head.texts[column]
        found = f"column {text!r} taken as file name: names of the folder's files stand in it"
        reader.findings.add(where, found, "Filename as its header", "warning")
    taken = [f"{name!r} is {file!r}" for name, file in reader.taken_for.items()]
    if taken:
        found = f"taken for files: {', '.join(taken[:3])}{and_more(len(taken) - 3)}"
        reader.findings.add(where, found, "the names of the files", "warning")


def _remark_on_others(reader: RowReader, choice: Choice) -> None:
    """Say why columns with a meaning were not chosen."""
    first_choice = {column: header for column, header in reader.head.chosen.values()}
    for column, header in {**reader.head.passed_over, **first_choice}.items():
        if (column, header) in reader.chosen.values() or column in choice.left:
            continue
        meaning = QUANTITIES[header.quantity].meaning
        where = reader.sheet.column_place(column)
        if header.quantity in reader.chosen:
            used = reader.chosen[header.quantity][1].text
            noun = QUANTITIES[header.quantity].noun
            found = f"column {header.text!r} kept as it is: {used!r} is the {noun}"
            reader.findings.add(where, found, "", "note")
        elif header.usable:
            reader.findings.add(
                where, f"column {header.text!r} kept as it is: no numbers", "", "note"
            )
        else:
            found = f"column {header.text!r} not used: {header.unit!r} is not a unit of {meaning}"
            expected = f"a unit such as {QUANTITIES[header.quantity].usual}"
            reader.findings.add(where, found, expected, "warning")


def _with_choice(
    reader: RowReader, choice: Choice, found: str, expected: str, level: _Level
) -> tuple[str, str, _Level]:
    if choice.reason:
        found, level = f"{found}: {choice.reason}", "warning"
    if choice.left:
        found, level = f"{found}; not used: {_quoted(reader, choice.left)}", "warning"
        expected = "Concentration after mixing over the column that is meant"
    if choice.header and is_before_mixing(choice.header.text):
        found, level = f"{found}; used as it stands", "warning"
        expected = AFTER_MIXING
    return found, expected, level


def _unit_remark(key: str, header: Header, reader: RowReader) -> tuple[str, _Level]:
    if key in reader.unit_of_others:
        return f", some cells without a unit: taken as {header.unit}, as the others", "warning"
    if header.unit:
        return f", in {header.unit}", "note"
    if key not in reader.values.assumed or not QUANTITIES[key].units:
        return "", "note"
    if key == "start":
        return ", in the time unit of each file", "note"
    if key == "temperature":
        return f", no unit: below {BELOW_IS_CELSIUS:g} °C, above K", "note"
    assumed = QUANTITIES[key].assumed
    if key == "rate":
        return f", no unit: taken as {assumed}", "note"
    return (
        f", no unit: taken as {assumed}, up to {reader.values.assumed[key]:g} {assumed}",
        "warning",
    )


def _quoted(reader: RowReader, columns: Sequence[int]) -> str:
    return ", ".join(repr(reader.head.texts[column]) for column in columns)
