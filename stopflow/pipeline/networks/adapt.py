"""Models fine-tuned to another lab, or to other images: the command adapt."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stopflow.errors import SettingsError
from stopflow.learn.adapt import Adapted, adapt_settings
from stopflow.learn.adapt import adapt_model as adapt_to
from stopflow.learn.adapt_cost import Cost, adapt_beside_full
from stopflow.learn.classify.adapt import (
    AdaptedClassifier,
    adapt_classifier,
    image_settings,
    peak_of_adapting,
    train_all,
)
from stopflow.learn.classify.saved import is_classifier, load_classifier
from stopflow.learn.classify.scores import ClassScores
from stopflow.learn.compare.results import predict_lab, prediction_rows
from stopflow.learn.saved import load_model, save_model
from stopflow.lowrank import count_parameters
from stopflow.pipeline.checks import require_seed
from stopflow.pipeline.find import find_model
from stopflow.pipeline.lab.ingest import ingest, ingest_settings
from stopflow.pipeline.networks.classify import load_images
from stopflow.pipeline.networks.refined import Refined, describe_network, new_place
from stopflow.pipeline.networks.rows import build_lab_data
from stopflow.pipeline.networks.train import layer_rows, trace_of
from stopflow.pipeline.progress import Progress, silent

IMAGE_COLUMNS = {
    "model": "model",
    "part": "images",
    "n": "n",
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
}
ADAPT_COLUMNS = {
    "model": "model",
    "part": "shots",
    "n": "n",
    "mae_per_s": "MAE (1/s)",
    "median_relative_error": "median",
    "p95_relative_error": "95 %",
}
COST_COLUMNS = {
    "learning_rate": "rate",
    "trained_parameters": "trained",
    "processor_s": "CPU s",
    "peak_MB": "peak MB",
}


def adapt_model(
    model: str,
    folder: Path,
    *,
    rank: int,
    epochs: int | None,
    learning_rate: float | None,
    seed: int,
    name: str | None,
    models: Path,
    beside_full: bool = False,
    progress: Progress = silent,
) -> Refined:
    """Fine-tune a model to the shots of `folder`; the base model's folder stays as it is.

    A classifier is fine-tuned to the images of `folder`.
    With `beside_full` the table has full fine-tuning as well, and what each of the two cost.
    """
    place = find_model(model, models)
    usual = f"{place.resolve().name}-{folder.resolve().name}"
    target = new_place(usual if name is None else name, models, place)
    if is_classifier(place):
        lora, rows = _adapt_to_images(
            place,
            target,
            folder,
            rank=rank,
            epochs=epochs,
            learning_rate=learning_rate,
            seed=seed,
            beside_full=beside_full,
        )
        return Refined(
            rows=rows,
            columns=IMAGE_COLUMNS | (COST_COLUMNS if beside_full else {}),
            written=(target,),
            judgement=lora.judgement,
            use="it lies beside the model it was made from",
        )
    loaded = load_model(place)
    changes = {"epochs": epochs, "learning_rate": learning_rate, "seed": require_seed(seed)}
    settings = adapt_settings(**{key: item for key, item in changes.items() if item is not None})
    with tempfile.TemporaryDirectory(prefix="stopflow-") as scratch:
        dataset = ingest(
            folder, out=Path(scratch) / "ingested", settings=ingest_settings(), progress=progress
        )
        lab = build_lab_data(dataset, loaded.features)
        trace = trace_of(dataset)
        if beside_full:
            found, costs = adapt_beside_full(loaded, lab, settings, rank=rank, trace=trace)
            rows = _cost_rows(found, costs)
        else:
            found = adapt_to(loaded, lab, settings, rank=rank, trace=trace, progress=progress)
            rows = found.rows()
        rates = predict_lab(found.model, lab)
    save_model(
        target,
        found.model,
        metrics={
            **describe_network(found.model.network, found.trained_parameters, table=rows),
            **{part: measured.to_dict() for part, measured in found.after.items()},
            "status": str(found.status),
            "reason": found.reason,
        },
        history=found.history,
        predictions=prediction_rows(rates, lab, found.split),
    )
    return Refined(
        rows=rows,
        columns=ADAPT_COLUMNS | (COST_COLUMNS if beside_full else {}),
        written=(target,),
        judgement=found.judgement,
        use=f"use it with: stopflow predict {target.name} FOLDER",
    )


def _cost_rows(found: Adapted, costs: Sequence[Cost]) -> list[dict[str, Any]]:
    """Return the errors before, and those after each way with its cost, part by part."""
    return [
        row
        for part in found.before
        for row in (
            {"model": "before", "part": part, **found.before[part].to_dict()},
            *(
                {
                    "model": cost.way,
                    "part": part,
                    **cost.metrics[part].to_dict(),
                    "learning_rate": cost.learning_rate,
                    "trained_parameters": cost.trained_parameters,
                    "processor_s": cost.processor_s,
                    "peak_MB": cost.peak_bytes / 1e6,
                }
                for cost in costs
            ),
        )
    ]


def _adapt_to_images(
    place: Path,
    target: Path,
    folder: Path,
    *,
    rank: int,
    epochs: int | None,
    learning_rate: float | None,
    seed: int,
    beside_full: bool,
) -> tuple[AdaptedClassifier, list[dict[str, Any]]]:
    """Fine-tune the classifier in `place` to the IDX files of `folder`; save it in `target`.

    Returns
    -------
    adapted, rows
        What LoRA made, and the rows of the table; with `beside_full` those of full fine-tuning and
        the cost of both as well.
    """
    if not folder.is_dir():
        raise SettingsError("FOLDER", str(folder), valid="a folder of IDX files")
    classifier, data = load_classifier(place), load_images(folder)
    changes = {"epochs": epochs, "learning_rate": learning_rate, "seed": require_seed(seed)}
    settings = image_settings(data, **{k: v for k, v in changes.items() if v is not None})
    lora = adapt_classifier(classifier, data, settings, rank=rank)
    made: list[tuple[str, AdaptedClassifier, float]] = []
    if beside_full:
        peak = peak_of_adapting(classifier, data, settings, rank=rank)
        made.append(("LoRA", lora, peak))
        full_peak = peak_of_adapting(classifier, data, settings, rank=None)
        made.append(("in full", train_all(classifier, data, settings), full_peak))
    rows = _image_rows(lora, made)
    save_model(
        target,
        lora.model,
        metrics={
            "task": "classification",
            "parameters": count_parameters(lora.model.network),
            "layers": layer_rows(lora.model.network),
            "table": rows,
            **{part: scores.to_dict() for part, scores in lora.after.items()},
        },
        history=lora.history,
    )
    return lora, rows


def _image_rows(
    lora: AdaptedClassifier, made: Sequence[tuple[str, AdaptedClassifier, float]]
) -> list[dict[str, Any]]:
    rows = []
    for part in lora.before:
        rows.append(_image_row("before", part, lora.before))
        if not made:
            rows.append(_image_row("after", part, lora.after))
        for way, adapted, peak_bytes in made:
            cost = {
                "learning_rate": adapted.learning_rate,
                "trained_parameters": adapted.trained_parameters,
                "processor_s": adapted.processor_s,
                "peak_MB": peak_bytes / 1e6,
            }
            rows.append({**_image_row(way, part, adapted.after), **cost})
    return rows


def _image_row(model: str, part: str, scores: Mapping[str, ClassScores]) -> dict[str, Any]:
    found = scores[part]
    return {
        "model": model,
        "part": part,
        "n": found.n,
        "accuracy": found.accuracy,
        "macro_f1": found.macro_f1,
    }
