"""Options that several commands share, so that they are spelled and explained once."""

from pathlib import Path
from typing import Annotated

import typer

DATASET = Path("data/ingested")
REPORTS = Path("reports")
MODELS = Path("models")

Law = Annotated[
    str | None,
    typer.Option(
        "--law",
        help="Rate law by name (`stopflow laws` lists them), a formula in t such as "
        "'a*exp(-k*t) + b', or auto: the best by AICc, one for each experiment.",
    ),
]
Channel = Annotated[
    str | None,
    typer.Option(
        "--channel",
        help="Signal to fit: a number from 1, or all; default: the first, of a diode array the "
        "one that changes most.",
    ),
]
Wavelength = Annotated[
    float | None, typer.Option("--wavelength", help="Signal to fit by its wavelength in nm.")
]
TimeUnit = Annotated[
    str | None,
    typer.Option(
        "--time-unit", help="Unit of the times where a file gives none: s, ms, us, ns or min."
    ),
]
Robust = Annotated[
    bool, typer.Option("--robust", help="Soft-L1 loss: spikes and bubbles count less.")
]
Config = Annotated[
    Path | None, typer.Option("--config", help="Settings from a TOML file; options win over it.")
]
HtmlLight = Annotated[
    bool,
    typer.Option(
        "--html-light", help="Keep kinetics.html small: no trace in full, so no refit in the page."
    ),
]
Paper = Annotated[str, typer.Option("--paper", help="Size of the PDF's pages: a4 or letter.")]
Figures = Annotated[
    Path | None,
    typer.Option("--figures", help="Write every figure of the PDF here too, as SVG and PNG."),
]
DatasetFolder = Annotated[
    Path, typer.Option("--dataset", help="The dataset that `stopflow ingest` wrote.")
]
ReportsFolder = Annotated[Path, typer.Option("--reports", help="Where PDFs and tables go.")]
ModelsFolder = Annotated[Path, typer.Option("--models", help="Where trained models lie.")]
Device = Annotated[
    str | None, typer.Option("--device", help="Where to compute: cpu (default) or cuda.")
]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Passes over the data.")]
Rank = Annotated[int | None, typer.Option("--rank", help="Rank of the low-rank layers.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Same seed, same result.")]
LearningRate = Annotated[
    float | None, typer.Option("--learning-rate", help="Step size of the optimiser.")
]
Optimiser = Annotated[
    str | None,
    typer.Option(
        "--optimiser", help="muon (dynamical layers' default), adam (others'), sgd, momentum, ..."
    ),
]
ModelName = Annotated[str, typer.Argument(help="A trained model's name or folder.")]
NewName = Annotated[str | None, typer.Option("--name", help="Name of the new model.")]
