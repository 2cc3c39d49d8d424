"""Commands for networks: train, compare, predict."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stopflow.cli.console import (
    Debug,
    Json,
    Quiet,
    list_problems,
    progress_bar,
    say,
    say_json,
    say_set_aside,
    say_some,
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
    Epochs,
    LearningRate,
    ModelsFolder,
    Optimiser,
    Paper,
    Rank,
    ReportsFolder,
    Seed,
)
from stopflow.errors import SettingsError

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

TABLES = "[[layer]] tables, each with its own"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog="Example: stopflow train --layer dlrt --rank 50")(train)
    app.command(epilog="Example: stopflow compare --epochs 300 --seeds 5")(compare)
    app.command(epilog="Example: stopflow predict NEW_FOLDER   or   predict dlrt NEW_FOLDER")(
        predict
    )


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
    optimiser: Optimiser = None,
    learning_rate: LearningRate = None,
    seed: Seed = None,
    features: Features = None,
    labels: Labels = None,
    test_experiments: TestExperiments = None,
    row_space: Annotated[
        str | None,
        typer.Option("--row-space", help="Train in the row space of the data: auto, on or off."),
    ] = None,
    delay: Annotated[
        int | None, typer.Option("--delay", min=0, help="oialr: dense steps first; 0: none.")
    ] = None,
    absorb_every: Annotated[
        int | None, typer.Option("--absorb-every", min=1, help="oialr: nu of the paper, in steps.")
    ] = None,
    cutoff: Annotated[
        float | None, typer.Option("--cutoff", help="oialr: beta of the paper.")
    ] = None,
    absorb_share: Annotated[
        float | None, typer.Option("--absorb-share", help="oialr: alpha of the paper.")
    ] = None,
    track_spectra: Annotated[
        bool | None,
        typer.Option(
            "--track-spectra",
            help="Record singular values and stable ranks of weights and gradients.",
        ),
    ] = None,
    device: Device = None,
    config: Config = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the model; default: the layer's.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted run of this name stopped.")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Learn the classes of images in this folder of IDX files."),
    ] = None,
    dataset: DatasetFolder = DATASET,
    models: ModelsFolder = MODELS,
    reports: ReportsFolder = REPORTS,
    paper: Paper = "a4",
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a network: rates of shots, whole experiments held out; or classes of images."""
    from stopflow.pipeline.classify import (
        TrainedClassifier,
        classifier_settings,
        require_images,
        train_images,
    )
    from stopflow.pipeline.train import (
        TrainedModel,
        require_ranked,
        train_model,
        train_settings,
    )

    require_images(data, dataset=dataset, usual=DATASET)
    compose = train_settings if data is None else classifier_settings
    settings = compose(
        config,
        layer=layer,
        rank=rank,
        epochs=epochs,
        batch_size=batch_size,
        optimiser=optimiser,
        learning_rate=learning_rate,
        seed=seed,
        features=features,
        labels=labels,
        test_experiments=_names("--test-experiments", test_experiments),
        row_space=row_space,
        delay=delay,
        absorb_every=absorb_every,
        cutoff=cutoff,
        absorb_share=absorb_share,
        track_spectra=track_spectra,
        device=device,
    )
    require_ranked(rank, [settings.layer] if not settings.layers else [TABLES])
    places: Any = {"name": name, "models": models, "reports": reports, "paper": paper}
    trained: TrainedModel | TrainedClassifier
    if data is not None:
        say_line = (lambda _line: None) if quiet else warn
        trained = train_images(data, settings, resume=resume, on_line=say_line, **places)
    else:
        with progress_bar(quiet=quiet) as progress:
            trained = train_model(dataset, settings, resume=resume, progress=progress, **places)
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
    optimiser: Optimiser = None,
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
    from stopflow.pipeline.train import require_ranked, train_settings

    ways = _names("--layers", layers)
    if ways is not None:
        require_ranked(rank, ways)
    settings = train_settings(
        config,
        rank=rank,
        epochs=epochs,
        seed=seed,
        optimiser=optimiser,
        features=features,
        test_experiments=_names("--test-experiments", test_experiments),
    )
    with progress_bar(quiet=quiet) as progress:
        compared = compare_models(
            dataset,
            settings,
            layers=ways,
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
    say_set_aside(compared.set_aside, quiet=quiet)


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
        say_some(predicted.warnings(), where=predicted.written[0], quiet=quiet)
        say_written(predicted.written, quiet=quiet)
        say(predicted.headline(), quiet=quiet)
    say_set_aside(predicted.set_aside, quiet=quiet)
    list_problems(predicted.problems)
    raise typer.Exit(predicted.exit_code)


def _names(option: str, text: str | None) -> tuple[str, ...] | None:
    """Part NAME,NAME,...; each counts once, and there is at least one."""
    if text is None:
        return None
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names:
        raise SettingsError(option, text, valid="NAME,NAME,...; without the option: the default")
    return names
