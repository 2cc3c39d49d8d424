"""The rows of numbers below a header: parsed in blocks, line by line only to name what is wrong.

A block of lines is given to pyarrow's CSV reader. A block that it refuses is brought to a plain
form (one TAB between two cells, no blank lines) and given to it again. Only when that fails, too,
are the lines of this one block read one by one, to find the signals that overflowed and to quote
the first line that is wrong. So the memory needed is that of the file and of its numbers, however
many cells there are.
"""

import math
import re
from array import array
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
from numpy.typing import NDArray

from stopflow.errors import FormatError
from stopflow.io.guard import SHOWN
from stopflow.io.text import count_lines, decode, is_missing, split_lines
from stopflow.trace import FloatArray, Problem, warning_of

MOST_COLUMNS = 4096
"""Columns in a file; an instrument has at most some hundred channels."""
LONGEST_LINE = 1 << 20
"""Bytes in a line: `MOST_COLUMNS` numbers of any length, with room."""

_BLOCK = 1 << 20
_TAIL = 256
_LINE_END = re.compile(rb"\r\n|\r|\n")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?")
_PLAIN_SIGNS = bytes.maketrans(b",\r\t\v\f\x1c\x1d\x1e\x1f", b".\n       ")
_BLANKS = re.compile(r"[^\S\r\n]+")


def parse_rows(
    data: bytes, *, start: int = 0, columns: int | None, name: str
) -> tuple[FloatArray, tuple[Problem, ...]]:
    """Parse the rows of a file; line ends part them, TABs or blanks part their cells.

    Parameters
    ----------
    data
        The whole file, each ASCII character one byte.
    columns
        Cells in each row; None: as many as the first row has.

    Returns
    -------
    tuple
        (columns, rows) numbers, and what was left out: a last row that was cut off, and signals
        that overflowed or were not recorded, which are NaN. Times are finite.

    Raises
    ------
    FormatError
        At the first line that does not hold a time and `columns` - 1 signals, and for more than
        `MOST_COLUMNS` columns.
    """
    first_row, cells = _first_row(data, start, name)
    columns = columns or max(2, len(cells))
    if columns > MOST_COLUMNS:
        where, found = _line_at(data, start), f"{columns} columns"
        raise FormatError(name, where=where, found=found, expected=f"at most {MOST_COLUMNS}")
    last_start, last = _last_row(data, start)
    notes: tuple[Problem, ...] = ()
    stop = len(data)
    if _is_cut_off(data, last, columns=columns):
        stop = last_start
        notes = (_left_out(name, _line_at(data, last_start), last, columns=columns),)
        if not data[start:stop].strip():
            where, found = _line_at(data, last_start), "a single row that ends early"
            raise FormatError(name, where=where, found=found, expected="rows of numbers")
    if len(cells) != columns:
        _parse_row(cells, columns=columns, name=name, where=_line_at(data, first_row))
    numbers = _parse_blocks(data, start, stop, columns=columns, name=name)
    missing = np.isnan(numbers)
    if missing.any():
        notes += (_not_recorded(name, numbers, missing),)
    return numbers, notes


def _parse_blocks(data: bytes, start: int, stop: int, *, columns: int, name: str) -> FloatArray:
    """Parse all rows: (columns, rows). The only block of a short file is taken as it is."""
    parsed = (
        _parse_lines_of(data, first, end, columns=columns, name=name)
        for first, end in _blocks(data, start, stop, name)
    )
    if stop - start <= _BLOCK:
        return next(parsed, np.empty((columns, 0)))
    line_ends = data.count(b"\n", start, stop) + data.count(b"\r", start, stop)
    most_rows = min(line_ends, (stop - start) // (2 * columns)) + 1
    numbers = np.empty((columns, most_rows))
    rows = 0
    for block in parsed:
        numbers[:, rows : rows + block.shape[1]] = block
        rows += block.shape[1]
    return numbers[:, :rows]


def _parse_lines_of(data: bytes, first: int, end: int, *, columns: int, name: str) -> FloatArray:
    """Parse whole lines, one by one where they are out of order."""
    block = _parse_block(data[first:end], columns=columns)
    if block is None:
        number = count_lines(data, 0, first) + 1
        block = _parse_lines(data[first:end], columns=columns, name=name, first_line=number)
    return block


def _blocks(data: bytes, start: int, stop: int, name: str) -> Iterator[tuple[int, int]]:
    """Yield the bounds of pieces of some `_BLOCK` bytes that end with a line end.

    Raises
    ------
    FormatError
        At a line that is longer than `LONGEST_LINE`.
    """
    while start < stop:
        end = min(start + _BLOCK, stop)
        if end < stop:
            cut = max(data.rfind(b"\n", start, end), data.rfind(b"\r", start, end)) + 1
            if not cut:
                raise _too_long(data, start, name)
            end = cut + (data[cut - 1 : cut + 1] == b"\r\n")
        yield start, end
        start = end


def _too_long(data: bytes, start: int, name: str) -> FormatError:
    found = f"a line of more than {LONGEST_LINE} characters"
    return FormatError(
        name, where=_line_at(data, start), found=found, expected="a row of numbers on each line"
    )


def _parse_block(block: bytes, *, columns: int) -> FloatArray | None:
    """Return the numbers of whole lines, (columns, rows); None when any cell is out of order."""
    numbers = _read_arrow(block.replace(b",", b".") if b"," in block else block, columns=columns)
    if numbers is None:
        plain = _plain(block)
        numbers = _read_arrow(plain, columns=columns) if plain else np.empty((columns, 0))
    return numbers


def _plain(block: bytes) -> bytes:
    """Return lines with one TAB between cells, decimal points, and no sign ``+`` before a cell."""
    if not block.isascii():
        block = _BLANKS.sub(" ", decode(block)).encode()
    text = block.translate(_PLAIN_SIGNS)
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    text = text.replace(b" \n", b"\n").replace(b"\n ", b"\n").strip().replace(b" ", b"\t")
    if b"++" in text or b"+-" in text:
        return text
    return text.replace(b"\t+", b"\t").replace(b"\n+", b"\n").removeprefix(b"+")


def _read_arrow(block: bytes, *, columns: int) -> FloatArray | None:
    names = [str(number) for number in range(columns)]
    kinds = {name: pa.float64() for name in names} | {names[0]: pa.binary()}
    try:
        # Not read_csv, which starts a thread for every block and waits for it.
        reader = arrow_csv.open_csv(
            pa.py_buffer(block),
            read_options=arrow_csv.ReadOptions(
                column_names=names, use_threads=False, block_size=2 * LONGEST_LINE
            ),
            parse_options=arrow_csv.ParseOptions(delimiter="\t", quote_char=False),
            convert_options=arrow_csv.ConvertOptions(
                column_types=kinds, null_values=[], check_utf8=False
            ),
        )
        table = reader.read_all()
        if not table.num_rows:
            return None
        times = _TIMES.numbers(table.column(0).combine_chunks())
    except pa.ArrowInvalid:
        return None
    numbers = np.vstack([times, *(column.to_numpy() for column in table.columns[1:])])
    return numbers if np.isfinite(numbers).all() else None


class _LastTimes:
    """The times of the last block as numbers: an instrument writes the same into file after file.

    To compare their texts takes a tenth of the time in which they are turned into numbers.
    """

    def __init__(self) -> None:
        self._last: tuple[pa.Buffer, pa.Buffer, FloatArray] | None = None

    def numbers(self, texts: pa.BinaryArray) -> FloatArray:
        """Return the numbers; `pa.ArrowInvalid` where one of the texts is none."""
        _, places, letters = texts.buffers()
        last = self._last
        if last is not None and places.equals(last[0]) and letters.equals(last[1]):
            return last[2]
        found = np.asarray(texts.cast(pa.string()).cast(pa.float64()))
        self._last = places, letters, found
        return found


_TIMES = _LastTimes()


def _parse_lines(block: bytes, *, columns: int, name: str, first_line: int) -> FloatArray:
    numbers = array("d")
    for number, line in enumerate(split_lines(decode(block)), first_line):
        if cells := line.split():
            numbers.extend(_parse_row(cells, columns=columns, name=name, where=f"line {number}"))
    return np.array(numbers, dtype=np.float64).reshape(-1, columns).T


def _first_row(data: bytes, start: int, name: str) -> tuple[int, list[str]]:
    """Return where the first line with any cells begins, and its cells."""
    position = start
    while position < len(data):
        end = _end_of_line(data, position)
        if end - position > LONGEST_LINE:
            raise _too_long(data, position, name)
        if cells := decode(data[position:end]).split():
            return position, cells
        position = end
    raise FormatError(
        name, where=_line_at(data, start), found="no data", expected="rows of numbers"
    )


def _last_row(data: bytes, start: int) -> tuple[int, list[str]]:
    """Return where the last line with any cells begins, and its cells."""
    end, window = len(data), _TAIL
    while end > start:
        begin = max(start, end - window)
        kept = len(data[begin:end].rstrip())
        end, window = begin + kept, window if kept else 4 * window
        if not kept:
            continue
        line = _start_of_line(data, start, end)
        cells = decode(data[line:end]).split()
        if cells:
            return line, cells
        end, window = line, _TAIL
    return start, []


def _start_of_line(data: bytes, start: int, end: int) -> int:
    """Return where the line that ends at `end` begins; of a line too long, some place in it."""
    window = _TAIL
    while True:
        begin = max(start, end - window)
        found = max(data.rfind(b"\n", begin, end), data.rfind(b"\r", begin, end)) + 1
        if found or begin == start or window > LONGEST_LINE:
            return max(found, begin)
        window *= 4


def _end_of_line(data: bytes, position: int) -> int:
    """Return where the line after that at `position` begins; of a line too long, a place in it."""
    window = position + LONGEST_LINE + 2
    found = _LINE_END.search(data, position, window)
    return found.end() if found else min(len(data), window)


def _line_at(data: bytes, position: int) -> str:
    return f"line {count_lines(data, 0, position) + 1}"


def _is_cut_off(data: bytes, last: list[str], *, columns: int) -> bool:
    """Tell whether writing stopped inside the last row.

    A last cell without a line end may have lost digits: ``8.5`` may have been ``8.58337``.
    """
    ended = data.endswith((b"\r", b"\n", b" ", b"\t"))
    return len(last) < columns or (len(last) == columns and not ended)


def _left_out(name: str, where: str, cells: list[str], *, columns: int) -> Problem:
    shown = " ".join(cells)[:SHOWN]
    return warning_of(
        name,
        f"a last row that ends early ({shown!r}); left out",
        where=where,
        expected=f"{columns} columns and a line end",
    )


def _not_recorded(name: str, numbers: FloatArray, missing: NDArray[np.bool_]) -> Problem:
    """Say how many signals have no value, and at which time the first of them stands."""
    count, first = int(missing.sum()), int(np.argmax(missing.any(axis=0)))
    what = "is not a number" if count == 1 else "are not numbers"
    found = (
        f"{count} of {missing[1:].size} signals {what} (overflow, or not recorded), the first at "
        f"x = {numbers[0, first]:.6g}; left out"
    )
    expected = "a number at every point"
    return warning_of(name, found, expected=expected)


def _parse_row(cells: list[str], *, columns: int, name: str, where: str) -> list[float]:
    if len(cells) != columns:
        found = f"{len(cells)} column{'s' * (len(cells) != 1)} ({' '.join(cells)[:SHOWN]!r})"
        expected = f"{columns} columns separated by TAB or blanks"
        raise FormatError(name, where=where, found=found, expected=expected, rule="broken row")
    return [
        _parse_cell(cell, number, name=name, where=where) for number, cell in enumerate(cells, 1)
    ]


def _parse_cell(cell: str, column: int, *, name: str, where: str) -> float:
    """Return the number of a cell; NaN for a signal that overflowed or was not recorded."""
    may_miss = column > 1
    if _NUMBER.fullmatch(cell):
        value = float(cell.replace(",", "."))
        if math.isfinite(value):
            return value
        if may_miss:
            return math.nan
    elif may_miss and is_missing(cell):
        return math.nan
    raise FormatError(
        name, where=f"{where}, column {column}", found=repr(cell[:SHOWN]), expected="a number"
    )
