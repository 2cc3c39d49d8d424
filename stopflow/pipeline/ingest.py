"""From folders of instrument files to rates and a dataset."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from stopflow import __version__
from stopflow.columns import foreign_name
from stopflow.config import build_settings, read_config
from stopflow.errors import StopflowError
from stopflow.frames import build_frame
from stopflow.io.channels import parse_channel
from stopflow.io.folder import LabFolders, ReadOptions, find_lab
from stopflow.io.readers.content import shown_name
from stopflow.io.switch import switching
from stopflow.kinetics.analysis import (
    AnalysisSettings,
    ExperimentAnalysis,
    condition_rows,
    cut_rows,
    secondary_rows,
    shot_rows,
)
from stopflow.pipeline.barriers import analyse_across, read_and_analyse, true_rates
from stopflow.pipeline.checks import given, require_time_unit, require_wavelength, require_whole
from stopflow.pipeline.progress import Progress, silent
from stopflow.pipeline.shared_rates import NONE, shared_rates
from stopflow.schema import COLUMNS
from stopflow.store import (
    REPLACEABLE,
    Dataset,
    DatasetWriter,
    file_sha256,
    load_dataset,
    writing_into,
)
from stopflow.trace import Experiment, Problem
from stopflow.workers import one_blas_thread, worker_processes

LIBRARIES = ("numpy", "scipy", "pandas", "matplotlib")
SMALL_LAB = 10_000_000
"""Bytes below which starting processes takes longer than the work."""
OWN_NAMES = frozenset(name.casefold() for name in COLUMNS)
OWN_KEYS = ("channel", "wavelength_nm", "average", "blank", "time_unit", "workers")


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
    average
        Whether the repeats of a condition are averaged before the fit.
    blank
        File whose trace is subtracted from every other.
    analysis
        The law, the start, the thresholds of the verdicts.
    workers
        Processes that read and fit; 0: one a core.
    """

    channel: int | Literal["all"] | None = None
    wavelength_nm: float | None = None
    average: bool = False
    blank: str | None = None
    time_unit: str | None = None
    analysis: AnalysisSettings = field(default_factory=AnalysisSettings)
    workers: int = 0

    def __post_init__(self) -> None:
        parse_channel(self.channel)
        require_wavelength(self.wavelength_nm)
        require_whole("workers", self.workers, low=0)
        require_time_unit(self.time_unit)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """One folder read and analysed, with the hashes of its files."""

    experiment: Experiment
    analysis: ExperimentAnalysis
    sha256: Mapping[str, str]


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
    command: str = "",
    progress: Progress = silent,
) -> Dataset:
    """Read, trim, fit and judge every experiment below `root`; leave a dataset in `out`.

    Raises
    ------
    StopflowError
        When there is nothing to read, when `out` holds anything but an earlier dataset, and when
        no shot has a rate while shots of an earlier dataset have. What is wrong with single files
        is in the dataset's `problems` and in the verdicts, and raises nothing.
    """
    with switching() as switch:
        place = switch.folder(out, owned=REPLACEABLE)
        write_dataset(root, place, settings=settings, out=out, command=command, progress=progress)
    return load_dataset(out)


def write_dataset(
    root: Path,
    place: Path,
    *,
    settings: IngestSettings,
    out: Path,
    command: str = "",
    progress: Progress = silent,
) -> None:
    """Write the dataset of `root` into the empty folder `place`; it is to replace the one in `out`.

    Raises
    ------
    StopflowError
        As `ingest`.
    """
    lab = _lab(root, out=out)
    folders = list(zip(lab.experiments, _names(root, lab.experiments), strict=True))
    readings: list[Reading] = []
    places: list[dict[str, Any]] = []
    with writing_into(place) as writer:
        jobs = [(folder, name, settings) for folder, name in folders]
        for done, reading in enumerate(_read_all(jobs, workers=settings.workers), start=1):
            places += _add_traces(writer, reading)
            readings.append(reading)
            progress("reading and fitting", done, len(jobs))
        true, unread = true_rates(folders)
        further = (*lab.problems, *unread)
        tables = _tables(readings, settings, places=places, true=true, further=further)
        _require_better(tables["shots"], out)
        writer.write_tables(tables, provenance=_provenance(readings, settings, command=command))


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
    above = Path(top if root in folders else "")
    return [
        name
        if names.count(name) == 1
        else shown_name((above / folder.relative_to(root)).as_posix())
        for folder, name in zip(folders, names, strict=True)
    ]


def _read_all(
    jobs: Sequence[tuple[Path, str, IngestSettings]], *, workers: int
) -> Iterator[Reading]:
    """Read and analyse the folders in order, one process a core."""
    files = (path for folder, *_ in jobs for path in folder.iterdir() if path.is_file())
    small = sum(path.stat().st_size for path in files) < SMALL_LAB
    processes = min(workers or (1 if small else os.cpu_count() or 1), len(jobs))
    if processes == 1:
        yield from (_read_one(job) for job in jobs)
        return
    with one_blas_thread(), worker_processes(processes) as pool:
        yield from pool.map(_read_one, jobs)


def _read_one(job: tuple[Path, str, IngestSettings]) -> Reading:
    folder, name, settings = job
    reading = ReadOptions(
        channel=settings.channel,
        wavelength_nm=settings.wavelength_nm,
        average=settings.average,
        blank=None if settings.blank is None else Path(settings.blank),
        time_unit=settings.time_unit,
    )
    experiment, analysis = read_and_analyse(
        folder, name=name, reading=reading, settings=settings.analysis
    )
    return Reading(experiment=experiment, analysis=analysis, sha256=_hashes(folder))


def _hashes(folder: Path) -> dict[str, str]:
    """Hash the files of a folder; one that cannot be opened has none."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.is_file():
            try:
                found[shown_name(path.name)] = file_sha256(path)
            except OSError:
                continue
    return found


def _add_traces(writer: DatasetWriter, reading: Reading) -> list[dict[str, Any]]:
    shared = shared_rates(reading.experiment, reading.analysis)
    return [
        {
            **writer.add_trace(shot.trace),
            "sha256": reading.sha256.get(shot.source or shot.file, ""),
            **shared.get(shot.file, NONE),
            "end_source": "decision" if shot.end_s is not None else "",
            "law_source": "decision" if shot.law else "",
        }
        for shot in reading.experiment.shots
    ]


def _tables(
    readings: Sequence[Reading],
    settings: IngestSettings,
    *,
    places: Sequence[dict[str, Any]],
    true: Mapping[tuple[str, str], float],
    further: Sequence[Problem],
) -> dict[str, pd.DataFrame]:
    lab, failed = analyse_across([reading.analysis for reading in readings], settings.analysis)
    shots = [row for analysis in lab.experiments for row in shot_rows(analysis)]
    for row, place in zip(shots, places, strict=True):
        row |= {**place, "k_true_per_s": true.get((row["experiment"], row["file"]), np.nan)}
    problems = [problem for reading in readings for problem in reading.experiment.problems]
    problems += [*further, *failed, *_shadowed(readings)]
    problems += [
        Problem(experiment=reading.experiment.name, file="", found=note, level="note")
        for reading in readings
        for note in reading.analysis.notes
    ]
    rows: dict[str, list[dict[str, Any]]] = {
        "shots": shots,
        "conditions": [row for one in lab.experiments for row in condition_rows(one)],
        "secondary": list(secondary_rows(lab)),
        "cuts": [row for one in lab.experiments for row in cut_rows(one)],
        "problems": [asdict(problem) for problem in problems],
    }
    return {name: build_frame(name, found) for name, found in rows.items()}


def _shadowed(readings: Sequence[Reading]) -> list[Problem]:
    """Note the columns of workbooks that are named like ours; they are kept apart."""
    return [
        Problem(
            experiment=reading.experiment.name,
            file="",
            found=f"the workbook's column '{header}' is named like a column of the results; it is "
            f"kept as '{foreign_name(header)}' and changes nothing",
            level="note",
        )
        for reading in readings
        for header in dict.fromkeys(
            name for shot in reading.experiment.shots for name in shot.conditions.extra
        )
        if header.strip().casefold() in OWN_NAMES
    ]


def _require_better(shots: pd.DataFrame, out: Path) -> None:
    """Refuse shots without a single rate where the dataset in `out` has rates."""
    if shots["k_per_s"].notna().any() or not _has_rates(out):
        return
    first = shots.iloc[0]
    raise StopflowError(
        f"not one of the {len(shots)} shots could be used, so the earlier dataset in {out} stays "
        f"as it is; {first['experiment']}/{first['file']}: {first['reason']}; to list them all, "
        "give another --out"
    )


def _has_rates(folder: Path) -> bool:
    try:
        return bool(load_dataset(folder).shots["k_per_s"].notna().any())
    except StopflowError:
        return False


def _provenance(
    readings: Sequence[Reading], settings: IngestSettings, *, command: str
) -> dict[str, Any]:
    return {
        "version": __version__,
        "command": command,
        "settings": asdict(settings),
        "libraries": {name: version(name) for name in LIBRARIES},
        "left_out": [
            {
                "experiment": shot.experiment,
                "file": shot.file,
                "channel": shot.channel,
                "why": shot.left_out,
            }
            for reading in readings
            for shot in reading.experiment.left_out
        ],
        "inputs": {
            f"{reading.experiment.name}/{file}": digest
            for reading in readings
            for file, digest in reading.sha256.items()
        },
    }
