"""What a mechanism leaves: the table mechanism.csv, mechanism.pdf, and JSON for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stopflow import __version__
from stopflow.io.atomic import write_text
from stopflow.io.results import lab_at
from stopflow.io.switch import switching
from stopflow.mechanism.determined import Interval
from stopflow.mechanism.further import SHOTS
from stopflow.mechanism.results import FittedFolder, FittedGroup
from stopflow.mechanism.sbml import write_sbml
from stopflow.pipeline.mechanism.settings import MechanismSettings
from stopflow.pipeline.progress import Progress, silent
from stopflow.report.mechanism.numbers import (
    ENTHALPY,
    constants_table,
    format_constant,
    ranking_row,
    ranking_texts,
)

TABLE, PDF, SBML = "mechanism.csv", "mechanism.pdf", "mechanism.xml"
ONE_SET = "mechanism*"
LIBRARIES = ("matplotlib", "numpy", "pandas", "scipy")


def place_mechanism(
    found: FittedFolder,
    reports: Path,
    *,
    folder: Path,
    settings: MechanismSettings,
    seed: int,
    paper: str = "a4",
    sbml: bool = False,
    figures: Path | None = None,
    progress: Progress = silent,
) -> tuple[list[Path], list[str]]:
    """Write mechanism.csv, mechanism.pdf and, if wanted, SBML and figures beside what is there.

    Returns
    -------
    written
        The files.
    set_aside
        A line for everything of another lab, or of an earlier run, that made way for them.
    """
    from stopflow.report.mechanism.report import write_mechanism_figures, write_mechanism_pdf
    from stopflow.report.paper.style import require_paper
    from stopflow.report.tables.tables import write_csv

    require_paper(paper)
    with switching() as switch:
        place = partial(switch.files, lab=lab_at(folder), is_part=True, one_set=ONE_SET)
        gathered, drawn = place(reports), None if figures is None else place(figures)
        written = [gathered / TABLE, gathered / PDF]
        write_csv(constants_table(found), written[0])
        if sbml:
            written += _write_sbml(found, gathered)
        write_mechanism_pdf(
            found,
            written[1],
            title=f"Mechanism of {folder.resolve().name}",
            provenance={
                "version": __version__,
                "seed": seed,
                "settings": _given(settings),
                "libraries": {name: version(name) for name in LIBRARIES},
            },
            paper=paper,
            progress=partial(progress, "drawing the PDF"),
        )
        if drawn is not None:
            written += write_mechanism_figures(found, drawn)
    return list(map(switch.in_place, written)), switch.notes


def _given(settings: MechanismSettings) -> dict[str, Any]:
    """Name the settings that were given: those that are not the usual ones."""
    usual = asdict(MechanismSettings(scheme=""))
    return {name: value for name, value in asdict(settings).items() if value != usual[name]}


def _write_sbml(found: FittedFolder, reports: Path) -> list[Path]:
    """Write a file for each group that has numbers."""
    written = []
    for number, group in enumerate(found.groups, start=1):
        if group.fit.ok:
            name = SBML if len(found.groups) == 1 else f"{Path(SBML).stem}_{number}.xml"
            write_text(reports / name, write_sbml(group.fit))
            written.append(reports / name)
    return written


def terminal_table(group: FittedGroup) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Give columns and rows of the constants of a group."""
    rows = [(item.name, *format_constant(item)) for item in group.determination.intervals]
    return ("constant", "value", "95 % interval", "unit"), list(rows)


def ranking_table(found: FittedFolder) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Give columns and rows of a ranking."""
    columns = ("scheme", "steps", "AICc", "mean square", "lack of fit", "held out", "ruled out")
    rows = [(item.scheme.name, item.scheme.text, *ranking_texts(item)) for item in found.ranking]
    return columns, list(rows)


def as_dict(found: FittedFolder) -> dict[str, Any]:
    """Give everything for --json; an open end of an interval is null."""
    return {
        "scheme": found.scheme,
        "groups": [_group(group) for group in found.groups],
        "ranking": [ranking_row(item) for item in found.ranking],
        "remarks": list(found.remarks),
        "left_out": list(found.left_out),
    }


def _group(group: FittedGroup) -> Mapping[str, Any]:
    problem = group.fit.problem
    return {
        "group": group.label,
        "shots": len(problem.shots),
        "mixtures": problem.mixtures,
        "observed": list(problem.observed),
        "sum_of_squares": group.fit.best.squares,
        "dof": group.fit.dof,
        "failure": group.fit.reason,
        "constants": [_constant(item) for item in group.determination.intervals],
        "combinations": [
            {"name": item.name, "value": item.value, "relative_stderr": item.stderr}
            for item in group.determination.combinations
        ],
        "not_determined": list(group.determination.sentences),
        "further_experiments": [
            {
                "constant": item.constant,
                "helps": item.helps,
                "start_M": dict(item.start_M),
                "window_s": item.window_s,
                "shots": SHOTS,
                "relative_stderr": item.relative_stderr,
            }
            for item in group.proposals
        ],
    }


def _constant(item: Interval) -> Mapping[str, Any]:
    return {
        "name": item.name,
        "unit": item.unit,
        "value": item.value,
        "relative_stderr" if item.unit != ENTHALPY else "stderr": item.stderr,
        "low95": None if item.open_below else item.low,
        "high95": None if item.open_above else item.high,
    }
