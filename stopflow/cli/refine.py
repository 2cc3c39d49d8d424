"""Commands that make a model from a model: compress, adapt."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stopflow.cli.console import warn
from stopflow.cli.options import (
    DATASET,
    MODELS,
    REPORTS,
    DatasetFolder,
    Epochs,
    LearningRate,
    ModelName,
    ModelsFolder,
    NewName,
    Paper,
    ReportsFolder,
    Seed,
)
from stopflow.cli.voice import Voice, speaks
from stopflow.errors import SettingsError

if TYPE_CHECKING:
    from stopflow.pipeline.networks.refined import Refined


app = typer.Typer()


@app.command(epilog="Example: stopflow compress dlrt --energy 0.99")
@speaks
def compress(
    model: ModelName,
    *,
    energy: Annotated[
        float | None, typer.Option("--energy", help="Keep this share of the energy, e.g. 0.9999.")
    ] = None,
    entropy: Annotated[
        float | None, typer.Option("--entropy", help="Keep this share of the spectral entropy.")
    ] = None,
    rank: Annotated[
        int | None, typer.Option("--rank", help="Keep this rank in every layer (baseline).")
    ] = None,
    data_aware: Annotated[
        bool, typer.Option("--data-aware", help="Keep what changes the outputs on the data.")
    ] = False,
    finetune: Annotated[
        int, typer.Option("--finetune", min=0, help="Epochs of training after the truncation.")
    ] = 0,
    curve: Annotated[
        bool,
        typer.Option(
            "--curve", help="Measure error, size and latency against what is kept; make no model."
        ),
    ] = False,
    name: NewName = None,
    dataset: DatasetFolder = DATASET,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of images, for a classifier.")
    ] = None,
    models: ModelsFolder = MODELS,
    reports: ReportsFolder = REPORTS,
    paper: Paper = "a4",
    voice: Voice,
) -> None:
    """Truncate a trained model's layers (ARSVD); by default as far as the error allows."""
    from stopflow.learn.compress import NotSmallerError, Share
    from stopflow.pipeline.networks.compress import compress_model, measure_curve

    share = Share(
        energy=energy, entropy=entropy, rank=rank, data_aware=data_aware, finetune=finetune
    )
    if curve:
        if share != Share() or name is not None:
            valid = "alone: it measures every share, plain and data-aware, and makes no model"
            raise SettingsError("--curve", "with a share or a name", valid=valid)
        measured = measure_curve(
            model, dataset=dataset, data=data, models=models, reports=reports, paper=paper
        )
        voice.notes(measured.notes)
        voice.result(lambda: measured.rows)
        voice.table(*measured.table())
        voice.written(measured.written)
        return
    try:
        compressed = compress_model(
            model, share, name=name, dataset=dataset, data=data, models=models
        )
    except NotSmallerError as error:
        warn(str(error))
        raise typer.Exit(1) from error
    _conclude(voice, compressed)


@app.command(epilog="Example: stopflow adapt shape NEW_FOLDER --rank 4")
@speaks
def adapt(
    model: ModelName,
    folder: Annotated[
        Path, typer.Argument(help="Another lab's folder of shots, or a folder of images.")
    ],
    *,
    rank: Annotated[int, typer.Option("--rank", help="Rank of the LoRA update.")] = 4,
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    beside_full: Annotated[
        bool,
        typer.Option(
            "--beside-full", help="Fine-tune all weights as well, and list what each way costs."
        ),
    ] = False,
    seed: Seed = None,
    name: NewName = None,
    models: ModelsFolder = MODELS,
    voice: Voice,
) -> None:
    """Fine-tune a model to another lab's data by LoRA; the base weights stay untouched."""
    from stopflow.pipeline.networks.adapt import adapt_and_save

    with voice.progress() as progress:
        adapted = adapt_and_save(
            model,
            folder,
            rank=rank,
            epochs=epochs,
            learning_rate=learning_rate,
            seed=seed or 0,
            name=name,
            models=models,
            beside_full=beside_full,
            progress=progress,
        )
    _conclude(voice, adapted)


def _conclude(voice: Voice, refined: "Refined") -> None:
    """Print the table; a model that is worse is never recommended, and ends with exit code 1."""
    voice.result(lambda: refined.rows)
    voice.table(*refined.table())
    voice.written(refined.written)
    if not refined.finished:
        warn(refined.headline())
        raise typer.Exit(1)
    voice.say(refined.headline())
