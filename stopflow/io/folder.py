"""A folder of trace files and workbooks to an Experiment; whatever does not match is reported."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from stopflow.errors import FormatError, SettingsError
from stopflow.io.channels import Channels, choose_channels, parse_channel, usual_channels
from stopflow.io.decisions import Decision, Decisions, load_decisions
from stopflow.io.metadata import check_metadata
from stopflow.io.pushes import Push, read_files
from stopflow.io.readers.content import shown_name
from stopflow.io.readers.table import TRACE_ENDINGS
from stopflow.io.sorting import DECISIONS, sort_file
from stopflow.io.survey import Survey, list_folder, list_names, relative, survey
from stopflow.io.text import decode, to_single_byte
from stopflow.io.workbook.names import file_key
from stopflow.io.workbook.rows import Entry, SheetRow
from stopflow.io.workbook.units import TIME, parse_time_unit
from stopflow.io.workbook.vocabulary import QUANTITIES
from stopflow.io.workbook.workbook import (
    TRUTH,
    WorkbookReading,
    merge_rows,
    read_workbooks,
    rows_by_file,
)
from stopflow.trace import Conditions, Experiment, Problem, Recording, Shot, Trace

EXPECTED_OF_A_FILE = ("start", "rate", "concentration", "temperature")
"""Quantities whose absence for one file is reported when other files have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabFolders:
    """The experiment folders of a lab, in natural order, and what was passed over."""

    experiments: tuple[Path, ...]
    problems: tuple[Problem, ...]


def find_lab(root: Path, *, passed_over: Iterable[Path] = ()) -> LabFolders:
    """Find every folder from `root` down that holds traces, and list what holds none.

    Parameters
    ----------
    passed_over
        Folders not to look into, without a word: where the results go.
    """
    found = survey(root, passed_over=passed_over)
    experiments, problems = [], list(found.problems)
    for listing in found.listings:
        if has_traces(listing.files):
            experiments.append(listing.folder)
        else:
            problems += _without_traces(listing.folder, listing.files, listing.problems, found)
    return LabFolders(experiments=tuple(experiments), problems=tuple(problems))


def find_experiments(root: Path) -> list[Path]:
    """Return the experiment folders of `find_lab`."""
    return list(find_lab(root).experiments)


def has_traces(files: Sequence[Path]) -> bool:
    """Tell whether a folder's files hold a trace; workbooks are opened only where no other does."""
    kinds = [sort_file(path) for path in files]
    if any(file.kind == "trace" for file in kinds):
        return True
    books = [file for file in kinds if file.kind == "workbook"]
    return any(
        push.recording is not None or push.refusal
        for book in books
        for push in read_files([book], time_unit="s").pushes
    )


def read_experiment(
    folder: Path,
    *,
    name: str | None = None,
    channel: Channels = None,
    wavelength_nm: float | None = None,
    time_unit: str | None = None,
) -> Experiment:
    """Read a folder.

    A file that cannot be read becomes a shot without trace, with the reason as `refusal`, and a
    problem. Rows without a file, files without a row, channels that are not fitted, and all that
    the readers remark on are problems too.

    Parameters
    ----------
    folder
        Holds trace files and workbooks.
    name
        Of the experiment; None: the folder's.
    channel, wavelength_nm
        Signal to take: a number from 1, ``"all"``, or a wavelength; None: the first, of a diode
        array that which changes most.
    time_unit
        Unit of time of files that say none; None: such files are refused, but for Bio-Kine's.

    Raises
    ------
    SettingsError
        When `time_unit` is no unit of time or `channel` no channel.
    """
    if time_unit is not None and parse_time_unit(time_unit) is None:
        raise SettingsError("time_unit", time_unit, valid=TIME)
    channel = parse_channel(channel)
    listing = list_folder(folder)
    files = [sort_file(path) for path in listing.files]
    content = read_files(files, time_unit=time_unit)
    labels = [push.label for push in content.pushes]
    reading = read_workbooks(folder, labels, paths=content.sheets, sheets_of=content.sheets_of)
    decisions = load_decisions(folder)
    experiment = name or shown_name(folder.resolve().name)
    problems = [*listing.problems, *content.problems, *reading.problems, *decisions.problems]
    rows = rows_by_file(reading)
    recordings = [push.recording for push in content.pushes if push.recording is not None]
    usual = usual_channels(recordings)
    shots: list[Shot] = []
    for push in content.pushes:
        matching = _rows_of(push.label, rows)
        channels, mention = _channels(
            push, channel=channel, wavelength_nm=wavelength_nm, usual=usual.get(push.name, 1)
        )
        problems += mention
        for number in channels:
            shot, remarks = _build_shot(
                push, matching, channel=number, shared=reading.shared, experiment=experiment
            )
            shot, wrong = _decided(shot, push.recording, decisions.of(push.name, number))
            shots.append(shot)
            problems += [*(remarks if number == channels[0] else []), *wrong]
        problems += _incomplete(push.label, matching, reading)
    problems += _without_file(reading, labels)
    problems += _undecided(decisions, [push.name for push in content.pushes])
    checked, findings = check_metadata(shots, folder=shown_name(folder.resolve().name))
    problems += findings
    left_out = [shot for shot in checked if shot.left_out]
    problems += [_left_out(shot) for shot in left_out]
    return Experiment(
        name=experiment,
        shots=tuple(shot for shot in checked if not shot.left_out),
        problems=tuple(replace(problem, experiment=experiment) for problem in problems),
        left_out=tuple(left_out),
    )


def read_truth(root: Path) -> dict[tuple[str, str], float] | None:
    """Read the true rate constants of a simulated lab, s^-1, by (experiment, file).

    Returns None when `root` holds no ``truth.csv``.

    Raises
    ------
    FormatError
        When a column is missing or a rate is no number.
    """
    path = root / TRUTH
    if not path.is_file():
        return None
    table = csv.DictReader(io.StringIO(decode(to_single_byte(path.read_bytes())), newline=""))
    needed = ("experiment", "file", "k_true_per_s")
    missing = [column for column in needed if column not in (table.fieldnames or ())]
    if missing:
        found, expected = f"no column {', '.join(missing)}", ", ".join(needed)
        raise FormatError(TRUTH, where="line 1", found=found, expected=f"the columns {expected}")
    truth = {}
    for row in table:
        text = row["k_true_per_s"] or ""
        try:
            truth[row["experiment"], row["file"]] = float(text)
        except ValueError as error:
            where = f"line {table.line_num}, k_true_per_s"
            raise FormatError(TRUTH, where=where, found=repr(text), expected="a number") from error
    return truth


def _rows_of(file: str, rows: Mapping[str, Sequence[SheetRow]]) -> Sequence[SheetRow]:
    """Return the rows of a file; those that spell it exactly, if any do."""
    found = rows.get(file_key(file), ())
    plain = unicodedata.normalize("NFC", file)
    return [row for row in found if unicodedata.normalize("NFC", row.file) == plain] or found


def _without_traces(
    folder: Path, files: Sequence[Path], problems: Sequence[Problem], found: Survey
) -> list[Problem]:
    """List the files of a folder that holds no trace, and what is odd about it."""
    place = relative(folder, found.root) or shown_name(folder.resolve().name)
    listed = [replace(problem, experiment=place) for problem in problems]
    own = [file for file in map(sort_file, files) if file.kind != "own"]
    unreadable = [file for file in own if file.kind == "unreadable"]
    listed += [
        Problem(experiment=place, file=file.path.name, found=file.why, expected="a file")
        for file in unreadable
    ]
    others = [file.path.name for file in own if file.kind != "unreadable"]
    is_named_so = folder.name.casefold().endswith(TRACE_ENDINGS) and folder != found.root
    if others or is_named_so:
        what = f"no traces; not read: {list_names(others)}" if others else "no traces"
        what = f"a folder that is named like a trace; {what}" if is_named_so else what
        level: Literal["warning", "note"] = "warning" if is_named_so else "note"
        listed.append(Problem(experiment=place, file="", found=what, level=level))
    return listed


def _channels(
    push: Push, *, channel: Channels, wavelength_nm: float | None, usual: int
) -> tuple[list[int], list[Problem]]:
    """Return the channels of a push to fit; the wanted one where it could not be read."""
    if push.recording is None:
        return [channel if isinstance(channel, int) else 1], []
    try:
        return choose_channels(
            push.recording, channel=channel, wavelength_nm=wavelength_nm, usual=usual
        )
    except FormatError as error:
        return [1], [
            _problem(push.name, error.where, error.found, expected=error.expected, level="error")
        ]


def _build_shot(
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
            problems.append(
                _problem(push.name, "", error.found, expected=error.expected, level="error")
            )
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


def _decided(
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
    problem = _problem(
        DECISIONS, decision.place, f"{shot.file}: {wrong}", expected="points inside", level="error"
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


def _undecided(decisions: Decisions, names: Sequence[str]) -> list[Problem]:
    """List the decisions about files that are not there."""
    return [
        _problem(
            DECISIONS,
            row.place,
            f"{row.file!r}, which is not there",
            expected="a trace of this folder",
            level="error",
        )
        for row in decisions.unmatched(names)
    ]


def _left_out(shot: Shot) -> Problem:
    where = f"channel {shot.channel}" if shot.channel > 1 else ""
    found = f"left out by a decision: {shot.left_out}"
    return _problem(shot.file, where, found, expected="", level="note")


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


def _incomplete(file: str, rows: Sequence[SheetRow], reading: WorkbookReading) -> list[Problem]:
    """Report a file without a row, or without a value that other files have."""
    if not reading.rows:
        return []
    if not rows:
        found, expected = "a file without a row in the workbooks", "a row with its name"
        return [_problem(file, "", found, expected=expected, level="warning")]
    lacking = [
        f"{QUANTITIES[quantity].noun} ({reading.columns[quantity]})"
        for quantity in EXPECTED_OF_A_FILE
        if reading.filled(quantity) and not any(quantity in row.entries for row in rows)
    ]
    if not lacking:
        return []
    found = f"no {' and no '.join(lacking)}"
    return [_problem(file, "", found, expected="a value, as for other files", level="warning")]


def _without_file(reading: WorkbookReading, labels: Sequence[str]) -> list[Problem]:
    present = {file_key(label) for label in labels}
    problems = []
    for row in reading.rows:
        if file_key(row.file) not in present:
            book, _, place = row.place.partition(", ")
            found, expected = f"{row.file!r}, which is not there", "a file of this folder"
            problems.append(_problem(book, place, found, expected=expected, level="error"))
    return problems


def _problem(
    file: str, where: str, found: str, *, expected: str, level: Literal["error", "warning", "note"]
) -> Problem:
    return Problem(
        experiment="", file=file, where=where, found=found, expected=expected, level=level
    )
