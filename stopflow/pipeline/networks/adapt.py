"""Models fine-tuned to another lab, or to other images: the command adapt."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stopflow.errors import SettingsError
from stopflow.learn.adapt import adapt_model, adapt_settings
from stopflow.learn.adapt_cost import AdaptationCost, adapt_beside_full
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
from stopflow.learn.evaluate import Metrics
from stopflow.learn.saved import load_model, save_model
from stopflow.lowrank import count_parameters
from stopflow.pipeline.checks import require_seed
from stopflow.pipeline.find import find_model
from stopflow.pipeline.lab.ingest import ingest, ingest_settings
from stopflow.pipeline.networks.classify import load_images
from stopflow.pipeline.networks.refined import Refined, describe_network, new_place
from stopflow.pipeline.networks.rows import build_lab_data
from stopflow.pipeline.networks.train import trace_of
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
Way = tuple[str, Mapping[str, Any], Mapping[str, float]]
"""A way of fine-tuning: its name, its scores by part, and what it cost."""


def adapt_and_save(
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
    given = {"epochs": epochs, "learning_rate": learning_rate, "seed": require_seed(seed)}
    changes = {key: value for key, value in given.items() if value is not None}
    if is_classifier(place):
        return _adapt_to_images(
            place, target, folder, changes=changes, rank=rank, beside_full=beside_full
        )
    loaded = load_model(place)
    settings = adapt_settings(**changes)
    with tempfile.TemporaryDirectory(prefix="stopflow-") as scratch:
        dataset = ingest(
            folder, out=Path(scratch) / "ingested", settings=ingest_settings(), progress=progress
        )
        lab = build_lab_data(dataset, loaded.features)
        trace = trace_of(dataset)
        if beside_full:
            found, costs = adapt_beside_full(loaded, lab, settings, rank=rank, trace=trace)
            ways = [(one.way, one.metrics, _cost(one, one.peak_bytes)) for one in costs]
            rows = _rows(found.before, ways, Metrics.to_dict)
        else:
            found = adapt_model(loaded, lab, settings, rank=rank, trace=trace, progress=progress)
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


def _adapt_to_images(
    place: Path,
    target: Path,
    folder: Path,
    *,
    changes: Mapping[str, Any],
    rank: int,
    beside_full: bool,
) -> Refined:
    """Fine-tune the classifier in `place` to the IDX files of `folder`; save it in `target`."""
    if not folder.is_dir():
        raise SettingsError("FOLDER", str(folder), valid="a folder of IDX files")
    classifier, data = load_classifier(place), load_images(folder)
    settings = image_settings(data, **changes)
    lora = adapt_classifier(classifier, data, settings, rank=rank)
    ways: list[Way] = [("after", lora.after, {})]
    if beside_full:
        peak = peak_of_adapting(classifier, data, settings, rank=rank)
        full_peak = peak_of_adapting(classifier, data, settings, rank=None)
        full = train_all(classifier, data, settings)
        ways = [
            ("LoRA", lora.after, _cost(lora, peak)),
            ("in full", full.after, _cost(full, full_peak)),
        ]
    rows = _rows(lora.before, ways, _image_scores)
    network = lora.model.network
    save_model(
        target,
        lora.model,
        metrics={
            "task": "classification",
            **describe_network(network, count_parameters(network), table=rows),
            **{part: scores.to_dict() for part, scores in lora.after.items()},
        },
        history=lora.history,
    )
    return Refined(
        rows=rows,
        columns=IMAGE_COLUMNS | (COST_COLUMNS if beside_full else {}),
        written=(target,),
        judgement=lora.judgement,
        use="it lies beside the model it was made from",
    )


def _rows(
    before: Mapping[str, Any], ways: Sequence[Way], describe: Callable[[Any], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the scores before, and those after each way with its cost, part by part."""
    return [
        {"model": name, "part": part, **describe(scores[part]), **cost}
        for part in before
        for name, scores, cost in (("before", before, {}), *ways)
    ]


def _cost(measured: AdaptationCost | AdaptedClassifier, peak_bytes: float) -> dict[str, float]:
    return {
        "learning_rate": measured.learning_rate,
        "trained_parameters": measured.trained_parameters,
        "processor_s": measured.processor_s,
        "peak_MB": peak_bytes / 1e6,
    }


def _image_scores(found: ClassScores) -> dict[str, Any]:
    return {"n": found.n, "accuracy": found.accuracy, "macro_f1": found.macro_f1}
