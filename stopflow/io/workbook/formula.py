"""Arithmetic in a spreadsheet cell, for formulas whose value the workbook does not hold.

Numbers, texts, cells of the same sheet, ``+ - * / ^ % &`` and brackets, with a spreadsheet's
precedence (a sign binds tighter than ``^``). Functions and other sheets are not evaluated.
"""

import math
import re
from collections.abc import Callable

Value = float | str
Lookup = Callable[[str], Value | None]
"""Cell address without dollar signs -> its value, None when that has none that can be had."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)"
    r'|(?P<text>"(?:[^"]|"")*")'
    r"|(?P<cell>\$?[A-Za-z]{1,3}\$?\d+)(?![\w(!.])"
    r"|(?P<sign>[-+*/^%&()]))"
)


class NotEvaluated(ValueError):
    """The formula needs more than arithmetic on known cells."""


def evaluate_formula(formula: str, lookup: Lookup) -> Value | None:
    """Return the value of a formula such as ``"=B2*2"``; None when it cannot be had."""
    try:
        rest = _Tokens(formula.lstrip("="))
        value = _joined(rest, lookup)
        rest.require_end()
    except (ValueError, ZeroDivisionError, OverflowError, RecursionError):
        return None
    return value if isinstance(value, str) or math.isfinite(value) else None


class _Tokens:
    """What of a formula is still to be read."""

    def __init__(self, formula: str) -> None:
        self._items: list[tuple[str, str]] = []
        position, text = 0, formula.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if not match or match.lastgroup is None:
                raise NotEvaluated(text[position:])
            self._items.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self._items.reverse()

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
        value = _as_text(value) + _as_text(_sum(rest, lookup))
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
    found = lookup(text.replace("$", "").upper())
    if found is None:
        raise NotEvaluated(text)
    return found


def _as_number(value: Value) -> float:
    if value == "":
        return 0.0
    if isinstance(value, str):
        raise NotEvaluated(value)
    return value


def _as_text(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:.15g}"
