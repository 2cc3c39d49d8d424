"""The kinetics report: answers first, then a page an experiment, then how it was done."""

from dataclasses import replace
from pathlib import Path

from stopflow.report.agreement import build_agreement_blocks
from stopflow.report.closing import build_closing_blocks, input_table
from stopflow.report.data import KineticsReportData
from stopflow.report.experiment_page import build_experiment_blocks
from stopflow.report.flow import Bookmark
from stopflow.report.front_page import build_front_blocks
from stopflow.report.pdf import (
    Progress,
    Sheet,
    describe_document,
    flow_sheets,
    json_bytes,
    json_rows,
    write_pdf,
)
from stopflow.report.secondary_pages import build_secondary_blocks
from stopflow.report.style import Paper, Ruler, require_paper
from stopflow.report.summary import count_shots
from stopflow.report.tables import csv_text, order_columns


def write_kinetics_pdf(
    data: KineticsReportData,
    path: Path,
    *,
    paper: str = "a4",
    progress: Progress | None = None,
) -> None:
    """Write the kinetics report.

    Parameters
    ----------
    data
        Tables and traces of a dataset.
    path
        Replaced only when the new report is whole.
    paper
        ``"a4"`` or ``"letter"``.
    progress
        Called with (pages drawn, pages in all).

    Raises
    ------
    SettingsError
        Unknown paper.
    """
    size = require_paper(paper)
    ruler = Ruler()
    sheets = build_sheets(data, size, ruler)
    info = describe_document(
        "Stopped-flow rate constants",
        subject=f"{len(data.shots)} shots, {data.shots['experiment'].nunique()} experiments",
        provenance=data.provenance,
    )
    write_pdf(
        sheets,
        path,
        paper=size,
        ruler=ruler,
        info=info,
        attachments=_attachments(data),
        progress=progress,
    )


def build_sheets(data: KineticsReportData, paper: Paper, ruler: Ruler) -> list[Sheet]:
    """Lay the whole report out, page by page, without drawing it."""
    overview = [
        *build_front_blocks(data),
        *build_secondary_blocks(data),
        *build_agreement_blocks(data.shots),
    ]
    sheets = flow_sheets(overview, paper, ruler, section="Overview")
    places = data.shots.groupby("experiment", sort=False).indices
    for number, (name, found) in enumerate(places.items()):
        rows = [int(row) for row in found]
        blocks = build_experiment_blocks(data, str(name), rows, paper=paper, ruler=ruler)
        pages = flow_sheets(blocks, paper, ruler, section=str(name))
        if number == 0:
            chapter = Bookmark(title="Experiments")
            pages[0] = replace(pages[0], bookmarks=(chapter, *pages[0].bookmarks))
        sheets += pages
    sheets += flow_sheets(build_closing_blocks(data), paper, ruler, section="Methods")
    return sheets


def _attachments(data: KineticsReportData) -> dict[str, bytes]:
    tables = {
        "rates.csv": order_columns(data.shots),
        "conditions.csv": data.conditions,
        "secondary.csv": data.secondary,
        "problems.csv": data.problems,
        "inputs.csv": input_table(data),
    }
    files = {name: csv_text(frame).encode() for name, frame in tables.items()}
    counts = count_shots(data.shots)
    results = {
        "counts": {name: getattr(counts, name) for name in counts.__slots__},
        "conditions": json_rows(data.conditions),
        "secondary": json_rows(data.secondary),
        "shots": json_rows(order_columns(data.shots)),
        "provenance": {key: v for key, v in data.provenance.items() if key != "inputs"},
    }
    files["results.json"] = json_bytes(results)
    return files
