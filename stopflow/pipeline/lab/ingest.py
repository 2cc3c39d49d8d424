"""From folders of instrument files to rates and a dataset."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal

from stopflow.config import build_settings, read_config
from stopflow.errors import StopflowError
from stopflow.executors import AHEAD, Workers, open_workers
from stopflow.io.channels import parse_channel
from stopflow.io.folder import LabFolders, ReadOptions, find_lab
from stopflow.io.results import Lab, lab_at
from stopflow.io.switch import switching
from stopflow.io.text import shown_name
from stopflow.kinetics.analysis import AnalysisSettings
from stopflow.kinetics.verdicts.sentences import reasons
from stopflow.pipeline.barriers import true_rates
from stopflow.pipeline.checks import given, require_time_unit, require_wavelength, require_whole
from stopflow.pipeline.lab.drawn import carry_parts
from stopflow.pipeline.lab.gather import GatheredFolders, compare_folders, gather_folders
from stopflow.pipeline.lab.kept import earlier_results
from stopflow.pipeline.lab.provenance import build_provenance
from stopflow.pipeline.lab.reading import FolderJob, FolderReading, FolderResult, do_folder
from stopflow.pipeline.progress import Progress, silent
from stopflow.store import (
    REPLACEABLE,
    Dataset,
    lab_of,
    load_dataset,
    writing_into,
)

SMALL_LAB = 10_000_000
"""Bytes below which starting processes takes longer than the work."""
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
        require_whole("workers", self.workers, low=0)
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
Hear = Callable[[FolderResult], None]


def unheard(_result: FolderResult) -> None:
    """Do nothing with a folder that is done."""


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
    command: str = "",
    progress: Progress = silent,
    hear: Hear = unheard,
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
            command=command,
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
    hear: Hear = unheard,
) -> None:
    """Write the dataset of `root` into the empty folder `place`; it is to replace the one in `out`.

    Raises
    ------
    StopflowError
        As `ingest`.
    """
    lab = _lab(root, out=out)
    jobs = _jobs(root, lab, settings)
    counter = count(1)

    def done(result: FolderResult) -> None:
        hear(result)
        progress("reading and fitting", next(counter), len(jobs))

    if not execution.fresh:
        carry_parts(out, place)
    with writing_into(place) as writer, ExitStack() as stack:
        # Files are hashed, and traces compared with their digests, outside the interpreter.
        with (
            earlier_results(out, wanted=not execution.fresh) as earlier,
            ThreadPoolExecutor(os.cpu_count() or 1) as threads,
        ):
            keys = list(threads.map(earlier.key_of, jobs))
            left = [job for job, key in zip(jobs, keys, strict=True) if key is None]
            known = [key for key in keys if key is not None]
            kept = Workers(executor=threads, at_once=AHEAD).map_in_order(earlier.find, known)
            processes = _processes(left, settings.workers)
            workers = stack.enter_context(
                open_workers(processes=processes, cluster=execution.cluster)
            )
            readings = _read_all(jobs, keys, kept, workers.map_in_order(do_folder, left))
            gathered = gather_folders(readings, writer, place, settings.analysis, done=done)
        workers.dismiss()
        _require_better(gathered, out, lab=lab_at(root))
        true, unread = true_rates([(job.folder, job.name) for job in jobs])
        further = (*lab.problems, *unread)
        compare_folders(gathered, writer, place, settings.analysis, true=true, further=further)
        made = build_provenance(
            gathered.results, asdict(settings), command=command, lab=lab_at(root).record(out)
        )
        writer.describe(made)


def folder_jobs(root: Path, *, out: Path, settings: IngestSettings) -> list[FolderJob]:
    """Return the experiment folders below `root`, how tables name them, and how they are read.

    Raises
    ------
    StopflowError
        When there is none.
    """
    return _jobs(root, _lab(root, out=out), settings)


def _jobs(root: Path, lab: LabFolders, settings: IngestSettings) -> list[FolderJob]:
    options = ReadOptions(
        channel=settings.channel,
        wavelength_nm=settings.wavelength_nm,
        blank=None if settings.blank is None else Path(settings.blank),
        time_unit=settings.time_unit,
    )
    return [
        FolderJob(folder=folder, name=name, options=options, settings=settings.analysis)
        for folder, name in zip(lab.experiments, _names(root, lab.experiments), strict=True)
    ]


def _lab(root: Path, *, out: Path) -> LabFolders:
    if not root.exists():
        raise StopflowError(f"{root} does not exist; give a folder that holds trace files")
    if not root.is_dir():
        raise StopflowError(
            f"{root} is a file; give its folder, {root.parent}, or use: stopflow fit {root}"
        )
    lab = find_lab(root, passed_over=[out])
    if not lab.experiments:
        seen = "; ".join(str(problem) for problem in lab.problems[:3])
        raise StopflowError(
            f"no trace files in {root} or below it; is it the right folder? "
            + (f"There is: {seen}. " if seen else "")
            + "The formats that are read: stopflow formats"
        )
    return lab


def _names(root: Path, folders: Sequence[Path]) -> list[str]:
    """Name experiments after their folders, those of one name by their way below `root`."""
    top = root.resolve().name if root.name in ("", "..") else root.name
    names = [shown_name(top if folder == root else folder.name) for folder in folders]
    times = Counter(names)
    above = Path(top if root in folders else "")
    return [
        name if times[name] == 1 else shown_name((above / folder.relative_to(root)).as_posix())
        for folder, name in zip(folders, names, strict=True)
    ]


def _read_all(
    jobs: Sequence[FolderJob],
    keys: Sequence[str | None],
    kept: Iterator[FolderReading | None],
    done: Iterator[FolderReading],
) -> Iterator[FolderReading]:
    """Yield the folders in order: as they were `kept` before, or as they are `done` now."""
    for job, key in zip(jobs, keys, strict=True):
        yield next(done) if key is None else next(kept) or do_folder(job)


def _processes(jobs: Sequence[FolderJob], workers: int) -> int:
    """How many processes are worth their start."""
    files = (path for job in jobs for path in job.folder.iterdir() if path.is_file())
    small = sum(path.stat().st_size for path in files) < SMALL_LAB
    return max(min(workers or (1 if small else os.cpu_count() or 1), len(jobs)), 1)


def _require_better(gathered: GatheredFolders, out: Path, *, lab: Lab) -> None:
    """Refuse shots without a single rate where the lab's dataset in `out` has rates."""
    if gathered.rates or lab_of(out) != lab or not _has_rates(out):
        return
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
