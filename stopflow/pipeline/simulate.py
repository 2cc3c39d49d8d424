"""A lab with known truth, written to disk."""

from dataclasses import replace
from pathlib import Path

from stopflow.pipeline.checks import require_seed
from stopflow.pipeline.progress import Progress, silent
from stopflow.simulate.plan import LabSpec
from stopflow.simulate.writer import WrittenLab, write_lab


def simulate(
    out: Path,
    *,
    folders: int | None = None,
    points: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> WrittenLab:
    """Write a lab of the default size, or with other numbers of folders and points."""
    usual = LabSpec()
    spec = replace(usual, folders=folders or usual.folders, points=points or usual.points)
    return write_lab(out, spec=spec, seed=require_seed(seed), progress=progress)
