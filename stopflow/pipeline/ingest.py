"""From folders of instrument files to rates and a dataset."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stopflow import __version__
from stopflow.config import build_settings, read_config
from stopflow.errors import StopflowError
from stopflow.io.atomic import require_replaceable
from stopflow.io.folder import find_experiments, read_experiment, read_truth
from stopflow.kinetics.analysis import (
    AnalysisSettings,
    ExperimentAnalysis,
    analyse_experiment,
    analyse_lab,
    condition_rows,
    cut_rows,
    secondary_rows,
    shot_rows,
)
from stopflow.pipeline.checks import given, require_time_unit, require_whole
from stopflow.pipeline.progress import Progress, silent
from stopflow.store import (
    REPLACEABLE,
    Dataset,
    DatasetWriter,
    file_sha256,
    load_dataset,
    writing_dataset,
)
from stopflow.trace import Experiment, Problem
from stopflow.workers import worker_processes

CUT_COLUMNS = ("experiment", "file", "channel", "cut_s", "k_per_s", "k_stderr_per_s")
PROBLEM_COLUMNS = ("experiment", "file", "where", "found", "expected", "level")
SECONDARY_COLUMNS = (
    "plot",
    "experiment",
    "group",
    "kind",
    "chosen",
    "points",
    "conditions",
    "parameter",
    "value",
    "stderr",
    "low95",
    "high95",
    "unit",
    "aicc",
    "text",
)
LIBRARIES = ("numpy", "scipy", "pandas", "matplotlib")
SMALL_LAB = 10_000_000
"""Bytes below which starting processes takes longer than the work."""
OWN_KEYS = ("channel", "time_unit", "workers")
BLAS_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSettings:
    """How a lab is read and judged.

    Attributes
    ----------
    channel
        Signal column of each file, 1 for the first.
    time_unit
        Unit of the time column where a file does not say it; None: milliseconds.
    analysis
        The law, the start, the thresholds of the verdicts.
    workers
        Processes that read and fit; 0: one a core.
    """

    channel: int = 1
    time_unit: str | None = None
    analysis: AnalysisSettings = field(default_factory=AnalysisSettings)
    workers: int = 0

    def __post_init__(self) -> None:
        require_whole("channel", self.channel, low=1)
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
    require_replaceable(out, REPLACEABLE)
    folders = _folders(root, out=out)
    readings: list[Reading] = []
    places: list[dict[str, Any]] = []
    with writing_dataset(out) as writer:
        jobs = [(folder, name, settings) for folder, name in folders]
        for done, reading in enumerate(_read_all(jobs, workers=settings.workers), start=1):
            places += _add_traces(writer, reading)
            readings.append(reading)
            progress("reading and fitting", done, len(jobs))
        tables = _tables(readings, settings, places=places)
        _require_better(tables["shots"], out)
        tables["shots"]["k_true_per_s"] = _true_rates(tables["shots"], folders)
        writer.write_tables(tables, provenance=_provenance(readings, settings, command=command))
    return load_dataset(out)


def _folders(root: Path, *, out: Path) -> list[tuple[Path, str]]:
    if not root.exists():
        raise StopflowError(f"{root} does not exist; give a folder that holds .bka files")
    if not root.is_dir():
        fit = f", or use: stopflow fit {root}" if root.suffix.lower() == ".bka" else ""
        raise StopflowError(f"{root} is a file; give its folder, {root.parent}{fit}")
    folders = [folder for folder in find_experiments(root) if out not in (folder, *folder.parents)]
    if not folders:
        raise StopflowError(f"no .bka files in {root} or below it; is it the right folder?")
    return list(zip(folders, _names(root, folders), strict=True))


def _names(root: Path, folders: Sequence[Path]) -> list[str]:
    """Name experiments after their folders, those of one name by their way below `root`."""
    top = root.resolve().name if root.name in ("", "..") else root.name
    names = [top if folder == root else folder.name for folder in folders]
    above = Path(top if root in folders else "")
    return [
        name if names.count(name) == 1 else (above / folder.relative_to(root)).as_posix()
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
    with _one_blas_thread(), worker_processes(processes) as pool:
        yield from pool.map(_read_one, jobs)


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Let child processes use one BLAS thread each: they are as many as there are cores."""
    before = {name: os.environ.get(name) for name in BLAS_THREADS}
    os.environ.update(dict.fromkeys(BLAS_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _read_one(job: tuple[Path, str, IngestSettings]) -> Reading:
    folder, name, settings = job
    experiment = read_experiment(
        folder, name=name, channel=settings.channel, time_unit=settings.time_unit
    )
    return Reading(
        experiment=experiment,
        analysis=analyse_experiment(experiment, settings.analysis),
        sha256=_hashes(folder),
    )


def _hashes(folder: Path) -> dict[str, str]:
    """Hash the files of a folder; one that cannot be opened has none."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.is_file():
            try:
                found[path.name] = file_sha256(path)
            except OSError:
                continue
    return found


def _add_traces(writer: DatasetWriter, reading: Reading) -> list[dict[str, Any]]:
    return [
        {**writer.add_trace(shot.trace), "sha256": reading.sha256.get(shot.file, "")}
        for shot in reading.experiment.shots
    ]


def _tables(
    readings: Sequence[Reading], settings: IngestSettings, *, places: Sequence[dict[str, Any]]
) -> dict[str, pd.DataFrame]:
    lab = analyse_lab([reading.analysis for reading in readings], settings.analysis)
    shots = [row for analysis in lab.experiments for row in shot_rows(analysis)]
    problems = [problem for reading in readings for problem in reading.experiment.problems]
    problems += [
        Problem(experiment=reading.experiment.name, file="", found=note, level="note")
        for reading in readings
        for note in reading.analysis.notes
    ]
    return {
        "shots": pd.DataFrame([{**row, **place} for row, place in zip(shots, places, strict=True)]),
        "conditions": pd.DataFrame(
            [row for analysis in lab.experiments for row in condition_rows(analysis)]
        ),
        "secondary": pd.DataFrame(secondary_rows(lab), columns=SECONDARY_COLUMNS),
        "cuts": pd.DataFrame(
            [row for analysis in lab.experiments for row in cut_rows(analysis)],
            columns=CUT_COLUMNS,
        ),
        "problems": pd.DataFrame(
            [asdict(problem) for problem in problems], columns=PROBLEM_COLUMNS
        ),
    }


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


def _true_rates(shots: pd.DataFrame, folders: Sequence[tuple[Path, str]]) -> list[float]:
    """Look up the truth that a simulated lab keeps beside its folders; NaN without one."""
    truth: dict[tuple[str, str], float] = {}
    for place in {folder.parent for folder, _ in folders}:
        names = {folder.name: name for folder, name in folders if folder.parent == place}
        for (experiment, file), rate in (read_truth(place) or {}).items():
            if experiment in names:
                truth[names[experiment], file] = rate
    keys = zip(shots["experiment"], shots["file"], strict=True)
    return [truth.get(key, np.nan) for key in keys]


def _provenance(
    readings: Sequence[Reading], settings: IngestSettings, *, command: str
) -> dict[str, Any]:
    return {
        "version": __version__,
        "command": command,
        "settings": asdict(settings),
        "libraries": {name: version(name) for name in LIBRARIES},
        "inputs": {
            f"{reading.experiment.name}/{file}": digest
            for reading in readings
            for file, digest in reading.sha256.items()
        },
    }
