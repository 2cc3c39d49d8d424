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
from stopflow.kinetics.analysis import shot_rows
from stopflow.pipeline.barriers import read_and_analyse
from stopflow.pipeline.lab.ingest import IngestSettings, folder_jobs
from stopflow.pipeline.lab.jobs import FolderJob
from stopflow.pipeline.serve.watch import Signature, Stamp
from stopflow.report.html.numbers import build_shot_rows

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
        Its row of the page's table of shots, see `build_shot_rows`.
    """

    path: Path
    stamp: Stamp
    experiment: str
    file: str
    channel: int
    row: Mapping[str, Any]


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
    return [
        FreshShot(
            path=path,
            stamp=known[path],
            experiment=job.name,
            file=str(row["file"]),
            channel=int(row["channel"]),
            row=build_shot_rows(pd.DataFrame([row]).drop(columns="condition")),
        )
        for shot, row in zip(experiment.shots, shot_rows(analysis), strict=True)
        if shot.trace is not None and (path := paths.get(shot.source or shot.file)) is not None
    ]
