"""From folders of instrument files to rates and a dataset."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stopflow.config import build_settings, read_config
from stopflow.errors import StopflowError
from stopflow.executors import AHEAD, Workers, open_workers
from stopflow.io.channels import parse_channel
from stopflow.io.folder import ReadOptions
from stopflow.io.results import Lab, lab_at
from stopflow.io.switch import switching
from stopflow.io.truth import true_rates
from stopflow.io.workbook.grid import expect_workbooks
from stopflow.kinetics.settings import AnalysisSettings
from stopflow.pipeline.checks import given, require_time_unit, require_wavelength, require_whole
from stopflow.pipeline.lab.drawn import carry_parts
from stopflow.pipeline.lab.folders import find_folders
from stopflow.pipeline.lab.jobs import FolderJob, do_job
from stopflow.pipeline.lab.unchanged import (
    EarlierKeys,
    earlier_keys,
    looks_newer,
    seal_results,
    take_dataset,
)
from stopflow.pipeline.progress import Progress, silent
from stopflow.store import (
    REPLACEABLE,
    Dataset,
    lab_of,
    load_dataset,
    writing_into,
)
from stopflow.workers import count_processes

if TYPE_CHECKING:  # what reads, fits and compares is loaded where a folder has to be done
    from stopflow.pipeline.lab.gather import GatheredFolders
    from stopflow.pipeline.lab.reading import FolderReading, FolderResult

OWN_KEYS = ("channel", "wavelength_nm", "blank", "time_unit", "workers")


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSettings:
    """How a lab is read and judged.

    Attributes
    ----------
    channel, wavelength_nm
        Signal of each file: a number from 1, ``"all"``, or the one at a wavelength; None: the
        first, of a diode array that which changes most.
    time_unit
        Unit of the time column where a file does not say it; None: milliseconds.
    blank
        File whose trace is subtracted from every other.
    analysis
        The law, the start, what is done with replicates, the thresholds of the verdicts.
    workers
        Processes that read and fit; 0: one a core.
    """

    channel: int | Literal["all"] | None = None
    wavelength_nm: float | None = None
    blank: str | None = None
    time_unit: str | None = None
    analysis: AnalysisSettings = field(default_factory=AnalysisSettings)
    workers: int = 0

    def __post_init__(self) -> None:
        parse_channel(self.channel)
        require_wavelength(self.wavelength_nm)
        require_whole("workers", self.workers)
        require_time_unit(self.time_unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Where and how much of the work is done; no result depends on it.

    Attributes
    ----------
    cluster
        Address of a Dask scheduler whose workers read and fit; None: processes of this machine.
    fresh
        Whether every folder is done, also those that the earlier dataset has.
    """

    cluster: str | None = None
    fresh: bool = False


USUAL = Execution()
Hear = Callable[["FolderResult"], None]


def ingest_settings(config: Path | None = None, **options: Any) -> IngestSettings:
    """Compose the settings from a TOML file and options; an option that is None leaves it be."""
    values = read_config(config) if config else {}
    where = config.name if config else "options"
    ingest_values = dict(values.get("ingest", {}))
    ingest_values |= given(options)
    own = {key: ingest_values.pop(key) for key in OWN_KEYS if key in ingest_values}
    if "quality" in values:
        ingest_values["thresholds"] = values["quality"]
    analysis = build_settings(AnalysisSettings, ingest_values, where=f"{where} [ingest]")
    return build_settings(IngestSettings, {**own, "analysis": analysis}, where=f"{where} [ingest]")


def ingest(
    root: Path,
    *,
    out: Path,
    settings: IngestSettings,
    execution: Execution = USUAL,
    progress: Progress = silent,
    hear: Hear = lambda _result: None,
) -> Dataset:
    """Read, trim, fit and judge every experiment below `root`; leave a dataset in `out`.

    Parameters
    ----------
    hear
        Told of every folder as soon as it is done, before folders are compared.

    Raises
    ------
    StopflowError
        When there is nothing to read, when `out` holds anything but an earlier dataset, and when
        no shot has a rate while shots of an earlier dataset have. What is wrong with single files
        is in the dataset's `problems` and in the verdicts, and raises nothing.
    """
    with switching() as switch:
        place = switch.folder(out, owned=REPLACEABLE, lab=lab_at(root), lab_of=lab_of)
        write_dataset(
            root,
            place,
            settings=settings,
            out=out,
            execution=execution,
            progress=progress,
            hear=hear,
        )
    return load_dataset(out)


def write_dataset(
    root: Path,
    place: Path,
    *,
    settings: IngestSettings,
    out: Path,
    execution: Execution = USUAL,
    command: str = "",
    progress: Progress = silent,
    hear: Hear = lambda _result: None,
    begin: Callable[[int], None] = lambda _folders: None,
) -> bool:
    """Write the dataset of `root` into the empty folder `place`; it is to replace the one in `out`.

    Parameters
    ----------
    begin
        Told, before the work, how many folders there are, if it looks as if one has to be done.

    Returns
    -------
    bool
        Whether it is the dataset of `out` as it was, because nothing has changed.

    Raises
    ------
    StopflowError
        As `ingest`.
    """
    lab, folders = find_folders(root, out=out)
    jobs = [_job(folder, name, settings) for folder, name in folders]
    earlier = EarlierKeys() if execution.fresh else earlier_keys(out)
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:  # files are hashed outside Python
        hashing = threads.map(earlier.key_of, jobs)
        newer = [job for job in jobs if execution.fresh or looks_newer(job, out)]
        if newer:
            begin(len(jobs))
            expect_workbooks(newer[0].folder)
        if newer and earlier.names:
            _load_work()
        keys = list(hashing)
    true, unread = true_rates(folders)
    further = (*lab.problems, *unread)
    record = lab_at(root).record(out)
    told = ascii((asdict(settings), list(map(asdict, further)), true, record))
    if earlier.are(keys, told) and take_dataset(out, place, command=command):
        return True
    left = [job for job, key in zip(jobs, keys, strict=True) if key is None]
    files = (path for job in left for path in job.folder.iterdir() if path.is_file())
    size = sum(path.stat().st_size for path in files)
    processes = count_processes(len(left), size, wanted=settings.workers)
    with open_workers(processes=processes, cluster=execution.cluster) as workers:
        fitted = workers.map_in_order(do_job, left)
        # Loaded while the workers load what they need, or before, while files are hashed.
        from stopflow.pipeline.lab.gather import build_provenance, compare_folders, gather_folders
        from stopflow.pipeline.lab.kept import earlier_results

        if not execution.fresh:
            carry_parts(out, place)
        counter = count(1)

        def done(result: "FolderResult") -> None:
            hear(result)
            progress("reading and fitting", next(counter), len(jobs))

        with writing_into(place) as writer:
            with (
                earlier_results(out, wanted=len(left) < len(jobs)) as find,
                ThreadPoolExecutor(os.cpu_count() or 1) as threads,
            ):
                found = Workers(executor=threads, at_once=AHEAD).map_in_order(
                    find, [key for key in keys if key is not None]
                )
                readings = _read_all(jobs, keys, found, fitted)
                gathered = gather_folders(readings, writer, place, settings.analysis, done=done)
            workers.dismiss()
            _require_better(gathered, out, lab=lab_at(root))
            compare_folders(gathered, writer, place, settings.analysis, true=true, further=further)
            made = build_provenance(gathered.results, asdict(settings), command=command, lab=record)
            writer.describe(made)
        seal_results(place, told)
    return False


def _load_work() -> None:
    """Load what reads, fits and compares."""
    import stopflow.pipeline.lab.gather
    import stopflow.pipeline.lab.kept  # noqa: F401


def folder_jobs(root: Path, *, out: Path, settings: IngestSettings) -> list[FolderJob]:
    """Return the experiment folders below `root`, how tables name them, and how they are read.

    Raises
    ------
    StopflowError
        When there is none.
    """
    return [_job(folder, name, settings) for folder, name in find_folders(root, out=out)[1]]


def _job(folder: Path, name: str, settings: IngestSettings) -> FolderJob:
    options = ReadOptions(
        channel=settings.channel,
        wavelength_nm=settings.wavelength_nm,
        blank=None if settings.blank is None else Path(settings.blank),
        time_unit=settings.time_unit,
    )
    return FolderJob(folder=folder, name=name, options=options, settings=settings.analysis)


def _read_all(
    jobs: Sequence[FolderJob],
    keys: Sequence[str | None],
    kept: "Iterator[FolderReading | None]",
    done: "Iterator[FolderReading]",
) -> "Iterator[FolderReading]":
    """Yield the folders in order: as they were `kept` before, or as they are `done` now."""
    for job, key in zip(jobs, keys, strict=True):
        yield next(done) if key is None else next(kept) or do_job(job)


def _require_better(gathered: "GatheredFolders", out: Path, *, lab: Lab) -> None:
    """Refuse shots without a single rate where the lab's dataset in `out` has rates."""
    if gathered.rates or lab_of(out) != lab or not _has_rates(out):
        return
    from stopflow.kinetics.verdicts.sentences import reasons

    shots = [shot for result in gathered.results for shot in result.analysis.shots]
    first = shots[0]
    raise StopflowError(
        f"not one of the {len(shots)} shots could be used, so the earlier dataset in {out} stays "
        f"as it is; {first.shot.experiment}/{first.shot.file}: {reasons(first.findings)}; to list "
        "them all, give another --out"
    )


def _has_rates(folder: Path) -> bool:
    try:
        return bool(load_dataset(folder).shots["k_per_s"].notna().any())
    except StopflowError:
        return False
