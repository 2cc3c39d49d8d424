"""A lab from its folders to everything that is handed on: dataset, tables, PDF, predictions.

The results of a run are one set. They are written beside their places, the PDF and the
predictions from the dataset that waits there, and take their places together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from stopflow.errors import ModelError
from stopflow.io.json_files import load_json
from stopflow.io.results import lab_at
from stopflow.io.switch import switching
from stopflow.pipeline.checks import require_reports
from stopflow.pipeline.find import find_model
from stopflow.pipeline.lab.drawn import drawn_parts, reports_key, summary_key, take_reports
from stopflow.pipeline.lab.ingest import USUAL, Execution, IngestSettings, write_dataset
from stopflow.pipeline.lab.summary import Summary, parse_summary
from stopflow.pipeline.progress import Announce, Progress, silent, unannounced
from stopflow.report.beside import MANY_EXPERIMENTS, Beside, working_beside
from stopflow.seal import DIGEST, PROVENANCE
from stopflow.store import REPLACEABLE, lab_of, load_dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessedLab:
    """What a run says at its end.

    Attributes
    ----------
    unpredicted
        Why a network gave no rates beside those of the fits; "" where it did or was not asked.
    undrawn
        Why the PDF holds nothing but this reason; "" where it is whole.
    set_aside
        A line for everything that made way for the results.
    """

    summary: Summary
    written: tuple[Path, ...]
    unpredicted: str = ""
    undrawn: str = ""
    set_aside: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 when something could not be used as it was."""
        return max(self.summary.exit_code, int(bool(self.unpredicted or self.undrawn)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A wish for rates by a network: which model, and where trained ones lie."""

    model: str | None
    models: Path


def load_reports() -> None:
    """Load what writes reports, in a process that has to wait for the data."""
    import stopflow.pipeline.reports
    import stopflow.report.html.page
    import stopflow.report.kinetics.experiment_sheets
    import stopflow.report.kinetics.report
    import stopflow.report.tables.tables  # noqa: F401


def process_lab(
    root: Path,
    *,
    out: Path,
    reports: Path,
    settings: IngestSettings,
    prediction: Prediction | None = None,
    execution: Execution = USUAL,
    exports: Sequence[str] = (),
    paper: str = "a4",
    html_light: bool = False,
    figures: Path | None = None,
    command: str = "",
    progress: Progress = silent,
    announce: Announce = unannounced,
) -> ProcessedLab:
    """Ingest the folders below `root` and write their reports, all of it or nothing.

    Raises
    ------
    StopflowError
        As `stopflow.pipeline.lab.ingest.ingest`; what can be refused is refused before any work.
    """
    require_reports(reports, paper=paper)
    if prediction is not None:
        find_model(prediction.model, prediction.models)
    with switching() as switch, working_beside() as beside:
        lab = lab_at(root)
        place = switch.folder(out, owned=REPLACEABLE, lab=lab, lab_of=lab_of)
        gathered = switch.files(reports, lab=lab)
        drawn = None if figures is None else switch.files(figures, lab=lab)

        def begin(folders: int) -> None:
            if beside is not None and folders >= MANY_EXPERIMENTS:
                beside.load(load_reports)

        unchanged = write_dataset(
            root,
            place,
            settings=settings,
            out=out,
            execution=execution,
            command=command,
            progress=progress,
            hear=lambda result: announce(result.headline),
            begin=begin,
        )
        done = None
        if unchanged and prediction is None and not exports and drawn is None:
            key = reports_key(_digest(place), paper=paper, html_light=html_light)
            done = _taken_again(place, gathered, key, earlier=reports)
        if done is None:
            done = _report(
                place,
                gathered,
                prediction,
                earlier=reports,
                exports=exports,
                paper=paper,
                html_light=html_light,
                figures=drawn,
                progress=progress,
                beside=beside,
            )
    written = (out, *map(switch.in_place, done.written))
    return replace(done, written=written, set_aside=tuple(switch.notes))


def _taken_again(place: Path, gathered: Path, key: str, *, earlier: Path) -> ProcessedLab | None:
    """Take the reports of an unchanged dataset as they lie; None where they are to be written."""
    with drawn_parts(place) as kept:
        kept.leave()
        summary = parse_summary(kept.find(summary_key(_digest(place))))
        written = [] if summary is None else take_reports(kept.find(key), earlier, gathered)
    if summary is None or not written:
        return None
    return ProcessedLab(summary=summary, written=tuple(written))


def _digest(place: Path) -> str:
    return str(load_json(place / PROVENANCE)[DIGEST])


def _report(
    place: Path,
    gathered: Path,
    prediction: Prediction | None,
    *,
    earlier: Path,
    exports: Sequence[str],
    paper: str,
    html_light: bool,
    figures: Path | None,
    progress: Progress,
    beside: Beside | None,
) -> ProcessedLab:
    """Report on the dataset in `place`; nothing of it stays open, so that it can be moved."""
    from stopflow.pipeline.reports import write_exports, write_reports

    dataset = load_dataset(place)

    @cache
    def summary() -> Summary:
        from stopflow.pipeline.lab.summarise import summarise

        return summarise(dataset)

    written, undrawn = write_reports(
        dataset,
        gathered,
        paper=paper,
        html_light=html_light,
        figures=figures,
        earlier=earlier,
        summary=summary,
        progress=progress,
        beside=beside,
    )
    written += write_exports(dataset, gathered, names=exports)
    unpredicted = ""
    if prediction is not None:
        from stopflow.pipeline.networks.predict import predict_dataset

        try:
            predicted = predict_dataset(
                dataset,
                model=prediction.model,
                models=prediction.models,
                reports=gathered,
                progress=progress,
            )
        except ModelError as error:
            unpredicted = str(error)
        else:
            written += predicted.written
    return ProcessedLab(
        summary=summary(),
        written=tuple(written),
        unpredicted=unpredicted,
        undrawn=undrawn,
    )
