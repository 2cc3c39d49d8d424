"""The folders of a lab, done one after the other, become a dataset; none of it waits in memory.

Traces, results and cuts of a folder are written as it comes. What the comparison of all folders
needs stays: less than a kilobyte a shot. When the verdicts are known, the results of the folders
are read again, one at a time, and their rows written to the table of shots.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from stopflow import __version__
from stopflow.errors import StopflowError
from stopflow.frames import Columns, build_columns, further_names
from stopflow.kinetics.analysis import (
    ExperimentAnalysis,
    LabAnalysis,
    condition_rows,
    judgements,
    secondary_rows,
)
from stopflow.kinetics.settings import AnalysisSettings
from stopflow.pipeline.barriers import analyse_across
from stopflow.pipeline.lab.jobs import code_digest, library_versions
from stopflow.pipeline.lab.kept import keeping_results, stored_results
from stopflow.pipeline.lab.packing import unpack
from stopflow.pipeline.lab.reading import FolderReading, FolderResult
from stopflow.store import LAB, DatasetWriter
from stopflow.trace import Problem, note_of

TrueRates = Mapping[tuple[str, str], float]
"""True rates of a simulated lab in 1/s by (experiment, file)."""


@dataclass(slots=True, kw_only=True)
class GatheredFolders:
    """What of the folders stays in memory while they are written.

    Attributes
    ----------
    results
        Without what is in the tables.
    places
        For each folder the columns of its shots with where their traces lie.
    further
        Columns of workbooks and of the user's laws, of all folders, in the order of their coming.
    """

    results: list[FolderResult] = field(default_factory=list)
    places: list[Columns] = field(default_factory=list)
    further: dict[str, None] = field(default_factory=dict)

    @property
    def rates(self) -> int:
        """How many shots have a rate."""
        return sum(result.rates for result in self.results)


def gather_folders(
    readings: Iterable[FolderReading],
    writer: DatasetWriter,
    place: Path,
    settings: AnalysisSettings,
    *,
    done: Callable[[FolderResult], None],
) -> GatheredFolders:
    """Write traces, results and cuts of the folders as they come."""
    gathered = GatheredFolders()
    with keeping_results(place, settings) as keep, writer.table("cuts") as cuts:
        for reading in readings:
            result = _opened(reading)
            gathered.places.append(writer.add_traces(reading.traces, result.traces))
            keep(reading)
            cuts.write(result.cuts)
            gathered.further |= dict.fromkeys(further_names("shots", result.shots))
            gathered.results.append(result.light())
            done(result)
    return gathered


def compare_folders(
    gathered: GatheredFolders,
    writer: DatasetWriter,
    place: Path,
    settings: AnalysisSettings,
    *,
    true: TrueRates,
    further: Sequence[Problem],
) -> None:
    """Compare the experiments with each other and write the other tables of the dataset."""
    lab, failed = analyse_across([result.analysis for result in gathered.results], settings)
    _write_shots(gathered, lab, writer, place, true=true)
    with writer.table("conditions") as conditions:
        for analysis in lab.experiments:
            conditions.write(build_columns("conditions", condition_rows(analysis)))
    found, notes = list_problems(gathered.results), list_notes(gathered.results)
    problems = [*found, *further, *failed, *notes]
    with writer.table("secondary") as secondary, writer.table("problems") as listed:
        secondary.write(build_columns("secondary", secondary_rows(lab)))
        listed.write(build_columns("problems", [asdict(problem) for problem in problems]))


def _write_shots(
    gathered: GatheredFolders,
    lab: LabAnalysis,
    writer: DatasetWriter,
    place: Path,
    *,
    true: TrueRates,
) -> None:
    """Read the results of the folders again and write their rows, and the files of each."""
    results = stored_results(place)
    with (
        writer.table("shots", further=list(gathered.further)) as shots,
        writer.table("inputs") as inputs,
    ):
        for result, analysis, where in zip(results, lab.experiments, gathered.places, strict=True):
            files = [
                {"experiment": result.name, "file": file, "sha256": digest}
                for file, digest in result.sha256.items()
            ]
            inputs.write(build_columns("inputs", files))
            shots.write(
                {
                    **result.shots,
                    **judgements(analysis),
                    **where,
                    "k_true_per_s": _true_rates(analysis, true),
                }
            )


def _true_rates(analysis: ExperimentAnalysis, true: TrueRates) -> Any:
    return np.array([true.get((analysis.name, one.shot.file), np.nan) for one in analysis.shots])


def _opened(reading: FolderReading) -> FolderResult:
    """Open the result of a worker, which has to be one of this very program."""
    if reading.code != code_digest():
        raise StopflowError(
            "a worker of the cluster has another version of stopflow; install the same on all"
        )
    return reading.opened or cast("FolderResult", unpack(reading.packed))


def list_problems(results: Sequence[FolderResult]) -> list[Problem]:
    """List what was found in the folders."""
    return [problem for result in results for problem in result.problems]


def list_notes(results: Sequence[FolderResult]) -> list[Problem]:
    """List what was decided in the folders, and columns of workbooks that are named like ours."""
    shadowed = [problem for result in results for problem in result.shadowed]
    return shadowed + [
        note_of("", note, experiment=result.name)
        for result in results
        for note in result.analysis.notes
    ]


def build_provenance(
    results: Sequence[FolderResult],
    settings: Mapping[str, Any],
    *,
    command: str,
    lab: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Describe how the dataset was made, and of which lab."""
    return {
        "version": __version__,
        "command": command,
        LAB: lab,
        "settings": settings,
        "libraries": dict(library_versions()),
        "left_out": [shot for result in results for shot in result.left_out],
        "decisions": {result.name: result.decisions for result in results if result.decisions},
    }
