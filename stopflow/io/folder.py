"""A folder of trace files and workbooks to an Experiment; whatever does not match is reported."""

import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from stopflow.errors import FormatError
from stopflow.io.bka.format import BkaFile, read_bka_file
from stopflow.io.workbook.names import file_key
from stopflow.io.workbook.rows import Entry, SheetRow
from stopflow.io.workbook.vocabulary import QUANTITIES
from stopflow.io.workbook.workbook import (
    WorkbookReading,
    merge_rows,
    read_workbooks,
    rows_by_file,
)
from stopflow.trace import Conditions, Experiment, Problem, Shot

ENDING = ".bka"
SKIPPED_FOLDERS = frozenset({"ingested"})
EXPECTED_OF_A_FILE = ("start", "rate", "concentration", "temperature")
"""Quantities whose absence for one file is reported when other files have them."""


def find_experiments(root: Path) -> list[Path]:
    """Return every folder from `root` down that holds trace files, in natural order.

    Hidden folders and those named ``ingested`` are left out; links to folders are followed.
    """
    return sorted(
        (folder for folder in _folders(root, seen=set()) if trace_files(folder)),
        key=lambda folder: [natural_key(part) for part in folder.relative_to(root).parts],
    )


def trace_files(folder: Path) -> list[Path]:
    """Return the trace files of a folder, in natural order; hidden ones left out."""
    return sorted(
        (
            path
            for path in folder.iterdir()
            if path.suffix.casefold() == ENDING and not path.name.startswith(".") and path.is_file()
        ),
        key=lambda path: (natural_key(path.name), path.name),
    )


def natural_key(text: str) -> list[tuple[int, str]]:
    """Sort key in which ``"shot 10"`` comes after ``"shot 9"``."""
    parts = re.split(r"([0-9]+)", text.casefold())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts if part]


def read_experiment(
    folder: Path, *, name: str | None = None, channel: int = 1, time_unit: str | None = None
) -> Experiment:
    """Read a folder.

    A file that cannot be read becomes a shot without trace, with the reason as `refusal`, and a
    problem. Rows without a file, files without a row, and all that the readers remark on are
    problems too.

    Parameters
    ----------
    folder
        Holds trace files and workbooks.
    name
        Of the experiment; None: the folder's.
    channel
        Signal column to take, 1 for the first.
    time_unit
        Unit of time of files that say none; None: milliseconds.

    Raises
    ------
    SettingsError
        When `time_unit` is no unit of time.
    """
    paths = trace_files(folder)
    reading = read_workbooks(folder, [path.name for path in paths])
    rows = rows_by_file(reading)
    experiment = name or folder.resolve().name
    problems = list(reading.problems)
    shots = []
    for path in paths:
        matching = _rows_of(path.name, rows)
        shot, remarks = _read_shot(
            path,
            matching,
            shared=reading.shared,
            experiment=experiment,
            channel=channel,
            time_unit=time_unit,
        )
        shots.append(shot)
        problems += remarks
        problems += _incomplete(path.name, matching, reading)
    problems += _without_file(reading, paths)
    named = tuple(replace(problem, experiment=experiment) for problem in problems)
    return Experiment(name=experiment, shots=tuple(shots), problems=named)


def _folders(folder: Path, *, seen: set[Path]) -> Iterator[Path]:
    real = folder.resolve()
    if real in seen or not os.access(folder, os.R_OK | os.X_OK) or not folder.is_dir():
        return
    seen.add(real)
    yield folder
    for below in folder.iterdir():
        if not below.name.startswith(".") and below.name not in SKIPPED_FOLDERS:
            yield from _folders(below, seen=seen)


def _rows_of(file: str, rows: Mapping[str, Sequence[SheetRow]]) -> Sequence[SheetRow]:
    """Return the rows of a file; those that spell it exactly, if any do."""
    found = rows.get(file_key(file), ())
    plain = unicodedata.normalize("NFC", file)
    return [row for row in found if unicodedata.normalize("NFC", row.file) == plain] or found


def _read_shot(
    path: Path,
    rows: Sequence[SheetRow],
    *,
    shared: Mapping[str, Entry],
    experiment: str,
    channel: int,
    time_unit: str | None,
) -> tuple[Shot, list[Problem]]:
    problems: list[Problem] = []
    trace, refusal, unit_s, signals = None, "", None, 1
    try:
        recorded: BkaFile = read_bka_file(path, time_unit=time_unit)
        problems += recorded.notes
        unit_s, signals = recorded.time_unit_s, len(recorded.signals)
        trace = recorded.trace(channel)
    except FormatError as error:
        refusal = f"found {error.found}; expected {error.expected}"
        refusal = f"{error.where}: {refusal}" if error.where else refusal
        problems.append(
            _problem(path.name, error.where, error.found, expected=error.expected, level="error")
        )
    chosen, own_channel = _rows_of_channel(rows, channel=channel, signals=signals)
    start_s = rate = None
    conditions = _conditions(shared, {})
    if chosen:
        row, remarks = merge_rows(chosen)
        problems += remarks
        start_s = _start_s(row, unit_s)
        rate = _number(row.entries, "rate") if own_channel else None
        conditions = _conditions({**shared, **row.entries}, row.extra)
    shot = Shot(
        experiment=experiment,
        file=path.name,
        channel=channel,
        trace=trace,
        conditions=conditions,
        start_s=start_s,
        workbook_rate_per_s=rate,
        refusal=refusal,
    )
    return shot, problems


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


def _without_file(reading: WorkbookReading, paths: Sequence[Path]) -> list[Problem]:
    present = {file_key(path.name) for path in paths}
    problems = []
    for row in reading.rows:
        if file_key(row.file) not in present:
            book, _, place = row.place.partition(", ")
            found, expected = f"{row.file!r}, which is not there", "a file of this folder"
            problems.append(_problem(book, place, found, expected=expected, level="error"))
    return problems


def _problem(
    file: str, where: str, found: str, *, expected: str, level: Literal["error", "warning"]
) -> Problem:
    return Problem(
        experiment="", file=file, where=where, found=found, expected=expected, level=level
    )
