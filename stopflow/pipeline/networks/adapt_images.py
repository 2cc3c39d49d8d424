"""A classifier fine-tuned to another set of images: the new model and its table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from stopflow.errors import SettingsError
from stopflow.learn.classify.adapt import (
    AdaptedClassifier,
    adapt_classifier,
    image_settings,
    peak_of_adapting,
    train_all,
)
from stopflow.learn.classify.saved import load_classifier
from stopflow.learn.classify.scores import ClassScores
from stopflow.learn.saved import save_model
from stopflow.lowrank import count_parameters
from stopflow.pipeline.checks import require_seed
from stopflow.pipeline.networks.classify import load_images
from stopflow.pipeline.networks.train import layer_rows

COLUMNS: Final = {
    "model": "model",
    "part": "images",
    "n": "n",
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
}


def adapt_to_images(
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
    rows = _rows(lora, made)
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


def _rows(
    lora: AdaptedClassifier, made: Sequence[tuple[str, AdaptedClassifier, float]]
) -> list[dict[str, Any]]:
    rows = []
    for part in lora.before:
        rows.append(_row("before", part, lora.before))
        if not made:
            rows.append(_row("after", part, lora.after))
        for way, adapted, peak_bytes in made:
            cost = {
                "learning_rate": adapted.learning_rate,
                "trained_parameters": adapted.trained_parameters,
                "processor_s": adapted.processor_s,
                "peak_MB": peak_bytes / 1e6,
            }
            rows.append({**_row(way, part, adapted.after), **cost})
    return rows


def _row(model: str, part: str, scores: Mapping[str, ClassScores]) -> dict[str, Any]:
    found = scores[part]
    return {
        "model": model,
        "part": part,
        "n": found.n,
        "accuracy": found.accuracy,
        "macro_f1": found.macro_f1,
    }
