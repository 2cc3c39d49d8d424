"""What lies in a folder, looked at again and again, and since when each file has been as it is."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from stopflow.io.locks import is_partial
from stopflow.io.survey import identity_of

QUIET_S = 0.25
"""A file that has not changed for so long is not being written."""

Stamp = tuple[int, int]
Signature = Mapping[Path, Stamp]


class Watch:
    """Looks at a folder; times are those of a monotonic clock in s.

    Attributes
    ----------
    signature
        The files as they were at the latest look.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._since_s: dict[Path, float] = {}
        self._moved_s = 0.0
        self.signature: Signature = {}

    def look(self, at_s: float) -> None:
        """Take the folder as it is now."""
        now, before = take_signature(self._root), self.signature
        if now == before:
            return
        since_s = {path: at_s for path, stamp in now.items() if before.get(path) != stamp}
        self._since_s = {path: since_s.get(path, self._since_s.get(path, at_s)) for path in now}
        self._moved_s, self.signature = at_s, now

    def is_quiet(self, at_s: float) -> bool:
        """Tell whether nothing has changed, come or gone for a while."""
        return at_s - self._moved_s >= QUIET_S

    def quiet(self, paths: Iterable[Path], at_s: float) -> list[Path]:
        """Return those of `paths` that are not being written."""
        return [path for path in paths if at_s - self._since_s[path] >= QUIET_S]


def take_signature(root: Path) -> Signature:
    """Size and time of change of every file below `root`; what vanishes meanwhile is left out.

    Links to folders are followed, as an ingest does, each folder once.
    """
    found: dict[Path, Stamp] = {}
    walked: set[tuple[int, int]] = set()
    for folder, below, names in os.walk(root, followlinks=True):
        place = identity_of(Path(folder))
        if place in walked:
            below.clear()
            continue
        walked.add(place)
        for path in (Path(folder) / name for name in names if not is_partial(name)):
            stamp = take_stamp(path)
            if stamp is not None:
                found[path] = stamp
    return found


def take_stamp(path: Path) -> Stamp | None:
    """Size in bytes and time of change in ns of a file; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def differing(one: Signature, other: Signature) -> list[Path]:
    """Return the files that are not the same, or in one only."""
    return [path for path in {*one, *other} if one.get(path) != other.get(path)]
