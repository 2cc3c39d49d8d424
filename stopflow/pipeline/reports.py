"""PDFs, pages and tables from what ingest and train left on disk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

import pandas as pd

from stopflow.errors import ModelError, StopflowError, describe_error, require_key
from stopflow.io.json_files import json_text
from stopflow.io.results import file_sha256
from stopflow.io.switch import switching
from stopflow.memory import collecting_seldom
from stopflow.pipeline.lab.drawn import (
    REPORTS,
    DrawnParts,
    Told,
    drawn_parts,
    reports_key,
    seen_parts,
    summary_key,
    take_reports,
)
from stopflow.pipeline.lab.summary import Summary
from stopflow.pipeline.model_reports import require_reportable, write_model_report
from stopflow.pipeline.progress import Progress, silent
from stopflow.report.data import KineticsReportData
from stopflow.store import Dataset, load_dataset

if TYPE_CHECKING:
    from stopflow.report.beside import Beside

P = ParamSpec("P")
Done = tuple[Told, str]
"""The parts that a work has used, and why it could not be done; "" where it was."""
Work = Callable[[KineticsReportData], Done]


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuiltReports:
    """What `rebuild_reports` did.

    Attributes
    ----------
    problems
        One line for each model that has no report because it is damaged.
    set_aside
        A line for everything that made way for the reports.
    """

    written: tuple[Path, ...]
    problems: tuple[str, ...]
    set_aside: tuple[str, ...]


def write_reports(
    dataset: Dataset,
    reports: Path,
    *,
    paper: str = "a4",
    html_light: bool = False,
    figures: Path | None = None,
    earlier: Path | None = None,
    summary: Callable[[], Summary] | None = None,
    progress: Progress = silent,
    beside: "Beside | None" = None,
) -> tuple[list[Path], str]:
    """Write rates.csv, rates.xlsx, kinetics.html and kinetics.pdf of a dataset into `reports`.

    With `figures`, every figure of the PDF is written into that folder too, as SVG and PNG. Those
    that lie in `earlier`, of the very same dataset, are taken from there. The `summary` of the
    dataset, made while the PDF is drawn, is kept beside what the next report takes. The process
    `beside` this one shares the work on a lab that is large enough for it; it is dismissed at the
    end.

    Returns
    -------
    written
        The files.
    undrawn
        Why the PDF holds nothing but this reason; "" where it is whole.
    """
    with drawn_parts(dataset.folder) as kept:
        key = reports_key(dataset.digest, paper=paper, html_light=html_light)
        if figures is None and earlier is not None:
            again = take_reports(kept.find(key), earlier, reports)
            if again:
                kept.leave()
                return again, ""
        written, undrawn = _write_anew(
            dataset,
            reports,
            kept,
            paper=paper,
            html_light=html_light,
            figures=figures,
            progress=progress,
            beside=beside,
            meanwhile=summary,
        )
        if not undrawn:
            digests = {name: file_sha256(reports / name) for name in REPORTS}
            kept.keep(key, json_text(digests).encode())
            if summary is not None:
                kept.keep(summary_key(dataset.digest), summary().text().encode())
    return written, undrawn


def _barred(write: Callable[P, Told]) -> Callable[P, Done]:
    """Let a work say why it could not be done, for rates and tables are whole without it."""

    @wraps(write)
    def work(*arguments: P.args, **named: P.kwargs) -> Done:
        try:
            return write(*arguments, **named), ""
        except (StopflowError, OSError):
            raise
        except Exception as error:  # barrier of the report
            return {}, describe_error(error)

    return work


def _write_anew(
    dataset: Dataset,
    reports: Path,
    kept: DrawnParts,
    *,
    paper: str,
    html_light: bool,
    figures: Path | None,
    progress: Progress,
    beside: "Beside | None",
    meanwhile: Callable[[], object] | None,
) -> tuple[list[Path], str]:
    from stopflow.report.beside import MANY_EXPERIMENTS
    from stopflow.report.kept import Parts
    from stopflow.report.kinetics.extent import choose_experiments, count_missing
    from stopflow.report.tables.tables import write_rates_csv

    data = kinetics_data(dataset)
    csv, xlsx, pdf, page = (reports / name for name in REPORTS)
    draw = partial(_write_pdf, path=pdf, paper=paper, figures=figures, folder=dataset.folder)
    drawn_here = partial(draw, progress=progress)
    paged = partial(_write_page, path=page, light=html_light, folder=dataset.folder)
    tabled = partial(_write_xlsx, path=xlsx)
    here: list[Work] = [tabled, drawn_here, paged]
    there: list[Work] = []
    other = beside if len(choose_experiments(data.shots)) >= MANY_EXPERIMENTS else None
    if other is not None:
        other.open(partial(open_data, dataset.folder, dataset.digest))
        # It draws a PDF of few new sheets alone, and its share of many.
        few = count_missing(data, paper=paper, parts=Parts(data, kept)) < MANY_EXPERIMENTS
        here = [tabled, paged] if few else [partial(drawn_here, beside=other)]
        there = [draw] if few else [tabled, paged]
    works: list[Callable[[], Done]] = [partial(work, data) for work in here]
    works += [] if other is None else [other.promise(work, data) for work in there]
    undrawn = ""
    with collecting_seldom():
        if meanwhile is not None:
            meanwhile()
        write_rates_csv(data, csv)
        for begun in works:
            told, why = begun()
            kept.take(told)
            undrawn = undrawn or why
    if undrawn:
        from stopflow.report.kinetics.failed import write_failed_pdf

        write_failed_pdf(undrawn, pdf, paper=paper)
    if other is not None:
        other.dismiss()
    further = [] if figures is None else sorted(figures.rglob("*"))
    return [path for path in (csv, xlsx, pdf, page, *further) if path.exists()], undrawn


def _write_xlsx(data: KineticsReportData, *, path: Path) -> Done:
    """Write the workbook."""
    from stopflow.report.tables.tables import write_rates_xlsx

    write_rates_xlsx(data, path)
    return {}, ""


@_barred
def _write_pdf(
    data: KineticsReportData,
    *,
    path: Path,
    paper: str,
    figures: Path | None,
    folder: Path,
    beside: "Beside | None" = None,
    progress: Progress = silent,
) -> Told:
    """Write the PDF and the figures; return the parts that were used of those in `folder`."""
    from stopflow.report.kept import Parts
    from stopflow.report.kinetics.experiment_sheets import ExperimentSheets
    from stopflow.report.kinetics.report import write_kinetics_figures, write_kinetics_pdf

    with seen_parts(folder) as kept:
        sheets = ExperimentSheets(data, paper=paper, parts=Parts(data, kept))
        if beside is not None:
            sheets.begin(beside)
        write_kinetics_pdf(data, path, sheets=sheets, progress=partial(progress, "drawing the PDF"))
        if figures is not None:
            write_kinetics_figures(data, figures)
        return kept.told()


@_barred
def _write_page(data: KineticsReportData, *, path: Path, light: bool, folder: Path) -> Told:
    """Write the page; return the parts that were used of those in `folder`."""
    from stopflow.report.html.page import write_kinetics_page
    from stopflow.report.kept import Parts

    with seen_parts(folder) as kept:
        write_kinetics_page(data, path, light=light, parts=Parts(data, kept))
        return kept.told()


def open_data(folder: Path, digest: str) -> KineticsReportData:
    """Open the report data of a dataset that is still the one with this digest."""
    return kinetics_data(load_dataset(folder, digest=digest))


def kinetics_data(dataset: Dataset) -> KineticsReportData:
    """Hand a dataset to the report."""
    return KineticsReportData(
        shots=_plain(dataset.shots),
        conditions=_plain(dataset.conditions),
        secondary=_plain(dataset.secondary),
        cuts=_plain(dataset.cuts),
        problems=_plain(dataset.problems),
        inputs=_plain(dataset.inputs),
        trace=dataset.trace,
        provenance=dataset.provenance,
    )


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Hold texts as Python's own, which are read cell by cell ten times faster than Arrow's."""
    texts = [name for name in table if isinstance(table[name].dtype, pd.StringDtype)]
    # In one piece: a table of many single columns makes pandas complain.
    return table.astype(dict.fromkeys(texts, object)).copy()


def rebuild_reports(
    dataset_folder: Path,
    reports: Path,
    *,
    models: Sequence[Path] = (),
    exports: Sequence[str] = (),
    paper: str = "a4",
    html_light: bool = False,
    figures: Path | None = None,
    progress: Progress = silent,
) -> RebuiltReports:
    """Build the kinetics report again, the PDF and page of each model folder and the exports named.

    Raises
    ------
    ModelError
        When one of the folders holds no model at all.
    """
    for folder in models:
        require_reportable(folder)
    from stopflow.report.beside import working_beside

    dataset = load_dataset(dataset_folder)
    problems = []
    with switching() as switch, working_beside() as beside:
        gathered = switch.files(reports, lab=dataset.lab)
        drawn = None if figures is None else switch.files(figures, lab=dataset.lab)
        written, undrawn = write_reports(
            dataset,
            gathered,
            paper=paper,
            html_light=html_light,
            figures=drawn,
            earlier=reports,
            progress=progress,
            beside=beside,
        )
        if undrawn:
            problems.append(f"error: kinetics.pdf could not be drawn: {undrawn}")
        written += write_exports(dataset, gathered, names=exports)
        for folder in models:
            try:
                written += write_model_report(
                    folder, gathered, dataset=dataset, paper=paper, figures=drawn
                )
            except ModelError as error:
                problems.append(f"error: {error}")
    return RebuiltReports(
        written=tuple(map(switch.in_place, written)),
        problems=tuple(problems),
        set_aside=tuple(switch.notes),
    )


def write_exports(dataset: Dataset, reports: Path, *, names: Sequence[str]) -> list[Path]:
    """Write tables for other programs into reports/exports/: prism, origin, kintek."""
    if not names:
        return []
    from stopflow.report.tables.exports import EXPORTS, FreshNames

    for name in names:
        require_key("export", name, EXPORTS)
    data, fresh = kinetics_data(dataset), FreshNames(reports / "exports")
    exports = [EXPORTS[name] for name in EXPORTS if name in names]
    return [path for export in exports for path in export(data, fresh)]
