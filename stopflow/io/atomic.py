"""Writing so that a reader meets the old file or the new one, never half of either.

A file or folder is written beside the one it replaces, as ``.NAME.partial-*``. Its writer holds a
lock on ``.NAME.partial-*.lock`` for as long as it lives, so that another run tells what is still
being written from what a killed run left.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stopflow.errors import SettingsError

SWAPS = 20
"""Times that a swap is tried while another run swaps the same folder."""
SWAP_PAUSE_S = 0.05
LOCKING_S = 60.0
"""A lock is younger than this for as long as its writer may not hold it yet."""
DESKTOP_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
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
    _remove_leftovers(path)
    with _partial(path, suffix=path.suffix) as partial:
        partial.touch()
        yield partial
        partial.chmod(0o644)
        partial.replace(path)


@contextmanager
def replacing_folder(folder: Path, *, owned: Owned | None = None) -> Iterator[Path]:
    """Yield an empty folder beside `folder`; it takes the place of `folder` when the block ends.

    Leaving the block by an exception removes what was written and leaves `folder` as it was.
    What earlier runs left when they were killed is removed; of runs that write at the same time
    the last one wins.

    Parameters
    ----------
    owned
        What `folder` may hold; None: the caller has looked.

    Raises
    ------
    SettingsError
        As `require_replaceable`, before the block and again at its end.
    """
    recover_folder(folder)
    if owned is not None:
        require_replaceable(folder, owned)
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    with _partial(folder) as partial:
        partial.mkdir()
        yield partial
        if owned is not None:
            require_replaceable(folder, owned)
        _swap(partial, folder)


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
        time.sleep(SWAP_PAUSE_S)  # another run may have been in the midst of a swap
        lost = _would_be_lost(folder, owned)
    if lost:
        valid = f"a new or empty folder, or {owned.what} with nothing added"
        raise SettingsError(owned.option, f"{folder} ({lost})", valid=valid)


def recover_folder(folder: Path) -> None:
    """Bring the old folder back where a run was killed between the two renames of a swap."""
    folder = folder.resolve()
    old = _old(folder)
    if not old.exists() or folder.exists():
        return
    try:
        old.rename(folder)
    except OSError:
        if not folder.exists():
            raise


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


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replaced")


def _swap(new: Path, folder: Path) -> None:
    """Put `new` in the place of `folder`; while another run does the same, try again."""
    old = _old(folder)
    for left in reversed(range(SWAPS)):
        try:
            if folder.exists():
                shutil.rmtree(old, ignore_errors=True)
                folder.rename(old)
            new.rename(folder)
            break
        except OSError:
            if not left:
                recover_folder(folder)
                raise
            time.sleep(SWAP_PAUSE_S)
    shutil.rmtree(old, ignore_errors=True)


def _partial_prefix(target: Path) -> str:
    return f".{target.name}.partial-"


@contextmanager
def _partial(target: Path, *, suffix: str = "") -> Iterator[Path]:
    """Yield a name beside `target`; what is put there no other run removes in the block."""
    handle, name = tempfile.mkstemp(
        prefix=_partial_prefix(target), suffix=".lock", dir=target.parent
    )
    lock = Path(name)
    partial = lock.with_suffix(suffix)
    try:
        _lock(handle)
        yield partial
    finally:
        _remove(partial)
        os.close(handle)
        lock.unlink(missing_ok=True)


def _remove(partial: Path) -> None:
    if partial.is_dir():
        shutil.rmtree(partial, ignore_errors=True)
    else:
        partial.unlink(missing_ok=True)


def _remove_leftovers(target: Path) -> None:
    prefix = _partial_prefix(target)
    for partial in [path for path in target.parent.iterdir() if path.name.startswith(prefix)]:
        lock = partial.with_name(f"{prefix}{partial.name[len(prefix) :].partition('.')[0]}.lock")
        if (partial != lock or _is_old(lock)) and not _is_held(lock):
            _remove(partial)
            lock.unlink(missing_ok=True)


def _is_old(lock: Path) -> bool:
    try:
        return time.time() - lock.stat().st_mtime > LOCKING_S
    except FileNotFoundError:
        return False


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("r+b") as file:
            return not _lock(file.fileno())
    except FileNotFoundError:
        return False
    except OSError:
        return True


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> bool:
        """Lock an open file until it is closed or its process ends; tell whether that worked."""
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(handle: int) -> bool:
        """Lock an open file until it is closed or its process ends; tell whether that worked."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
