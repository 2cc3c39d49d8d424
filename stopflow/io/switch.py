"""Results that belong together take their places together, or none of them does.

Everything is written beside its place first. Then, under the locks of all folders concerned, a
journal of the moves is written, the moves are made, and the journal is removed. An error in
between undoes what was moved. Where the process is killed in between, the journal is still there:
whoever next writes to one of the places, or opens one of the folders, finishes the moves.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from stopflow.io.atomic import Owned, name_place, require_replaceable
from stopflow.io.locks import beside, locked_folders, remove_leftovers
from stopflow.io.moves import JOURNAL, Move, finish, forget, put, undo, write_journals
from stopflow.io.results import Lab, join_results, make_way

GATHERED = "results"
"""Files that will join those of a folder are gathered in it, in ``.results.partial-*``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """What waits beside its place, which the user knows as `shown`."""

    partial: Path
    place: Path
    shown: Path
    lab: Lab | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder(_Waiting):
    """A folder that will take the place of another."""

    owned: Owned | None
    lab_of: Callable[[Path], Lab | None] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gathered(_Waiting):
    """Files that will join those of a folder."""

    is_part: bool
    common: bool
    one_set: str


class Switch:
    """What is being written for a switch; made by `switching`.

    Attributes
    ----------
    notes
        A line for everything that was set aside; filled when the switch is made.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._folders: list[_Folder] = []
        self._gathered: list[_Gathered] = []
        self.notes: list[str] = []

    def folder(
        self,
        folder: Path,
        *,
        owned: Owned | None = None,
        lab: Lab | None = None,
        lab_of: Callable[[Path], Lab | None] | None = None,
    ) -> Path:
        """Return an empty folder that will take the place of `folder`.

        Parameters
        ----------
        owned
            What `folder` may hold; None: the caller has looked.
        lab, lab_of
            The lab whose results it will hold, and what tells whose a folder holds; one of
            another lab is set aside. None: it is replaced.

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
        self._folders.append(
            _Folder(partial=partial, place=place, shown=folder, owned=owned, lab=lab, lab_of=lab_of)
        )
        return partial

    def files(
        self,
        folder: Path,
        *,
        lab: Lab | None,
        is_part: bool = False,
        common: bool = False,
        one_set: str = "",
    ) -> Path:
        """Return an empty folder whose files will join those of `folder`, in place of old ones.

        Parameters
        ----------
        lab
            Whose results they are; those of another lab are set aside. None: not known.
        is_part
            Whether they may join those of a lab that theirs is a part of.
        common
            Whether they are of no lab and join those of any.
        one_set
            Pattern of names of which those of an earlier run do not stay beside these.
        """
        place = folder.resolve()
        self._stack.enter_context(_made(place))
        finish(place)
        remove_leftovers(place / GATHERED)
        partial = self._stack.enter_context(beside(place / GATHERED))
        partial.mkdir()
        self._gathered.append(
            _Gathered(
                partial=partial,
                place=place,
                shown=folder,
                lab=lab,
                is_part=is_part,
                common=common,
                one_set=one_set,
            )
        )
        return partial

    def in_place(self, path: Path) -> Path:
        """Return where a file goes that was written beside its place."""
        for item in (*self._gathered, *self._folders):
            if path.is_relative_to(item.partial):
                return item.shown / path.relative_to(item.partial)
        return path

    def first_place(self) -> Path:
        """Return the first place that is written to, as the user named it."""
        return next((item.shown for item in (*self._gathered, *self._folders)), Path())

    def _name(self) -> str:
        """Name the journal after the first thing that was written, which no other run shares."""
        first = next(iter((*self._folders, *self._gathered)), None)
        return f"{JOURNAL}{first.partial.name.rpartition('-')[2]}.json" if first else ""

    def _moves(self) -> list[Move]:
        """List the moves: what makes way goes first. To be called under the locks."""
        aside = [
            make_way(item.place, item.lab_of(item.place), item.lab, shown=item.shown)
            for item in self._folders
            if item.lab_of is not None
        ]
        aside += [
            join_results(
                item.partial,
                item.place,
                item.lab,
                is_part=item.is_part,
                common=item.common,
                one_set=item.one_set,
                shown=item.shown,
            )
            for item in self._gathered
        ]
        moves = [
            Move(new=path, target=place, before=None)
            for found in aside
            for path, place in found.moves
        ]
        moves += [
            Move(
                new=item.partial,
                target=item.place,
                before=item.partial.with_name(f"{item.partial.name}.before"),
            )
            for item in self._folders
        ]
        for item in self._gathered:
            files = sorted(path for path in item.partial.rglob("*") if path.is_file())
            for number, new in enumerate(files):
                target = item.place / new.relative_to(item.partial)
                before = item.partial / f".before-{number}"
                moves.append(Move(new=new, target=target, before=before))
        self.notes = [note for item in aside for note in item.notes]
        return moves

    def _make(self) -> None:
        """Move everything to its place under the locks of all folders concerned."""
        homes = [item.place.parent for item in self._folders]
        homes += [item.place for item in self._gathered]
        with locked_folders(homes), ExitStack() as stack:
            for item in self._folders:
                if item.owned is not None:
                    require_replaceable(item.place, item.owned)
            moves = self._moves()
            for parent in sorted({move.target.parent for move in moves}):
                stack.enter_context(_made(parent))
            journals = write_journals(moves, sorted(set(homes)), name=self._name())
            try:
                for move in moves:
                    put(move)
            except BaseException:
                for move in reversed(moves):
                    undo(move)
                raise
            finally:
                for journal in journals:
                    journal.unlink(missing_ok=True)
                for move in moves:
                    forget(move)


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
        try:
            yield switch
            switch._make()
        except OSError as error:
            name_place(error, switch.first_place())
            raise


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
    finish(place.parent)
    if not place.exists():
        with locked_folders([place.parent]):
            pass


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
