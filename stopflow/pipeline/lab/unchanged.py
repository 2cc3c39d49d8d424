"""Which folders of a lab have changed since its dataset was made; where none has, it is kept.

Of the results that a dataset keeps only the names are looked at here, which are the keys of their
jobs, and the seal: a digest of the names and of everything else that the dataset depends on. Equal
keys and an equal seal mean that an ingest would write the same bytes again.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zipfile import BadZipFile, ZipFile

from stopflow.io.json_files import load_json
from stopflow.io.moves import link_or_copy
from stopflow.pipeline.lab.jobs import FolderJob, job_key
from stopflow.seal import PROVENANCE, is_unbroken
from stopflow.store import FILES, KEPT

SETTINGS: Final = "settings"
"""Entry of `KEPT` that is no result of a folder."""
DAMAGED: Final = (OSError, BadZipFile, ValueError, KeyError, NotImplementedError, EOFError)
"""What opening or reading a damaged archive raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierKeys:
    """The names and the seal of the results that an earlier dataset keeps."""

    names: tuple[str, ...] = ()
    seal: bytes = b""

    def key_of(self, job: FolderJob) -> str | None:
        """Return the key of the job; None where it was not done before just so."""
        if not self.names:
            return None
        try:
            key = job_key(job)
        except OSError:
            return None
        return key if key in self.names else None

    def are(self, keys: Sequence[str | None], told: str) -> bool:
        """Tell whether the dataset is of these folders in this order, and of what else is told."""
        return self.names == (SETTINGS, *keys) and self.seal == _seal(self.names, told)


def earlier_keys(folder: Path) -> EarlierKeys:
    """Look at what the dataset in `folder` keeps; nothing where there is none."""
    try:
        with ZipFile(folder / KEPT) as archive:
            return EarlierKeys(names=tuple(archive.namelist()), seal=archive.comment)
    except DAMAGED:
        return EarlierKeys()


def looks_newer(job: FolderJob, folder: Path) -> bool:
    """Tell by the times of files whether something in a folder is newer than the dataset.

    It is a guess, for who can prepare for work; whether there is any, the keys tell.
    """
    try:
        made_ns = (folder / KEPT).stat().st_mtime_ns
        items = (job.folder, *os.scandir(job.folder))
        return any(item.stat().st_mtime_ns > made_ns for item in items)
    except OSError:
        return True


def seal_results(folder: Path, told: str) -> None:
    """Seal the results that a dataset keeps, when all of it is written."""
    with ZipFile(folder / KEPT, "a") as archive:
        archive.comment = _seal(archive.namelist(), told)


def take_dataset(earlier: Path, place: Path, *, command: str) -> bool:
    """Have all files of a dataset in the empty folder `place` too, if they are as they were made.

    They are looked at in `place`, where no other run replaces them. A dataset that another command
    made would say so, and is not taken.
    """
    for name in sorted(FILES):
        if (earlier / name).is_file():
            link_or_copy(earlier / name, place / name)
    if is_unbroken(place) and _is_readable(place / KEPT):
        if load_json(place / PROVENANCE).get("command") == command:
            return True
    for path in place.iterdir():
        path.unlink()
    return False


def _is_readable(archive: Path) -> bool:
    try:
        with ZipFile(archive) as opened:
            return opened.testzip() is None
    except DAMAGED:
        return False


def _seal(names: Sequence[str], told: str) -> bytes:
    return hashlib.sha256(ascii([*names, told]).encode()).hexdigest().encode()
