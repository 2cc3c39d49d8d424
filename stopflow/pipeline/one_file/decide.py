"""Decisions about a trace, in the `decisions.csv` beside it: written by commands, and read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stopflow.errors import SettingsError, StopflowError, TraceError
from stopflow.io.decisions import (
    Decision,
    When,
    load_decisions,
    parse_when,
    same_file,
    save_decisions,
    with_decision,
)
from stopflow.io.readers.reading import split_push
from stopflow.io.sorting import DECISIONS
from stopflow.io.text import shown_name
from stopflow.kinetics.start.trimming import crossed_ends
from stopflow.trace import Recording

WHOLE_FILE = 0
"""In place of a channel: only what was decided about the file as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What was written, and the files that nothing could be decided about."""

    written: tuple[Path, ...]
    done: tuple[str, ...]
    problems: tuple[str, ...]


def exclude(files: Sequence[Path], *, why: str, channel: int | None = None) -> Decided:
    """Leave traces out, with the reason.

    Raises
    ------
    SettingsError
        Without a reason.
    """
    if not why.strip():
        raise SettingsError("--why", why, valid="the reason, e.g. --why bubble")
    note = " ".join(why.split())
    return _decide(
        files, lambda file: Decision(file=file, channel=channel, use=False, note=note), "left out"
    )


def include(files: Sequence[Path], *, channel: int | None = None) -> Decided:
    """Take traces in again that were left out."""
    return _decide(files, lambda file: Decision(file=file, channel=channel, use=True), "taken in")


def set_window(
    file: Path, *, start: str | None, end: str | None, channel: int | None = None, why: str = ""
) -> Decided:
    """Fix the start or the end of the fit of one trace.

    Raises
    ------
    SettingsError
        When neither is given or one is no time.
    """
    times = {"--start": _when("--start", start), "--end": _when("--end", end)}
    if not any(times.values()):
        raise SettingsError("--start or --end", None, valid="one or both, e.g. --start '5 ms'")
    first, last = times["--start"], times["--end"]
    same_unit = first is not None and last is not None and first.has_unit == last.has_unit
    if same_unit and first and last and last.value <= first.value:
        raise SettingsError("--end", end, valid=f"a time after --start {start}")
    note = " ".join(why.split())
    return _decide(
        [file],
        lambda name: Decision(file=name, channel=channel, start=first, end=last, note=note),
        "window set",
    )


def _require_window(rows: Sequence[Decision], file: str) -> None:
    """Refuse an end before the start, one of which may have been decided earlier."""
    for row in rows:
        if row.file != file or row.start is None or row.end is None:
            continue
        if row.start.has_unit == row.end.has_unit and row.end.value <= row.start.value:
            valid = f"a time after the start, {row.start.text()}; one was decided before: give both"
            raise SettingsError("--end", row.end.text(), valid=valid)


def _when(option: str, text: str | None) -> When | None:
    if text is None:
        return None
    found = parse_when(text)
    if found is None:
        raise SettingsError(option, text, valid="a time, e.g. 5 ms, or 5 in the file's own unit")
    return found


def _decide(files, make, what: str) -> Decided:  # type: ignore[no-untyped-def]
    """Write one decision a file; those that are not there are listed, the others done."""
    folders: dict[Path, list[str]] = {}
    problems: list[str] = []
    for file in files:
        path, _ = split_push(file)
        if path.is_file():
            folders.setdefault(file.parent, []).append(shown_name(file.name))
        else:
            problems.append(f"{file} is not there; nothing was decided about it")
    written, done = [], []
    for folder, names in folders.items():
        known = load_decisions(folder)
        if known.problems:
            first = known.problems[0]
            raise StopflowError(
                f"{folder / DECISIONS}, {first.where}: {first.found}; expected {first.expected}; "
                "put that right first, or it would be lost"
            )
        rows = known.rows
        for name in names:
            spelled = next((row.file for row in rows if same_file(row.file, name)), name)
            rows = with_decision(rows, make(spelled))
            _require_window(rows, spelled)
            done.append(f"{name}: {what}")
        written.append(save_decisions(folder, rows))
    return Decided(written=tuple(written), done=tuple(done), problems=tuple(problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedWindow:
    """Start and end of a fit in s, given before decided, and a line for all that was decided."""

    start_s: float | None
    end_s: float | None
    said: tuple[str, ...]


def decision_of(file: Path, recorded: Recording, channel: int) -> Decision:
    """Return what was decided about a signal of a file; nothing where there is no decision."""
    return load_decisions(file.parent).of(recorded.name, channel) or Decision(file=file.name)


def decided_window(
    recorded: Recording, decision: Decision, *, start: float | None, end: float | None
) -> DecidedWindow:
    """Return the window of a fit: what is given, in the file's own unit, goes before a decision.

    Raises
    ------
    TraceError
        When it would end before it begins.
    """
    unit_s = recorded.time_unit_s
    said = []
    if decision.use is False:
        said.append(f"{DECISIONS} leaves this trace out of the results: {decision.note}")
    start_s = None if start is None else start * unit_s
    end_s = None if end is None else end * unit_s
    if start is None and decision.start is not None:
        start_s = decision.start.in_s(unit_s)
        said.append(f"{DECISIONS} sets the start of the fit to {start_s:.6g} s")
    if end is None and decision.end is not None:
        end_s = decision.end.in_s(unit_s)
        said.append(f"{DECISIONS} sets the end of the fit to {end_s:.6g} s")
    crossed = crossed_ends(start_s, end_s)
    if crossed is not None:
        raise TraceError(f"{recorded.name}: {crossed.reason}")
    return DecidedWindow(start_s=start_s, end_s=end_s, said=tuple(said))
