"""From the results of all folders to the tables of a dataset and the note of how it was made."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from stopflow import __version__
from stopflow.frames import build_frame, join_frames
from stopflow.kinetics.analysis import (
    AnalysisSettings,
    ExperimentAnalysis,
    condition_rows,
    cut_rows,
    secondary_rows,
    shot_rows,
)
from stopflow.pipeline.barriers import analyse_across
from stopflow.pipeline.reading import LIBRARIES, FolderResult
from stopflow.store import LAB
from stopflow.trace import Problem


def build_tables(
    results: Sequence[FolderResult],
    settings: AnalysisSettings,
    *,
    places: Sequence[dict[str, Any]],
    true: Mapping[tuple[str, str], float],
    further: Sequence[Problem],
) -> dict[str, pd.DataFrame]:
    """Compare the experiments with each other and build the tables of the dataset.

    Parameters
    ----------
    places
        For every shot the columns that its analysis does not give.
    true
        True rates of a simulated lab by (experiment, file).
    further
        Problems that belong to no folder.
    """
    lab, failed = analyse_across([result.analysis for result in results], settings)
    problems = [problem for result in results for problem in result.problems]
    problems += [*further, *failed, *_notes(results)]
    waiting = iter(places)
    return {
        "shots": join_frames(
            "shots",
            [_shots(analysis, true=true, places=waiting) for analysis in lab.experiments],
        ),
        "conditions": _joined("conditions", map(condition_rows, lab.experiments)),
        "secondary": build_frame("secondary", list(secondary_rows(lab))),
        "cuts": _joined("cuts", map(cut_rows, lab.experiments)),
        "problems": build_frame("problems", [asdict(problem) for problem in problems]),
    }


def _shots(
    analysis: ExperimentAnalysis,
    *,
    true: Mapping[tuple[str, str], float],
    places: Iterator[dict[str, Any]],
) -> pd.DataFrame:
    """Build the rows of one experiment, each with what the next of `places` adds."""
    rows = [
        row | next(places) | {"k_true_per_s": true.get((row["experiment"], row["file"]), np.nan)}
        for row in shot_rows(analysis)
    ]
    return build_frame("shots", rows)


def _joined(table: str, rows: Iterable[Sequence[Mapping[str, Any]]]) -> pd.DataFrame:
    return join_frames(table, [build_frame(table, part) for part in rows])


def problems_of(results: Sequence[FolderResult]) -> list[Problem]:
    """Return the problems that the results themselves have."""
    return [*(problem for result in results for problem in result.problems), *_notes(results)]


def _notes(results: Sequence[FolderResult]) -> list[Problem]:
    shadowed = [problem for result in results for problem in result.shadowed]
    return shadowed + [
        Problem(experiment=result.name, file="", found=note, level="note")
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
        "libraries": {name: version(name) for name in LIBRARIES},
        "left_out": [shot for result in results for shot in result.left_out],
        "inputs": {
            f"{result.name}/{file}": digest
            for result in results
            for file, digest in result.sha256.items()
        },
    }
