"""The header of a Bio-Kine file: its records, read and written (the format: bka.py)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

from stopflow.errors import FormatError
from stopflow.io.text import split_lines
from stopflow.trace import Problem

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

_RECORD = re.compile(r'\s*"(?P<key>_[^"]*)"\s*(?P<value>.*?)\s*', re.DOTALL)
_SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class BkaHeader:
    """Records between the first line and ``_DATA``.

    Attributes
    ----------
    records
        (key, value), text unquoted; key ``""`` for a line that is no record.
    multi
        Whether it is the kind with several signals.
    notes
        Lines that are not understood.
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
        count = self.value("_NBY")
        return 1 + int(count) if count.isdecimal() and int(count) > 0 else None

    def signal_units(self, count: int) -> tuple[str, ...]:
        """Return the unit of each of `count` signals, ``""`` where none is given."""
        units = [self.value(f"_UNITY{number}") for number in range(1, count + 1)]
        return (units[0] or self.value("_UNITY"), *units[1:])


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
        shown = repr("".join(takewhile(_is_text, first[:_SHOWN])))
        found = shown if all(map(_is_text, first)) else f"bytes that are no text, from {shown} on"
        raise FormatError(name, where=f"line {top + 1}", found=found, expected=first_lines())
    records, notes = [], []
    for number, line in enumerate(lines[top + 1 :], top + 2):
        match = _RECORD.fullmatch(line)
        if match:
            records.append((match["key"], _unquote(match["value"])))
        elif line.strip():
            records.append(("", line.strip()))
        else:
            continue
        if not match or match["key"].upper().rstrip("0123456789") not in KEYS:
            found = f"{line.strip()[:_SHOWN]!r}; kept, not used"
            known = f'a record of a known key ({", ".join(KEYS)}) or "_DATA"'
            notes.append(header_note(name, f"line {number}", found, expected=known, level="note"))
    return BkaHeader(records=tuple(records), multi=kind == MULTI, notes=tuple(notes))


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


def header_note(
    name: str, where: str, found: str, *, expected: str, level: Literal["warning", "note"]
) -> Problem:
    """Return a remark on a header, not yet bound to an experiment."""
    return Problem(
        experiment="", file=name, where=where, found=found, expected=expected, level=level
    )


def _record(key: str, value: str) -> str:
    clean = " ".join(split_lines(value)).replace('"', "'")
    return f'"{key}"\t"{clean}"'


def _unquote(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
