"""The kinetics report: answers first, then a page an experiment, then how it was done."""

from collections import deque
from dataclasses import replace
from pathlib import Path

from stopflow import column_names as col
from stopflow.io.csv_files import csv_text
from stopflow.report.data import KineticsReportData
from stopflow.report.kinetics.agreement import build_agreement_blocks
from stopflow.report.kinetics.closing import (
    build_appendix_blocks,
    build_input_blocks,
    build_methods_blocks,
    input_table,
)
from stopflow.report.kinetics.experiment_page import build_experiment_blocks
from stopflow.report.kinetics.experiment_sheets import ExperimentSheets
from stopflow.report.kinetics.extent import ATTACHED_SHOTS, explain_choice, limit_to
from stopflow.report.kinetics.front_page import build_front_blocks
from stopflow.report.kinetics.secondary_pages import build_secondary_blocks
from stopflow.report.kinetics.summary import count_shots
from stopflow.report.paper.figure_files import write_figures
from stopflow.report.paper.flow import Bookmark, FlowBlock
from stopflow.report.paper.joining import DocumentInfo, describe_document
from stopflow.report.paper.pdf import (
    PdfSheet,
    Progress,
    draw_sheets,
    flow_sheets,
    join_sheets,
    json_bytes,
    json_rows,
)
from stopflow.report.paper.style import Paper, Ruler, require_paper
from stopflow.report.tables.tables import drop_stored, order_columns, rates_text
from stopflow.wording import count_things


def write_kinetics_pdf(
    data: KineticsReportData,
    path: Path,
    *,
    sheets: ExperimentSheets,
    progress: Progress | None = None,
) -> None:
    """Write the kinetics report.

    Parameters
    ----------
    progress
        Called with (parts drawn, parts in all); an experiment is a part.
    """
    size, ruler = require_paper(sheets.paper), Ruler()
    parts = len(sheets.missing) + 2

    def tell(done: int, _of: int) -> None:
        if progress is not None:
            progress(done + 1, parts)

    overview, closing = flow_ends(data, sheets.names, paper=size, ruler=ruler)
    drawn = draw_sheets(overview, paper=size, ruler=ruler, drawings=sheets.parts.drawings)
    last = draw_sheets(closing, paper=size, ruler=ruler)
    attachments = _attachments(data)
    tell(0, 0)
    # The experiments come last, for those that another process has not begun are drawn here.
    for name, pages in sheets.draw(progress=tell).items():
        if name == sheets.names[0]:
            chapter = Bookmark(title="Experiments")
            pages[0] = replace(pages[0], bookmarks=(chapter, *pages[0].bookmarks))
        drawn += pages
    tell(parts - 1, 0)
    join_sheets(
        [*drawn, *last],
        path,
        paper=size,
        ruler=ruler,
        info=_describe(data),
        attachments=attachments,
        drawings=sheets.parts.drawings,
    )


def overview_blocks(data: KineticsReportData, listed: list[str]) -> list[FlowBlock]:
    """Compose what stands before the experiments; `listed` are those with pages of their sheets."""
    experiments = int(data.shots[col.EXPERIMENT].nunique())
    return [
        *build_front_blocks(data),
        *explain_choice(len(listed), experiments),
        *build_secondary_blocks(limit_to(data, listed)),
        *build_agreement_blocks(data.shots),
    ]


def flow_ends(
    data: KineticsReportData, listed: list[str], *, paper: Paper, ruler: Ruler
) -> tuple[list[PdfSheet], list[PdfSheet]]:
    """Lay out what stands before the experiments, and what after them.

    How it was done, and from what, fills the last page before them as far as it fits there; the
    rest stands before the appendix.
    """
    before = overview_blocks(data, listed)
    sheets = flow_sheets(before, paper, ruler, section="Overview")
    left = deque([build_methods_blocks(data), build_input_blocks(data)])
    while left:
        filled = flow_sheets([*before, *left[0]], paper, ruler, section="Overview")
        if len(filled) > len(sheets):
            break
        before, sheets = [*before, *left.popleft()], filled
    after = [block for part in left for block in part]
    after += build_appendix_blocks(data, listed=listed)
    return sheets, flow_sheets(after, paper, ruler, section="Methods" if left else "Appendix")


def _describe(data: KineticsReportData) -> DocumentInfo:
    experiments = count_things(int(data.shots[col.EXPERIMENT].nunique()), "experiment")
    return describe_document(
        "Stopped-flow rate constants",
        subject=f"{count_things(len(data.shots), 'shot')}, {experiments}",
        provenance=data.provenance,
    )


def write_kinetics_figures(data: KineticsReportData, folder: Path) -> list[Path]:
    """Write every figure of the report, as `paper.figure_files.write_figures`."""
    paper, ruler = require_paper("a4"), Ruler()
    blocks = [*build_secondary_blocks(data), *build_agreement_blocks(data.shots)]
    for name, found in data.shots.groupby(col.EXPERIMENT, sort=False).indices.items():
        rows = [int(row) for row in found]
        blocks += build_experiment_blocks(data, str(name), rows, paper=paper, ruler=ruler)
    return write_figures(blocks, folder)


def _attachments(data: KineticsReportData) -> dict[str, bytes]:
    large = len(data.shots) > ATTACHED_SHOTS
    tables = {
        "conditions.csv": drop_stored(data.conditions),
        "secondary.csv": data.secondary,
        "problems.csv": data.problems,
        "inputs.csv": input_table(data),
    }
    files = {name: csv_text(frame).encode() for name, frame in tables.items()}
    if large:
        return files
    files["rates.csv"] = rates_text(data).encode()
    counts = count_shots(data.shots)
    results = {
        "counts": {name: getattr(counts, name) for name in counts.__slots__},
        "conditions": json_rows(drop_stored(data.conditions)),
        "secondary": json_rows(data.secondary),
        "shots": json_rows(order_columns(data.shots)),
        "provenance": dict(data.provenance),
    }
    files["results.json"] = json_bytes(results)
    return files
