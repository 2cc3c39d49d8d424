"""The unit of a column in which only some cells have one, as ``10 µM`` over ``20`` and ``30``."""

from collections.abc import Sequence
from dataclasses import replace

from stopflow.io.units import find_scale
from stopflow.io.workbook.headers import Header, bare_unit
from stopflow.io.workbook.rows import RowReader
from stopflow.io.workbook.values import parse_cell
from stopflow.io.workbook.vocabulary import QUANTITIES


def settle_units(reader: RowReader, numbers: Sequence[int]) -> None:
    """Settle the unit of the columns whose header and some of whose cells have none.

    Where the other cells agree, theirs is that of the whole column; where not, a bare number has
    none and is not used, unless it is 0.
    """
    for key, (column, header) in list(reader.chosen.items()):
        if not QUANTITIES[key].assumed or header.unit:
            continue
        units, is_bare = _units(reader, numbers, column, header)
        scales = {find_scale(QUANTITIES[key].units or {}, bare_unit(unit)) for unit in units}
        if is_bare and len(scales) > 1:
            reader.values.several_units.add(key)
        elif is_bare and scales and None not in scales:
            header = replace(header, scale=scales.pop(), unit=units[0])
            reader.chosen = {**reader.chosen, key: (column, header)}
            reader.unit_of_others.add(key)


def _units(
    reader: RowReader, numbers: Sequence[int], column: int, header: Header
) -> tuple[list[str], bool]:
    """Return the units that stand in a column, and whether a number other than 0 has none."""
    rows = [reader.sheet.rows[number] for number in numbers]
    cells = [reader.with_unit(row, header, column) for row in rows if column < len(row)]
    read = [found for cell in cells if cell != "" and (found := parse_cell(cell, counts=False))]
    return [unit for _, unit in read if unit], any(value and not unit for value, unit in read)
