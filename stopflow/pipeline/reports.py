"""PDFs, pages and tables from what ingest and train left on disk."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stopflow.errors import ModelError, StopflowError
from stopflow.io.json_files import json_text
from stopflow.io.results import file_sha256
from stopflow.io.switch import switching
from stopflow.memory import collecting_seldom
from stopflow.pipeline.lab.drawn import REPORTS, drawn_parts, reports_key, summary_key, take_reports
from stopflow.pipeline.lab.summary import Summary
from stopflow.pipeline.model_reports import require_reportable, write_model_report
from stopflow.pipeline.progress import Progress, silent
from stopflow.report.data import KineticsReportData, TracePair
from stopflow.store import Dataset, load_dataset

if TYPE_CHECKING:
    from stopflow.report.kept import Kept, Parts
    from stopflow.report.kinetics.experiment_sheets import ExperimentSheets


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
    summary: Summary | None = None,
    progress: Progress = silent,
) -> tuple[list[Path], str]:
    """Write rates.csv, rates.xlsx, kinetics.html and kinetics.pdf of a dataset into `reports`.

    With `figures`, every figure of the PDF is written into that folder too, as SVG and PNG. Those
    that lie in `earlier`, of the very same dataset, are taken from there. A `summary` of the
    dataset is kept beside what the next report takes.

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
        )
        if not undrawn:
            digests = {name: file_sha256(reports / name) for name in REPORTS}
            kept.keep(key, json_text(digests).encode())
            if summary is not None:
                kept.keep(summary_key(dataset.digest), summary.text().encode())
    return written, undrawn


def _write_anew(
    dataset: Dataset,
    reports: Path,
    kept: "Kept",
    *,
    paper: str,
    html_light: bool,
    figures: Path | None,
    progress: Progress,
) -> tuple[list[Path], str]:
    from stopflow.report.kept import Parts
    from stopflow.report.kinetics.experiment_sheets import ExperimentSheets
    from stopflow.report.tables.tables import write_rates_csv, write_rates_xlsx

    data = kinetics_data(dataset)
    written = [reports / name for name in REPORTS]
    parts = Parts(data, kept)
    sheets = ExperimentSheets(data, paper=paper, parts=parts)
    processes, tables = min(os.cpu_count() or 1, 2), partial(write_rates_xlsx, path=written[1])
    with collecting_seldom(), sheets.drawing_beside(processes=processes, also=tables):
        write_rates_csv(data.shots, written[0])
        drawn, undrawn = _draw(
            data,
            reports,
            sheets,
            parts,
            html_light=html_light,
            figures=figures,
            progress=progress,
        )
    return written[:2] + drawn, undrawn


def _draw(
    data: KineticsReportData,
    reports: Path,
    sheets: "ExperimentSheets",
    parts: "Parts",
    *,
    html_light: bool,
    figures: Path | None,
    progress: Progress,
) -> tuple[list[Path], str]:
    """Write PDF, page and figures; return the files, and why the PDF is none."""
    from stopflow.report.html.page import write_kinetics_page
    from stopflow.report.kinetics.failed import write_failed_pdf
    from stopflow.report.kinetics.report import write_kinetics_figures, write_kinetics_pdf

    def drawing(done: int, total: int) -> None:
        progress("drawing the PDF", done, total)

    pdf, page = (reports / name for name in REPORTS[2:])
    try:
        write_kinetics_page(data, page, light=html_light, parts=parts)
        write_kinetics_pdf(data, pdf, sheets=sheets, progress=drawing)
        further = [] if figures is None else write_kinetics_figures(data, figures)
    except (StopflowError, OSError):
        raise
    except Exception as error:  # barrier of the report: rates and tables are whole without it
        undrawn = " ".join(f"{type(error).__name__}: {error}".split())
        write_failed_pdf(undrawn, pdf, paper=sheets.paper)
        return [path for path in (pdf, page) if path.exists()], undrawn
    return [pdf, page, *further], ""


def kinetics_data(dataset: Dataset) -> KineticsReportData:
    """Hand a dataset to the report."""
    return KineticsReportData(
        shots=_plain(dataset.shots),
        conditions=_plain(dataset.conditions),
        secondary=_plain(dataset.secondary),
        cuts=_plain(dataset.cuts),
        problems=_plain(dataset.problems),
        inputs=_plain(dataset.inputs),
        trace=StoredTraces(dataset),
        provenance=dataset.provenance,
    )


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Hold texts as Python's own, which are read cell by cell ten times faster than Arrow's."""
    texts = [name for name in table if isinstance(table[name].dtype, pd.StringDtype)]
    # In one piece: a table of many single columns makes pandas complain.
    return table.astype(dict.fromkeys(texts, object)).copy()


class StoredTraces:
    """Traces of a dataset by row number; another process opens them from disk again."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def __call__(self, row: int) -> TracePair | None:
        """Return (time_s, signal) as recorded, or None for a shot that could not be read."""
        return self._dataset.trace(row)

    def __reduce__(self) -> tuple[Callable[[Path, str], "StoredTraces"], tuple[Path, str]]:
        """Hand over where the traces lie and of which dataset they are, not the traces."""
        return _open_traces, (self._dataset.folder, self._dataset.digest)


def _open_traces(folder: Path, digest: str) -> StoredTraces:
    return StoredTraces(load_dataset(folder, digest=digest))


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
    dataset = load_dataset(dataset_folder)
    problems = []
    with switching() as switch:
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
    from stopflow.report.tables.exports import EXPORTS, FreshNames, find_export

    for name in names:
        find_export(name)
    data, fresh = kinetics_data(dataset), FreshNames(reports / "exports")
    exports = [find_export(name) for name in EXPORTS if name in names]
    return [path for export in exports for path in export(data, fresh)]
