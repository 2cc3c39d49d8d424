"""Commands that make a model from a model, or from nothing real: compress, adapt, pretrain."""

from pathlib import Path
from typing import Annotated

import typer

from stopflow.cli.console import (
    Debug,
    Json,
    Quiet,
    progress_bar,
    say,
    say_json,
    say_table,
    say_written,
    warn,
)
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
from stopflow.errors import SettingsError


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog="Example: stopflow compress dlrt --energy 0.99")(compress)
    app.command(epilog="Example: stopflow adapt shape NEW_FOLDER --rank 4")(adapt)
    app.command(epilog="Example: stopflow pretrain --features blocks --seed 1")(pretrain)


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
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Truncate a trained model's layers (ARSVD); by default as far as the error allows."""
    from stopflow.learn.compress import NotSmallerError, Share
    from stopflow.pipeline.networks.compress_curve import measure_curve
    from stopflow.pipeline.networks.refine import compress_model

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
        for note in measured.notes:
            warn(f"note: {note}")
        if as_json:
            say_json(measured.rows)
            return
        say_table(*measured.table(), quiet=quiet)
        say_written(measured.written, quiet=quiet)
        return
    try:
        compressed = compress_model(
            model, share, name=name, dataset=dataset, data=data, models=models
        )
    except NotSmallerError as error:
        warn(str(error))
        raise typer.Exit(1) from error
    _show_refined(compressed, as_json=as_json, quiet=quiet)


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
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fine-tune a model to another lab's data by LoRA; the base weights stay untouched."""
    from stopflow.pipeline.networks.refine import adapt_model

    with progress_bar(quiet=quiet) as progress:
        adapted = adapt_model(
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
    _show_refined(adapted, as_json=as_json, quiet=quiet)


def pretrain(
    *,
    features: Annotated[str, typer.Option("--features", help="shape or blocks.")] = "shape",
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Training steps.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same model.")] = 0,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the model; default: pretrained-FEATURES.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")
    ] = False,
    labs: Annotated[
        int, typer.Option("--labs", min=0, help="Judge it on so many simulated labs, for its card.")
    ] = 0,
    real: Annotated[
        list[Path] | None, typer.Option("--real", help="Judge it on this folder of real shots too.")
    ] = None,
    models: ModelsFolder = MODELS,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a model on simulated traces alone, as the shipped ones were."""
    from stopflow.pipeline.networks.pretrain import pretrain_model

    with progress_bar(quiet=quiet) as progress:
        made = pretrain_model(
            features=features,
            steps=steps,
            seed=seed,
            name=name,
            models=models,
            resume=resume,
            judged_on=labs,
            real=tuple(real or ()),
            progress=progress,
        )
    if as_json:
        say_json({"written": made.written, "summary": made.headline()})
    else:
        say_written(made.written, quiet=quiet)
        say(made.headline(), quiet=quiet)


def _show_refined(refined, *, as_json: bool, quiet: bool) -> None:  # type: ignore[no-untyped-def]
    """Print the table; a model that is worse is never recommended, and ends with exit code 1."""
    if as_json:
        say_json(refined.rows)
    else:
        say_table(*refined.table(), quiet=quiet)
        say_written(refined.written, quiet=quiet)
        if refined.finished:
            say(refined.headline(), quiet=quiet)
    if not refined.finished:
        warn(refined.headline())
        raise typer.Exit(1)
