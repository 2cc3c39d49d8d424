"""Parts of reports that a dataset keeps, so that the next report makes only what changed.

They lie in ``drawn.zip`` of the dataset, an entry a part, named by a digest of all that the part
depends on: the rows and traces of an experiment, the settings of the report, this program and its
libraries. What a report did not use is left out when it is done, so that the file is bounded by
the report. Nothing in it is a result: without it, or with a damaged one, the same reports are
made, only later.
"""

import hashlib
import json
import shutil
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final
from zipfile import BadZipFile, ZipFile, ZipInfo

from stopflow.io.atomic import replacing_file
from stopflow.io.moves import link_or_copy
from stopflow.io.results import file_sha256
from stopflow.pipeline.lab.jobs import code_digest, library_versions
from stopflow.pipeline.lab.unchanged import DAMAGED
from stopflow.store import DRAWN

LARGEST_PART: Final = 200_000_000
"""Bytes of a part; one that says it has more is damaged."""
REPORTS: Final = ("rates.csv", "rates.xlsx", "kinetics.pdf", "kinetics.html")
"""What is written of every lab."""
DRAWING_LIBRARIES: Final = ("fonttools", "pypdf")
Told = dict[str, bytes | None]
"""Parts that a report has used, by name; None for one as it is in the archive."""


class DrawnParts:
    """Parts of an earlier report, and those of this one; made by `drawn_parts`.

    Attributes
    ----------
    used
        The parts of this report by their names.
    """

    def __init__(self, archive: ZipFile | None) -> None:
        self._archive = archive
        self._names = frozenset(archive.namelist() if archive is not None else ())
        made = {**library_versions(), **{name: version(name) for name in DRAWING_LIBRARIES}}
        self._maker = f"{code_digest()} {sorted(made.items())} ".encode()
        self._damaged, self._left = False, False
        self.used: dict[str, bytes] = {}
        self._new: set[str] = set()

    def find(self, key: str) -> bytes | None:
        """Return a part as it was made before; None where there is none, or it is damaged."""
        return self._find(self._name(key))

    def has(self, key: str) -> bool:
        """Tell whether there is a part with this key; it may be damaged."""
        return self._name(key) in self._names

    def _find(self, name: str) -> bytes | None:
        if self._archive is None or name not in self._names:
            return None
        try:
            if self._archive.getinfo(name).file_size > LARGEST_PART:
                raise BadZipFile(name)
            part = self._archive.read(name)
        except (*DAMAGED, zlib.error):
            self._damaged = True
            return None
        self.used[name] = part
        return part

    def keep(self, key: str, part: bytes) -> None:
        """Keep a part for the next report, in place of one with the same key."""
        name = self._name(key)
        self.used[name] = part
        self._new.add(name)

    def told(self) -> Told:
        """Return the parts that were used by their names; None for one as it is in the archive."""
        return {name: part if name in self._new else None for name, part in self.used.items()}

    def take(self, told: Told) -> None:
        """Take in the parts that another of the same archive has `told`."""
        for name, part in told.items():
            self._find(name)  # one that the other has made anew may be damaged here
            if part is not None:
                self.used[name] = part
                self._new.add(name)

    def leave(self) -> None:
        """Keep the parts as they are, for a report that is the same as the one before."""
        self._left = True

    @property
    def changed(self) -> bool:
        """Whether this report used other parts than the archive holds."""
        if self._left:
            return False
        if self._archive is None or self._damaged or self._names != self.used.keys():
            return True
        sums = {info.filename: info.CRC for info in self._archive.infolist()}
        return any(zlib.crc32(self.used[name]) != sums[name] for name in self._new)

    def _name(self, key: str) -> str:
        return hashlib.blake2b(self._maker + key.encode(), digest_size=20).hexdigest()


@contextmanager
def drawn_parts(folder: Path) -> Iterator[DrawnParts]:
    """Yield the parts that the dataset in `folder` keeps; afterwards it keeps those that were used.

    A block that is left by an exception leaves them as they were. Where they cannot be written,
    they are made again the next time.
    """
    with seen_parts(folder) as parts:
        yield parts
        changed = parts.changed
    if not changed:
        return
    try:
        with replacing_file(folder / DRAWN) as partial, ZipFile(partial, "w") as archive:
            for name, part in sorted(parts.used.items()):
                archive.writestr(ZipInfo(name), part)
    except OSError:  # a dataset that may only be read
        return


@contextmanager
def seen_parts(folder: Path) -> Iterator[DrawnParts]:
    """Yield the parts that the dataset in `folder` keeps, and leave them as they are."""
    with ExitStack() as stack:
        yield DrawnParts(_archive(folder / DRAWN, stack))


def _archive(path: Path, stack: ExitStack) -> ZipFile | None:
    try:
        return stack.enter_context(ZipFile(path)) if path.is_file() else None
    except (*DAMAGED, zlib.error):
        return None


def carry_parts(earlier: Path, place: Path) -> None:
    """Hand the parts that one dataset keeps to the one that will replace it."""
    try:
        link_or_copy(earlier / DRAWN, place / DRAWN)
    except OSError:
        (place / DRAWN).unlink(missing_ok=True)


def reports_key(digest: str, *, paper: str, html_light: bool) -> str:
    """Name the part that says what the reports of a dataset were when they were written."""
    return f"reports {digest} {paper} {html_light}"


def summary_key(digest: str) -> str:
    """Name the part that holds what is said of a dataset at the end."""
    return f"summary {digest}"


def take_reports(told: bytes | None, earlier: Path, reports: Path) -> list[Path]:
    """Copy the reports that are still as they were written; none where one of them is not."""
    try:
        digests = json.loads(told or b"{}")
        if any(file_sha256(earlier / name) != digests[name] for name in REPORTS):
            return []
        return [Path(shutil.copyfile(earlier / name, reports / name)) for name in REPORTS]
    except (OSError, ValueError, KeyError, TypeError):  # removed, or the note is damaged
        return []
