"""Moves of results to their places, and the journal by which a killed run's are finished."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stopflow.io.locks import PARTIAL, locked_folders, remove
from stopflow.io.results import EARLIER

JOURNAL = ".stopflow.switch-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A file or folder that is whole, its place, and where what was there before waits.

    Without a `before` it is set aside: its place is a new one.
    """

    new: Path
    target: Path
    before: Path | None


def finish(home: Path) -> None:
    """Make the moves that killed runs left undone, by their journals in `home`."""
    for unfinished in home.glob(f"{JOURNAL}*.writing"):
        with locked_folders([home]):
            unfinished.unlink(missing_ok=True)
    for journal in sorted(home.glob(f"{JOURNAL}*.json")):
        written = _read_journal(journal)
        if written is None:
            continue
        moves, homes = written
        with locked_folders([place for place in (*homes, home) if place.is_dir()]):
            if not journal.exists():
                continue  # its run was alive and has finished
            for move in moves:
                if move.new.exists():
                    put(move)
                elif move.before and move.before.exists() and not move.target.exists():
                    move.before.rename(move.target)
                forget(move)
            for place in {*homes, home}:
                (place / journal.name).unlink(missing_ok=True)


def put(move: Move) -> None:
    """Put a new file or folder in its place; the old one waits, and a file is never missing."""
    if move.before is None:
        if not move.target.exists():  # else it was set aside before the run was killed
            move.target.parent.mkdir(parents=True, exist_ok=True)
            move.new.rename(move.target)
        return
    if move.new.is_dir():
        if move.target.exists():
            move.target.rename(move.before)
        move.new.rename(move.target)
        return
    if move.target.exists():
        move.before.unlink(missing_ok=True)
        link_or_copy(move.target, move.before)
    move.new.chmod(0o644)
    move.new.replace(move.target)


def link_or_copy(file: Path, place: Path) -> None:
    """Have a file in a second place as well; neither of the two may be written into then."""
    try:
        os.link(file, place)
    except OSError:  # not every file system has links
        shutil.copy2(file, place)


def undo(move: Move) -> None:
    """Take a move back, as far as it was made."""
    if not move.new.exists() and move.target.exists():
        move.target.rename(move.new)
    if move.before and move.before.exists() and not move.target.exists():
        move.before.rename(move.target)


def forget(move: Move) -> None:
    """Remove what waited for the switch to be made."""
    if move.before is not None:
        remove(move.before)


def write_journals(moves: Sequence[Move], homes: Sequence[Path], *, name: str) -> list[Path]:
    """Write the journal into every folder concerned, whole in each."""
    listed = [
        [str(move.new), str(move.target), None if move.before is None else str(move.before)]
        for move in moves
    ]
    text = json.dumps({"moves": listed, "homes": [str(home) for home in homes]})
    written: list[Path] = []
    try:
        for home in homes:
            path = home / name
            written.append(path)
            unfinished = path.with_suffix(".writing")
            written.append(unfinished)
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(path)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return written


def _read_journal(journal: Path) -> tuple[list[Move], list[Path]] | None:
    """Read a journal; None for one that is gone or not ours."""
    try:
        values = json.loads(journal.read_text(encoding="utf-8"))
        moves = [
            Move(
                new=Path(new), target=Path(target), before=None if before is None else Path(before)
            )
            for new, target, before in values["moves"]
        ]
        homes = [Path(home) for home in values["homes"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return (moves, homes) if all(map(_is_ours, moves)) else None


def _is_ours(move: Move) -> bool:
    """Tell whether a move in a journal is one that a switch makes."""
    if move.before is None:
        return EARLIER in str(move.target)
    return PARTIAL in str(move.new) and PARTIAL in str(move.before)
