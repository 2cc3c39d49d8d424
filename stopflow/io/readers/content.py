"""The content of a file: read within bounds, and its beginning as text to be recognised by."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stopflow.io.guard import read_beginning, read_bytes
from stopflow.io.readers.numbers import Layout, find_layout
from stopflow.io.text import LINE_END, decode, split_lines, to_single_byte

MOST_BYTES = 128 * 1024 * 1024
"""A larger text file is refused: a recording of a stopped-flow instrument is far smaller."""

LOOKED_AT = 64 * 1024
"""Bytes at the beginning of a file that say what it is."""

LOOKED_AT_WIDE = 1024 * 1024
"""Bytes looked at where the lines are so long that `LOOKED_AT` holds few of them."""

_FEW_LINES = 8
_HEADER_LINES = 500
_LINE_SHOWN = 200
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_CONTROL = bytes(sorted(frozenset(range(32)) - frozenset(b"\t\n\r\f\x1a\x1b")))
_MOST_CONTROL = 0.02
_MOSTLY_ROWS = 0.5
_ROWS_LOOKED_AT = 1_000


@dataclass(frozen=True, kw_only=True)
class Head:
    """The beginning of a file, by which it is recognised.

    Attributes
    ----------
    name
        File name; it may hint at what is inside, but never decides.
    data
        At most `LOOKED_AT` bytes, `LOOKED_AT_WIDE` of a file with long lines.
    """

    name: str
    data: bytes

    @cached_property
    def text(self) -> str:
        """The beginning as text; ``""`` for what is none."""
        plain = to_single_byte(self.data).rstrip(b"\0")
        sample = plain[:4096]
        control = len(sample) - len(sample.translate(None, delete=_CONTROL))
        return "" if control > _MOST_CONTROL * max(len(sample), 1) else decode(plain)

    @cached_property
    def lines(self) -> list[str]:
        """Its whole lines; the last one may be cut off and is left out where others remain."""
        lines = split_lines(self.text)
        is_cut = len(self.data) in (LOOKED_AT, LOOKED_AT_WIDE)
        return lines[:-1] if is_cut and len(lines) > 1 else lines

    @cached_property
    def first(self) -> str:
        """The first line that is not blank, stripped."""
        return LINE_END.split(self.text.lstrip(), maxsplit=1)[0].strip()

    @cached_property
    def layout(self) -> tuple[Layout, int] | None:
        """How the rows of numbers are written and where they begin.

        None without rows, and where most of what follows them is none: numbers in a text.
        """
        found = find_layout(self.lines)
        if found is None:
            return None
        layout, first = found
        below = [line for line in self.lines[first : first + _ROWS_LOOKED_AT] if line.strip()]
        rows = sum(layout.is_row(line) for line in below)
        return found if rows >= _MOSTLY_ROWS * len(below) else None

    @property
    def is_archive(self) -> bool:
        """Whether it is a container as workbooks are (zip or OLE)."""
        return self.data.startswith((_ZIP, _OLE))

    def has_line(self, words: Iterable[str]) -> bool:
        """Tell whether one of the first lines starts with one of the words, case ignored."""
        wanted = tuple(word.casefold() for word in words)
        return any(line.startswith(wanted) for line in self.folded)

    @cached_property
    def folded(self) -> list[str]:
        """The first lines, among which those of a header are, stripped and in small letters."""
        return [line[:_LINE_SHOWN].strip().casefold() for line in self.lines[:_HEADER_LINES]]


def read_head(path: Path) -> Head:
    """Read the beginning of a file.

    Raises
    ------
    FormatError
        When it is no ordinary file or cannot be opened.
    """
    data = read_beginning(path, most_bytes=LOOKED_AT)
    if _has_long_lines(data):
        data = read_beginning(path, most_bytes=LOOKED_AT_WIDE)
    return Head(name=path.name, data=data)


def head_of(data: bytes, *, name: str) -> Head:
    """Return the beginning of a file that is in memory."""
    start = data[:LOOKED_AT]
    return Head(name=name, data=data[:LOOKED_AT_WIDE] if _has_long_lines(start) else start)


def _has_long_lines(start: bytes) -> bool:
    ends = start.count(b"\n") or start.count(b"\r")
    return len(start) == LOOKED_AT and ends < _FEW_LINES


def read_content(path: Path) -> bytes:
    """Read a whole file of at most `MOST_BYTES`.

    Raises
    ------
    FormatError
        When it is larger, no ordinary file, or cannot be opened.
    """
    return read_bytes(path, most_bytes=MOST_BYTES, expected="a recording")
