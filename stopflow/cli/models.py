"""Commands for networks: train, compare, predict, compress, adapt, pretrain."""

from pathlib import Path
from typing import Annotated

import typer

from stopflow.cli.console import (
    Debug,
    Json,
    Quiet,
    list_problems,
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
    Config,
    DatasetFolder,
    Device,
    ModelsFolder,
    Paper,
    ReportsFolder,
)

Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Passes over the data.")]
Rank = Annotated[int | None, typer.Option("--rank", help="Rank of the low-rank layers.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Same seed, same result.")]
TestExperiments = Annotated[
    str | None,
    typer.Option(
        "--test-experiments",
        help="Experiments held out, NAME,NAME,...; default: three chosen by the seed.",
    ),
]
Features = Annotated[
    str | None,
    typer.Option("--features", help="shape (dimensionless, default), raw (published) or blocks."),
]
Labels = Annotated[
    str | None,
    typer.Option("--labels", help="Rates to learn: fit (default) or workbook."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog="Example: stopflow train --layer dlrt --rank 50")(train)
    app.command(epilog="Example: stopflow compare --epochs 300 --seeds 5")(compare)
    app.command(epilog="Example: stopflow predict NEW_FOLDER   or   predict dlrt NEW_FOLDER")(
        predict
    )
    app.command(epilog="Example: stopflow compress dlrt --energy 0.99")(compress)
    app.command(epilog="Example: stopflow adapt shape NEW_FOLDER --rank 4")(adapt)
    app.command(epilog="Example: stopflow pretrain --features blocks --seed 1")(pretrain)


def train(
    *,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer", help="Layers of the network: dense, vanilla, dlrt (default), adaptive, ..."
        ),
    ] = None,
    rank: Rank = None,
    epochs: Epochs = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1)] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate")] = None,
    seed: Seed = None,
    features: Features = None,
    labels: Labels = None,
    test_experiments: TestExperiments = None,
    row_space: Annotated[
        str | None,
        typer.Option("--row-space", help="Train in the row space of the data: auto, on or off."),
    ] = None,
    device: Device = None,
    config: Config = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the model; default: the layer's.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted run of this name stopped.")
    ] = False,
    dataset: DatasetFolder = DATASET,
    models: ModelsFolder = MODELS,
    reports: ReportsFolder = REPORTS,
    paper: Paper = "a4",
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a network that predicts k from the trace, whole experiments held out."""
    from stopflow.pipeline.train import train_model, train_settings

    settings = train_settings(
        config,
        layer=layer,
        rank=rank,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        features=features,
        labels=labels,
        test_experiments=_names(test_experiments),
        row_space=row_space,
        device=device,
    )
    with progress_bar(quiet=quiet) as progress:
        trained = train_model(
            dataset,
            settings,
            name=name,
            models=models,
            reports=reports,
            resume=resume,
            paper=paper,
            progress=progress,
        )
    if as_json:
        say_json(trained.metrics)
    else:
        say_table(*trained.table(), quiet=quiet)
        say_written(trained.written, quiet=quiet)
        say(trained.headline(), quiet=quiet)
    for note in trained.notes:
        warn(f"note: {note}")
    raise typer.Exit(0 if trained.finished else 1)


def compare(
    *,
    layers: Annotated[
        str | None,
        typer.Option("--layers", help="What to compare, NAME,NAME,...; default: all there is."),
    ] = None,
    rank: Rank = None,
    epochs: Epochs = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Seeds for each row.")] = 1,
    folds: Annotated[
        int, typer.Option("--folds", min=1, help="Leave-experiments-out folds for each seed.")
    ] = 1,
    seed: Seed = None,
    features: Features = None,
    test_experiments: TestExperiments = None,
    config: Config = None,
    dataset: DatasetFolder = DATASET,
    reports: ReportsFolder = REPORTS,
    paper: Paper = "a4",
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train every kind of network on the same split, seeds and budget; one table, one PDF."""
    from stopflow.pipeline.compare import compare_models
    from stopflow.pipeline.train import train_settings

    settings = train_settings(
        config,
        rank=rank,
        epochs=epochs,
        seed=seed,
        features=features,
        test_experiments=_names(test_experiments),
    )
    with progress_bar(quiet=quiet) as progress:
        compared = compare_models(
            dataset,
            settings,
            layers=_names(layers),
            seeds=seeds,
            folds=folds,
            reports=reports,
            paper=paper,
            progress=progress,
        )
    if as_json:
        say_json(compared.rows)
    else:
        say_table(*compared.table(), quiet=quiet)
        say_written(compared.written, quiet=quiet)
        say(compared.headline, quiet=quiet)


def predict(
    model_or_folder: Annotated[
        str, typer.Argument(metavar="[MODEL] FOLDER", help="A model's name and a folder of shots.")
    ],
    folder: Annotated[Path | None, typer.Argument(hidden=True)] = None,
    *,
    models: ModelsFolder = MODELS,
    reports: ReportsFolder = REPORTS,
    law: Annotated[str | None, typer.Option("--law", help="Law of the fit beside it.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Predict the rates of new folders, beside the fit's own; without MODEL the shipped one."""
    from stopflow.pipeline.predict import predict_folder

    model, shots = (None, Path(model_or_folder)) if folder is None else (model_or_folder, folder)
    with progress_bar(quiet=quiet) as progress:
        predicted = predict_folder(
            shots, model=model, models=models, reports=reports, law=law, progress=progress
        )
    if as_json:
        say_json(predicted.rows)
    else:
        say_table(*predicted.table(), quiet=quiet)
        say_written(predicted.written, quiet=quiet)
        say(predicted.headline(), quiet=quiet)
    list_problems(predicted.problems)
    raise typer.Exit(predicted.exit_code)


def compress(
    model: Annotated[str, typer.Argument(help="A trained model's name or folder.")],
    *,
    energy: Annotated[
        float | None, typer.Option("--energy", help="Keep this share of the energy, e.g. 0.99.")
    ] = None,
    entropy: Annotated[
        float | None, typer.Option("--entropy", help="Keep this share of the spectral entropy.")
    ] = None,
    data_aware: Annotated[
        bool, typer.Option("--data-aware", help="Keep what changes the outputs on the dataset.")
    ] = False,
    name: Annotated[str | None, typer.Option("--name", help="Name of the new model.")] = None,
    dataset: DatasetFolder = DATASET,
    models: ModelsFolder = MODELS,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Truncate a trained model's layers (ARSVD); rank, parameters and MAE before and after."""
    from stopflow.pipeline.refine import compress_model

    compressed = compress_model(
        model,
        energy=energy,
        entropy=entropy,
        data_aware=data_aware,
        name=name,
        dataset=dataset,
        models=models,
    )
    _show_refined(compressed, as_json=as_json, quiet=quiet)


def adapt(
    model: Annotated[str, typer.Argument(help="A trained model's name or folder.")],
    folder: Annotated[Path, typer.Argument(help="Another lab's folder of shots.")],
    *,
    rank: Annotated[int, typer.Option("--rank", help="Rank of the LoRA update.")] = 4,
    epochs: Epochs = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate")] = None,
    seed: Seed = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the new model.")] = None,
    models: ModelsFolder = MODELS,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fine-tune a model to another lab's data by LoRA; the base weights stay untouched."""
    from stopflow.pipeline.refine import adapt_model

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
    from stopflow.pipeline.pretrain import pretrain_model

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


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def _show_refined(refined, *, as_json: bool, quiet: bool) -> None:  # type: ignore[no-untyped-def]
    if as_json:
        say_json(refined.rows)
        return
    say_table(*refined.table(), quiet=quiet)
    say_written(refined.written, quiet=quiet)
    name = refined.written[0].name
    say(f"the new model is {name}; use it with: stopflow predict {name} FOLDER", quiet=quiet)
