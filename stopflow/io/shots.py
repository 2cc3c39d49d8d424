"""One signal of a push, what the workbooks say of it, and what was decided: a Shot."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stopflow.errors import FormatError
from stopflow.io.decisions import Decision
from stopflow.io.pushes import Push
from stopflow.io.sorting import DECISIONS
from stopflow.io.workbook.rows import Entry, SheetRow
from stopflow.io.workbook.workbook import merge_rows
from stopflow.trace import Conditions, Problem, Recording, Shot, Trace


def build_shot(
    push: Push,
    rows: Sequence[SheetRow],
    *,
    channel: int,
    shared: Mapping[str, Entry],
    experiment: str,
) -> tuple[Shot, list[Problem]]:
    """Bind one signal of a push to what the workbooks say of it."""
    problems: list[Problem] = []
    recording = push.recording
    trace, refusal = None, push.refusal
    if recording is not None:
        try:
            trace = recording.trace(channel)
        except FormatError as error:
            refusal = f"found {error.found}; expected {error.expected}"
            problems.append(Problem.of_error(push.name, error))
    signals = 1 if recording is None else recording.channels
    chosen, own_channel = _rows_of_channel(rows, channel=channel, signals=signals)
    start_s = rate = None
    conditions = _conditions(shared, {})
    if chosen:
        row, remarks = merge_rows(chosen)
        problems += remarks
        start_s = _start_s(row, None if recording is None else recording.time_unit_s)
        rate = _number(row.entries, "rate") if own_channel else None
        conditions = _conditions({**shared, **row.entries}, row.extra)
    shot = Shot(
        experiment=experiment,
        file=push.name,
        channel=channel,
        trace=trace,
        conditions=conditions,
        start_s=start_s,
        workbook_rate_per_s=rate,
        refusal=refusal,
        source=push.source,
    )
    return shot, problems


def apply_decision(
    shot: Shot, recording: Recording | None, decision: Decision | None
) -> tuple[Shot, list[Problem]]:
    """Apply a decision to a shot; a window without points refuses it."""
    if decision is None:
        return shot, []
    if decision.use is False:
        return replace(shot, left_out=decision.note or "no reason given"), []
    if recording is None:
        return shot, []
    unit_s = recording.time_unit_s
    start_s = shot.start_s if decision.start is None else decision.start.in_s(unit_s)
    end_s = None if decision.end is None else decision.end.in_s(unit_s)
    decided = replace(
        shot,
        start_s=start_s,
        start_from="workbook" if decision.start is None else "decision",
        end_s=end_s,
        law=decision.law,
    )
    wrong = _empty_window(decided.trace, start_s, end_s)
    if not wrong:
        return decided, []
    problem = Problem(
        DECISIONS,
        f"{shot.file}: {wrong}",
        where=decision.place,
        expected="points inside",
        rule="empty-window",
    )
    return replace(shot, trace=None, refusal=wrong), [problem]


def _empty_window(trace: Trace | None, start_s: float | None, end_s: float | None) -> str:
    """Say that no point lies between a start and an end; "" where some do."""
    if trace is None or not len(trace):
        return ""
    low = float(trace.time_s[0]) if start_s is None else start_s
    high = float(trace.time_s[-1]) if end_s is None else end_s
    if ((trace.time_s >= low) & (trace.time_s <= high)).any():
        return ""
    return (
        f"a window of no points, {low:.6g} to {high:.6g} s, of a trace from "
        f"{trace.time_s[0]:.6g} to {trace.time_s[-1]:.6g} s"
    )


def _rows_of_channel(
    rows: Sequence[SheetRow], *, channel: int, signals: int
) -> tuple[Sequence[SheetRow], bool]:
    """Return the rows that concern a channel, and whether their rate is that channel's.

    In a file with one signal every row does. What was mixed, and when, holds for all channels.
    """
    if signals == 1:
        return rows, True
    own = [row for row in rows if row.channel in (None, channel)]
    return (own, True) if own else (rows, False)


def _start_s(row: SheetRow, unit_s: float | None) -> float | None:
    start = row.entries.get("start")
    if start is None:
        return None
    if start.has_unit:
        return float(start.value)
    return float(start.value) * unit_s if unit_s is not None else None


def _number(entries: Mapping[str, Entry], quantity: str) -> float | None:
    entry = entries.get(quantity)
    return None if entry is None else float(entry.value)


def _conditions(entries: Mapping[str, Entry], extra: Mapping[str, str]) -> Conditions:
    substrate = entries.get("substrate")
    replicate = _number(entries, "replicate")
    return Conditions(
        substrate=str(substrate.value) if substrate else None,
        concentration_M=_number(entries, "concentration"),
        temperature_K=_number(entries, "temperature"),
        ionic_strength_M=_number(entries, "ionic_strength"),
        replicate=None if replicate is None else int(replicate),
        dead_time_s=_number(entries, "dead_time"),
        extra=dict(extra),
    )
