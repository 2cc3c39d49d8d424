"""Smaller models from trained ones: the command compress."""

from pathlib import Path
from typing import Any

import numpy as np

from stopflow.errors import SettingsError
from stopflow.learn.classify.compress import ClassSubject
from stopflow.learn.classify.saved import is_classifier, load_classifier
from stopflow.learn.classify.scores import score_classes
from stopflow.learn.compare.results import predict_lab
from stopflow.learn.compress import Share, compress_subject
from stopflow.learn.compress_rates import RateSubject, known_rows
from stopflow.learn.data import LabData
from stopflow.learn.evaluate import measure
from stopflow.learn.model import Model
from stopflow.learn.saved import load_model, save_model
from stopflow.pipeline.find import find_model
from stopflow.pipeline.networks.classify import load_images
from stopflow.pipeline.networks.refined import (
    Refined,
    describe_network,
    judged_predictions,
    new_place,
)
from stopflow.pipeline.networks.rows import build_lab_data
from stopflow.store import is_dataset, load_dataset

COMPRESS_COLUMNS = {
    "layer": "layer",
    "rank_before": "rank",
    "rank_after": "after",
    "parameters_before": "parameters",
    "parameters_after": "after",
    "error_before": "error",
    "error_after": "after",
    "note": "",
}


def compress_model(
    model: str,
    share: Share,
    *,
    name: str | None,
    dataset: Path,
    data: Path | None = None,
    models: Path,
) -> Refined:
    """Truncate a model's layers; judge it on the dataset's shots or on images in `data`."""
    place = find_model(model, models)
    usual = f"{place.resolve().name}-compressed"
    target = new_place(usual if name is None else name, models, place)
    if is_classifier(place):
        return _compress_classifier(place, target, share, data=data)
    if data is not None:
        raise SettingsError("--data", str(data), valid="--dataset, for a model that predicts rates")
    loaded = load_model(place)
    lab = None
    if is_dataset(dataset):
        lab = build_lab_data(load_dataset(dataset), loaded.features)
    found = compress_subject(RateSubject(model_before=loaded, data=lab), share)
    save_model(
        target,
        found.model,
        metrics={
            **describe_network(found.model.network, found.parameters_after, table=found.rows()),
            "test": None if lab is None else _test_metrics(found.model, lab),
        },
        predictions=() if lab is None else judged_predictions(found.model, lab),
    )
    return Refined(
        rows=found.rows(),
        columns=COMPRESS_COLUMNS,
        written=(target,),
        judgement=found.judgement,
        use=f"use it with: stopflow predict {target.name} FOLDER",
    )


def _compress_classifier(place: Path, target: Path, share: Share, *, data: Path | None) -> Refined:
    images = None if data is None else load_images(data)
    subject = ClassSubject(classifier=load_classifier(place), data=images)
    found = compress_subject(subject, share)
    metrics = describe_network(found.model.network, found.parameters_after, table=found.rows())
    if images is not None:
        rows = np.arange(images.first_test, len(images))
        predicted = found.model.predict(images.inputs[rows])
        scores = score_classes(predicted, images.labels[rows], classes=images.classes)
        metrics |= {"test": scores.to_dict(), "task": "classification"}
    save_model(target, found.model, metrics=metrics)
    return Refined(
        rows=found.rows(),
        columns=COMPRESS_COLUMNS,
        written=(target,),
        judgement=found.judgement,
        use="it lies beside the model it was made from",
    )


def _test_metrics(model: Model, lab: LabData) -> dict[str, Any]:
    rows = known_rows(model, lab, held_out=True)
    return measure(predict_lab(model, lab)[rows], lab.k_actual_per_s[rows]).to_dict()
