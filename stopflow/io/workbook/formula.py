"""Arithmetic in a spreadsheet cell, for formulas whose value the workbook does not hold.

Numbers, texts, cells of the same sheet, ``+ - * / ^ % &`` and brackets, with a spreadsheet's
precedence (a sign binds tighter than ``^``). Functions and other sheets are not evaluated.
Each formula of a sheet is computed once, those that it refers to before it, so that the work grows
with the length of all formulas and not with the number of ways through them.
"""

import math
import re
from collections.abc import Callable

from openpyxl.utils import column_index_from_string

from stopflow.io.workbook.names import as_text

Value = float | str
Address = tuple[int, int]
"""Row and column of a cell, from 1."""
Lookup = Callable[[str], Value | None]
"""Cell address without dollar signs -> its value; None when it cannot be known."""

LONGEST_FORMULA = 8192
"""Characters of a formula, the limit of spreadsheet programs."""
LONGEST_TEXT = 32_767
"""Characters of a text in a cell, the limit of spreadsheet programs."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)"
    r'|(?P<text>"(?:[^"]|"")*")'
    r"|(?P<cell>\$?[A-Za-z]{1,3}\$?[0-9]+)(?![\w(!.])"
    r"|(?P<sign>[-+*/^%&()]))"
)

_LONGEST_ROW = 7


class NotEvaluated(ValueError):
    """The formula needs more than arithmetic on known cells."""


class FormulaSheet:
    """The formulas of one sheet; each is computed once.

    Parameters
    ----------
    formula
        Address -> the formula to compute there; ``""`` for a cell that has a value.
    stored
        Address -> the value of such a cell; None when it is an error.
    """

    def __init__(
        self, formula: Callable[[Address], str], stored: Callable[[Address], Value | None]
    ) -> None:
        self._formula = formula
        self._stored = stored
        self._values: dict[Address, Value | None] = {}
        self._open: dict[Address, _Tokens] = {}

    def value(self, address: Address) -> Value | None:
        """Return the value of a cell; None when it cannot be known."""
        waiting = [address]
        while waiting:
            cell = waiting[-1]
            if cell in self._values:
                waiting.pop()
            elif cell in self._open:
                tokens = self._open.pop(cell)
                self._values[cell] = _evaluate(tokens, self._look_up)
            else:
                waiting += self._start(cell)
        return self._values[address]

    def _start(self, cell: Address) -> list[Address]:
        """Return the cells that must be known first; one that is open refers to itself."""
        formula = self._formula(cell)
        if not formula:
            self._values[cell] = self._stored(cell)
            return []
        try:
            self._open[cell] = _Tokens(formula)
            needed = map(_address, self._open[cell].references())
            return [item for item in needed if item not in self._values and item not in self._open]
        except NotEvaluated:
            self._open.pop(cell, None)
            self._values[cell] = None
            return []

    def _look_up(self, reference: str) -> Value | None:
        return self._values.get(_address(reference))


def _evaluate(tokens: "_Tokens", lookup: Lookup) -> Value | None:
    try:
        value = _joined(tokens, lookup)
        tokens.require_end()
    except (ValueError, ZeroDivisionError, OverflowError, RecursionError):
        return None
    return value if isinstance(value, str) or math.isfinite(value) else None


def _address(reference: str) -> Address:
    letters = reference.rstrip("0123456789")
    digits = reference[len(letters) :]
    if len(digits) > _LONGEST_ROW or int(digits) < 1:
        raise NotEvaluated(reference)
    return int(digits), column_index_from_string(letters)


class _Tokens:
    """The part of a formula that is still to be read."""

    def __init__(self, formula: str) -> None:
        self._items: list[tuple[str, str]] = []
        position, text = 0, formula.lstrip("=").rstrip()
        if len(text) > LONGEST_FORMULA:
            raise NotEvaluated("a formula that is too long")
        while position < len(text):
            match = _TOKEN.match(text, position)
            if not match or match.lastgroup is None:
                raise NotEvaluated(text[position:])
            self._items.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self._items.reverse()

    def references(self) -> list[str]:
        """Return the cells that the formula refers to."""
        return [_reference(text) for kind, text in self._items if kind == "cell"]

    def take_sign(self, wanted: str) -> str:
        """Take the next token if it is one of the signs in `wanted`, else return ``""``."""
        if self._items and self._items[-1][0] == "sign" and self._items[-1][1] in wanted:
            return self._items.pop()[1]
        return ""

    def take_operand(self) -> tuple[str, str]:
        if not self._items or self._items[-1][0] == "sign":
            raise NotEvaluated("operand missing")
        return self._items.pop()

    def require_end(self) -> None:
        if self._items:
            raise NotEvaluated(self._items[-1][1])


def _joined(rest: _Tokens, lookup: Lookup) -> Value:
    value = _sum(rest, lookup)
    while rest.take_sign("&"):
        value = as_text(value) + as_text(_sum(rest, lookup))
        if len(value) > LONGEST_TEXT:
            raise NotEvaluated("a text that is too long")
    return value


def _sum(rest: _Tokens, lookup: Lookup) -> Value:
    value = _product(rest, lookup)
    while sign := rest.take_sign("+-"):
        left, right = _as_number(value), _as_number(_product(rest, lookup))
        value = left + right if sign == "+" else left - right
    return value


def _product(rest: _Tokens, lookup: Lookup) -> Value:
    value = _power(rest, lookup)
    while sign := rest.take_sign("*/"):
        left, right = _as_number(value), _as_number(_power(rest, lookup))
        value = left * right if sign == "*" else left / right
    return value


def _power(rest: _Tokens, lookup: Lookup) -> Value:
    value = _percent(rest, lookup)
    while rest.take_sign("^"):
        value = math.pow(_as_number(value), _as_number(_percent(rest, lookup)))
    return value


def _percent(rest: _Tokens, lookup: Lookup) -> Value:
    if sign := rest.take_sign("+-"):
        number = _as_number(_percent(rest, lookup))
        return -number if sign == "-" else number
    value = _operand(rest, lookup)
    while rest.take_sign("%"):
        value = _as_number(value) / 100
    return value


def _operand(rest: _Tokens, lookup: Lookup) -> Value:
    if rest.take_sign("("):
        value = _joined(rest, lookup)
        if not rest.take_sign(")"):
            raise NotEvaluated("bracket not closed")
        return value
    kind, text = rest.take_operand()
    if kind == "number":
        return float(text)
    if kind == "text":
        return text[1:-1].replace('""', '"')
    found = lookup(_reference(text))
    if found is None:
        raise NotEvaluated(text)
    return found


def _reference(text: str) -> str:
    return text.replace("$", "").upper()


def _as_number(value: Value) -> float:
    if value == "":
        return 0.0
    if isinstance(value, str):
        raise NotEvaluated(value)
    return value
