"""Whose results lie in a folder: the lab they are of, and the files as the program left them.

A folder of results holds one lab's. What it holds stands in its `MARK`::

    {"lab": {"name": "labA", "folders": ["../labA"]}, "files": {"rates.csv": "<SHA-256>", ...}}

Folders are seen from the folder of the results, so that a lab and its results can be moved
together. Before results of another lab take their places, those of the first are set aside below
`EARLIER`, under the name of their lab and their date; the program deletes none of them, and says so
once they are many. Results that are of no lab, such as a
classifier's, stand under ``common`` and stay where they are. A file that is in the way of a result
and is not as the program left it, or was never written by it, is set aside as well.
"""

import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any, Final

from stopflow.errors import FormatError, and_more
from stopflow.io.json_files import json_text, load_json
from stopflow.io.text import file_part, shown_name

MARK: Final = "stopflow-results.json"
EARLIER: Final = "earlier"
UNKNOWN: Final = "unknown"
UNMARKED: Final = (
    "rates.csv",
    "rates.xlsx",
    "kinetics.pdf",
    "kinetics.html",
    "predictions.csv",
    "predictions.xlsx",
    "compare.csv",
    "compare.pdf",
    "mechanism.csv",
    "mechanism.pdf",
)
"""Results that versions of the program left which did not yet mark whose they are."""
MANY_SETS: Final = 6
"""From this many sets of earlier results on, a line says how to get rid of them."""
_LONGEST = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """A lab: its name, and the folders (resolved) that hold its experiments."""

    name: str
    folders: tuple[Path, ...]

    def record(self, home: Path) -> dict[str, Any]:
        """Describe it for a file in the folder `home`."""
        return {"name": self.name, "folders": [_seen_from(home, path) for path in self.folders]}

    def is_part_of(self, other: "Lab") -> bool:
        """Tell whether each of its folders is one of another lab's, or lies below one."""
        return all(
            any(path.is_relative_to(above) for above in other.folders) for path in self.folders
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a mark says: the lab, and the digest of each file as it was left.

    `files` are the lab's, `common` those of no lab.
    """

    lab: Lab | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    common: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """What is moved before new results take their places: (from, to), and what to say of it."""

    moves: tuple[tuple[Path, Path], ...] = ()
    notes: tuple[str, ...] = ()


def lab_at(*roots: Path) -> Lab:
    """Return the lab whose experiments lie below these folders."""
    folders = tuple(sorted({root.resolve() for root in roots}))
    return join_labs(
        [Lab(name=shown_name(path.name) or "lab", folders=(path,)) for path in folders]
    )


def join_labs(labs: Iterable[Lab]) -> Lab:
    """Return several labs as one."""
    found = list(labs)
    folders = tuple(sorted({path for lab in found for path in lab.folders}))
    return Lab(name=" + ".join(dict.fromkeys(lab.name for lab in found)), folders=folders)


def parse_lab(value: object, home: Path) -> Lab | None:
    """Return the lab that `Lab.record` described in the folder `home`; None for anything else."""
    if not isinstance(value, Mapping):
        return None
    name, folders = value.get("name"), value.get("folders")
    if not isinstance(name, str) or not isinstance(folders, list) or not folders:
        return None
    if not all(isinstance(path, str) and "\0" not in path for path in folders):
        return None
    start = home.resolve()
    found = {Path(os.path.normpath(start / path)) for path in folders}
    return Lab(name=name, folders=tuple(sorted(found)))


def load_mark(folder: Path) -> Kept:
    """Read whose results a folder holds; nothing is known where there is no mark."""
    try:
        values = load_json(folder / MARK)
    except FormatError:
        return Kept()
    return Kept(
        lab=parse_lab(values.get("lab"), folder),
        files=_digests(values.get("files")),
        common=_digests(values.get("common")),
    )


def join_results(
    new: Path,
    folder: Path,
    lab: Lab | None,
    *,
    is_part: bool = False,
    common: bool = False,
    one_set: str = "",
    shown: Path,
) -> SetAside:
    """Mark the results gathered in `new` and say what of `folder` makes way for them.

    Parameters
    ----------
    new
        Holds the files that will join those of `folder`; gets the mark of them all.
    lab
        Whose they are; None: not known.
    is_part
        Whether they may join those of a lab that theirs is a part of.
    common
        Whether they are of no lab: whose results are there does not matter then, and stays.
    one_set
        Pattern of names that one run writes together: those that an earlier run left and this one
        does not write are set aside.
    shown
        `folder` as the user named it.
    """
    written = {_name(path, new): file_sha256(path) for path in _files(new)}
    kept = load_mark(folder)
    marked = (folder / MARK).is_file()
    belongs = lab == kept.lab or (is_part and lab and kept.lab and lab.is_part_of(kept.lab))
    owner, moves, notes = lab, [], []
    of_none = {**_present(folder, kept.common, written), **(written if common else {})}
    if common or (marked and belongs):
        owner = kept.lab
        present = _present(folder, kept.files, written)
        remaining = {name: item for name, item in present.items() if not fnmatch(name, one_set)}
        there = [folder / name for name in present if name not in remaining]
        say = _say_left
    else:
        remaining = {}
        there = [folder / name for name in kept.files or UNMARKED if _is_file(folder, name)]
        say = partial(_say_results, kept.lab)
    if there:
        place = _make_place(new, folder, kept, there)
        moves += [(path, place / path.relative_to(folder)) for path in there]
        notes.append(say(there, shown, place=shown / EARLIER / place.name))
    gone, known = {path for path, _ in moves}, {**kept.files, **kept.common}
    strange = [
        folder / name
        for name, digest in written.items()
        if (folder / name) not in gone
        and _is_file(folder, name)
        and file_sha256(folder / name) not in (known.get(name), digest)
    ]
    if strange:
        place = _fresh(f"{folder / EARLIER}{os.sep}", UNKNOWN, strange)
        moves += [(path, place / path.relative_to(folder)) for path in strange]
        notes.append(_say_strange(strange, shown, place=shown / EARLIER / place.name))
    if moves:
        notes += _say_growth(folder / EARLIER, [path for path, _ in moves], shown / EARLIER)
    text = _mark_text(owner, {**remaining, **({} if common else written)}, of_none, folder)
    (new / MARK).write_text(text, encoding="utf-8")
    return SetAside(moves=tuple(moves), notes=tuple(notes))


def _make_place(new: Path, folder: Path, kept: Kept, files: list[Path]) -> Path:
    """Name where files of a marked folder are set aside, and leave their mark for it in `new`."""
    place = _fresh(f"{folder / EARLIER}{os.sep}", kept.lab.name if kept.lab else UNKNOWN, files)
    named = {_name(path, folder) for path in files}
    digests = {name: digest for name, digest in kept.files.items() if name in named}
    mark = new / place.relative_to(folder) / MARK
    mark.parent.mkdir(parents=True)
    mark.write_text(_mark_text(kept.lab, digests, {}, place), encoding="utf-8")
    return place


def make_way(folder: Path, holds: Lab | None, lab: Lab | None, *, shown: Path) -> SetAside:
    """Say where a folder goes that holds another lab, or more, than the one in its place will."""
    belongs = lab is None or (holds is not None and holds.is_part_of(lab))
    if belongs or not folder.is_dir() or not any(folder.iterdir()):
        return SetAside()
    whose = holds.name if holds else UNKNOWN
    # Beside it, so that the way from there to its lab stays the same.
    place = _fresh(f"{folder}.{EARLIER}.", whose, list(folder.iterdir()))
    of = f"of {holds.name}" if holds else "of an unknown lab"
    note = f"the dataset {of} that was in {shown} is kept in {shown.parent / place.name}"
    return SetAside(moves=((folder, place),), notes=(note,))


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mark_text(
    lab: Lab | None, files: Mapping[str, str], common: Mapping[str, str], home: Path
) -> str:
    described = None if lab is None else lab.record(home)
    mark = {"lab": described, "files": dict(sorted(files.items()))}
    return json_text({**mark, "common": dict(sorted(common.items()))} if common else mark)


def _digests(value: object) -> dict[str, str]:
    found = value if isinstance(value, dict) else {}
    return {name: digest for name, digest in found.items() if isinstance(digest, str)}


def _present(folder: Path, files: Mapping[str, str], written: Mapping[str, str]) -> dict[str, str]:
    """Return those files that are still there and are not written anew."""
    return {
        name: digest
        for name, digest in files.items()
        if name not in written and _is_file(folder, name)
    }


def _say_results(lab: Lab | None, files: list[Path], shown: Path, *, place: Path) -> str:
    of = f"of {lab.name}" if lab else "of an unknown lab"
    count = f"{len(files)} file{'s' * (len(files) != 1)}"
    return f"the results {of} that were in {shown} are kept in {place} ({count})"


def _say_left(files: list[Path], shown: Path, *, place: Path) -> str:
    names = f"{shown / files[0].name}{and_more(len(files) - 1)}"
    return f"{names}: of an earlier run, and not written by this one; kept in {place}"


def _say_growth(earlier: Path, moved: list[Path], shown: Path) -> list[str]:
    """Say how much is kept of earlier results once it is many; nothing is ever deleted."""
    sets = [path for path in earlier.iterdir() if path.is_dir()] if earlier.is_dir() else []
    if len(sets) + 1 < MANY_SETS:
        return []
    kept = [path for folder in sets for path in _files(folder)]
    megabytes = sum(path.stat().st_size for path in [*kept, *moved]) / 1e6
    count = f"{len(sets) + 1} sets of earlier results, {megabytes:.1f} MB"
    return [f"{shown} now holds {count}; delete the folders in it that you no longer need"]


def _say_strange(files: list[Path], shown: Path, *, place: Path) -> str:
    names = f"{shown / files[0].name}{and_more(len(files) - 1)}"
    return f"{names}: not written by stopflow, or changed since; what was there is kept in {place}"


def _fresh(before: str, whose: str, files: list[Path]) -> Path:
    """Name a new folder after the owner and the day of the results; `before` goes before that."""
    day = time.strftime("%Y-%m-%d", time.localtime(max(path.stat().st_mtime for path in files)))
    base, number = f"{before}{file_part(whose, _LONGEST).strip('. ')}_{day}", 1
    while Path(base if number == 1 else f"{base}_{number}").exists():
        number += 1
    return Path(base if number == 1 else f"{base}_{number}")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _is_file(folder: Path, name: str) -> bool:
    """Tell whether a name is that of a file in the folder or below it, and not outside."""
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts and (folder / path).is_file()


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _seen_from(home: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(folder, home.resolve())).as_posix()
    except ValueError:  # on another drive
        return folder.as_posix()
