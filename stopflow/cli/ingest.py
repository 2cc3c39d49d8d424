"""Commands from the instrument's folders to everything that is handed on: run, ingest."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stopflow.cli.console import announcer, command_line
from stopflow.cli.gather import Option, gathers
from stopflow.cli.options import (
    DATASET,
    MODELS,
    REPORTS,
    Channel,
    Config,
    Figures,
    HtmlLight,
    Law,
    Paper,
    ReportsFolder,
    Robust,
    TimeUnit,
    Wavelength,
)
from stopflow.cli.outcome import conclude
from stopflow.cli.voice import Voice, speaks
from stopflow.errors import SettingsError

if TYPE_CHECKING:
    from stopflow.pipeline.lab.ingest import IngestSettings
    from stopflow.pipeline.run import Prediction

Folder = Annotated[
    Path, typer.Argument(help="A folder of trace files, or of such folders, however deep.")
]
ANALYSIS: Final = {
    "law": Option(Law),
    "channel": Option(Channel),
    "wavelength": Option(Wavelength),
    "time_unit": Option(TimeUnit),
    "replicates": Option(
        Annotated[
            str | None,
            typer.Option(
                "--replicates",
                metavar="each|mean|joint",
                help="Rate of a condition: mean of the rates of each shot (default), fit of the "
                "mean trace, or a joint fit with separate amplitudes; each shot is fitted alone in "
                "any case.",
            ),
        ]
    ),
    "average": Option(
        Annotated[bool, typer.Option("--average", help="The same as --replicates mean.")], False
    ),
    "blank": Option(
        Annotated[
            Path | None,
            typer.Option("--blank", help="Subtract this file's trace from every other first."),
        ]
    ),
    "robust": Option(Robust, False),
    "dead_time": Option(
        Annotated[
            float | None,
            typer.Option(
                "--dead-time", help="Dead time of the instrument in ms, where no file says it."
            ),
        ]
    ),
    "mixing_ratio": Option(
        Annotated[
            float | None,
            typer.Option(
                "--mixing-ratio",
                help="Divide the workbook's concentrations by this (2 for 1:1 mixing of stock "
                "solutions); default 1: they are after mixing.",
            ),
        ]
    ),
    "config": Option(Config),
}
"""How the shots are read and judged."""
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

    settings = _settings(**analysis)
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


def _settings(
    *,
    config: Path | None,
    channel: str | None,
    wavelength: float | None,
    replicates: str | None,
    average: bool,
    blank: Path | None,
    robust: bool,
    dead_time: float | None,
    **same: Any,
) -> "IngestSettings":
    """Compose the settings: options where they are given, else the configuration file.

    Raises
    ------
    SettingsError
        `--average` beside another `--replicates`, besides what the settings refuse.
    """
    from stopflow.io.channels import parse_channel
    from stopflow.pipeline.find import require_file
    from stopflow.pipeline.lab.ingest import ingest_settings

    if average and replicates not in (None, "mean"):
        raise SettingsError("replicates", replicates, valid="mean with --average")
    return ingest_settings(
        config,
        channel=parse_channel(channel),
        wavelength_nm=wavelength,
        replicates="mean" if average else replicates,
        blank=None if blank is None else str(require_file(blank)),
        robust=robust or None,
        dead_time_s=None if dead_time is None else dead_time / 1000,
        **same,
    )
