"""New shots before their lab is done: read and fitted beside the latest shots of their folder.

Start, rate law and verdict are those that the folder gives as far as it is looked at: all of it
where it holds no more shots than are taken, the latest of them where it holds more. The page that
follows has those of the whole lab.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from stopflow.errors import StopflowError
from stopflow.io.sorting import sort_file
from stopflow.kinetics.analysis import cut_rows, shot_rows
from stopflow.kinetics.verdicts.series import ExperimentAnalysis
from stopflow.pipeline.barriers import read_and_analyse
from stopflow.pipeline.lab.ingest import IngestSettings, folder_jobs
from stopflow.pipeline.lab.jobs import FolderJob
from stopflow.pipeline.serve.watch import Signature, Stamp
from stopflow.report.data import KineticsReportData
from stopflow.report.html.numbers import build_shot_rows
from stopflow.report.html.traces import SingleTraces
from stopflow.schema import TABLES
from stopflow.trace import Experiment

NEIGHBOURS = 24
"""Shots of the folder that are taken with the new ones; they share starts and the rate law."""
MOST_NEW = 8
"""New files that are told before the page; more at once are not just being made, but copied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshShot:
    """A new shot.

    Attributes
    ----------
    path, stamp
        Its file as it was read.
    row
        Its row of the page's table of shots, see `build_shot_rows`; ``like`` is the file of an
        earlier shot of the same condition, "" where there is none among the latest.
    traces
        Those of the new shots of its folder.
    """

    path: Path
    stamp: Stamp
    experiment: str
    file: str
    channel: int
    row: Mapping[str, Any]
    traces: SingleTraces

    def find_trace(self, experiment: str, file: str, channel: int) -> str | None:
        """Return its packed trace if it is the shot of this name."""
        if (experiment, file, channel) != (self.experiment, self.file, self.channel):
            return None
        return self.traces.find(experiment, file, channel)


def preview_shots(
    new: Sequence[Path], known: Signature, *, root: Path, out: Path, settings: IngestSettings
) -> list[FreshShot]:
    """Fit the shots in new files.

    Parameters
    ----------
    new
        Files that are not being written; only traces are looked at, and not more than `MOST_NEW`.
    known
        Every file below `root`.
    out
        Where the results of the lab lie; not looked into.
    """
    traces = defaultdict[Path, list[Path]](list)
    for path in new:
        if sort_file(path).kind == "trace":
            traces[path.parent].append(path)
    if not 0 < sum(map(len, traces.values())) <= MOST_NEW:
        return []
    try:
        jobs = folder_jobs(root, out=out, settings=settings)
    except StopflowError:  # it is said when the whole lab is done
        return []
    return [
        shot
        for job in jobs
        if job.folder in traces
        for shot in _preview(job, traces[job.folder], known)
    ]


def _preview(job: FolderJob, new: Sequence[Path], known: Signature) -> list[FreshShot]:
    others = [path for path in known if path.parent == job.folder and path not in new]
    latest = sorted(others, key=lambda path: known[path][1])[-NEIGHBOURS:]
    only = frozenset(path.name for path in (*new, *latest))
    experiment, analysis = read_and_analyse(
        job.folder, name=job.name, reading=replace(job.options, only=only), settings=job.settings
    )
    paths = {path.name: path for path in new}
    own = [paths.get(shot.source or shot.file) for shot in experiment.shots]
    rows = pd.DataFrame(shot_rows(analysis))
    earlier = rows[[path is None for path in own]]
    like = earlier.drop_duplicates("condition", keep="last").set_index("condition")["file"]
    rows = rows.assign(like=rows.pop("condition").map(like).fillna(""))
    traces = SingleTraces(_data_of(experiment, analysis, rows))
    return [
        FreshShot(
            path=path,
            stamp=known[path],
            experiment=job.name,
            file=shot.file,
            channel=shot.channel,
            row=build_shot_rows(rows.iloc[[place]]),
            traces=traces,
        )
        for place, (shot, path) in enumerate(zip(experiment.shots, own, strict=True))
        if shot.trace is not None and path is not None
    ]


def _data_of(
    experiment: Experiment, analysis: ExperimentAnalysis, rows: pd.DataFrame
) -> KineticsReportData:
    """Hand over what a trace of the page is packed from: no condition is compared yet."""
    nothing = pd.DataFrame()
    pairs = [
        None if shot.trace is None else (shot.trace.time_s, shot.trace.signal)
        for shot in experiment.shots
    ]
    return KineticsReportData(
        shots=rows,
        conditions=nothing,
        secondary=nothing,
        cuts=pd.DataFrame(cut_rows(analysis), columns=list(TABLES["cuts"])),
        problems=nothing,
        inputs=nothing,
        trace=lambda row: pairs[row],
    )
