"""Preparation of a lab for training; nothing is learned from held-out rows."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from stopflow.features import FEATURES
from stopflow.learn.data import LabData, Numbers
from stopflow.learn.model import TargetScale
from stopflow.learn.settings import TrainSettings
from stopflow.learn.split import Split
from stopflow.learn.training.augment import Drift, RandomDrift, TraceOf, training_rows
from stopflow.learn.training.coordinates import Coordinates, choose_coordinates
from stopflow.learn.training.rate_task import RateTask
from stopflow.learn.training.rows import TaskRows
from stopflow.trace import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared(TaskRows):
    """Rows of a lab on the device.

    Attributes
    ----------
    task
        How the rates of each part are learned and judged.
    coordinates
        What the rows are in.
    seconds
        How long the preparation took.
    """

    task: RateTask
    coordinates: Coordinates
    seconds: float


def prepare(
    data: LabData,
    split: Split,
    settings: TrainSettings,
    *,
    trace: TraceOf | None,
    generator: np.random.Generator,
    device: torch.device,
    coordinates: Coordinates | None = None,
    target: TargetScale | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Standardise, choose coordinates and augment, all from the training rows alone.

    `coordinates` and `target` are given when a trained model is trained further.
    """
    started = time.perf_counter()
    if coordinates is None:
        as_recorded = _encode(data, split.train, np.log(data.window_s[split.train]))
        coordinates = choose_coordinates(data, split.train, as_recorded, settings)
    drawn = training_rows(
        data,
        split.train,
        coordinates,
        augmentations=settings.augmentations if FEATURES[data.features.kind].dimensionless else 0,
        trace=trace,
        generator=generator,
        progress=progress,
    )
    encoded = _encode(data, split.train, drawn.log_window)
    target = target or _target(encoded, settings)
    targets = torch.from_numpy((encoded - target.mean) / target.scale).float()[..., None]
    drift = None
    if settings.drift and settings.standardise and data.features.kind == "shape":
        found = Drift.of(coordinates, data)
        drift = RandomDrift(
            drift=Drift(slope=found.slope.to(device), origin=found.origin.to(device)),
            tilt=drawn.tilt.to(device),
            size=settings.drift,
        )
    inputs = drawn.inputs.to(device)
    members = {name: getattr(split, name) for name in ("train", "validation", "test")}
    parts = {"train": inputs[0]}
    for name in ("validation", "test"):
        if members[name].size:
            parts[name] = coordinates.project(data.inputs, chosen=members[name]).to(device)
    return Prepared(
        inputs=inputs,
        targets=targets.to(device),
        parts=parts,
        augment=drift,
        coordinates=coordinates,
        task=RateTask(
            target=target,
            features=data.features,
            loss_name=settings.loss,
            window_s={name: data.window_s[rows] for name, rows in members.items()},
            k_actual_per_s={name: data.k_actual_per_s[rows] for name, rows in members.items()},
        ),
        seconds=time.perf_counter() - started,
    )


def _target(encoded: FloatArray, settings: TrainSettings) -> TargetScale:
    if not settings.standardise:
        return TargetScale()
    return TargetScale(mean=float(encoded.mean()), scale=float(encoded.std()) or 1.0)


def _encode(data: LabData, rows: Numbers, log_window: FloatArray) -> FloatArray:
    rates = np.broadcast_to(data.k_label_per_s[rows], log_window.shape)
    if not FEATURES[data.features.kind].dimensionless:
        return np.array(rates)
    return np.log(rates) + log_window
