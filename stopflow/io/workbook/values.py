"""Cells of a table to values in our units; every cell that cannot be used is reported."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from stopflow.io.guard import SHOWN
from stopflow.io.units import (
    Scale,
    find_scale,
    fold_unit,
    is_approximate,
    parse_quantity,
    without_uncertainty,
)
from stopflow.io.workbook.cells import Cell
from stopflow.io.workbook.decimal_signs import DecimalSign, is_ambiguous, without_groups
from stopflow.io.workbook.findings import Findings
from stopflow.io.workbook.headers import Header, bare_unit
from stopflow.io.workbook.names import as_text
from stopflow.io.workbook.vocabulary import QUANTITIES
from stopflow.trace import Level

BELOW_IS_CELSIUS = 200.0
"""A temperature without a unit is in degrees Celsius below this, in kelvin above."""

EMPTY_WORDS = frozenset(
    {"", "-", "–", "—", "--", "n/a", "na", "none", "n.a.", "n.d.", "nd", "n.m."}
)

SAME_AS_ABOVE = frozenset({'"', "''", "”", "“", "〃", "ditto", "dito", "idem"})

SOLUTIONS_K = (150.0, 505.0)
"""Temperatures of solutions, from cold ethers to water under pressure."""

MOST_COUNT = 1e9
"""Replicates and channels have smaller numbers."""

VALID: dict[str, tuple[str, Callable[[float], bool]]] = {
    "rate": ("a number greater than 0", lambda value: value > 0),
    "concentration": ("a number not below 0", lambda value: value >= 0),
    "ionic_strength": ("a number not below 0", lambda value: value >= 0),
    "dead_time": ("a number not below 0", lambda value: value >= 0),
    "temperature": (
        "a temperature of a solution, from -120 to 230 °C",
        lambda value: SOLUTIONS_K[0] <= value <= SOLUTIONS_K[1],
    ),
    "replicate": ("a whole number", lambda value: value.is_integer() and abs(value) < MOST_COUNT),
    "channel": (
        "a whole number from 1",
        lambda value: value.is_integer() and 1 <= value < MOST_COUNT,
    ),
}
"""What a value must be, beyond a finite number."""

_TEXTS = ("file", "substrate")
COUNTS = ("replicate", "channel")
"""Quantities that are whole numbers without a unit."""
_BEFORE_COUNT = re.compile(r"^(?:#|no\.?|nr\.?|r|rep\.?|replicate)\s*(?=\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A value and where it stands.

    Attributes
    ----------
    value
        Text, or a number in s, mol/L, K, s^-1; a start time without a unit as written.
    has_unit
        False for a start time in the unit of its file.
    """

    value: Cell
    place: str
    has_unit: bool = True


@dataclass(slots=True, kw_only=True)
class ValueReader:
    """Reads the cells of quantities in one table.

    Attributes
    ----------
    findings
        What was found so far.
    filled
        Quantities with a value.
    assumed
        Quantity -> its largest value whose unit was assumed.
    several_units
        Quantities whose cells have several units, so that none can be assumed.
    decimal_sign
        The decimal sign that the numbers written as text in this table show.
    """

    findings: Findings
    filled: set[str] = field(default_factory=lambda: {"file"})
    assumed: dict[str, float] = field(default_factory=dict)
    several_units: set[str] = field(default_factory=set)
    decimal_sign: DecimalSign = DecimalSign.UNKNOWN

    def read(self, key: str, header: Header, cell: Cell, *, place: str) -> Entry | None:
        """Return the value of a cell; None when it is empty or cannot be used."""
        if isinstance(cell, str) and cell.casefold() in EMPTY_WORDS | SAME_AS_ABOVE:
            return None
        self.filled.add(key)
        if isinstance(cell, str) and cell.startswith("="):
            expected = "a value; the formula has none stored: open, calculate, save"
            self.refuse(key, place, cell, expected)
            return None
        if key in _TEXTS:
            return Entry(value=as_text(cell), place=place)
        number = self._number(key, cell, place=place)
        if number is None:
            return None
        level: Level = "warning" if key in COUNTS else "error"
        scale = self._scale(key, header, *number)
        if scale is None and number[1]:
            expected = f"a number with a known unit ({QUANTITIES[key].usual})"
            self.refuse(key, place, cell, expected, level)
            return None
        ours = scale.to_ours(number[0]) if scale else number[0]
        required, valid = VALID.get(key, ("", lambda _: True))
        if not valid(ours):
            self.refuse(key, place, cell, f"{required} ({QUANTITIES[key].meaning})", level)
            return None
        if isinstance(cell, str) and is_approximate(cell):
            tail = f" taken as exact ({QUANTITIES[key].meaning})"
            kind = f"{key} approximate"
            self.findings.add(place, repr(cell), "", "warning", kind=kind, tail=tail)
        return Entry(value=ours, place=place, has_unit=scale is not None)

    def refuse(
        self, key: str, place: str, cell: Cell, expected: str, level: Level = "error"
    ) -> None:
        """Report a cell that cannot be used; those of one quantity are one problem."""
        shown = repr(cell if isinstance(cell, float) else cell[:SHOWN])
        self.findings.add(place, shown, expected, level, kind=f"{key}: {expected}")

    def _number(self, key: str, cell: Cell, *, place: str) -> tuple[float, str] | None:
        """Return a finite number that is not ambiguous, and its unit."""
        if is_ambiguous(cell, self.decimal_sign):
            self.refuse(key, place, cell, "a number that is not ambiguous, such as 1000 or 1.0")
            return None
        if isinstance(cell, str):
            cell = without_groups(cell, self.decimal_sign)
        read = parse_cell(cell, counts=key in COUNTS)
        if read is None or not math.isfinite(read[0]):
            expected = f"a number ({QUANTITIES[key].meaning})"
            if key in COUNTS:
                self.refuse(key, place, cell, f"{expected}; kept as text", "warning")
            else:
                self.refuse(key, place, cell, expected)
            return None
        if key in self.several_units and read[0] and not read[1]:
            expected = f"a unit, as in other cells ({QUANTITIES[key].usual})"
            self.refuse(key, place, cell, expected)
            return None
        return read

    def _scale(self, key: str, header: Header, value: float, unit: str) -> Scale | None:
        """Return the scale of a value: its own unit, the header's, or the assumed one."""
        units = QUANTITIES[key].units or {}
        if unit:
            return find_scale(units, bare_unit(unit))
        if header.scale:
            return header.scale
        if key not in self.several_units:
            self.assumed[key] = max(value, self.assumed.get(key, value))
        if key == "temperature":
            return units["c" if value < BELOW_IS_CELSIUS else "k"]
        assumed = QUANTITIES[key].assumed
        return units[fold_unit(assumed)] if assumed else None


def parse_cell(cell: Cell, *, counts: bool) -> tuple[float, str] | None:
    """Return the number of a cell and its unit; None when it is not a number."""
    if not isinstance(cell, str):
        return cell, ""
    return parse_quantity(_BEFORE_COUNT.sub("", cell) if counts else without_uncertainty(cell))
