"""Training: one loop for every kind of layer and every task.

An epoch visits every training row once, in one of its versions. After an epoch the network is
judged on the training, validation and test rows as its task prescribes (in a long run after 500 of
the epochs only). The state with the smallest validation error is kept or, where nothing is set
aside for validation, that with the smallest training error. The test rows have no influence.
"""

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch

from stopflow import __version__
from stopflow.learn.data import LabData
from stopflow.learn.device import require_device
from stopflow.learn.model import Model
from stopflow.learn.settings import TrainSettings
from stopflow.learn.split import Split, split_by_experiment
from stopflow.learn.training.augment import TraceOf
from stopflow.learn.training.checkpoint import load_checkpoint, run_fingerprint
from stopflow.learn.training.coordinates import Coordinates
from stopflow.learn.training.course import (
    CHECKPOINT_EVERY_S,
    Interruptible,
    OnEpoch,
    Progress,
    run_through,
)
from stopflow.learn.training.prepare import Prepared, prepare
from stopflow.learn.training.rows import TaskRows
from stopflow.learn.training.run import Run, TrainStatus
from stopflow.lowrank import Network, build_network, count_parameters


class Recorded(Protocol):
    """A model that says how it came to be."""

    @property
    def record(self) -> Mapping[str, Any]:
        """Settings, split, seed and versions."""
        ...


M = TypeVar("M", bound=Recorded)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained(Generic[M]):
    """A finished run.

    Attributes
    ----------
    model
        The best state, on the features' own inputs.
    history
        One row a judged epoch (every one of up to 500, then every second, third, ...): ``epoch,
        step, train_NAME, [validation_NAME,] test_NAME, loss, seconds, judging_s, rank_1, ...``,
        NAME being each of the columns of the task (``mae_per_s`` for rates; a rank for each
        low-rank layer, and the last stability of each OIALR layer once it has one, as
        ``stability_1, ...``; with `track_spectra` what `learn.training.spectra` measures;
        `judging_s` is the part of `seconds` that went into the errors of this
        table).
    status, reason
        ``reason`` is empty for a run that finished.
    epochs, best_epoch
        Epochs trained, and the one whose state was kept.
    parameters, trained_parameters
        Number of values of the model, biases included, and of those that were trained to the end
        (frozen bases were not).
    stored
        Number of values kept between steps: parameters, moments and buffers.
    seconds
        Duration of the training, preparation included.
    inputs_used
        Why the coordinates were chosen.
    """

    model: M
    split: Split
    history: tuple[dict[str, float], ...]
    status: TrainStatus
    reason: str
    epochs: int
    best_epoch: int
    parameters: int
    trained_parameters: int
    stored: int
    seconds: float
    inputs_used: str

    def summary(self) -> dict[str, Any]:
        """Return what metrics.json says of a run, whatever its task."""
        return {
            "parameters": self.parameters,
            "seconds": self.seconds,
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "seed": self.model.record["seed"],
            "split": self.split.to_dict(),
            "status": str(self.status),
            "reason": self.reason,
            "inputs": self.inputs_used,
        }


def train(
    data: LabData,
    settings: TrainSettings,
    *,
    split: Split | None = None,
    trace: TraceOf | None = None,
    prepared: Prepared | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    checkpoint_every_s: float = CHECKPOINT_EVERY_S,
) -> Trained[Model]:
    """Train a network on a lab.

    Parameters
    ----------
    split
        What is held out; by default as the settings say.
    trace
        Row of the dataset's table -> trimmed (time_s, signal); without it no row is augmented.
    prepared
        The result of `prepare_run` for the same data, split, seed and trace and for settings that
        differ in the layers and their step size only. Its duration is included in `seconds`.
    progress
        Called as ``progress("preparing" | "training", done, total)``.
    checkpoint
        File in which the state is saved every `checkpoint_every_s`; remove it once the model is
        saved.
    resume
        Continue from `checkpoint`; the result is that of an uninterrupted run.

    Raises
    ------
    SettingsError
        When the settings do not suit the data or the machine.
    ModelError
        When the checkpoint cannot be resumed.
    """
    started = time.perf_counter()
    split = split or choose_split(data, settings, generator=_generators(settings)[0])
    if prepared is None:
        prepared = prepare_run(data, split, settings, trace=trace, progress=progress)
    else:
        started -= prepared.seconds
    kept = None
    if checkpoint is not None:
        arrays = (data.inputs, data.window_s, data.k_label_per_s, split.train, split.validation)
        kept = Interruptible(
            path=checkpoint,
            resume=resume,
            fingerprint=run_fingerprint(arrays, settings),
            every_s=checkpoint_every_s,
        )
    return train_rows(
        prepared,
        prepared.coordinates,
        settings,
        split=split,
        started=started,
        kept=kept,
        progress=progress,
    )


def train_rows(
    rows: TaskRows,
    coordinates: Coordinates,
    settings: TrainSettings,
    *,
    split: Split,
    started: float,
    network: Network | None = None,
    kept: Interruptible | None = None,
    progress: Progress | None = None,
    on_epoch: OnEpoch | None = None,
) -> Trained[Any]:
    """Train a network on prepared rows; their task turns it into a model.

    Parameters
    ----------
    coordinates
        Coordinates of the rows.
    split
        What is held out, for the record.
    started
        `time.perf_counter()` when the preparation began.
    network
        A network in these coordinates, a copy of which is trained further; None to build one from
        the settings.
    """
    task = rows.task
    generator = torch.Generator().manual_seed(settings.seed)
    if network is None:
        network = build_network(
            coordinates.dimension,
            settings.network_specs(coordinates.dimension, n_outputs=task.n_outputs),
            generator=generator,
            input_basis=coordinates.basis,
            fan_in=coordinates.fan_in,
            initial_decay=settings.initial_decay,
        )
    else:
        network = copy.deepcopy(network)
    run = Run(settings, rows, network, generator=generator)
    if kept is not None and kept.resume:
        run.restore(load_checkpoint(kept.path, fingerprint=kept.fingerprint))
    run_through(run, settings, started=started, kept=kept, progress=progress, on_epoch=on_epoch)
    model = task.finish(
        coordinates.export(run.best()).eval(),
        coordinates.standardiser,
        _record(settings, split, reason=coordinates.reason),
    )
    return Trained(
        model=model,
        split=split,
        history=tuple(run.history),
        status=run.status,
        reason=run.reason,
        epochs=run.done,
        best_epoch=run.best_epoch,
        parameters=count_parameters(model.network),
        trained_parameters=sum(p.numel() for p in network.parameters() if p.requires_grad),
        stored=run.stored,
        seconds=run.earlier_s + time.perf_counter() - started,
        inputs_used=coordinates.reason,
    )


def prepare_run(
    data: LabData,
    split: Split,
    settings: TrainSettings,
    *,
    trace: TraceOf | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Prepare the rows that the training loop runs on."""
    return prepare(
        data,
        split,
        settings,
        trace=trace,
        generator=_generators(settings)[1],
        device=require_device(settings.device),
        progress=(lambda done, total: progress("preparing", done, total)) if progress else None,
    )


def _generators(settings: TrainSettings) -> list[np.random.Generator]:
    """Return a generator for the split and one for the augmentations."""
    return np.random.default_rng(settings.seed).spawn(2)


def choose_split(
    data: LabData, settings: TrainSettings, *, generator: np.random.Generator
) -> Split:
    """Split the data as the settings prescribe."""
    return split_by_experiment(
        data,
        generator=generator,
        test_experiments=settings.test_experiments,
        test_count=settings.test_count,
        validation_experiments=settings.validation_experiments,
        validation_count=settings.set_aside,
    )


def _record(settings: TrainSettings, split: Split, *, reason: str) -> dict[str, Any]:
    return {
        "stopflow": __version__,
        "torch": version("torch"),
        "numpy": version("numpy"),
        "settings": settings.to_record(),
        "split": split.to_dict(),
        "seed": settings.seed,
        "inputs": reason,
    }
