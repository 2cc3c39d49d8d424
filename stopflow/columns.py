"""What a column of a table holds, and which names of columns are whose.

What a workbook of the lab says in columns that the program does not know is kept beside ours. Its
names begin with ``workbook: `` and ours never do: no header of a workbook can stand for a result.
Parameters of a rate law that the user wrote begin with ``fit_``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["text", "number", "count", "flag"]

SIGNAL: Final = "signal"
SIGNAL_PER_S: Final = "signal/s"
FOREIGN: Final = "workbook: "
FITTED: Final = "fit_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What a column holds.

    Attributes
    ----------
    kind
        ``"text"`` (missing: ""), ``"number"`` (missing: NaN), ``"count"`` (a whole number from 0,
        never missing) or ``"flag"``.
    unit
        As printed in headers; ``signal`` stands for the unit that the files give their signal.
    format
        Number format of a spreadsheet.
    meaning
        A phrase for people.
    choices
        The texts that there are; empty: any.
    """

    kind: Kind
    unit: str = ""
    format: str
    meaning: str
    choices: tuple[str, ...] = ()


def text_column(meaning: str, *choices: str) -> Column:
    """Describe a column of texts."""
    return Column(kind="text", format="@", meaning=meaning, choices=choices)


def count_column(meaning: str) -> Column:
    """Describe a column of whole numbers from 0."""
    return Column(kind="count", format="0", meaning=meaning)


def number_column(unit: str, number_format: str, meaning: str) -> Column:
    """Describe a column of numbers that may be missing."""
    return Column(kind="number", unit=unit, format=number_format, meaning=meaning)


def foreign_name(header: str) -> str:
    """Return the name under which a column of a workbook is kept; never one of ours."""
    return f"{FOREIGN}{header}"


def foreign_columns(names: Iterable[str]) -> list[str]:
    """Return those of the names that are columns of workbooks, in their order."""
    return [name for name in names if name.startswith(FOREIGN)]


def further_column(name: str) -> Column | None:
    """Describe a column that no table names: a workbook's or a written law's; None for neither."""
    if name.startswith(FOREIGN):
        return text_column(f"what a workbook says in its column {name.removeprefix(FOREIGN)}")
    if name.startswith(FITTED):
        return number_column("", "General", f"parameter {name.removeprefix(FITTED)} of the law")
    return None
