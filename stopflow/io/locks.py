"""Locks that end with their process: on what is being written, and on a folder in a switch."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from stopflow.errors import StopflowError

PARTIAL = ".partial-"
"""Part of the name of everything that waits beside its place."""
LOCKINGS = 20
"""Times that a lock file of our own is made anew because another run cleared it away."""
PATIENCE_S = 60.0
"""Time in which any switch of another run is over."""
PAUSE_S = 0.01
FOLDER_LOCK = ".stopflow.lock"
"""Stands for a folder where the system locks files alone."""

if sys.platform == "win32":
    import msvcrt

    def lock_file(handle: int) -> bool:
        """Lock an open file until it is closed or its process ends; tell whether that worked."""
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _open_folder(folder: Path) -> int:
        return os.open(folder / FOLDER_LOCK, os.O_RDWR | os.O_CREAT)

    def _close_folder(folder: Path, handle: int) -> None:
        os.close(handle)
        try:
            (folder / FOLDER_LOCK).unlink()
        except OSError:
            return  # another run holds it by now

else:
    import fcntl

    def lock_file(handle: int) -> bool:
        """Lock an open file until it is closed or its process ends; tell whether that worked."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _open_folder(folder: Path) -> int:
        return os.open(folder, os.O_RDONLY)

    def _close_folder(folder: Path, handle: int) -> None:
        del folder
        os.close(handle)


@contextmanager
def locked_folders(folders: Iterable[Path]) -> Iterator[None]:
    """Hold the locks of several folders, taken in one order by all runs.

    Raises
    ------
    StopflowError
        When another run holds one of them for longer than a switch can take.
    """
    with ExitStack() as stack:
        for folder in sorted(set(folders)):
            handle = _open_folder(folder)
            stack.callback(_close_folder, folder, handle)
            _wait_for(handle, folder)
        yield


def _wait_for(handle: int, folder: Path) -> None:
    begin = time.monotonic()
    while not lock_file(handle):
        if time.monotonic() - begin > PATIENCE_S:
            raise StopflowError(
                f"another run has been putting its results into {folder} for {PATIENCE_S:.0f} s; "
                "end it, or choose another place"
            )
        time.sleep(PAUSE_S)


@contextmanager
def beside(target: Path, *, suffix: str = "") -> Iterator[Path]:
    """Yield a name beside `target`; what is put there no other run removes in the block."""
    handle, lock = _own_lock(target)
    partial = lock.with_suffix(suffix)
    try:
        yield partial
    finally:
        remove(partial)
        os.close(handle)
        lock.unlink(missing_ok=True)


def _own_lock(target: Path) -> tuple[int, Path]:
    """Make a lock file and hold it; another run may clear it away before it is held."""
    for left in reversed(range(LOCKINGS)):
        handle, name = tempfile.mkstemp(prefix=_prefix(target), suffix=".lock", dir=target.parent)
        if (lock_file(handle) and Path(name).exists()) or not left:
            break
        os.close(handle)
        Path(name).unlink(missing_ok=True)
    return handle, Path(name)


def is_partial(name: str) -> bool:
    """Tell whether a name is one that `beside` gives to what is being written."""
    return name.startswith(".") and PARTIAL in name


def leftovers(target: Path) -> list[Path]:
    """List what is being written beside `target`, and what killed runs left there."""
    prefix = _prefix(target)
    return [path for path in target.parent.iterdir() if path.name.startswith(prefix)]


def remove_leftovers(target: Path) -> None:
    """Remove what runs that were killed left beside `target`."""
    prefix = _prefix(target)
    for partial in leftovers(target):
        lock = partial.with_name(f"{prefix}{partial.name[len(prefix) :].partition('.')[0]}.lock")
        _remove_unless_held(partial, lock)


def _remove_unless_held(partial: Path, lock: Path) -> None:
    try:
        with lock.open("r+b") as file:
            if not lock_file(file.fileno()):
                return
            remove(partial)
            lock.unlink(missing_ok=True)
    except FileNotFoundError:
        remove(partial)
    except OSError:
        return


def remove(partial: Path) -> None:
    """Remove a file or a folder with all that is in it, as far as that is possible."""
    if partial.is_dir() and not partial.is_symlink():
        shutil.rmtree(partial, ignore_errors=True)
    else:
        partial.unlink(missing_ok=True)


def _prefix(target: Path) -> str:
    return f".{target.name}{PARTIAL}"
