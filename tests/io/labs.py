"""Folders of four shots with a workbook beside them, laid out as some lab would."""

from collections.abc import Callable, Sequence
from pathlib import Path

import openpyxl
from books import save_book
from openpyxl.worksheet.worksheet import Worksheet

from stopflow.io.bka.format import write_bka
from stopflow.io.folder import read_experiment
from stopflow.trace import Experiment

FILES = ("s1.bka", "s2.bka", "s3.bka", "s4.bka")
MICROMOLAR = (10, 20, 30, 40)
RATES = (6, 10, 14, 18)
BOOK = "Extended_Dataset.xlsx"


def table(header: Sequence[object], *columns: Sequence[object]) -> list[list[object]]:
    """Rows of a sheet from its columns."""
    return [list(header), *(list(row) for row in zip(*columns, strict=True))]


def read_lab(
    folder: Path,
    rows: Sequence[Sequence[object]],
    *,
    files: Sequence[str] = FILES,
    change: Callable[[Worksheet], object] | None = None,
    **sheets: Sequence[Sequence[object]],
) -> Experiment:
    """Read a folder whose workbook has `rows` on its first sheet, which `change` may edit."""
    path = save_book(folder / BOOK, {"Sheet1": rows, **sheets})
    if change:
        book = openpyxl.load_workbook(path)
        change(book.worksheets[0])
        book.save(path)
    return read_folder(folder, files=files)


def read_folder(folder: Path, *, files: Sequence[str] = FILES) -> Experiment:
    """Read a folder after writing its trace files."""
    for file in files:
        write_bka(
            folder / file,
            time=list(range(5)),
            signals=[[5.0, 4.0, 3.0, 2.0, 1.0]],
            time_unit="ms",
            signal_units=["Volt"],
        )
    return read_experiment(folder)


def micromolar(experiment: Experiment) -> list[float | None]:
    """Concentrations of the shots."""
    known = [shot.conditions.concentration_M for shot in experiment.shots]
    return [None if value is None else float(f"{value * 1e6:.9g}") for value in known]


def rates(experiment: Experiment) -> list[float | None]:
    """The lab's own rate constants of the shots."""
    return [shot.workbook_rate_per_s for shot in experiment.shots]


def kelvin(experiment: Experiment) -> list[float | None]:
    """Temperatures of the shots."""
    return [shot.conditions.temperature_K for shot in experiment.shots]


def said(experiment: Experiment, *levels: str) -> list[str]:
    """What was said of the workbook at these levels; by default warnings and errors."""
    return [
        str(problem)
        for problem in experiment.problems
        if problem.level in (levels or ("warning", "error")) and problem.file != "start_values.XLSX"
    ]
