"""Another set of images for a trained classifier: by low-rank additions (LoRA), or all of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch

from stopflow.errors import ModelError
from stopflow.learn.classify.data import ClassData
from stopflow.learn.classify.model import Classifier
from stopflow.learn.classify.scores import ClassScores, score_classes
from stopflow.learn.classify.train import class_settings, split_by_settings, train_classifier
from stopflow.learn.device import one_thread
from stopflow.learn.judge import Judgement, judge
from stopflow.learn.memory import peak_memory
from stopflow.learn.settings import TrainSettings
from stopflow.learn.split import Split
from stopflow.lowrank import adapt, merge
from stopflow.workers import worker_processes

LORA_RATE: Final = 3e-3
FULL_RATES: Final = (3e-3, 1e-3, 3e-4, 1e-4, 3e-5)
"""Of these full fine-tuning takes the best by validation accuracy."""

VALIDATION_SHARE: Final = 0.2
PEAK_ROWS: Final = 2000
"""Images that the measurement of memory trains on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AdaptedClassifier:
    """A classifier fine-tuned to other images.

    Attributes
    ----------
    model
        With additions merged in.
    before, after
        Scores of the given and of the new classifier on ``"train"`` and ``"test"``.
    trained_parameters
        Values that were trained.
    learning_rate
        Step size at the top of the schedule.
    processor_s
        Processor time of the training, preparation included; that of a search is not.
    judgement
        Whether the new classifier is worse on the test images.
    """

    model: Classifier
    history: tuple[dict[str, float], ...]
    before: Mapping[str, ClassScores]
    after: Mapping[str, ClassScores]
    trained_parameters: int
    learning_rate: float
    processor_s: float
    judgement: Judgement


def image_settings(data: ClassData, **changes: Any) -> TrainSettings:
    """Return settings of a fine-tuning run; those that describe a network are not used."""
    count = int(VALIDATION_SHARE * data.first_test)
    usual = {"epochs": 10, "learning_rate": LORA_RATE, "validation_count": count}
    return class_settings(**{"layer": "dense", "optimiser": "adam", **usual, **changes})


def adapt_classifier(
    classifier: Classifier, data: ClassData, settings: TrainSettings, *, rank: int
) -> AdaptedClassifier:
    """Fine-tune additions of a rank to each layer on the training images of a set.

    Raises
    ------
    ModelError
        Images of another size, or labels that the classifier does not know.
    SettingsError
        A rank that is out of range, layers that cannot be adapted.
    """
    _require_fitting(classifier, data)
    generator = torch.Generator().manual_seed(settings.seed)
    start = replace(classifier, network=adapt(classifier.network, rank, generator=generator))
    return _fine_tuned(classifier, start, data, settings, described={"rank": rank})


def train_all(
    classifier: Classifier, data: ClassData, settings: TrainSettings
) -> AdaptedClassifier:
    """Fine-tune all weights, at the best of `FULL_RATES` by validation accuracy."""
    _require_fitting(classifier, data)
    chosen = replace(settings, layers=classifier.network.specs, optimiser=None)
    split = split_by_settings(data, chosen)
    blind = replace(split, test=np.empty(0, dtype=np.intp))
    found = {}
    for rate in FULL_RATES:
        tried = replace(chosen, learning_rate=rate)
        trained = train_classifier(data, tried, split=blind, start=classifier)
        judged = (row["validation_accuracy"] for row in trained.history)
        found[rate] = max(judged, default=0.0)  # 0: it diverged in its first epoch
    best = replace(chosen, learning_rate=max(found, key=lambda rate: found[rate]))
    return _fine_tuned(classifier, classifier, data, best, described={"rank": None})


def peak_of_adapting(
    classifier: Classifier, data: ClassData, settings: TrainSettings, *, rank: int | None
) -> float:
    """Return the peak memory of an epoch on a few images in a process of its own, in bytes.

    `rank` None: of full fine-tuning.
    """
    once = replace(settings, epochs=1, validation_count=0)
    with worker_processes(1) as pool:
        return pool.submit(_peak, classifier, _first_rows(data, PEAK_ROWS), once, rank).result()


def _first_rows(data: ClassData, most: int) -> ClassData:
    """Return the first training images and ten test images."""
    count = min(most, data.first_test)
    kept = np.r_[:count, data.first_test : min(data.first_test + 10, len(data))]
    return replace(data, inputs=data.inputs[kept], labels=data.labels[kept], first_test=count)


def _peak(
    classifier: Classifier, data: ClassData, settings: TrainSettings, rank: int | None
) -> float:
    """Measure one epoch.

    A small network that was trained before has loaded what every training loads. It is trained on
    few images, for the memory that it lets go of would be taken again without being counted.
    """
    with one_thread():
        few = _first_rows(data, settings.batch_size)
        train_classifier(few, replace(settings, hidden=(2,)))
        start, chosen = classifier, replace(settings, layers=classifier.network.specs)
        with peak_memory(torch.device("cpu")) as peak:
            if rank is not None:
                generator = torch.Generator().manual_seed(settings.seed)
                network = adapt(classifier.network, rank, generator=generator)
                start, chosen = replace(classifier, network=network), settings
            train_classifier(data, chosen, start=start)
    return peak.bytes


def _fine_tuned(
    classifier: Classifier,
    start: Classifier,
    data: ClassData,
    settings: TrainSettings,
    *,
    described: Mapping[str, Any],
) -> AdaptedClassifier:
    """Train from `start`; additions of its network are merged in the end."""
    started = time.process_time()
    trained = train_classifier(data, settings, start=start)
    processor_s = time.process_time() - started
    network = trained.model.network
    if described["rank"] is not None:
        network = merge(network).eval()
    record = {**classifier.record, "adapted": {**described, "data": data.name}}
    model = replace(classifier, network=network, record=record)
    split = trained.split
    wrong = [
        (one.predict(data.inputs[split.test]) != data.labels[split.test]).astype(float)
        for one in (classifier, model)
    ]
    return AdaptedClassifier(
        model=model,
        history=trained.history,
        before=_scores(classifier, data, split),
        after=_scores(model, data, split),
        trained_parameters=trained.trained_parameters,
        learning_rate=settings.peak_rate,
        processor_s=processor_s,
        judgement=judge("error rate", *wrong, counted=True),
    )


def _scores(classifier: Classifier, data: ClassData, split: Split) -> dict[str, ClassScores]:
    return {
        part: score_classes(
            classifier.predict(data.inputs[rows]), data.labels[rows], classes=classifier.classes
        )
        for part, rows in (("train", split.train), ("test", split.test))
    }


def _require_fitting(classifier: Classifier, data: ClassData) -> None:
    found = (data.n_inputs, data.classes)
    if found[0] != classifier.network.n_inputs or found[1] > classifier.classes:
        raise ModelError(
            f"the model takes {classifier.network.n_inputs} pixels and distinguishes "
            f"{classifier.classes} classes; {data.name} has {found[0]} and {found[1]}"
        )
