"""Commands from the instrument's folders to everything that is handed on: run, ingest."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stopflow.cli.analysis_options import ANALYSIS, compose_settings
from stopflow.cli.console import announcer, command_line, warn
from stopflow.cli.gather import Option, gathers
from stopflow.cli.options import DATASET, MODELS, REPORTS, Figures, HtmlLight, Paper, ReportsFolder
from stopflow.cli.voice import Voice, speaks

if TYPE_CHECKING:
    from stopflow.pipeline.run import Prediction, ProcessedLab

Folder = Annotated[
    Path, typer.Argument(help="A folder of trace files, or of such folders, however deep.")
]
WORK: Final = {
    "cluster": Option(
        Annotated[
            str | None,
            typer.Option(
                "--cluster",
                metavar="tcp://HOST:PORT",
                help="Let the workers of this Dask scheduler read and fit; they need the folders "
                "under the same paths.",
            ),
        ]
    ),
    "fresh": Option(
        Annotated[
            bool,
            typer.Option(
                "--fresh", help="Do every folder again, also those that have not changed."
            ),
        ],
        False,
    ),
}
"""Who does the work, and how much of it."""
PLACES: Final = {
    "out": Option(Annotated[Path, typer.Option("--out", help="Where the dataset goes.")], DATASET),
    "reports": Option(ReportsFolder, REPORTS),
    "paper": Option(Paper, "a4"),
    "html_light": Option(HtmlLight, False),
    "figures": Option(Figures),
}
"""Where the results go, and in which form."""


app = typer.Typer()


@app.command(epilog="Example: stopflow run data/fe_scn")
@gathers("analysis", ANALYSIS)
@gathers("work", WORK)
@gathers("places", PLACES)
@speaks
def run(
    folder: Folder,
    *,
    analysis: dict[str, Any],
    work: dict[str, Any],
    places: dict[str, Any],
    model: Annotated[
        str | None, typer.Option("--model", help="Model that predicts; default: the shipped one.")
    ] = None,
    voice: Voice,
) -> None:
    """Do the whole job: ingest, predict with the shipped model, write every report."""
    from stopflow.pipeline.run import Prediction

    prediction = Prediction(model=model, models=MODELS)
    _process(voice, folder, analysis, work, places, prediction=prediction)


@app.command(epilog="Example: stopflow ingest data/ --law auto")
@gathers("analysis", ANALYSIS)
@gathers("work", WORK)
@gathers("places", PLACES)
@speaks
def ingest(
    folder: Folder,
    *,
    analysis: dict[str, Any],
    work: dict[str, Any],
    places: dict[str, Any],
    voice: Voice,
) -> None:
    """Read, trim, fit and judge every shot below FOLDER; write rates, tables and the PDF."""
    _process(voice, folder, analysis, work, places)


def _process(
    voice: Voice,
    folder: Path,
    analysis: dict[str, Any],
    work: dict[str, Any],
    places: dict[str, Any],
    *,
    prediction: "Prediction | None" = None,
) -> None:
    """Do what both commands do; predict where there is a `prediction`."""
    from stopflow.pipeline.lab.ingest import Execution
    from stopflow.pipeline.run import process_lab

    settings = compose_settings(**analysis)
    with voice.progress() as progress:
        done = process_lab(
            folder,
            settings=settings,
            execution=Execution(**work),
            prediction=prediction,
            command=command_line(),
            progress=progress,
            announce=announcer(quiet=voice.quiet),
            **places,
        )
    _conclude(voice, done, reports=places["reports"])


def _conclude(voice: Voice, done: "ProcessedLab", *, reports: Path) -> None:
    """Print the outcome of a run; leave with 1 where something could not be used."""
    summary = done.summary
    voice.result(
        lambda: {**summary.as_dict(), "written": done.written, "set_aside": done.set_aside}
    )
    voice.table(summary.columns, summary.rows)
    for choice in summary.shown_choices:
        voice.say(choice)
    if voice.quiet:
        voice.problems(summary.errors)
    elif summary.problems:
        if summary.disagreements:
            warn("the sources of the conditions disagree:")
            voice.problems(summary.disagreements)
        if summary.grouped:
            warn(f"{summary.things}:")
            voice.problems(summary.grouped)
        warn(f"  each of them is in {reports / 'rates.xlsx'}, sheet problems")
    if done.unpredicted:
        warn(f"error: the rates are fitted, but not predicted as well: {done.unpredicted}")
    if done.undrawn:
        warn(f"error: kinetics.pdf could not be drawn, the tables are whole: {done.undrawn}")
    voice.set_aside(done.set_aside)
    voice.notes(summary.hints if not voice.quiet else ())
    voice.written(done.written)
    voice.say(f"{summary.headline}; read {reports / 'kinetics.pdf'}")
    raise typer.Exit(done.exit_code)
