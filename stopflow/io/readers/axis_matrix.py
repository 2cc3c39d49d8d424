"""A matrix in a text: a row of column values, then rows that begin with their own value."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stopflow.errors import FormatError
from stopflow.io.readers.blocks import read_block
from stopflow.io.readers.labels import known_wavelength, parse_label
from stopflow.io.readers.numbers import Layout, find_layout
from stopflow.trace import FloatArray, Problem

LEAST_COLUMNS = 3
"""Cells of a row, its own value included; fewer are columns and no matrix."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AxisMatrix:
    """A matrix with the values of its rows and columns.

    Attributes
    ----------
    corner
        What stands above the values of the rows.
    columns, rows
        (m,) and (n,).
    values
        (n, m).
    first, stop
        Indices of the line of the columns' values and of the line behind the last row.
    """

    corner: str
    columns: FloatArray
    rows: FloatArray
    values: FloatArray
    first: int
    stop: int
    notes: tuple[Problem, ...]


def find_matrix(
    lines: Sequence[str],
    found: tuple[Layout, int] | None,
    *,
    least_columns: int = LEAST_COLUMNS,
) -> tuple[Layout, int, int] | None:
    """Return the layout, the line of the columns' values and that of the first row."""
    if found is None:
        return None
    layout, first = found
    above = first - 1
    while above >= 0 and not lines[above].strip():
        above -= 1
    if layout.columns >= least_columns and above >= 0 and _axis(lines[above], layout) is not None:
        return layout, above, first
    return None


def read_matrix(
    lines: Sequence[str],
    *,
    name: str,
    what: str,
    least_columns: int = LEAST_COLUMNS,
    first_line: int = 1,
) -> AxisMatrix:
    """Read the first matrix of a text.

    Parameters
    ----------
    what
        What is expected, for the message.
    first_line
        Number in the file of the first of the lines.

    Raises
    ------
    FormatError
        When there is none, or a row is not as long as the others.
    """
    at_all = find_layout(lines) or find_layout(lines, least=1)
    found = find_matrix(lines, at_all, least_columns=least_columns)
    if found is None:
        if at_all is not None:  # a broken row may part the rows from their axis
            read_block(lines, at_all[1], at_all[0], name=name, first_line=first_line)
        raise FormatError(name, found="no such matrix of numbers", expected=what)
    layout, above, first = found
    axis = _axis(lines[above], layout)
    if axis is None:
        where = f"line {first_line + above}"
        raise FormatError(name, where=where, found="no values", expected=what)
    block = read_block(lines, first, layout, name=name, first_line=first_line)
    corner, columns = axis
    if not np.isfinite(columns).all():
        raise FormatError(
            name,
            where=f"line {first_line + above}",
            found="a column without its value",
            expected="a number at the head of every column",
        )
    return AxisMatrix(
        corner=corner,
        columns=columns,
        rows=block.rows[:, 0],
        values=block.rows[:, 1:],
        first=above,
        stop=block.stop,
        notes=block.notes,
    )


def columns_are_wavelengths(matrix: AxisMatrix) -> bool | None:
    """Tell which of the two axes holds wavelengths; None when both or neither can.

    Wavelengths run in one direction between 100 and 4000 nm.
    """
    corner = parse_label(matrix.corner)
    if corner.is_time:
        return True
    if corner.is_spectral:
        return False
    columns, rows = _are_wavelengths(matrix.columns), _are_wavelengths(matrix.rows)
    return None if columns == rows else columns


def _are_wavelengths(values: FloatArray) -> bool:
    steps = np.diff(values)
    one_way = bool(np.all(steps > 0) or np.all(steps < 0))
    return one_way and all(known_wavelength(value) for value in values.tolist())


def _axis(line: str, layout: Layout) -> tuple[str, FloatArray] | None:
    """Return the corner and the columns' values on a line; None when it holds none."""
    cells = layout.split(line)
    if len(cells) == layout.columns - 1 and not (
        layout.separator and line.startswith(layout.separator)
    ):
        cells = ["", *cells]
    numbers = [_leading_number(cell, layout) for cell in cells[1:]]
    if len(cells) != layout.columns or layout.number(cells[0]) is not None:
        return None
    if any(number is None for number in numbers):
        return None
    return cells[0].strip().strip('"'), np.array(numbers, dtype=np.float64)


def _leading_number(cell: str, layout: Layout) -> float | None:
    """Return the number of a cell that may have a unit behind it, as in ``340 nm``."""
    text = cell.strip().strip('"').casefold()
    for unit in ("nm", "sec", "min", "ms", "s"):
        text = text.removesuffix(unit).strip()
    return layout.number(text)
