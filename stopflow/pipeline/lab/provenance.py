"""What the results of all folders tell of the lab: problems, notes, how its dataset was made."""

from collections.abc import Mapping, Sequence
from typing import Any

from stopflow import __version__
from stopflow.pipeline.lab.jobs import library_versions
from stopflow.pipeline.lab.reading import FolderResult
from stopflow.store import LAB
from stopflow.trace import Problem


def list_problems(results: Sequence[FolderResult]) -> list[Problem]:
    """List what was found in the folders."""
    return [problem for result in results for problem in result.problems]


def list_notes(results: Sequence[FolderResult]) -> list[Problem]:
    """List what was decided in the folders, and columns of workbooks that are named like ours."""
    shadowed = [problem for result in results for problem in result.shadowed]
    return shadowed + [
        Problem("", note, experiment=result.name, level="note")
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
