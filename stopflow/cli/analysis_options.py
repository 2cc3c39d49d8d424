"""How the shots of a lab are read and judged: the options of every command that does so."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stopflow.cli.gather import Option
from stopflow.cli.options import Channel, Config, Law, Robust, TimeUnit, Wavelength
from stopflow.errors import SettingsError

if TYPE_CHECKING:
    from stopflow.pipeline.lab.ingest import IngestSettings

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


def compose_settings(
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
