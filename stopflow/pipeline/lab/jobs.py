"""A folder to do, and the key by which its result is found again; neither reads nor fits.

What reads and fits takes longer to load than a small lab takes to be hashed, so it is loaded only
where a folder has to be done: `do_job` is the way there.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import stopflow
from stopflow.io.folder import ReadOptions
from stopflow.io.results import file_sha256
from stopflow.io.workbook.grid import expect_workbooks
from stopflow.kinetics.settings import AnalysisSettings
from stopflow.memory import collecting_seldom, keep_freed_memory

if TYPE_CHECKING:
    from stopflow.pipeline.lab.reading import FolderReading

LIBRARIES: Final = ("numpy", "scipy", "pandas", "matplotlib")


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderJob:
    """A folder to do, by its path, the name of its experiment, and how."""

    folder: Path
    name: str
    options: ReadOptions
    settings: AnalysisSettings


def do_job(job: FolderJob) -> "FolderReading":
    """Read and analyse a folder."""
    expect_workbooks(job.folder)
    from stopflow.pipeline.lab.reading import do_folder

    keep_freed_memory()
    with collecting_seldom():
        return do_folder(job)


def job_key(job: FolderJob, hashes: Mapping[str, str] | None = None) -> str:
    """Hash all that the result of a job depends on.

    These are the entries of its folder with the content of its files, decisions among them, the
    file that is subtracted as a blank, the settings, this program and the libraries. `hashes`
    are those of the files, where they are known already.
    """
    blank = job.options.blank
    entries = sorted((path.name, path.is_dir()) for path in job.folder.iterdir())
    known = {
        "folder": str(job.folder),
        "name": job.name,
        "entries": entries,
        "files": file_hashes(job.folder) if hashes is None else hashes,
        "blank": "" if blank is None else _hash_or_nothing(blank),
        "options": {**asdict(job.options), "blank": str(blank)},
        "settings": asdict(job.settings),
        "code": code_digest(),
        "libraries": library_versions(),
    }
    return hashlib.sha256(ascii(known).encode()).hexdigest()


@cache
def library_versions() -> Mapping[str, str]:
    """Return the versions of the libraries that results depend on, by name."""
    return {name: version(name) for name in LIBRARIES}


@cache
def code_digest() -> str:
    """Hash the source of this package: results of another state of it are not taken for its own."""
    root = Path(stopflow.__file__).parent
    digest = hashlib.sha256(stopflow.__version__.encode())
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def file_hashes(folder: Path) -> dict[str, str]:
    """Hash the files of a folder; one that cannot be opened has ``""``."""
    return {
        path.name: _hash_or_nothing(path) for path in sorted(folder.iterdir()) if path.is_file()
    }


def _hash_or_nothing(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError:
        return ""
