"""The kinetics report: answers first, then a page an experiment, then how it was done."""

from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from stopflow import column_names as col
from stopflow.errors import StopflowError
from stopflow.io.csv_files import csv_text
from stopflow.report.data import KineticsReportData
from stopflow.report.kinetics.agreement import build_agreement_blocks
from stopflow.report.kinetics.closing import build_closing_blocks, input_table
from stopflow.report.kinetics.experiment_page import build_experiment_blocks
from stopflow.report.kinetics.extent import (
    ATTACHED_SHOTS,
    choose_experiments,
    explain_choice,
    limit_to,
)
from stopflow.report.kinetics.front_page import build_front_blocks
from stopflow.report.kinetics.secondary_pages import build_secondary_blocks
from stopflow.report.kinetics.summary import count_shots, count_things
from stopflow.report.paper.figure_files import write_figures
from stopflow.report.paper.flow import Bookmark
from stopflow.report.paper.joining import DocumentInfo, describe_document
from stopflow.report.paper.pdf import (
    Progress,
    Sheet,
    draw_sheets,
    flow_sheets,
    json_bytes,
    json_rows,
    write_pdf,
)
from stopflow.report.paper.style import Paper, Ruler, require_paper
from stopflow.report.tables.tables import drop_stored, order_columns
from stopflow.workers import worker_processes

SecondPart = Callable[[], bytes]
"""Returns the second part of a report as a PDF of its own."""


def write_kinetics_pdf(
    data: KineticsReportData,
    path: Path,
    *,
    paper: str = "a4",
    second: SecondPart | None = None,
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
    second
        What `drawing_beside` yielded for the same data and paper; the bytes are the same.
    progress
        Called with (pages drawn, pages in all).

    Raises
    ------
    SettingsError
        Unknown paper.
    """
    size = require_paper(paper)
    ruler = Ruler()
    write_pdf(
        build_sheets(data, size, ruler),
        path,
        paper=size,
        ruler=ruler,
        info=_describe(data),
        attachments=_attachments(data),
        progress=progress,
        second=second,
    )


def _describe(data: KineticsReportData) -> DocumentInfo:
    experiments = count_things(int(data.shots[col.EXPERIMENT].nunique()), "experiment")
    return describe_document(
        "Stopped-flow rate constants",
        subject=f"{count_things(len(data.shots), 'shot')}, {experiments}",
        provenance=data.provenance,
    )


@contextmanager
def drawing_beside(
    data: KineticsReportData, *, paper: str, processes: int
) -> Iterator[SecondPart | None]:
    """Let another process draw the last pages of a long report while this one does other things.

    Parameters
    ----------
    data
        Its trace callable can be pickled.
    processes
        1: none is started.

    Yields
    ------
    second
        Waits for these pages and returns them; where the process has died, it draws them. None
        where there is no such process.
    """
    if processes < 2 or data.shots[col.EXPERIMENT].nunique() < MANY_SHEETS:
        yield None
        return
    with worker_processes(1) as pool:
        drawing = pool.submit(draw_second_part, data, paper)

        def collect() -> bytes:
            try:
                return drawing.result()
            except (BrokenProcessPool, StopflowError):
                # the process was ended, or the dataset replaced since: this process has it open
                return draw_second_part(data, paper)

        try:
            yield collect
        finally:
            drawing.cancel()


def draw_second_part(data: KineticsReportData, paper: str) -> bytes:
    """Lay the report out again and draw its second part alone."""
    size, ruler = require_paper(paper), Ruler()
    sheets = build_sheets(data, size, ruler)
    part = split_parts(len(sheets))[1]
    return draw_sheets(sheets, part, paper=size, ruler=ruler, info=_describe(data))


def build_sheets(data: KineticsReportData, paper: Paper, ruler: Ruler) -> list[Sheet]:
    """Lay the whole report out, page by page, without drawing it."""
    places = data.shots.groupby(col.EXPERIMENT, sort=False).indices
    chosen = choose_experiments(data.shots)
    overview = [
        *build_front_blocks(data),
        *explain_choice(len(chosen), len(places)),
        *build_secondary_blocks(limit_to(data, chosen)),
        *build_agreement_blocks(data.shots),
    ]
    sheets = flow_sheets(overview, paper, ruler, section="Overview")
    for number, name in enumerate(chosen):
        rows = [int(row) for row in places[name]]
        blocks = build_experiment_blocks(data, name, rows, paper=paper, ruler=ruler)
        pages = flow_sheets(blocks, paper, ruler, section=name)
        if number == 0:
            chapter = Bookmark(title="Experiments")
            pages[0] = replace(pages[0], bookmarks=(chapter, *pages[0].bookmarks))
        sheets += pages
    sheets += flow_sheets(
        build_closing_blocks(data, listed=chosen), paper, ruler, section="Methods"
    )
    return sheets


def write_kinetics_figures(data: KineticsReportData, folder: Path) -> list[Path]:
    """Write every figure of the report into `folder`, as SVG and PNG; returns the files."""
    paper, ruler = require_paper("a4"), Ruler()
    blocks = [*build_secondary_blocks(data), *build_agreement_blocks(data.shots)]
    for name, found in data.shots.groupby(col.EXPERIMENT, sort=False).indices.items():
        rows = [int(row) for row in found]
        blocks += build_experiment_blocks(data, str(name), rows, paper=paper, ruler=ruler)
    return write_figures(blocks, folder, paper=paper, ruler=ruler)


def _attachments(data: KineticsReportData) -> dict[str, bytes]:
    large = len(data.shots) > ATTACHED_SHOTS
    tables = {
        "conditions.csv": drop_stored(data.conditions),
        "secondary.csv": data.secondary,
        "problems.csv": data.problems,
        "inputs.csv": input_table(data),
    }
    if not large:
        tables["rates.csv"] = order_columns(data.shots)
    files = {name: csv_text(frame).encode() for name, frame in tables.items()}
    if large:
        return files
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
