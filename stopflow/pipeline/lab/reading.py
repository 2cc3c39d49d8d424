"""One folder, read and analysed by whoever does the work: traces apart from what is kept of them.

A `FolderReading` is what a worker sends. Its traces go to the dataset at once; its `FolderResult`,
a few kilobytes a shot, holds the rows of the tables as far as a folder alone gives them, and what
the comparison of all folders needs. It travels as the bytes in which a dataset keeps it for the
next ingest; of all folders together only its `light` part is held in memory.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from math import isnan, nan
from pathlib import Path
from typing import Any, Final

import numpy as np

from stopflow.columns import foreign_name
from stopflow.frames import Columns, build_columns
from stopflow.io.decisions import load_decisions
from stopflow.io.sorting import DECISIONS
from stopflow.io.text import shown_name
from stopflow.kinetics.analysis import ExperimentAnalysis, cut_rows, own_law, shot_rows
from stopflow.kinetics.many.spectrum import fit_spectrum
from stopflow.kinetics.verdicts.awaiting_comparison import lighten
from stopflow.pipeline.barriers import read_and_analyse
from stopflow.pipeline.lab.jobs import FolderJob, code_digest, file_hashes, job_key
from stopflow.pipeline.lab.packing import pack
from stopflow.schema import COLUMNS, STORAGE_COLUMNS
from stopflow.seal import trace_digests
from stopflow.trace import Experiment, Problem, Shot, Trace, note_of

NOT_OF_A_FOLDER: Final = {**dict.fromkeys(STORAGE_COLUMNS, 0), "k_true_per_s": nan}
"""Columns of a shot that are filled when the dataset is written."""
SHARED_COLUMNS: Final = ("k_shared_per_s", "k_shared_stderr_per_s")
NO_SHARED: Final = dict.fromkeys(SHARED_COLUMNS, nan)
OWN_NAMES: Final = frozenset(name.casefold() for name in COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FolderResult:
    """What is kept of a folder when its traces are written.

    Attributes
    ----------
    headline
        The rates in a line, before they are compared with those of other folders.
    analysis
        Without its fits.
    shots, cuts
        Columns of the tables of those names; of ``shots`` all but those of the place of the
        traces, the verdicts of a shot among its replicates, and the true rates.
    rates
        How many shots have a rate.
    traces
        Digest of each shot's trace; ``""`` without one.
    shadowed
        Columns of workbooks that are named like ours.
    left_out
        Shots that a decision leaves out, as the provenance lists them.
    decisions
        Rows of the decisions that can be read, their cells parted by TABs.
    sha256
        Of the files of the folder.
    """

    name: str
    headline: str
    analysis: ExperimentAnalysis
    shots: Columns
    cuts: Columns
    rates: int
    traces: tuple[str, ...]
    problems: tuple[Problem, ...]
    shadowed: tuple[Problem, ...]
    left_out: tuple[Mapping[str, Any], ...]
    decisions: tuple[str, ...]
    sha256: Mapping[str, str]

    def light(self) -> "FolderResult":
        """Leave out what is in the tables: some hundred bytes a shot remain."""
        analysis = lighten(self.analysis)
        return replace(self, analysis=analysis, shots={}, cuts={}, traces=(), sha256={})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FolderReading:
    """A folder done.

    Attributes
    ----------
    key
        Equal for equal files, settings and program: see `job_key`.
    code
        The program that did it: see `code_digest`.
    packed
        Its `FolderResult`, see `stopflow.pipeline.lab.packing`.
    lasting
        Whether it may be kept: nothing in it failed, for a failure may be of the moment.
    opened
        The same result where it need not be opened: in the process that made or opened it. It does
        not travel.
    """

    key: str
    code: str
    packed: bytes
    lasting: bool
    traces: tuple[Trace | None, ...]
    opened: FolderResult | None = None

    def __reduce__(self) -> tuple[Callable[..., "FolderReading"], tuple[Any, ...]]:
        return _sent, (
            {item.name: getattr(self, item.name) for item in fields(self) if item.name != "opened"},
        )


def _sent(values: Mapping[str, Any]) -> FolderReading:
    return FolderReading(**values)


def do_folder(job: FolderJob) -> FolderReading:
    """Read and analyse a folder."""
    hashes = file_hashes(job.folder)
    key = job_key(job, hashes)
    sha256 = {shown_name(name): digest for name, digest in hashes.items() if digest}
    experiment, analysis = read_and_analyse(
        job.folder, name=job.name, reading=job.options, settings=job.settings
    )
    shared = _shared_rates(experiment, analysis)
    unknown = _unknown_laws(experiment)
    said = {problem.found for problem in unknown}
    analysis = replace(analysis, notes=tuple(note for note in analysis.notes if note not in said))
    own = [
        {
            "sha256": sha256.get(shot.source or shot.file, ""),
            **shared.get(shot.file, NO_SHARED),
            "end_source": "decision" if shot.end_s is not None else "",
            "law_source": "decision" if shot.law and not own_law(shot, "")[1] else "",
            **NOT_OF_A_FOLDER,
        }
        for shot in experiment.shots
    ]
    rows = [row | more for row, more in zip(shot_rows(analysis), own, strict=True)]
    traces = tuple(shot.trace for shot in experiment.shots)
    result = FolderResult(
        name=experiment.name,
        headline=_headline(analysis),
        analysis=analysis.without_fits(),
        shots=build_columns("shots", rows),
        cuts=build_columns("cuts", cut_rows(analysis)),
        rates=sum(not isnan(row["k_per_s"]) for row in rows),
        traces=trace_digests(traces),
        problems=(*experiment.problems, *unknown),
        shadowed=tuple(_shadowed(experiment)),
        left_out=tuple(
            {
                "experiment": shot.experiment,
                "file": shot.file,
                "channel": shot.channel,
                "why": shot.left_out,
            }
            for shot in experiment.left_out
        ),
        decisions=_decided(job.folder),
        sha256=sha256,
    )
    return FolderReading(
        key=key,
        code=code_digest(),
        packed=pack(result),
        lasting=all(problem.level != "error" for problem in result.problems),
        traces=traces,
        opened=result,
    )


def _decided(folder: Path) -> tuple[str, ...]:
    rows = (row.cells() for row in load_decisions(folder).rows)
    return tuple("\t".join(cell.replace("\t", " ") for cell in cells) for cells in rows)


def _unknown_laws(experiment: Experiment) -> list[Problem]:
    """List the decided rate laws that are none."""
    found = (own_law(shot, "")[1] for shot in experiment.shots)
    return [Problem(DECISIONS, text, experiment=experiment.name) for text in found if text]


def _headline(analysis: ExperimentAnalysis) -> str:
    shots = analysis.shots
    rates = [shot.shot.result.fit.k_per_s for shot in shots if shot.usable and shot.shot.result]
    found = f"{analysis.name}: {len(rates)} of {len(shots)} shots"
    if not rates:
        return f"{found}, no rate"
    low, high = f"{min(rates):.3g}", f"{max(rates):.3g}"
    return f"{found}, k = {low if low == high else f'{low} to {high}'} 1/s"


def _shadowed(experiment: Experiment) -> list[Problem]:
    """Note the columns of workbooks that are named like ours; they are kept apart."""
    return [
        note_of(
            "",
            f"the workbook's column '{header}' is named like a column of the results; it is "
            f"kept as '{foreign_name(header)}' and changes nothing",
            experiment=experiment.name,
        )
        for header in dict.fromkeys(
            name for shot in experiment.shots for name in shot.conditions.extra
        )
        if header.strip().casefold() in OWN_NAMES
    ]


def _shared_rates(
    experiment: Experiment, analysis: ExperimentAnalysis
) -> dict[str, Mapping[str, float]]:
    """Fit the channels of every push that has several: file -> the two columns.

    The fit begins where the last of its channels begins. Pushes with one channel are left out.
    """
    pushes: dict[str, list[tuple[Shot, float]]] = {}
    for shot, judged in zip(experiment.shots, analysis.shots, strict=True):
        if shot.until_end is not None and judged.shot.result is not None:
            pushes.setdefault(shot.file, []).append((shot, judged.shot.result.fit.start_s))
    return {
        file: _fit_shared(members, analysis.law)
        for file, members in pushes.items()
        if len(members) > 1
    }


def _fit_shared(members: list[tuple[Shot, float]], law: str) -> Mapping[str, float]:
    traces = [trace for shot, _ in members if (trace := shot.until_end) is not None]
    time_s = traces[0].time_s
    if any(not np.array_equal(trace.time_s, time_s) for trace in traces):
        return NO_SHARED
    found = fit_spectrum(
        time_s,
        np.array([trace.signal for trace in traces]),
        law=law,
        start_s=max(start for _, start in members),
    )
    if not found.ok:
        return NO_SHARED
    values = (found.parameters["k_per_s"], found.stderr["k_per_s"])
    return dict(zip(SHARED_COLUMNS, values, strict=True))
