"""Results of folders that a dataset keeps, so that the next ingest does only what changed.

A dataset holds them in ``folders.zip``, an entry a folder, named by the key of its job. Whoever
finds his key there has the same files, settings, program and libraries; the traces come from the
dataset itself, and are taken only when they are still those of the result, byte by byte. Anything
that does not fit means that the folder is done again. So is a folder in which something failed,
for the failure may have been of the moment; its entry serves to merge datasets alone.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final
from zipfile import ZipFile, ZipInfo

from stopflow.errors import StopflowError, StoreError
from stopflow.frames import AGAIN
from stopflow.kinetics.settings import AnalysisSettings
from stopflow.pipeline.lab.jobs import code_digest
from stopflow.pipeline.lab.packing import pack, unpack
from stopflow.pipeline.lab.reading import FolderReading, FolderResult
from stopflow.pipeline.lab.unchanged import DAMAGED, SETTINGS
from stopflow.seal import trace_digests
from stopflow.store import KEPT, Dataset, load_dataset
from stopflow.trace import FloatArray, Trace, frozen_array

ONCE: Final = "once-"
"""Before the key of a folder that the next ingest does again."""


@contextmanager
def keeping_results(
    folder: Path, settings: AnalysisSettings
) -> Iterator[Callable[[FolderReading], None]]:
    """Yield what keeps the result of a folder in the dataset in `folder`."""
    with ZipFile(folder / KEPT, "w") as archive:
        archive.writestr(ZipInfo(SETTINGS), pack(settings))

        def keep(reading: FolderReading) -> None:
            name = reading.key if reading.lasting else f"{ONCE}{reading.key}"
            archive.writestr(ZipInfo(name), reading.packed)

        yield keep


def kept_settings(folder: Path) -> AnalysisSettings:
    """Return the settings with which the experiments of a dataset are to be compared.

    Raises
    ------
    StoreError
        When the dataset does not keep them, or was made by another version of the program.
    """
    try:
        with ZipFile(folder / KEPT) as archive:
            found = unpack(archive.read(SETTINGS))
    except (StopflowError, *DAMAGED) as error:
        raise StoreError(f"{folder / KEPT} cannot be used ({error}); {AGAIN}") from error
    if not isinstance(found, AnalysisSettings):
        raise StoreError(f"{folder / KEPT} holds no settings; {AGAIN}")
    return found


def kept_results(dataset: Dataset) -> Iterator[FolderReading]:
    """Yield every folder of a dataset as it was done, in order, one at a time.

    Raises
    ------
    StoreError
        When the results are damaged, not those of the dataset, or of another version.
    """
    place = dataset.folder / KEPT
    stored, found = ExperimentTraces(dataset), list[str]()
    try:
        with ZipFile(place) as archive:
            for name in archive.namelist():
                if name == SETTINGS:
                    continue
                packed = archive.read(name)
                result = unpack(packed)
                traces = stored.find(result)
                if traces is None:
                    raise StoreError("its traces are not those of its results")
                found.append(result.name)
                yield FolderReading(
                    key=name.removeprefix(ONCE),
                    code=code_digest(),
                    packed=packed,
                    lasting=not name.startswith(ONCE),
                    traces=traces,
                    opened=result,
                )
    except (StopflowError, *DAMAGED) as error:
        raise StoreError(f"{place} cannot be used ({error}); {AGAIN}") from error
    if found != list(dataset.shots["experiment"].unique()):
        raise StoreError(f"{place} does not hold the experiments of its dataset; {AGAIN}")


def stored_results(folder: Path) -> Iterator[FolderResult]:
    """Yield the results of the folders that were just written into `folder`, in order."""
    with ZipFile(folder / KEPT) as archive:
        for name in archive.namelist():
            if name != SETTINGS:
                yield unpack(archive.read(name))


@contextmanager
def earlier_results(
    folder: Path, *, wanted: bool = True
) -> Iterator[Callable[[str], FolderReading | None]]:
    """Yield what finds a folder by its key as the dataset in `folder` keeps it; None for damaged.

    Nothing of the dataset stays open at the end, so that it can be moved.
    """
    find: Callable[[str], FolderReading | None] = dict[str, FolderReading]().get
    with ExitStack() as stack:
        if wanted:
            with suppress(StopflowError, *DAMAGED):
                traces = ExperimentTraces(load_dataset(folder))
                find = partial(_find, stack.enter_context(ZipFile(folder / KEPT)), traces)
        yield find


def _find(archive: ZipFile, stored: "ExperimentTraces", key: str) -> FolderReading | None:
    try:
        packed = archive.read(key)
        opened = unpack(packed)
        traces = stored.find(opened)
    except (StopflowError, *DAMAGED):
        return None
    if traces is None:
        return None
    return FolderReading(
        key=key, code=code_digest(), packed=packed, lasting=True, traces=traces, opened=opened
    )


class ExperimentTraces:
    """The traces of a dataset by experiment."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        names = dataset.tables["shots"].columns(["experiment"])
        self._rows = names.groupby("experiment", sort=False).indices

    def find(self, result: object) -> tuple[Trace | None, ...] | None:
        """Return the traces that belong to a result; None where the dataset holds others."""
        if not isinstance(result, FolderResult):
            return None
        rows = self._rows.get(result.name, ())
        if len(rows) != len(result.traces):
            return None
        traces = self._traces(rows)
        return traces if trace_digests(traces) == result.traces else None

    def _traces(self, rows: Iterable[int]) -> tuple[Trace | None, ...]:
        """Return traces; times that several share are one array, which is then hashed once."""
        grids: dict[tuple[int, int], FloatArray] = {}
        traces: list[Trace | None] = []
        for row in rows:
            recorded = self._dataset.trace(int(row))
            if recorded is None:
                traces.append(None)
                continue
            time_s, signal = recorded
            place = int(time_s.__array_interface__["data"][0]), len(time_s)
            if place not in grids:
                grids[place] = frozen_array(time_s)
            traces.append(Trace(time_s=grids[place], signal=signal))
        return tuple(traces)
