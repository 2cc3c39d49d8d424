"""The header of a Bio-Kine file: its records, read and written (the format: `format`)."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from stopflow.errors import FormatError, and_more
from stopflow.io.guard import SHOWN
from stopflow.io.text import split_lines
from stopflow.trace import Problem, note_of

SINGLE = "BIO-KINE ASCII FILE"
MULTI = "BIO-KINE MULTI-Y ASCII FILE"

KEYS = {
    "_UNITX": "unit of the first column",
    "_NBY": "number of signal columns (multi only)",
    "_UNITY": "unit of the signal; _UNITYn of signal n",
    "_COMMENT": "free text; _COMMENTn; repeats",
    "_DELTAX": "0, not the step",
}
"""Known record keys, a number at the end left out."""

_LONGEST_COUNT = 10

MOST_HEADER_BYTES = 1 << 18
"""Bytes before ``_DATA``; the headers of instruments have about 1,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BkaHeader:
    """Records between the first line and ``_DATA``.

    Attributes
    ----------
    records
        (key, value), without quotes; the key is ``""`` for a line that is not a record.
    multi
        Whether it is the kind with several signals.
    notes
        Remarks on lines that have no known key.
    """

    records: tuple[tuple[str, str], ...]
    multi: bool
    notes: tuple[Problem, ...]

    def value(self, key: str) -> str:
        """Return the value of the first record of that key, else ``""``."""
        return next((value for known, value in self.records if known.upper() == key), "")

    def columns(self) -> int | None:
        """Return the number of columns the header promises; None when it does not say."""
        if not self.multi:
            return 2
        count = self.value("_NBY").lstrip("0")
        if not count.isdecimal():
            return None
        return 1 + int(count) if len(count) < _LONGEST_COUNT else sys.maxsize

    def signal_units(self, count: int) -> tuple[str, ...]:
        """Return the unit of each of `count` signals, ``""`` where none is given."""
        first = {key.upper(): value for key, value in reversed(self.records)}
        units = [first.get(f"_UNITY{number}", "") for number in range(1, count + 1)]
        return (units[0] or first.get("_UNITY", ""), *units[1:])


def parse_header(text: str, *, name: str) -> BkaHeader:
    """Parse the lines before ``_DATA``.

    Raises
    ------
    FormatError
        When the first line is not that of a Bio-Kine file.
    """
    lines = split_lines(text)
    top = next((number for number, line in enumerate(lines) if line.strip()), 0)
    first = lines[top].strip()
    kind = first.strip('"').strip().upper()
    if kind not in (SINGLE, MULTI):
        beginning = first[:SHOWN]
        shown = repr("".join(takewhile(_is_text, beginning)))
        found = shown if all(map(_is_text, beginning)) else f"binary data after {shown}"
        raise FormatError(name, where=f"line {top + 1}", found=found, expected=first_lines())
    records: list[tuple[str, str]] = []
    unknown: list[tuple[int, str]] = []
    for number, line in enumerate(lines[top + 1 :], top + 2):
        text = line.strip()
        if not text:
            continue
        key, value = _split_record(text)
        records.append((key, value) if key else ("", text))
        if key.upper().rstrip("0123456789") not in KEYS:
            unknown.append((number, text))
    return BkaHeader(
        records=tuple(records), multi=kind == MULTI, notes=_unknown_lines(name, unknown)
    )


def _split_record(text: str) -> tuple[str, str]:
    """Return the key and the value of a record; two empty texts for any other line."""
    if text.startswith("_"):  # a spreadsheet has taken the quotes away
        key, *values = text.split(maxsplit=1)
        return key, "".join(values)
    opening, *rest = text.split('"', 2)
    if opening or len(rest) < 2 or not rest[0].startswith("_"):
        return "", ""
    return rest[0], _unquote(rest[1].strip())


def _unknown_lines(name: str, lines: Sequence[tuple[int, str]]) -> tuple[Problem, ...]:
    """Remark once on all lines without a known key; they are kept."""
    if not lines:
        return ()
    shown = ", ".join(f"line {number} {text[:SHOWN]!r}" for number, text in lines[:3])
    found = f"{shown}{and_more(len(lines) - 3)}; kept, not used"
    known = f'a record of a known key ({", ".join(KEYS)}) or "_DATA"'
    return (note_of(name, found, where="header", expected=known, rule="unknown-lines"),)


def _is_text(character: str) -> bool:
    return character.isprintable() or character == "\t"


def header_lines(time_unit: str, signal_units: Sequence[str], comments: Sequence[str]) -> list[str]:
    """Return the lines of a header, ``_DATA`` included, without line ends."""
    units = list(signal_units)
    if len(units) == 1:
        lines = [f'"{SINGLE}"', _record("_UNITX", time_unit), _record("_UNITY", units[0])]
    else:
        lines = [f'"{MULTI}"', _record("_UNITX", time_unit), f'"_NBY"\t{len(units)}']
        lines += [_record(f"_UNITY{number}", unit) for number, unit in enumerate(units, 1)]
    key = "_COMMENT" if len(units) == 1 else "_COMMENT1"
    return [*lines, *(_record(key, text) for text in comments), '"_DELTAX"\t0', '"_DATA"']


def first_lines() -> str:
    """Say what a Bio-Kine file starts with, for messages."""
    return f'a Bio-Kine file, whose first line is "{SINGLE}" or "{MULTI}"'


def _record(key: str, value: str) -> str:
    clean = " ".join(split_lines(value)).replace('"', "'")
    return f'"{key}"\t"{clean}"'


def _unquote(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
