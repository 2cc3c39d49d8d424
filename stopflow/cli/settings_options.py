"""Options that set a field of `TrainSettings`."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Final

import typer

from stopflow.cli.gather import Command, Option, gathers
from stopflow.cli.options import Device, Epochs, LearningRate, Optimiser, Rank, Seed
from stopflow.errors import SettingsError

LIST: Final = "test_experiments"
SETTINGS: Final[Mapping[str, Any]] = {
    "layer": Annotated[
        str | None,
        typer.Option(
            "--layer", help="Layers of the network: dense, vanilla, dlrt (default), adaptive, ..."
        ),
    ],
    "rank": Rank,
    "epochs": Epochs,
    "batch_size": Annotated[int | None, typer.Option("--batch-size", min=1)],
    "optimiser": Optimiser,
    "learning_rate": LearningRate,
    "seed": Seed,
    "features": Annotated[
        str | None,
        typer.Option(
            "--features", help="shape (dimensionless, default), raw (published) or blocks."
        ),
    ],
    "labels": Annotated[
        str | None, typer.Option("--labels", help="Rates to learn: fit (default) or workbook.")
    ],
    LIST: Annotated[
        str | None,
        typer.Option(
            "--test-experiments",
            help="Experiments held out, NAME,NAME,...; default: three chosen by the seed.",
        ),
    ],
    "row_space": Annotated[
        str | None,
        typer.Option("--row-space", help="Train in the row space of the data: auto, on or off."),
    ],
    "delay": Annotated[
        int | None, typer.Option("--delay", min=0, help="oialr: dense steps first; 0: none.")
    ],
    "absorb_every": Annotated[
        int | None, typer.Option("--absorb-every", min=1, help="oialr: nu of the paper, in steps.")
    ],
    "cutoff": Annotated[float | None, typer.Option("--cutoff", help="oialr: beta of the paper.")],
    "absorb_share": Annotated[
        float | None, typer.Option("--absorb-share", help="oialr: alpha of the paper.")
    ],
    "track_spectra": Annotated[
        bool | None,
        typer.Option(
            "--track-spectra",
            help="Record singular values and stable ranks of weights and gradients.",
        ),
    ],
    "device": Device,
}
"""Field of `TrainSettings` -> its option."""


def takes_settings(*fields: str) -> Callable[[Command], Command]:
    """Give a command an option for each of some fields; it gets their values as `changes`."""
    names = partial(parse_names, "--test-experiments")
    options = {
        name: Option(SETTINGS[name], parse=names if name == LIST else None) for name in fields
    }
    return gathers("changes", options)


def parse_names(option: str, text: str | None) -> tuple[str, ...] | None:
    """Divide ``NAME,NAME,...``: each counts once, and there is at least one; None for None."""
    if text is None:
        return None
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names:
        raise SettingsError(option, text, valid="NAME,NAME,...; without the option: the default")
    return names
