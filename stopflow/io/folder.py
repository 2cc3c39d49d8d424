"""A folder of trace files and workbooks to an Experiment; whatever does not match is reported."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from stopflow.errors import FormatError, SettingsError
from stopflow.io.channels import Channels, choose_channels, parse_channel, usual_channels
from stopflow.io.decisions import Decisions, load_decisions, same_file
from stopflow.io.metadata.check import check_metadata
from stopflow.io.pushes import FolderContent, Push, read_files, subtracted
from stopflow.io.readers.reading import read_push
from stopflow.io.readers.table import TRACE_ENDINGS
from stopflow.io.shots import apply_decision, build_shot
from stopflow.io.sorting import DECISIONS, sort_file
from stopflow.io.survey import Survey, list_folder, list_names, relative, survey
from stopflow.io.text import shown_name
from stopflow.io.units import TIME, parse_time_unit
from stopflow.io.workbook.names import file_key
from stopflow.io.workbook.rows import SheetRow
from stopflow.io.workbook.vocabulary import QUANTITIES
from stopflow.io.workbook.workbook import WorkbookReading, read_workbooks, rows_by_file
from stopflow.trace import Experiment, Problem, Shot, note_of, warning_of

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
    books = []
    for path in files:
        file = sort_file(path)
        if file.kind == "trace":
            return True
        if file.kind == "workbook":
            books.append(file)
    return any(
        push.recording is not None or push.refusal
        for book in books
        for push in read_files([book], time_unit="s").pushes
    )


def trace_files(folder: Path) -> list[Path]:
    """Return the trace files of a folder, in natural order; none of one that cannot be listed."""
    try:
        return [path for path in list_folder(folder).files if sort_file(path).kind == "trace"]
    except OSError:
        return []


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How the traces of a folder are read; see `read_experiment`."""

    channel: Channels = None
    wavelength_nm: float | None = None
    time_unit: str | None = None
    blank: Path | None = None
    only: frozenset[str] | None = None


def read_experiment(
    folder: Path,
    *,
    name: str | None = None,
    channel: Channels = None,
    wavelength_nm: float | None = None,
    time_unit: str | None = None,
    blank: Path | None = None,
    only: frozenset[str] | None = None,
) -> Experiment:
    """Read a folder.

    A file that cannot be read becomes a shot without trace, with the reason as `refusal`, and a
    problem. Rows without a file, files without a row, channels that are not fitted, and all that
    the readers remark on are problems too.

    Parameters
    ----------
    name
        Of the experiment; None: the folder's.
    channel, wavelength_nm
        Signal to take: a number from 1, ``"all"``, or a wavelength; None: the first, of a diode
        array that which changes most.
    time_unit
        Unit of time of files that say none; None: such files are refused, but for Bio-Kine's.
    blank
        File whose one push is subtracted from every other.
    only
        Names of the trace files to read; None: all. Workbooks are read whichever are named.

    Raises
    ------
    FormatError
        When the blank cannot be read.
    SettingsError
        When `time_unit` is no unit of time or `channel` no channel.
    """
    if time_unit is not None and parse_time_unit(time_unit) is None:
        raise SettingsError("time_unit", time_unit, valid=TIME)
    channel = parse_channel(channel)
    listing = list_folder(folder)
    files = [
        file
        for file in map(sort_file, listing.files)
        if only is None or file.kind != "trace" or file.path.name in only
    ]
    content = read_files(files, time_unit=time_unit)
    if blank is not None:
        _subtract(content, blank, folder=folder, time_unit=time_unit)
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
            shot, remarks = build_shot(
                push, matching, channel=number, shared=reading.shared, experiment=experiment
            )
            shot, wrong = apply_decision(shot, push.recording, decisions.of(push.name, number))
            shots.append(shot)
            problems += [*(remarks if number == channels[0] else []), *wrong]
        problems += _incomplete(push.label, matching, reading)
    problems += _without_file(reading, labels, listing.files)
    problems += _undecided(decisions, content.pushes)
    checked, findings = check_metadata(shots, folder=shown_name(folder.resolve().name))
    problems += findings
    left_out = [shot for shot in checked if shot.left_out]
    kept = tuple(shot for shot in checked if not shot.left_out)
    problems += [_left_out(shot) for shot in left_out]
    return Experiment(
        name=experiment,
        shots=kept,
        problems=tuple(replace(problem, experiment=experiment) for problem in problems),
        left_out=tuple(left_out),
    )


def _rows_of(file: str, rows: Mapping[str, Sequence[SheetRow]]) -> Sequence[SheetRow]:
    """Return the rows of a file; those that spell it exactly, if any do."""
    found = rows.get(file_key(file), ())
    plain = unicodedata.normalize("NFC", file)
    return [row for row in found if unicodedata.normalize("NFC", row.file) == plain] or found


def _subtract(content: FolderContent, blank: Path, *, folder: Path, time_unit: str | None) -> None:
    """Subtract a blank from the pushes of a folder; where it lies among them it is no shot."""
    below = read_push(blank, time_unit=time_unit)
    pushes = []
    for push in content.pushes:
        if (folder / push.name).resolve() == blank.resolve():
            found = "the blank, subtracted from the other traces"
            content.problems.append(note_of(push.name, found))
            continue
        without, wrong = subtracted(push, below)
        pushes.append(without)
        content.problems += [wrong] if wrong else []
    content.pushes = pushes


def _without_traces(
    folder: Path, files: Sequence[Path], problems: Sequence[Problem], found: Survey
) -> list[Problem]:
    """List the files of a folder that holds no trace, and what is odd about it."""
    place = relative(folder, found.root) or shown_name(folder.resolve().name)
    listed = [replace(problem, experiment=place) for problem in problems]
    own = [file for file in map(sort_file, files) if file.kind != "own"]
    unreadable = [file for file in own if file.kind == "unreadable"]
    listed += [
        Problem(file.path.name, file.why, experiment=place, expected="a file")
        for file in unreadable
    ]
    others = [file.path.name for file in own if file.kind != "unreadable"]
    missed = any(file.missed for file in own)
    is_named_so = folder.name.casefold().endswith(TRACE_ENDINGS) and folder != found.root
    if others or is_named_so:
        what = f"no traces; not read: {list_names(others)}" if others else "no traces"
        what = f"a folder that is named like a trace; {what}" if is_named_so else what
        level: Literal["warning", "note"] = "warning" if is_named_so or missed else "note"
        listed.append(Problem("", what, experiment=place, level=level))
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
        return [1], [Problem.of_error(push.name, error)]


def _undecided(decisions: Decisions, pushes: Sequence[Push]) -> list[Problem]:
    """List the decisions about files and signals that are not there."""
    found = [
        (row.place, f"{row.file!r}, which is not there", "a trace of this folder", "no such trace")
        for row in decisions.unmatched([push.name for push in pushes])
    ]
    signals = {push.name: len(push.recording.signals) for push in pushes if push.recording}
    for row in decisions.rows:
        most = max((n for name, n in signals.items() if same_file(row.file, name)), default=0)
        if most and row.channel is not None and row.channel > most:
            place = f"{row.place}, channel"
            what, expected = f"{row.channel} of {row.file!r}", f"a number from 1 to {most}"
            found.append((place, what, expected, "no such channel"))
    return [
        Problem(DECISIONS, what, where=place, expected=expected, rule=f"decision: {rule}")
        for place, what, expected, rule in found
    ]


def _left_out(shot: Shot) -> Problem:
    where = f"channel {shot.channel}" if shot.channel > 1 else ""
    found = f"left out by a decision: {shot.left_out}"
    return note_of(shot.file, found, where=where, rule="left-out")


def _incomplete(file: str, rows: Sequence[SheetRow], reading: WorkbookReading) -> list[Problem]:
    """Report a file without a row, or without a value that other files have."""
    if not reading.rows:
        return []
    if not rows:
        found, expected = "a file without a row in the workbooks", "a row with its name"
        return [warning_of(file, found, expected=expected)]
    lacking = [
        f"{QUANTITIES[quantity].noun} ({reading.columns[quantity]})"
        for quantity in EXPECTED_OF_A_FILE
        if reading.filled(quantity) and not any(quantity in row.entries for row in rows)
    ]
    if not lacking:
        return []
    found = f"no {' and no '.join(lacking)}"
    return [warning_of(file, found, expected="a value, as for other files")]


def _without_file(
    reading: WorkbookReading, labels: Sequence[str], files: Sequence[Path]
) -> list[Problem]:
    """List the rows whose files are not there, or are there and hold no trace."""
    present = {file_key(label) for label in labels}
    others = {file_key(path.name) for path in files}
    problems = []
    for row in reading.rows:
        key = file_key(row.file)
        if key not in present:
            what = "in which no trace was found" if key in others else "which is not there"
            expected = "a trace" if key in others else "a file of this folder"
            problems.append(
                Problem(
                    row.book,
                    f"{row.file!r}, {what}",
                    where=row.place,
                    expected=expected,
                    rule=f"row: {what}",
                )
            )
    return problems
