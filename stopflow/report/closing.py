"""The last pages: a methods paragraph to paste, what was wrong with the input, provenance."""

import hashlib
from collections.abc import Mapping

import pandas as pd

from stopflow.report.data import KineticsReportData
from stopflow.report.flow import Block, Paragraph, build_heading, build_subheading
from stopflow.report.grid import Column, Grid
from stopflow.report.methods import write_methods
from stopflow.report.style import MUTED
from stopflow.report.tables import settings_frame


def build_closing_blocks(data: KineticsReportData) -> list[Block]:
    """Compose methods, problems and provenance."""
    blocks: list[Block] = [
        build_heading("Methods, ready to paste", level=0),
        Paragraph(text=write_methods(data), size=8.6, leading=1.5),
    ]
    if len(data.problems):
        blocks += [build_heading("What was wrong with the input"), _problem_grid(data.problems)]
    blocks += build_provenance_blocks(data.provenance)
    if "sha256" in data.shots:
        blocks += _digest_blocks(data.shots)
    return blocks


def build_provenance_blocks(provenance: Mapping[str, object]) -> list[Block]:
    """Compose version, command, settings and libraries as a table."""
    return [build_heading("Provenance"), _provenance_grid(provenance)]


def _problem_grid(problems: pd.DataFrame) -> Grid:
    order = {"error": 0, "warning": 1, "note": 2}
    table = problems.assign(_order=[order.get(str(level), 3) for level in problems["level"]])
    rows = []
    for row in table.sort_values("_order", kind="stable").to_dict("records"):
        place = ", ".join(str(row[name]) for name in ("file", "where") if row[name])
        expected = f"; expected {row['expected']}" if row["expected"] else ""
        rows.append((str(row["level"]), str(row["experiment"]), place, f"{row['found']}{expected}"))
    columns = (
        Column(title="Level"),
        Column(title="Experiment"),
        Column(title="Place"),
        Column(title="Found", wrap=True),
    )
    return Grid(columns=columns, rows=tuple(rows), size=6.8)


def _provenance_grid(provenance: Mapping[str, object]) -> Grid:
    frame = settings_frame(provenance)
    rows = tuple((str(name), str(value)) for name, value in frame.itertuples(index=False))
    columns = (Column(title="Setting"), Column(title="Value", wrap=True))
    return Grid(columns=columns, rows=rows or (("–", "nothing was recorded"),), size=6.8)


def _digest_blocks(shots: pd.DataFrame) -> list[Block]:
    rows = []
    for name, part in shots.groupby("experiment", sort=False):
        lines = sorted(f"{row.sha256}  {row.file}\n" for row in part.itertuples(index=False))
        digest = hashlib.sha256("".join(dict.fromkeys(lines)).encode()).hexdigest()
        rows.append((str(name), str(len(lines)), digest))
    columns = (
        Column(title="Experiment"),
        Column(title="Files", align="right"),
        Column(title="SHA-256"),
    )
    note = (
        "One SHA-256 an experiment, over the sorted lines “SHA-256, two blanks, file name” of its "
        "files; the SHA-256 of every file is in the attached rates.csv."
    )
    return [
        build_subheading("Input files"),
        Paragraph(text=note, size=7.0, colour=MUTED),
        Grid(columns=columns, rows=tuple(rows), size=6.4),
    ]
