"""Writing so that a reader meets the old file or the new one, never half of either.

A file is written beside the one it replaces, as ``.NAME.partial-*``. Its writer holds a lock on
``.NAME.partial-*.lock`` for as long as it lives, so that another run tells what is still being
written from what a killed run left. Folders, and several files at once: `stopflow.io.switch`.
"""

import errno
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stopflow.errors import SettingsError
from stopflow.io.locks import beside, remove_leftovers

SWITCH_PAUSE_S = 0.05
FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG})
"""Errors of a disk or an account without room."""
DESKTOP_FILES = frozenset({".DS_Store", "Thumbs.db", "thumbs.db", "desktop.ini", ".directory"})
"""What file managers leave in the folders that they show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """What a folder holds that may be replaced.

    Attributes
    ----------
    option
        How the user names the folder, e.g. ``"--out"``.
    what
        What is replaced, e.g. ``"an earlier dataset"``.
    files
        Folder -> paths, relative to it, of all that the program wrote there; empty for a folder
        that it did not write.
    """

    option: str
    what: str
    files: Callable[[Path], Collection[str]]


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes the place of `path` when the block ends.

    Leaving the block by an exception removes what was written and leaves `path` as it was.
    What earlier runs left when they were killed is removed; of runs that write at the same time
    the last one wins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path)
    with beside(path, suffix=path.suffix) as partial:
        try:
            partial.touch()
            yield partial
            partial.chmod(0o644)
            partial.replace(path)
        except OSError as error:
            name_place(error, path)
            raise


def name_place(error: OSError, path: Path) -> None:
    """Give the error of a full disk, which names no file, the place that was written to."""
    if error.filename is None and error.errno in FULL:
        error.filename = str(path)


def require_replaceable(folder: Path, owned: Owned) -> None:
    """Refuse to replace a folder with anything in it that the program did not write.

    Raises
    ------
    SettingsError
        For a file, and for a folder that is neither new nor empty nor `owned`; names the first
        thing that would be lost.
    """
    lost = _would_be_lost(folder, owned)
    if lost:
        time.sleep(SWITCH_PAUSE_S)  # another run may have been in the midst of a switch
        lost = _would_be_lost(folder, owned)
    if lost:
        valid = f"a new or empty folder, or {owned.what} with nothing added"
        raise SettingsError(owned.option, f"{folder} ({lost})", valid=valid)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole."""
    with replacing_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def _would_be_lost(folder: Path, owned: Owned) -> str:
    """Say what `folder` is or holds besides what is `owned`; empty where there is nothing."""
    try:
        stranger = _stranger(folder, folder, owned.files(folder))
    except FileNotFoundError:
        return ""
    except NotADirectoryError:
        return "a file"
    return "" if stranger is None else f"holds {stranger.relative_to(folder).as_posix()}"


def _stranger(root: Path, folder: Path, ours: Collection[str]) -> Path | None:
    """Return the first path below `folder` that is not one of `ours`, relative to `root`."""
    for path in sorted(folder.iterdir()):
        if path.name in DESKTOP_FILES or path.name.startswith("._"):
            continue
        if path.relative_to(root).as_posix() not in ours:
            return path
        if path.is_dir() and not path.is_symlink():
            found = _stranger(root, path, ours)
            if found is not None:
                return found
    return None
