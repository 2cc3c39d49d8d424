"""Which column of a table holds the concentrations; others that may hold them are named."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from stopflow.io.units import CONCENTRATION, find_scale, parse_quantity, without_uncertainty
from stopflow.io.workbook.cells import Cell
from stopflow.io.workbook.headers import (
    NAMED_BELOW,
    Header,
    is_before_mixing,
    is_not_itself,
    molar_unit,
    says_concentration,
)

_RESULT = re.compile(r"k_?(?:m|d|i|a|s|eq|app|0\.5|1/2)?(?![a-z])|[ei]c_?50|amp", re.IGNORECASE)
"""Names of results that have the unit of a concentration, such as a dissociation constant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The column of concentrations.

    Attributes
    ----------
    column
        None when no column is one.
    reason
        Why this column was chosen, in words, where its header alone does not say so.
    left
        Other columns that may be meant; they are not used.
    """

    column: int | None = None
    header: Header | None = None
    reason: str = ""
    left: tuple[int, ...] = ()


def choose_concentration(
    texts: Sequence[str],
    understood: Mapping[int, Header],
    cells: Callable[[int], Sequence[Cell]],
    *,
    hidden: Collection[int] = (),
) -> Choice:
    """Choose the column of concentrations.

    Of several the one that differs between rows is taken, where only one does; else the one with
    the best name. Without any, one that differs and has a unit of concentration.

    Parameters
    ----------
    cells
        Column -> what stands in it, in the rows of files.
    """
    found = _named(understood, cells)
    found.sort(key=lambda column: (column in hidden, understood[column].rank, column))
    others = [
        column
        for column, text in enumerate(texts)
        if column not in understood
        and says_concentration(text)
        and any(cell != "" and _read(cell) for cell in cells(column))
    ]
    if not found:
        return _guess(texts, others, cells)
    amounts = {column: _amounts(cells(column), understood[column]) for column in found}
    varying = [column for column in found if _vary(amounts[column])]
    chosen = varying[0] if varying else found[0]
    is_alone = len(found) > 1 and varying == [chosen]
    is_certain = understood[chosen].rank < NAMED_BELOW
    left = [
        *(column for column in found if amounts[column] != amounts[chosen]),
        *(column for column in others if not (is_certain and len(_values(cells(column))) == 1)),
    ]
    left = [column for column in left if not _is_beside(texts[column], texts[chosen])]
    return Choice(
        column=chosen,
        header=understood[chosen],
        reason="it alone differs between rows" if is_alone and left else "",
        left=tuple(left),
    )


def _named(understood: Mapping[int, Header], cells: Callable[[int], Sequence[Cell]]) -> list[int]:
    """Return the columns that are called a concentration and do not hold names of something."""
    return [
        column
        for column, header in understood.items()
        if header.quantity == "concentration"
        and header.usable
        and not (header.rank >= NAMED_BELOW and not header.unit and _is_text(cells(column)))
    ]


def _guess(
    texts: Sequence[str], others: Sequence[int], cells: Callable[[int], Sequence[Cell]]
) -> Choice:
    """Take the only column that can be meant by its unit and its values."""
    headers = {
        column: Header(
            text=texts[column],
            quantity="concentration",
            scale=find_scale(CONCENTRATION, unit),
            unit=unit,
            rank=NAMED_BELOW,
        )
        for column in others
        if (unit := molar_unit(texts[column])) and not _is_no_sample(texts[column])
    }
    varying = [column for column in headers if _vary(_amounts(cells(column), headers[column]))]
    if len(varying) != 1:
        return Choice(left=tuple(others))
    chosen = varying[0]
    return Choice(
        column=chosen,
        header=headers[chosen],
        reason="it alone has a unit of concentration and differs between rows",
        left=tuple(column for column in others if column != chosen),
    )


def _values(cells: Sequence[Cell]) -> set[Cell]:
    return set(cells) - {""}


def _is_no_sample(text: str) -> bool:
    """Tell a result, a logarithm or a multiple from the concentration of something."""
    result = _RESULT.match(text) or re.match(r"\W*\d", text)
    return is_not_itself(text) or is_before_mixing(text) or bool(result)


def _is_beside(text: str, chosen: str) -> bool:
    """Tell whether a column belongs to the chosen one: its error, or the same before mixing."""
    return is_not_itself(text) or (is_before_mixing(text) and not is_before_mixing(chosen))


def _amounts(cells: Sequence[Cell], header: Header) -> list[float | None]:
    return [_amount(cell, header) for cell in cells]


def _amount(cell: Cell, header: Header) -> float | None:
    read = _read(cell)
    if read is None:
        return None
    scale = find_scale(CONCENTRATION, read[1]) if read[1] else header.scale
    return scale.to_ours(read[0]) if scale else read[0]


def _is_text(cells: Sequence[Cell]) -> bool:
    return bool(_values(cells)) and not any(_read(cell) for cell in _values(cells))


def _read(cell: Cell) -> tuple[float, str] | None:
    return parse_quantity(without_uncertainty(cell)) if isinstance(cell, str) else (cell, "")


def _vary(amounts: Sequence[float | None]) -> bool:
    return len({amount for amount in amounts if amount is not None}) > 1
