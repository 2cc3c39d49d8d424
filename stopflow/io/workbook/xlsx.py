"""One sheet of an xlsx file: values stored, shared by merging, or computed from a formula.

Merged cells all hold the value shown, a unit that a number format shows stands behind the number,
error values stay visible as text (``"#N/A"``), and a formula whose value was never stored is
evaluated when it is arithmetic and otherwise stays visible (``"=VLOOKUP(...)"``).
"""

import re
from functools import lru_cache

from openpyxl.worksheet.worksheet import Worksheet

from stopflow.io.units import is_unit
from stopflow.io.workbook.cells import Cell, Grid, to_cell, without_controls
from stopflow.io.workbook.formula import FormulaSheet, Value

_BEHIND_NUMBER = re.compile(r'(?:[0#?]|General)((?:"[^"]*"|\\.|\[\$[^\]]*\]|\s)+)$')
_FORMAT_SIGNS = re.compile(r'["\\]|\[\$|(?:-\w+)?\]')
_LONGEST_FORMAT = 255

_Address = tuple[int, int]


def read_worksheet(values: Worksheet, formulas: Worksheet | None) -> Grid:
    """Return the cells of a sheet.

    Parameters
    ----------
    formulas
        The same sheet with its formulas; None when it has none.
    """
    cells = _Cells(values, formulas)
    height, width = values.max_row, values.max_column
    rows = values.row_dimensions.items()
    groups = [item for item in values.column_dimensions.values() if item.hidden]
    return Grid(
        name=without_controls(values.title),
        rows=[
            [cells.shown(row, column) for column in range(1, width + 1)]
            for row in range(1, height + 1)
        ],
        hidden_rows=[number - 1 for number, row in rows if row.hidden and number <= height],
        hidden_columns=[
            column - 1 for item in groups for column in range(item.min, min(item.max, width) + 1)
        ],
    )


class _Cells:
    """The cells of one sheet while it is read."""

    def __init__(self, values: Worksheet, formulas: Worksheet | None) -> None:
        self._values = values
        self._formulas = formulas
        self._shown_at = {
            (row, column): (area.min_row, area.min_col)
            for area in values.merged_cells.ranges
            for row in range(area.min_row, area.max_row + 1)
            for column in range(area.min_col, area.max_col + 1)
        }
        self._computed = FormulaSheet(self._formula, self._stored)

    def shown(self, row: int, column: int) -> Cell:
        """Return a value with the unit that the cell's number format shows behind it."""
        row, column = self._shown_at.get((row, column), (row, column))
        formula = self._formula_at(row, column)
        value = self._value(row, column)
        if formula and value == "":
            computed = self._computed.value((row, column))
            value = f"={formula.lstrip('=')}" if computed is None else computed
        if isinstance(value, str):
            return value
        unit = _unit_behind(self._values.cell(row, column).number_format)
        return f"{value:.15g} {unit}" if unit else value

    def _value(self, row: int, column: int) -> Cell:
        return to_cell(self._values.cell(row, column).value)

    def _formula_at(self, row: int, column: int) -> str:
        if self._formulas is None:
            return ""
        cell = self._formulas.cell(row, column)
        if cell.data_type != "f":
            return ""
        return without_controls(str(getattr(cell.value, "text", cell.value)))

    def _formula(self, address: _Address) -> str:
        """Return the formula of a cell without a stored value; ``""`` for any other cell."""
        row, column = self._shown_at.get(address, address)
        if row > self._values.max_row or column > self._values.max_column:
            return ""
        return self._formula_at(row, column) if self._value(row, column) == "" else ""

    def _stored(self, address: _Address) -> Value | None:
        row, column = self._shown_at.get(address, address)
        if row > self._values.max_row or column > self._values.max_column:
            return ""
        value = self._value(row, column)
        return None if isinstance(value, str) and value.startswith(("=", "#")) else value


@lru_cache(maxsize=1024)
def _unit_behind(number_format: str) -> str:
    """Return the unit that a number format shows behind its numbers; ``""`` without one."""
    if len(number_format) > _LONGEST_FORMAT:
        return ""
    behind = _BEHIND_NUMBER.search(number_format.split(";")[0])
    unit = _FORMAT_SIGNS.sub("", behind[1]).strip() if behind else ""
    return unit if is_unit(unit) else ""
