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
    Figures,
    ModelsFolder,
    Paper,
    ReportsFolder,
)
from stopflow.cli.settings_options import SETTINGS, parse_names, takes_settings

TABLES = "[[layer]] tables, each with its own"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog="Example: stopflow train --layer dlrt --rank 50")(train)
    app.command(epilog="Example: stopflow compare --epochs 300 --seeds 5")(compare)
    app.command(epilog="Example: stopflow predict NEW_FOLDER   or   predict dlrt NEW_FOLDER")(
        predict
    )


@takes_settings(*SETTINGS)
def train(
    *,
    changes: dict[str, Any],
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
    figures: Figures = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a network: rates of shots, whole experiments held out; or classes of images."""
    from stopflow.pipeline.networks.classify import (
        TrainedClassifier,
        classifier_settings,
        require_images,
        train_images,
    )
    from stopflow.pipeline.networks.train import (
        TrainedModel,
        require_ranked,
        train_model,
        train_settings,
    )

    require_images(data, dataset=dataset, usual=DATASET)
    compose = train_settings if data is None else classifier_settings
    settings = compose(config, **changes)
    require_ranked(changes["rank"], [settings.layer] if not settings.layers else [TABLES])
    places: Any = {
        "name": name,
        "models": models,
        "reports": reports,
        "paper": paper,
        "figures": figures,
    }
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


@takes_settings("rank", "epochs", "seed", "optimiser", "features", "test_experiments")
def compare(
    *,
    changes: dict[str, Any],
    layers: Annotated[
        str | None,
        typer.Option("--layers", help="What to compare, NAME,NAME,...; default: all there is."),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Seeds for each row.")] = 1,
    folds: Annotated[
        int, typer.Option("--folds", min=1, help="Leave-experiments-out folds for each seed.")
    ] = 1,
    config: Config = None,
    dataset: DatasetFolder = DATASET,
    reports: ReportsFolder = REPORTS,
    paper: Paper = "a4",
    figures: Figures = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train every kind of network on the same split, seeds and budget; a table, a PDF, a page."""
    from stopflow.pipeline.networks.compare import compare_models
    from stopflow.pipeline.networks.train import require_ranked, train_settings

    ways = parse_names("--layers", layers)
    if ways is not None:
        require_ranked(changes["rank"], ways)
    settings = train_settings(config, **changes)
    with progress_bar(quiet=quiet) as progress:
        compared = compare_models(
            dataset,
            settings,
            layers=ways,
            seeds=seeds,
            folds=folds,
            reports=reports,
            paper=paper,
            figures=figures,
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
    from stopflow.pipeline.networks.predict import predict_folder

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
