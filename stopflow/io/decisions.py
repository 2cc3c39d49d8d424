"""What a chemist decided about traces: `decisions.csv`, beside them. It never changes the data.

::

    file,channel,use,start,end,law,note
    shot_03.bka,,no,,,,bubble
    shot_04.bka,,,5 ms,0.35 s,,end before the lamp drifts
    shot_05.bka,2,,,,double,second phase is real

- `file` is the trace's file, with or without its ending, or ``book.xlsx[column]`` where a file
  holds several. A row without a `channel` counts for all of them.
- `use` is ``no`` to leave the trace out; ``yes`` or nothing otherwise.
- `start` and `end` bound the part that is fitted: a number with its unit, or without one in the
  file's own unit of time. `law` is the rate law of this trace alone.
- A later row for the same file and channel wins, cell by cell. Cells are parted by commas,
  semicolons or TABs.
- A row that cannot be read, or is of a file that is not there, is listed; the others hold.
"""

import csv
import io
import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from stopflow.errors import FormatError
from stopflow.io.atomic import write_text
from stopflow.io.readers.content import read_content
from stopflow.io.sorting import DECISIONS
from stopflow.io.text import decode, split_lines, to_single_byte
from stopflow.io.units import parse_quantity, parse_time_unit
from stopflow.io.workbook.names import file_key
from stopflow.trace import Problem

COLUMNS: Final = ("file", "channel", "use", "start", "end", "law", "note")
_YES = frozenset({"", "yes", "y", "true", "1", "ja", "oui"})
_NO = frozenset({"no", "n", "false", "0", "nein", "non"})
_LONGEST = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """A time as decided: `value` in s where `has_unit`, else in the file's own unit."""

    value: float
    has_unit: bool

    def in_s(self, unit_s: float) -> float:
        """Return seconds, given the file's unit of time in s."""
        return self.value if self.has_unit else self.value * unit_s

    def text(self) -> str:
        """Write it so that it is read back as the same number."""
        return f"{self.value!r} s" if self.has_unit else repr(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One row.

    Attributes
    ----------
    channel
        None for every channel of the file.
    use
        None where the row does not say.
    place
        Where it stands, for messages.
    """

    file: str
    channel: int | None = None
    use: bool | None = None
    start: When | None = None
    end: When | None = None
    law: str = ""
    note: str = ""
    place: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return what stands in the columns `COLUMNS`, as it is read back."""
        use = {True: "yes", False: "no", None: ""}[self.use]
        start, end = (when.text() if when else "" for when in (self.start, self.end))
        channel = "" if self.channel is None else str(self.channel)
        return self.file, channel, use, start, end, self.law, self.note


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The decisions of a folder, one for each file and channel, and what could not be read."""

    rows: tuple[Decision, ...] = ()
    problems: tuple[Problem, ...] = ()

    def of(self, name: str, channel: int) -> Decision | None:
        """Return what was decided about a signal; a row of its channel adds to one of its file."""
        members = [row for row in self.rows if same_file(row.file, name)]
        found = [row for row in members if row.channel is None]
        found += [row for row in members if row.channel == channel]
        if not found:
            return None
        whole = found[0]
        for row in found[1:]:
            whole = _over(whole, row)
        return whole

    def unmatched(self, names: Iterable[str]) -> list[Decision]:
        """Return the rows of files that are not among `names`."""
        known = list(names)
        return [row for row in self.rows if not any(same_file(row.file, name) for name in known)]


def same_file(written: str, name: str) -> bool:
    """Tell whether a written name means a file: the same text, or the same but for its ending."""
    return _plain(written) == _plain(name) or written.strip() == file_key(name)


def load_decisions(folder: Path) -> Decisions:
    """Read the decisions of a folder; none without the file."""
    path = folder / DECISIONS
    if not path.is_file():
        return Decisions()
    try:
        return parse_decisions(read_content(path))
    except FormatError as error:
        return Decisions(problems=(Problem.of_error(DECISIONS, error),))


def parse_decisions(data: bytes) -> Decisions:
    """Parse the bytes of a file; every row that cannot be read is a problem.

    Raises
    ------
    FormatError
        When it has no header with the column file.
    """
    if len(data) > _LONGEST:
        raise FormatError(DECISIONS, found="more than 4 MB", expected="a row a trace")
    text = decode(to_single_byte(data)).replace("\0", "")
    first = next((line for line in split_lines(text) if line.strip()), "")
    delimiter = max((",", ";", "\t"), key=first.count)
    table = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: list[Decision] = []
    problems: list[Problem] = []
    header: list[str] | None = None
    try:
        for cells in table:
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = _header(cells)
                continue
            values = dict(zip(header, (cell.strip() for cell in cells), strict=False))
            decision, wrong = _row(values, f"line {table.line_num}")
            problems += wrong
            rows += [decision] if decision else []
    except csv.Error as error:
        problems.append(
            Problem(
                DECISIONS,
                str(error),
                where=f"line {table.line_num}",
                expected="a row of cells",
                rule="csv",
            )
        )
    return Decisions(rows=_merged(rows), problems=tuple(problems))


def save_decisions(folder: Path, rows: Sequence[Decision]) -> Path:
    """Write the decisions of a folder, whole or not at all; return the file."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(row.cells() for row in rows)
    path = folder / DECISIONS
    write_text(path, table.getvalue())
    return path


def with_decision(rows: Sequence[Decision], new: Decision) -> tuple[Decision, ...]:
    """Return the rows with a new one, which wins over an earlier one of its file and channel."""
    return _merged([*rows, new])


def parse_when(text: str) -> When | None:
    """Read a time such as ``5 ms``, ``0.35 s`` or ``12``; None for what is none."""
    found = parse_quantity(text)
    if found is None or not math.isfinite(found[0]):
        return None
    value, unit = found
    if not unit:
        return When(value=value, has_unit=False)
    scale = parse_time_unit(unit)
    if scale is None:
        return None
    seconds = value * scale if scale >= 1 else value / round(1 / scale)
    return When(value=seconds, has_unit=True)


def _header(cells: Sequence[str]) -> list[str]:
    names = [cell.strip().casefold().removesuffix("_s") for cell in cells]
    if "file" not in names:
        found = f"a header without the column file ({', '.join(names)[:80]})"
        raise FormatError(DECISIONS, where="line 1", found=found, expected=", ".join(COLUMNS))
    return names


def _row(values: dict[str, str], place: str) -> tuple[Decision | None, list[Problem]]:
    """Read one row; None where a cell of it makes no sense."""
    file, use = values.get("file", ""), values.get("use", "").casefold()
    if not file:
        problem = Problem(
            DECISIONS, "a row without a file", where=place, expected="the name of a trace"
        )
        return None, [problem]
    wrong: list[Problem] = []

    def refuse(key: str, written: str, expected: str, *, rule: str) -> None:
        where, shown = f"{place}, {key}", repr(written[:40])
        wrong.append(Problem(DECISIONS, shown, where=where, expected=expected, rule=rule))

    if use not in _YES | _NO:
        refuse("use", use, "yes or no", rule="use")
    channel = values.get("channel", "")
    is_number = channel.isascii() and channel.isdigit() and len(channel) < 7 and int(channel) > 0
    if channel and not is_number:
        refuse("channel", channel, "a number from 1", rule="channel")
    times = {}
    for key in ("start", "end"):
        written = values.get(key, "")
        times[key] = parse_when(written) if written else None
        if written and times[key] is None:
            expected = "a time such as 5 ms, or a number in the file's own unit"
            refuse(key, written, expected, rule="time")
    if wrong:
        return None, wrong
    decision = Decision(
        file=file,
        channel=int(channel) if channel else None,
        use=None if not use else use in _YES,
        start=times["start"],
        end=times["end"],
        law=values.get("law", "") or values.get("model", ""),
        note=values.get("note", ""),
        place=place,
    )
    return decision, []


def _merged(rows: Iterable[Decision]) -> tuple[Decision, ...]:
    """Return one row for each file and channel, later cells over earlier ones."""
    found: dict[tuple[str, int | None], Decision] = {}
    for row in rows:
        key = (_plain(row.file), row.channel)
        found[key] = _over(found[key], row) if key in found else row
    return tuple(found.values())


def _over(first: Decision, later: Decision) -> Decision:
    """Return a row with the cells of a later one where it has any.

    The reason why a trace was left out goes when the trace is taken in again.
    """
    taken_in = first.use is False and later.use is True
    return replace(
        later,
        use=first.use if later.use is None else later.use,
        start=later.start or first.start,
        end=later.end or first.end,
        law=later.law or first.law,
        note=later.note or ("" if taken_in else first.note),
    )


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()
