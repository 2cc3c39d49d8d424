"""Results of folders that a dataset keeps, so that the next ingest does only what changed.

A dataset holds them in ``folders.zip``, an entry a folder, named by the key of its job. Whoever
finds his key there has the same files, settings, program and libraries; the traces come from the
dataset itself, and are taken only when they are still those of the result, byte by byte. Anything
that does not fit means that the folder is done again.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np

from stopflow.errors import StopflowError
from stopflow.pipeline.packing import unpack
from stopflow.pipeline.reading import (
    FolderJob,
    FolderReading,
    FolderResult,
    code_digest,
    job_key,
)
from stopflow.store import KEPT, Dataset, load_dataset, trace_digest
from stopflow.trace import Trace

DAMAGED: Final = (OSError, BadZipFile, ValueError, KeyError, NotImplementedError, EOFError)
"""What opening or reading a damaged archive raises."""


class ResultsKeeper:
    """Writes the results of the folders into a dataset; made by `keeping_results`."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive

    def keep(self, reading: FolderReading) -> None:
        """Keep the result of a folder, unless something in it failed."""
        if reading.lasting:
            self._archive.writestr(ZipInfo(reading.key), reading.packed)


class EarlierResults:
    """The results that an earlier dataset keeps; made by `earlier_results`."""

    def __init__(self, archive: ZipFile | None = None, dataset: Dataset | None = None) -> None:
        self._archive = archive
        self._dataset = dataset
        self._keys = frozenset(archive.namelist() if archive is not None else ())

    def key_of(self, job: FolderJob) -> str | None:
        """Return the key of the job; None where it was not done before just so."""
        if not self._keys:
            return None
        try:
            key = job_key(job)
        except OSError:
            return None
        return key if key in self._keys else None

    def find(self, key: str) -> FolderReading | None:
        """Return the folder with this key as it was done before; None where it is damaged."""
        if self._archive is None or self._dataset is None:
            return None
        try:
            packed = self._archive.read(key)
            traces = _traces_of(unpack(packed), self._dataset)
        except (StopflowError, *DAMAGED):
            return None
        if traces is None:
            return None
        return FolderReading(
            key=key, code=code_digest(), packed=packed, lasting=True, traces=traces
        )


@contextmanager
def keeping_results(folder: Path) -> Iterator[ResultsKeeper]:
    """Yield a keeper that writes into the folder of a dataset."""
    with ZipFile(folder / KEPT, "w") as archive:
        yield ResultsKeeper(archive)


@contextmanager
def earlier_results(folder: Path, *, wanted: bool = True) -> Iterator[EarlierResults]:
    """Yield what the dataset in `folder` keeps; nothing where there is none, or it is damaged.

    Nothing of the dataset stays open at the end, so that it can be moved.
    """
    with ExitStack() as stack:
        yield _opened(folder, stack) if wanted else EarlierResults()


def _opened(folder: Path, stack: ExitStack) -> EarlierResults:
    if not (folder / KEPT).is_file():
        return EarlierResults()
    try:
        dataset = load_dataset(folder)
        return EarlierResults(stack.enter_context(ZipFile(folder / KEPT)), dataset)
    except (StopflowError, *DAMAGED):
        return EarlierResults()


def _traces_of(result: object, dataset: Dataset) -> tuple[Trace | None, ...] | None:
    """Return the traces that belong to a result; None where the dataset holds others."""
    if not isinstance(result, FolderResult):
        return None
    rows = np.flatnonzero((dataset.shots["experiment"] == result.name).to_numpy())
    if len(rows) != len(result.traces):
        return None
    traces = [_trace(dataset, int(row)) for row in rows]
    found = tuple("" if trace is None else trace_digest(trace) for trace in traces)
    return tuple(traces) if found == result.traces else None


def _trace(dataset: Dataset, row: int) -> Trace | None:
    recorded = dataset.trace(row)
    return None if recorded is None else Trace(time_s=recorded[0], signal=recorded[1])
