"""Commands from the instrument's folders to everything that is handed on: run, ingest."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stopflow.cli.analysis_options import ANALYSIS, compose_settings
from stopflow.cli.console import announcer, command_line
from stopflow.cli.gather import Option, gathers
from stopflow.cli.options import DATASET, MODELS, REPORTS, Figures, HtmlLight, Paper, ReportsFolder
from stopflow.cli.outcome import conclude
from stopflow.cli.voice import Voice, speaks

if TYPE_CHECKING:
    from stopflow.pipeline.run import Prediction

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


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog="Example: stopflow run data/fe_scn")(run)
    app.command(epilog="Example: stopflow ingest data/ --law auto")(ingest)


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
    conclude(voice, done, reports=places["reports"])
