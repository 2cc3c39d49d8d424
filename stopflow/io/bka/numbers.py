"""Rows of numbers below a header: fast when all is well, line by line when something is not."""

import math
import re

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from stopflow.errors import FormatError
from stopflow.io.text import decode, split_lines
from stopflow.trace import FloatArray, Problem

_NUMBER = re.compile(r"[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?")

_OUTER_BLANKS = re.compile(rb" +(?=[\r\n])|(?<=[\r\n]) +|\A +")


def parse_rows(
    data: bytes, *, columns: int | None, name: str, first_line: int
) -> tuple[FloatArray, tuple[Problem, ...]]:
    """Parse rows parted by line ends, their cells by TABs or blanks.

    Parameters
    ----------
    data
        Everything below the header, ASCII characters one byte each.
    columns
        Cells in each row; None: as many as the first row has.
    name, first_line
        File and number of the first line of `data`, for messages.

    Returns
    -------
    tuple
        (columns, rows) finite numbers, and a warning when the last row was cut off and left out.

    Raises
    ------
    FormatError
        At the first line that does not hold `columns` finite numbers.
    """
    whole = data.endswith((b"\r", b"\n"))
    if columns is not None and whole:
        table = _parse_fast(data, columns=columns)
        if table is not None:
            return table, ()
    return _parse_lines(decode(data), columns=columns, name=name, first_line=first_line)


def _parse_fast(data: bytes, *, columns: int) -> FloatArray | None:
    """Return the numbers of rows; None when anything is out of the ordinary.

    Where there is no TAB, runs of blanks are made one; blanks at the ends of lines mean nothing.
    """
    if b"\t" not in data:
        data = re.sub(rb" +", b"\t", _OUTER_BLANKS.sub(b"", data))
    decimal_sign = "," if b"," in data else "."
    if decimal_sign == "," and b"." in data:
        return None
    names = [str(number) for number in range(columns)]
    try:
        table = arrow_csv.read_csv(
            pa.py_buffer(data),
            read_options=arrow_csv.ReadOptions(column_names=names, use_threads=False),
            parse_options=arrow_csv.ParseOptions(delimiter="\t", quote_char=False),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.float64()),
                null_values=[],
                decimal_point=decimal_sign,
            ),
        )
    except pa.ArrowInvalid:
        return None
    if not table.num_rows:
        return None
    numbers = np.vstack([column.to_numpy() for column in table.columns])
    return numbers if np.isfinite(numbers).all() else None


def _parse_lines(
    text: str, *, columns: int | None, name: str, first_line: int
) -> tuple[FloatArray, tuple[Problem, ...]]:
    lines = [
        (number, cells)
        for number, line in enumerate(split_lines(text), first_line)
        if (cells := line.split())
    ]
    if not lines:
        raise FormatError(name, where=f"line {first_line}", found="no data", expected="rows")
    columns = columns or max(2, len(lines[0][1]))
    cut_off = _cut_off(text, lines[-1][1], columns=columns)
    notes: tuple[Problem, ...] = ()
    if cut_off:
        number, cells = lines.pop()
        notes = (_left_out(name, number, cells, columns=columns),)
        if not lines:
            raise FormatError(
                name, where=f"line {number}", found="one unfinished row", expected="rows"
            )
    rows = [_row(cells, columns=columns, name=name, line=number) for number, cells in lines]
    return np.array(rows, dtype=np.float64).T, notes


def _cut_off(text: str, last: list[str], *, columns: int) -> bool:
    """Tell whether writing stopped inside the last row.

    A last cell with nothing behind it may have lost digits; `8.5` then looks like `8.58337`.
    """
    ended = text.endswith(("\r", "\n", " ", "\t"))
    return len(last) < columns or (len(last) == columns and not ended)


def _left_out(name: str, line: int, cells: list[str], *, columns: int) -> Problem:
    shown = " ".join(cells)[:60]
    return Problem(
        experiment="",
        file=name,
        where=f"line {line}",
        found=f"a last row that ends early ({shown!r}); left out",
        expected=f"{columns} columns and a line end",
        level="warning",
    )


def _row(cells: list[str], *, columns: int, name: str, line: int) -> list[float]:
    if len(cells) != columns:
        found = f"{len(cells)} column{'s' * (len(cells) != 1)} ({' '.join(cells)[:60]!r})"
        expected = f"{columns} columns parted by TAB or blanks"
        raise FormatError(name, where=f"line {line}", found=found, expected=expected)
    for number, cell in enumerate(cells, 1):
        if not _NUMBER.fullmatch(cell):
            raise FormatError(
                name,
                where=f"line {line}, column {number}",
                found=repr(cell[:60]),
                expected="a number",
            )
    row = [float(cell.replace(",", ".")) for cell in cells]
    if not all(map(math.isfinite, row)):
        raise FormatError(
            name, where=f"line {line}", found=repr(" ".join(cells)[:60]), expected="finite numbers"
        )
    return row
