"""Conditions written beside a table: ``T = 25 °C``, ``[S]: 10 µM``, or a name and cells behind it.

Above a table they hold for all of it; a line of its own within the table holds for the rows below
it, and there a bare ``10 µM`` or ``25 °C`` will do. In a title the temperature may stand bare
between commas or brackets or behind ``at``: ``NADH at 25 °C, pH 7.4``.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

from stopflow.io.units import TEMPERATURE, find_scale, is_molar, parse_quantity, without_uncertainty
from stopflow.io.workbook.cells import LONGEST_PHRASE, Cell
from stopflow.io.workbook.decimal_signs import DecimalSign, is_ambiguous
from stopflow.io.workbook.headers import Header, is_only_unit, parse_header
from stopflow.io.workbook.names import as_text

QUANTITIES_BESIDE = ("substrate", "concentration", "temperature", "ionic_strength", "dead_time")
"""What is understood beside a table."""

MEASURED_AT_K = (260.0, 380.0)
"""Temperatures of solutions; others in a title are of something else."""

_AFTER_ALL_NAMED = 1000
_PARTS = re.compile(r"\s*(?:[;|\t\n]|,(?=\s))\s*")
_STATED = re.compile(r"(?P<name>[^=:]*[^=:\s])\s*[=:]\s*(?P<value>[^=:\s][^=:]*)")


_TWO_DIGITS = re.compile(r"\s*\d\d(?:[.,]\d+)?\s*C")
_PHRASES = re.compile(r"\s*(?:[;|()\[\]\t\n]|,(?=\s))\s*")
_AT = re.compile(r"(?:.*\s)?(?:at|bei|à)\s+(?=\S)|.*@\s*", re.IGNORECASE)
_OF_SOMETHING_ELSE = re.compile(
    r"stor|stock|kept|froz|freez|thaw|melt|heat|boil|incub|denatur|lager|gefror|erhitz|conserv|chauff",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A value beside a table.

    Attributes
    ----------
    header
        What it is, with the unit of the value.
    value
        A number, or a text as in a cell of a table.
    column
        Where it stands.
    shown
        As it would be quoted.
    """

    header: Header
    value: Cell
    column: int
    shown: str


def parse_conditions(cells: Sequence[Cell]) -> list[Condition]:
    """Return the conditions in a row that is not one of a table, each once."""
    found: dict[tuple[str, str], Condition] = {}
    for condition in (*_stated(cells), *_paired(cells)):
        found.setdefault((condition.header.quantity, condition.shown), condition)
    return list(found.values())


def parse_title(cells: Sequence[Cell]) -> list[Condition]:
    """Return the temperatures that stand in a line above a table without a name.

    None in a line that speaks of storage or heating, or outside `MEASURED_AT_K`.
    """
    found: list[Condition] = []
    texts = [(column, cell) for column, cell in enumerate(cells) if _is_phrase(cell)]
    if any(_OF_SOMETHING_ELSE.search(text) for _, text in texts):
        return found
    for column, text in texts:
        for phrase in _PHRASES.split(text):
            bare = parse_bare_condition(_AT.sub("", phrase, count=1).partition(" in ")[0])
            if bare and bare.header.quantity == "temperature" and _is_of_a_solution(bare):
                header = replace(bare.header, rank=bare.header.rank + _AFTER_ALL_NAMED)
                found.append(replace(bare, header=header, column=column, shown=phrase))
    return found


def parse_bare_condition(text: str) -> Condition | None:
    """Return a concentration or a temperature that stands alone, such as ``10 µM``."""
    plain = without_uncertainty(text)
    read = _number(text)
    if read is None:
        return None
    unit = read[1]
    if is_molar(unit):
        return _condition("[S]", text, column=0, shown=text)
    if unit == "K" or (len(unit) > 1 and find_scale(TEMPERATURE, unit)):
        return _condition("T", text, column=0, shown=text)
    if unit == "C" and _TWO_DIGITS.match(plain):
        return _condition("T", text, column=0, shown=text)
    return None


def _is_of_a_solution(temperature: Condition) -> bool:
    lowest, highest = MEASURED_AT_K
    scale, value = temperature.header.scale, temperature.value
    return scale is not None and lowest <= scale.to_ours(float(value)) <= highest


def _stated(cells: Sequence[Cell]) -> Iterator[Condition]:
    for column, cell in enumerate(cells):
        for part in _PARTS.split(cell) if _is_phrase(cell) else ():
            match = _STATED.fullmatch(part)
            name = match["name"].split()[-1] if match and "=" in part else ""
            stated = match and (
                _condition(match["name"], match["value"], column=column, shown=part)
                or _condition(name, match["value"], column=column, shown=part)
            )
            if stated:
                yield stated


def _paired(cells: Sequence[Cell]) -> Iterator[Condition]:
    filled = [(column, cell) for column, cell in enumerate(cells) if cell != ""]
    for (column, name), (_, value), (_, unit) in zip(
        filled, filled[1:], [*filled[2:], (0, "")], strict=False
    ):
        is_one_of_several = _number(value) and unit != "" and _number(unit)
        if not _is_phrase(name) or _STATED.fullmatch(name) or is_one_of_several:
            continue
        name = name.rstrip(" :=")
        header = parse_header(name)
        is_substrate = header and header.quantity == "substrate" and len(filled) == 2
        is_substrate = is_substrate and parse_header(as_text(value)) is None
        if not _number(value) and not is_substrate:
            continue
        behind = f" {unit}" if isinstance(unit, str) and is_only_unit(unit) else ""
        shown = f"{name} {as_text(value)}{behind}"
        value = f"{as_text(value)}{behind}" if behind else value
        stated = _condition(name, value, column=column, shown=shown)
        if stated:
            yield stated


def _condition(name: str, value: Cell, *, column: int, shown: str) -> Condition | None:
    read = _number(value)
    words = read[1].split() if read else []
    for count in range(len(words), 0, -1):
        unit = " ".join(words[:count]).rstrip(" (,;")
        header = parse_header(f"{name} ({unit})")
        if read and header and header.scale and header.quantity in QUANTITIES_BESIDE:
            return Condition(header=header, value=read[0], column=column, shown=shown)
    header = parse_header(name)
    if header is None or not header.usable or header.quantity not in QUANTITIES_BESIDE:
        return None
    if words or (read is None and header.quantity != "substrate"):
        return None
    return Condition(header=header, value=read[0] if read else value, column=column, shown=shown)


def _is_phrase(cell: Cell) -> TypeGuard[str]:
    return isinstance(cell, str) and len(cell) <= LONGEST_PHRASE


def _number(cell: Cell) -> tuple[float, str] | None:
    """Return a number and its unit; None for any other text and for an ambiguous number."""
    if not isinstance(cell, str):
        return cell, ""
    if is_ambiguous(cell, DecimalSign.UNKNOWN):
        return None
    return parse_quantity(without_uncertainty(cell))
