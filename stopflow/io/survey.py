"""What is in a folder, file by file and folder by folder; whatever is passed over is listed.

The walk goes down without recursion, so that no depth stops it, follows links to folders once, and
never opens anything but ordinary files. What the program itself wrote (datasets, models, reports)
is passed over.
"""

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from stopflow.errors import and_more
from stopflow.io.atomic import DESKTOP_FILES
from stopflow.io.locks import is_partial
from stopflow.io.readers.table import TRACE_ENDINGS
from stopflow.io.results import MARK
from stopflow.io.text import shown_name
from stopflow.trace import Level, Problem, note_of, warning_of

OWN_FILES = {
    "ingest.json": "a dataset of an earlier ingest",
    "model.json": "a trained model",
    MARK: "reports of an earlier run",
}
"""Files that mark a folder as written by the program, and what they mark it as."""

REPORT_FILES = frozenset({"kinetics.pdf", "rates.csv"})

_SHOWN = 4
_NUMBERS = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One folder: its files in natural order, the folders below, and what is neither.

    Attributes
    ----------
    own
        What the program wrote here, in words; ``""`` where it did not.
    problems
        Entries that are passed over; their `experiment` is empty.
    """

    folder: Path
    files: tuple[Path, ...]
    folders: tuple[Path, ...]
    own: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """All folders from one down, in natural order, and what could not be looked into."""

    root: Path
    listings: tuple[Listing, ...]
    problems: tuple[Problem, ...]


def survey(root: Path, *, passed_over: Iterable[Path] = ()) -> Survey:
    """Walk from `root` down."""
    listings: list[Listing] = []
    problems: list[Problem] = []
    skipped = set(map(identity_of, passed_over))
    seen: dict[tuple[int, int], Path] = {}
    pending, links = [root], list[Path]()
    while pending or links:
        folder = pending.pop() if pending else links.pop()
        place = identity_of(folder)
        if place in skipped:
            continue
        if place in seen:
            if folder.is_symlink():
                found = f"a link to {relative(seen[place], root) or '.'}, which is read already"
                problems.append(_at(folder, root, found, level="note"))
            continue
        seen[place] = folder
        try:
            listing = list_folder(folder)
        except OSError as error:
            why = error.strerror or str(error)
            expected = "a folder that can be opened, or none"
            found = f"a folder that cannot be read ({why})"
            problems.append(_at(folder, root, found, expected=expected, level="error"))
            continue
        if listing.own and folder != root:
            found = f"{listing.own}; not read"
            problems.append(_at(folder, root, found, level="note"))
            continue
        listings.append(listing)
        for below in listing.folders:
            (links if below.is_symlink() else pending).append(below)
    listings.sort(key=lambda item: [natural_key(part) for part in _parts(item.folder, root)])
    return Survey(root=root, listings=tuple(listings), problems=tuple(problems))


def list_folder(folder: Path) -> Listing:
    """List a folder.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    files: list[Path] = []
    folders: list[Path] = []
    problems: list[Problem] = []
    hidden: list[str] = []
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        path = folder / name
        if name in DESKTOP_FILES or name.startswith("~$") or is_partial(name):
            continue
        kind, why = _kind(path)
        if kind == "other":
            problems.append(
                warning_of(shown_name(name), why, expected="an ordinary file or folder")
            )
        elif name.startswith("."):
            hidden.append(name)
        else:
            (files if kind == "file" else folders).append(path)
    problems += _hidden(hidden)
    return Listing(
        folder=folder,
        files=tuple(sorted(files, key=lambda path: (natural_key(path.name), path.name))),
        folders=tuple(folders),
        own=_own({path.name for path in files}),
        problems=tuple(problems),
    )


@lru_cache(maxsize=4096)
def natural_key(text: str) -> tuple[tuple[int, str], ...]:
    """Sort key in which ``"shot 10"`` comes after ``"shot 9"``."""
    parts = _NUMBERS.split(text.casefold())
    return tuple(
        (int(part[:300]), "") if part.isascii() and part.isdecimal() else (-1, part)
        for part in parts
        if part
    )


def relative(folder: Path, root: Path) -> str:
    """Return the way from `root` to a folder as text; ``""`` for `root` itself."""
    return "/".join(shown_name(part) for part in _parts(folder, root))


def list_names(names: Iterable[str]) -> str:
    """Name the first few of some files and say how many more there are."""
    shown = [shown_name(name) for name in names]
    return ", ".join(shown[:_SHOWN]) + and_more(len(shown) - _SHOWN)


def _parts(folder: Path, root: Path) -> tuple[str, ...]:
    return folder.parts[len(root.parts) :]


def _own(names: set[str]) -> str:
    """Say which results of the program lie in a folder; ``""`` for none."""
    marks = [what for name, what in OWN_FILES.items() if name in names]
    return marks[0] if marks else "reports of an earlier run" * (names >= REPORT_FILES)


def _kind(path: Path) -> tuple[Literal["file", "folder", "other"], str]:
    """Tell a file from a folder, links followed; say what is neither."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if path.is_symlink():
            return "other", f"a link that leads nowhere ({error.strerror or error})"
        return "other", f"an entry that cannot be looked at ({error.strerror or error})"
    if stat.S_ISDIR(mode):
        return "folder", ""
    if stat.S_ISREG(mode):
        return "file", ""
    kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return "other", f"{kinds.get(stat.S_IFMT(mode), 'a device')}, which is not opened"


def _hidden(names: list[str]) -> list[Problem]:
    """Warn of hidden files that may be traces; note the others in one line."""
    traces = [
        name
        for name in names
        if name.casefold().endswith(TRACE_ENDINGS) and not name.startswith("._")
    ]
    others = [name for name in names if name not in traces]
    problems = [
        warning_of(
            shown_name(name),
            "a name that begins with a point, so the file is hidden; not read",
            expected="another name, if it is a trace",
        )
        for name in traces
    ]
    if others:
        found = f"hidden files and folders, not read: {list_names(others)}"
        problems.append(note_of(shown_name(others[0]), found, rule="ways"))
    return problems


def identity_of(folder: Path) -> tuple[int, int]:
    """Return what tells a folder from every other, however it is reached."""
    try:
        found = folder.stat()
    except OSError:
        return (0, hash(str(folder)))
    return found.st_dev, found.st_ino


def _at(folder: Path, root: Path, found: str, *, expected: str = "", level: Level) -> Problem:
    """Return a problem of a folder, named by its way from `root`."""
    *above, name = _parts(folder, root) or (folder.name,)
    return Problem(
        shown_name(name),
        found,
        experiment="/".join(map(shown_name, above[-3:])),
        expected=expected,
        level=level,
    )
