"""Training a classifier: rows from images, then the one loop."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from stopflow.errors import SettingsError
from stopflow.learn.classify.data import ClassData, split_rows
from stopflow.learn.classify.model import Classifier
from stopflow.learn.classify.scores import score_classes
from stopflow.learn.classify.shift import RandomShift
from stopflow.learn.classify.task import ClassTask
from stopflow.learn.device import require_device
from stopflow.learn.settings import TrainSettings
from stopflow.learn.split import Split
from stopflow.learn.standardiser import Standardiser
from stopflow.learn.training.checkpoint import run_fingerprint
from stopflow.learn.training.coordinates import Coordinates
from stopflow.learn.training.course import CHECKPOINT_EVERY_S, Interruptible, OnEpoch, Progress
from stopflow.learn.training.rows import TaskRows
from stopflow.learn.training.train import Trained, train_rows

CLASS_DEFAULTS: Final[Mapping[str, Any]] = {
    "hidden": (256, 128),
    "activation": "relu",
    "rank": 20,
    "epochs": 10,
    "batch_size": 64,
    "loss": "cross-entropy",
    "directions": 0,
    "augmentations": 0,
    "drift": 0.0,
    "row_space": "off",
    "validation_count": 10_000,
}
"""Defaults of `class_settings` that differ from those of `TrainSettings`."""

RATES_ONLY: Final = frozenset(
    {
        "features",
        "pairs",
        "labels",
        "directions",
        "whitening",
        "augmentations",
        "drift",
        "row_space",
        "test_experiments",
        "test_count",
        "validation_experiments",
    }
)
"""Settings that say nothing about images."""

JUDGED_ROWS: Final = 10_000
"""Most training rows that are judged after an epoch."""


def class_settings(**changes: Any) -> TrainSettings:
    """Return the usual settings of a classifier with changes.

    Raises
    ------
    SettingsError
        A setting of `RATES_ONLY`, or one that is out of range.
    """
    refuse_rates_only(changes)
    return TrainSettings(**{**CLASS_DEFAULTS, **changes})


def refuse_rates_only(values: Mapping[str, Any]) -> None:
    """Raise a `SettingsError` for a setting that says nothing about images."""
    for name in values:
        if name in RATES_ONLY:
            valid = sorted(set(TrainSettings.__slots__) - RATES_ONLY)
            raise SettingsError(f"{name} (for rates only)", values[name], valid=", ".join(valid))


def train_classifier(
    data: ClassData,
    settings: TrainSettings,
    *,
    split: Split | None = None,
    start: Classifier | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    checkpoint_every_s: float = CHECKPOINT_EVERY_S,
    progress: Progress | None = None,
    on_epoch: OnEpoch | None = None,
) -> Trained[Classifier]:
    """Train on the rows of `data`.

    Parameters
    ----------
    start
        A classifier that is trained further; without, a network of `settings`.
    split, checkpoint, resume, checkpoint_every_s, progress, on_epoch
        As in `learn.training.train`.

    Raises
    ------
    SettingsError
        Layers that do not fit the data.
    """
    started = time.perf_counter()
    settings.require_inputs(data.n_inputs)
    split = split or split_by_settings(data, settings)
    standardiser = None if start is None else start.standardiser
    rows, coordinates = _prepare(data, split, settings, standardiser)
    kept = None
    if checkpoint is not None:
        arrays = (data.inputs, data.labels, split.train, split.validation)
        fingerprint = run_fingerprint(arrays, settings)
        kept = Interruptible(
            path=checkpoint, resume=resume, fingerprint=fingerprint, every_s=checkpoint_every_s
        )
    return train_rows(
        rows,
        coordinates,
        settings,
        split=split,
        started=started,
        network=None if start is None else start.network,
        kept=kept,
        progress=progress,
        on_epoch=on_epoch,
    )


def split_by_settings(data: ClassData, settings: TrainSettings) -> Split:
    """Set rows aside as the settings say."""
    return split_rows(
        data,
        validation_count=settings.validation_count,
        generator=np.random.default_rng(settings.seed),
    )


def class_metrics(trained: Trained[Classifier], data: ClassData) -> dict[str, Any]:
    """Return the content of metrics.json: scores of each part, size, time, split."""
    split = trained.split
    parts = {"test": split.test, "train": split.train, "validation": split.validation}
    scores = {
        name: score_classes(
            trained.model.predict(data.inputs[rows]), data.labels[rows], classes=data.classes
        ).to_dict()
        for name, rows in parts.items()
        if rows.size
    }
    return scores | {"task": "classification"} | trained.summary()


def _prepare(
    data: ClassData, split: Split, settings: TrainSettings, standardiser: Standardiser | None
) -> tuple[TaskRows, Coordinates]:
    """Put the rows on the device, in units of their own or of a `standardiser` that is given."""
    device = require_device(settings.device)
    if standardiser is None:
        plain = Standardiser.identity(data.n_inputs)
        standardiser = one_scale(data, split) if settings.standardise else plain
    coordinates = Coordinates(
        standardiser=standardiser,
        matrix=None,
        fan_in=data.n_inputs,
        basis=None,
        reason=f"all {data.n_inputs} pixels",
    )
    inputs = coordinates.project(data.inputs[split.train]).to(device)
    parts = {"train": inputs[:JUDGED_ROWS]}
    for name in ("validation", "test"):
        members = getattr(split, name)
        if members.size:
            parts[name] = coordinates.project(data.inputs[members]).to(device)
    labels = {
        name: torch.from_numpy(data.labels[getattr(split, name)]).to(device) for name in parts
    }
    targets = labels["train"]
    labels["train"] = labels["train"][:JUDGED_ROWS]
    task = ClassTask(n_outputs=data.classes, loss_name=settings.loss, labels=labels)
    shift = None
    if settings.shift:
        black = -standardiser.mean[0] / standardiser.scale[0]
        rows, columns = data.size
        shift = RandomShift.up_to(settings.shift, rows=rows, columns=columns, background=black)
    prepared = TaskRows(
        inputs=inputs[None], targets=targets[None], parts=parts, task=task, augment=shift
    )
    return prepared, coordinates


def one_scale(data: ClassData, split: Split) -> Standardiser:
    """Centre and scale all pixels alike: their differences in size say what matters."""
    values = data.inputs[split.train]
    mean, scale = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
    return Standardiser(
        mean=np.full(data.n_inputs, mean), scale=np.full(data.n_inputs, scale or 1.0)
    )
