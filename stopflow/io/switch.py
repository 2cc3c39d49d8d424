"""Results that belong together take their places together, or none of them does.

Everything is written beside its place first. Then, under the locks of all folders concerned, a
journal of the moves is written, the moves are made, and the journal is removed. An error in
between undoes what was moved. Where the process is killed in between, the journal is still there:
whoever next writes to one of the places, or opens one of the folders, finishes the moves.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from stopflow.io.atomic import Owned, require_replaceable
from stopflow.io.locks import beside, locked_folders, remove, remove_leftovers

JOURNAL = ".stopflow.switch-"
GATHERED = "results"
"""Files that will join those of a folder are gathered in it, in ``.results.partial-*``."""
STAGED = ".partial-"
"""Part of the name of everything that waits beside its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A file or folder that is whole, its place, and where what was there before waits."""

    new: Path
    target: Path
    before: Path


class Switch:
    """What is being written for a switch; made by `switching`."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._folders: list[tuple[Path, Path, Owned | None]] = []
        self._gathered: list[tuple[Path, Path]] = []

    def folder(self, folder: Path, *, owned: Owned | None = None) -> Path:
        """Return an empty folder that will take the place of `folder`.

        Parameters
        ----------
        owned
            What `folder` may hold; None: the caller has looked.

        Raises
        ------
        SettingsError
            As `require_replaceable`, here and again in the switch.
        """
        recover_folder(folder)
        if owned is not None:
            require_replaceable(folder, owned)
        place = folder.resolve()
        self._stack.enter_context(_made(place.parent))
        remove_leftovers(place)
        partial = self._stack.enter_context(beside(place))
        partial.mkdir()
        self._folders.append((partial, place, owned))
        return partial

    def files(self, folder: Path) -> Path:
        """Return an empty folder whose files will join those of `folder`, in place of old ones."""
        place = folder.resolve()
        self._stack.enter_context(_made(place))
        _finish(place)
        remove_leftovers(place / GATHERED)
        partial = self._stack.enter_context(beside(place / GATHERED))
        partial.mkdir()
        self._gathered.append((partial, place))
        return partial

    def _name(self) -> str:
        """Name the journal after the first thing that was written, which no other run shares."""
        partials = [partial for partial, _, _ in self._folders]
        partials += [partial for partial, _ in self._gathered]
        return f"{JOURNAL}{partials[0].name.rpartition('-')[2]}.json" if partials else ""

    def _moves(self) -> list[Move]:
        moves = [
            Move(new=partial, target=place, before=_before(partial))
            for partial, place, _ in self._folders
        ]
        for partial, place in self._gathered:
            for number, new in enumerate(sorted(p for p in partial.rglob("*") if p.is_file())):
                before = partial / f".before-{number}"
                moves.append(Move(new=new, target=place / new.relative_to(partial), before=before))
        return moves

    def _make(self) -> None:
        """Move everything to its place under the locks of all folders concerned."""
        moves = self._moves()
        for move in moves:
            move.target.parent.mkdir(parents=True, exist_ok=True)
        homes = [place.parent for _, place, _ in self._folders]
        homes += [place for _, place in self._gathered]
        with locked_folders(homes):
            for _, place, owned in self._folders:
                if owned is not None:
                    require_replaceable(place, owned)
            journals = _write_journals(moves, sorted(set(homes)), name=self._name())
            try:
                for move in moves:
                    _put(move)
            except BaseException:
                for move in reversed(moves):
                    _undo(move)
                raise
            finally:
                for journal in journals:
                    journal.unlink(missing_ok=True)
                for move in moves:
                    remove(move.before)


@contextmanager
def switching() -> Iterator[Switch]:
    """Yield a `Switch` to write by; what was written takes its places when the block ends well.

    Leaving the block by an exception removes what was written and leaves everything as it was.
    What earlier runs left when they were killed is removed; of runs that write to one place at
    the same time the last one wins, with all of its results.

    Raises
    ------
    SettingsError
        As `require_replaceable`, for the folders that are replaced.
    OSError
        When one of the results cannot be put in its place; then none is.
    """
    with ExitStack() as stack:
        switch = Switch(stack)
        yield switch
        switch._make()


@contextmanager
def replacing_folder(folder: Path, *, owned: Owned | None = None) -> Iterator[Path]:
    """Yield an empty folder beside `folder`; it takes the place of `folder` when the block ends.

    The same as a `switching` with this one folder.
    """
    with switching() as switch:
        yield switch.folder(folder, owned=owned)


def recover_folder(folder: Path) -> None:
    """Finish the switch that a killed run began at `folder`; wait for one that is being made."""
    place = folder.resolve()
    if not place.parent.is_dir():
        return
    _finish(place.parent)
    if not place.exists():
        with locked_folders([place.parent]):
            pass


def _finish(home: Path) -> None:
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
                    _put(move)
                elif move.before.exists() and not move.target.exists():
                    move.before.rename(move.target)
                remove(move.before)
            for place in {*homes, home}:
                (place / journal.name).unlink(missing_ok=True)


def _put(move: Move) -> None:
    """Put a new file or folder in its place; the old one waits, and a file is never missing."""
    if move.new.is_dir():
        if move.target.exists():
            move.target.rename(move.before)
        move.new.rename(move.target)
        return
    if move.target.exists():
        _keep(move.target, move.before)
    move.new.chmod(0o644)
    move.new.replace(move.target)


def _keep(file: Path, before: Path) -> None:
    before.unlink(missing_ok=True)
    try:
        os.link(file, before)
    except OSError:  # not every file system has links
        shutil.copy2(file, before)


def _undo(move: Move) -> None:
    if not move.new.exists() and move.target.exists():
        move.target.rename(move.new)
    if move.before.exists() and not move.target.exists():
        move.before.rename(move.target)


def _write_journals(moves: Sequence[Move], homes: Sequence[Path], *, name: str) -> list[Path]:
    """Write the journal into every folder concerned, whole in each."""
    listed = [[str(move.new), str(move.target), str(move.before)] for move in moves]
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
            Move(new=Path(new), target=Path(target), before=Path(before))
            for new, target, before in values["moves"]
        ]
        homes = [Path(home) for home in values["homes"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    ours = all(STAGED in str(move.new) and STAGED in str(move.before) for move in moves)
    return (moves, homes) if ours else None


def _before(partial: Path) -> Path:
    """Name the place where what a folder replaces waits until the switch is made."""
    return partial.with_name(f"{partial.name}.before")


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder and those above it; those that are empty at the end go again."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for place in missing:
            try:
                place.rmdir()
            except OSError:
                break
