"""Whether a comma in the numbers of a sheet is the decimal sign or groups thousands.

``1,234`` can be either. What it is in one sheet the other numbers of that sheet show: ``0,5`` and
``1.234,5`` have a decimal comma, ``0.5`` and ``1,234.5`` a decimal point. Where none or both occur,
``1,234`` is not read.
"""

import re
from collections.abc import Iterable
from enum import Enum

from stopflow.io.units import mantissa, parse_quantity, without_uncertainty
from stopflow.io.workbook.cells import Cell


class DecimalSign(Enum):
    """The decimal sign of a number or of the numbers of a sheet."""

    POINT = "."
    COMMA = ","
    UNKNOWN = ""


_EITHER = re.compile(r"[1-9]\d{0,2}(?P<sign>[.,])\d{3}")
_LAST_SIGN = re.compile(r".*(?P<sign>[.,])\d*", re.DOTALL)


def sign_of_cells(cells: Iterable[Cell]) -> DecimalSign:
    """Return the decimal sign that the texts of some cells show without a doubt."""
    texts = {without_uncertainty(cell) for cell in cells if isinstance(cell, str)}
    shown = {_sign_of(mantissa(text)) for text in texts if parse_quantity(text)}
    shown.discard(DecimalSign.UNKNOWN)
    return shown.pop() if len(shown) == 1 else DecimalSign.UNKNOWN


def is_ambiguous(cell: Cell, sign: DecimalSign) -> bool:
    """Tell whether a number may be a thousand times another, given the sign of its sheet.

    ``1.234`` is doubted only where the sheet has decimal commas.
    """
    if not isinstance(cell, str):
        return False
    match = _EITHER.fullmatch(mantissa(without_uncertainty(cell)))
    if not match:
        return False
    doubted = {DecimalSign.POINT: "", DecimalSign.COMMA: ".", DecimalSign.UNKNOWN: ","}
    return match["sign"] == doubted[sign]


def without_groups(cell: str, sign: DecimalSign) -> str:
    """Return a text in which ``1,234`` is ``1234`` where the decimal sign is a point."""
    written = mantissa(without_uncertainty(cell))
    if sign is DecimalSign.POINT and _EITHER.fullmatch(written):
        return cell.replace(written, written.replace(",", ""), 1)
    return cell


def _sign_of(written: str) -> DecimalSign:
    """Return the decimal sign of one number as it is written."""
    if _EITHER.fullmatch(written):
        return DecimalSign.UNKNOWN
    points, commas = written.count("."), written.count(",")
    if points > 1 and commas <= 1:
        return DecimalSign.COMMA
    if commas > 1 and points <= 1:
        return DecimalSign.POINT
    match = _LAST_SIGN.fullmatch(written)
    return DecimalSign(match["sign"]) if match else DecimalSign.UNKNOWN
