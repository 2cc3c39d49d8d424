"""Commands for networks: train, pretrain, compare, predict."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stopflow.cli.console import SHOWN_PROBLEMS, warn
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
from stopflow.cli.voice import Voice, speaks

TABLES = "[[layer]] tables, each with its own"


app = typer.Typer()


@app.command(epilog="Example: stopflow train --layer dlrt --rank 50")
@takes_settings(*SETTINGS)
@speaks
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
    voice: Voice,
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
        say_line = (lambda _line: None) if voice.quiet else warn
        trained = train_images(data, settings, resume=resume, on_line=say_line, **places)
    else:
        with voice.progress() as progress:
            trained = train_model(dataset, settings, resume=resume, progress=progress, **places)
    voice.result(lambda: trained.metrics)
    voice.table(*trained.table())
    voice.written(trained.written)
    voice.say(trained.headline())
    voice.notes(trained.notes)
    raise typer.Exit(0 if trained.finished else 1)


@app.command(epilog="Example: stopflow compare --epochs 300 --seeds 5")
@takes_settings("rank", "epochs", "seed", "optimiser", "features", "test_experiments")
@speaks
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
    voice: Voice,
) -> None:
    """Train every kind of network on the same split, seeds and budget; a table, a PDF, a page."""
    from stopflow.pipeline.networks.compare import compare_models
    from stopflow.pipeline.networks.train import require_ranked, train_settings

    ways = parse_names("--layers", layers)
    if ways is not None:
        require_ranked(changes["rank"], ways)
    settings = train_settings(config, **changes)
    with voice.progress() as progress:
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
    voice.result(lambda: compared.rows)
    voice.table(*compared.table())
    voice.written(compared.written)
    voice.say(compared.headline)
    voice.set_aside(compared.set_aside)


@app.command(epilog="Example: stopflow predict NEW_FOLDER   or   predict dlrt NEW_FOLDER")
@speaks
def predict(
    model_or_folder: Annotated[
        str, typer.Argument(metavar="[MODEL] FOLDER", help="A model's name and a folder of shots.")
    ],
    folder: Annotated[Path | None, typer.Argument(hidden=True)] = None,
    *,
    models: ModelsFolder = MODELS,
    reports: ReportsFolder = REPORTS,
    law: Annotated[str | None, typer.Option("--law", help="Law of the fit beside it.")] = None,
    voice: Voice,
) -> None:
    """Predict the rates of new folders, beside the fit's own; without MODEL the shipped one."""
    from stopflow.pipeline.networks.predict import predict_folder

    model, shots = (None, Path(model_or_folder)) if folder is None else (model_or_folder, folder)
    with voice.progress() as progress:
        predicted = predict_folder(
            shots, model=model, models=models, reports=reports, law=law, progress=progress
        )
    voice.result(lambda: predicted.rows)
    voice.table(*predicted.table())
    doubtful = predicted.warnings()
    for line in doubtful[:SHOWN_PROBLEMS]:
        voice.say(f"  {line}")
    if len(doubtful) > SHOWN_PROBLEMS:
        rest = len(doubtful) - SHOWN_PROBLEMS
        voice.say(f"  ... and {rest} more; all are in {predicted.written[0]}")
    voice.written(predicted.written)
    voice.say(predicted.headline())
    voice.set_aside(predicted.set_aside)
    voice.problems(predicted.problems)
    raise typer.Exit(predicted.exit_code)


@app.command(epilog="Example: stopflow pretrain --features blocks --seed 1")
@speaks
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
    voice: Voice,
) -> None:
    """Train a model on simulated traces alone, as the shipped ones were."""
    from stopflow.pipeline.networks.pretrain import pretrain_model

    with voice.progress() as progress:
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
    voice.result(lambda: {"written": made.written, "summary": made.headline()})
    voice.written(made.written)
    voice.say(made.headline())
