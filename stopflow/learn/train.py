"""Training: one loop for every kind of layer.

An epoch visits every training shot once, in one of its versions. After each epoch the rates of the
train, validation and test shots are judged in s^-1; the best state is kept by the validation
error, or by the training error where nothing is set aside. The test shots decide nothing.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from stopflow import __version__
from stopflow.learn.checkpoint import (
    Checkpoint,
    load_checkpoint,
    run_fingerprint,
    save_checkpoint,
)
from stopflow.learn.data import LabData
from stopflow.learn.device import require_device
from stopflow.learn.loss import LOSSES
from stopflow.learn.model import Model
from stopflow.learn.prepare import Prepared, part_rates, prepare
from stopflow.learn.settings import SCHEDULES, TrainSettings
from stopflow.learn.split import Split, split_by_experiment
from stopflow.learn.views import TraceOf
from stopflow.lowrank import build_network, build_stepper, count_parameters

Progress = Callable[[str, int, int], None]
"""(what is being done, steps done, steps in all)."""

CHECKPOINT_EVERY_S: Final = 15.0


class TrainStatus(StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    STOPPED_EARLY = "stopped early"
    DIVERGED = "diverged"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """A finished run.

    Attributes
    ----------
    model
        The best state, on the features' own inputs.
    history
        One row an epoch: ``epoch, train_mae_per_s, [validation_mae_per_s,] test_mae_per_s, loss,
        seconds, rank_1, ...`` (a rank for each low-rank layer).
    status, reason
        ``reason`` is empty for a run that finished.
    best_epoch
        The epoch whose state was kept.
    parameters
        Trained values of the model, biases included.
    seconds
        Of the training, preparation included.
    inputs_used
        Why the coordinates were chosen.
    """

    model: Model
    split: Split
    history: tuple[dict[str, float], ...]
    status: TrainStatus
    reason: str
    best_epoch: int
    parameters: int
    seconds: float
    inputs_used: str


def train(
    data: LabData,
    settings: TrainSettings,
    *,
    split: Split | None = None,
    trace: TraceOf | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    checkpoint_every_s: float = CHECKPOINT_EVERY_S,
) -> Trained:
    """Train a network on a lab.

    Parameters
    ----------
    split
        What is held out; by default as the settings say.
    trace
        Row of the dataset's table -> trimmed (time_s, signal); without it there are no views.
    progress
        Called as ``progress("preparing" | "training", done, total)``.
    checkpoint
        File to keep the run's state in, every `checkpoint_every_s`; removed when the run is over.
    resume
        Go on from `checkpoint`; the result is that of a run that was never interrupted.

    Raises
    ------
    SettingsError
        Settings that do not fit the data or the machine.
    ModelError
        A checkpoint that cannot be resumed.
    """
    started = time.perf_counter()
    device = require_device(settings.device)
    seeds = np.random.default_rng(settings.seed).spawn(2)
    split = split or choose_split(data, settings, generator=seeds[0])
    prepared = prepare(
        data,
        split,
        settings,
        trace=trace,
        generator=seeds[1],
        device=device,
        progress=(lambda done, total: progress("preparing", done, total)) if progress else None,
    )
    run = _Run(data, settings, prepared)
    fingerprint = run_fingerprint(data, split, settings) if checkpoint else ""
    if resume and checkpoint is not None:
        run.restore(load_checkpoint(checkpoint, fingerprint=fingerprint))
    saved_at = time.perf_counter()
    while not run.is_over:
        run.epoch(since=started)
        if progress is not None:
            progress("training", run.done, settings.epochs)
        if checkpoint is not None and time.perf_counter() - saved_at >= checkpoint_every_s:
            save_checkpoint(checkpoint, run.state(), fingerprint=fingerprint)
            saved_at = time.perf_counter()
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return run.result(split, seconds=run.earlier_s + time.perf_counter() - started)


def choose_split(
    data: LabData, settings: TrainSettings, *, generator: np.random.Generator
) -> Split:
    """Split as the settings say; early stopping gets a validation experiment if it has none."""
    return split_by_experiment(
        data,
        generator=generator,
        test_experiments=settings.test_experiments,
        test_count=settings.test_count,
        validation_experiments=settings.validation_experiments,
        validation_count=max(settings.validation_count, 1 if settings.patience else 0),
    )


class _Run:
    """The state of a training run."""

    def __init__(self, data: LabData, settings: TrainSettings, prepared: Prepared) -> None:
        self._data, self._settings, self._prepared = data, settings, prepared
        self._generator = torch.Generator().manual_seed(settings.seed)
        coordinates = prepared.coordinates
        self._network = build_network(
            coordinates.dimension,
            settings.network_specs(coordinates.dimension),
            generator=self._generator,
            input_basis=coordinates.basis,
            fan_in=coordinates.fan_in,
        ).to(prepared.inputs.device)
        self._stepper = build_stepper(self._network, settings.step_settings())
        self._loss = LOSSES[settings.loss]
        self._best = _copied(self._network.state_dict())
        self._best_error, self._best_epoch = float("inf"), 0
        self._history: list[dict[str, float]] = []
        self._status, self._reason = TrainStatus.FINISHED, ""
        self.done, self._steps_done, self.earlier_s = 0, 0, 0.0

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to do."""
        return self.done >= self._settings.epochs or self._status is not TrainStatus.FINISHED

    def epoch(self, *, since: float) -> None:
        """Visit every training shot once, then judge."""
        losses = [self._step(rows) for rows in self._batches()]
        if self._status is TrainStatus.DIVERGED:
            return
        self.done += 1
        rates = {
            name: part_rates(self._network, part, self._prepared.target, self._data)
            for name, part in self._prepared.parts.items()
        }
        errors = {
            name: float(np.abs(rates[name] - part.k_actual_per_s).mean())
            for name, part in self._prepared.parts.items()
        }
        row: dict[str, float] = {"epoch": self.done}
        row |= {f"{name}_mae_per_s": errors.get(name, float("nan")) for name in self._shown()}
        row |= {"loss": float(np.mean(losses))}
        row |= {"seconds": self.earlier_s + time.perf_counter() - since}
        for number, rank in enumerate(self._stepper.ranks(), start=1):
            if rank is not None:
                row[f"rank_{number}"] = rank
        self._history.append(row)
        self._keep_best(errors.get("validation", errors["train"]))

    def _shown(self) -> tuple[str, ...]:
        validated = "validation" in self._prepared.parts
        return ("train", "validation", "test") if validated else ("train", "test")

    def _batches(self) -> tuple[Tensor, ...]:
        order = torch.randperm(self._prepared.shots, generator=self._generator)
        return order.split(self._settings.batch_size)

    def _step(self, rows: Tensor) -> float:
        """Take one step on a version of each of the rows."""
        if self._status is TrainStatus.DIVERGED:
            return float("nan")
        prepared, settings = self._prepared, self._settings
        versions = prepared.inputs.shape[0]
        chosen = torch.randint(versions, (len(rows),), generator=self._generator)
        inputs = prepared.inputs[chosen, rows]
        if prepared.drift is not None:
            normal = torch.randn(len(rows), generator=self._generator)
            size = settings.drift * normal * torch.rand(len(rows), generator=self._generator)
            size = size.to(inputs.device)
            inputs = prepared.drift.apply(inputs, prepared.tilt[chosen, rows], size)
        batches = -(-prepared.shots // settings.batch_size)
        steps = settings.epochs * batches
        self._stepper.set_learning_rate(
            settings.learning_rate * SCHEDULES[settings.schedule](self._steps_done / steps)
        )
        result = self._stepper.step(inputs, prepared.targets[chosen, rows], loss=self._loss)
        self._steps_done += 1
        if not result.finite:
            self._status = TrainStatus.DIVERGED
            self._reason = (
                f"the loss was no finite number in epoch {self.done + 1}; the state of epoch "
                f"{self._best_epoch} is kept; try a smaller learning rate or clipping"
            )
        return result.loss

    def _keep_best(self, error: float) -> None:
        if error < self._best_error:
            self._best_error, self._best_epoch = error, self.done
            self._best = _copied(self._network.state_dict())
        elif self._settings.patience and self.done - self._best_epoch >= self._settings.patience:
            self._status = TrainStatus.STOPPED_EARLY
            self._reason = f"the validation error has not improved since epoch {self._best_epoch}"

    def state(self) -> Checkpoint:
        """Everything that a resumed run needs."""
        tensors = {f"network.{name}": v for name, v in self._network.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self._best.items()}
        tensors |= {f"stepper.{name}": v for name, v in self._stepper.state_dict().items()}
        tensors["generator"] = self._generator.get_state()
        values = {
            "done": self.done,
            "steps_done": self._steps_done,
            "best_error": self._best_error,
            "best_epoch": self._best_epoch,
            "history": self._history,
            "seconds": self._history[-1]["seconds"] if self._history else 0.0,
        }
        return Checkpoint(tensors=tensors, values=values)

    def restore(self, saved: Checkpoint) -> None:
        """Take back what `state` returned."""
        device = self._prepared.inputs.device

        def part(prefix: str) -> dict[str, Tensor]:
            chosen = {n: v for n, v in saved.tensors.items() if n.startswith(prefix)}
            return {name.removeprefix(prefix): v.to(device) for name, v in chosen.items()}

        self._network.load_state_dict(part("network."))
        self._stepper.load_state_dict(part("stepper."))
        self._best = part("best.")
        self._generator.set_state(saved.tensors["generator"])
        values = saved.values
        self.done, self._steps_done = values["done"], values["steps_done"]
        self._best_error, self._best_epoch = values["best_error"], values["best_epoch"]
        self._history, self.earlier_s = list(values["history"]), values["seconds"]

    def result(self, split: Split, *, seconds: float) -> Trained:
        """Fold the best state back into the features' inputs."""
        self._network.load_state_dict(self._best)
        coordinates = self._prepared.coordinates
        model = Model(
            network=coordinates.export(self._network).eval(),
            features=self._data.features,
            standardiser=coordinates.standardiser,
            target=self._prepared.target,
            record=_record(self._settings, split, reason=coordinates.reason),
        )
        return Trained(
            model=model,
            split=split,
            history=tuple(self._history),
            status=self._status,
            reason=self._reason,
            best_epoch=self._best_epoch,
            parameters=count_parameters(model.network),
            seconds=seconds,
            inputs_used=coordinates.reason,
        )


def _copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state.items()}


def _record(settings: TrainSettings, split: Split, *, reason: str) -> dict[str, Any]:
    return {
        "stopflow": __version__,
        "torch": version("torch"),
        "numpy": version("numpy"),
        "settings": asdict(settings),
        "split": split.to_dict(),
        "seed": settings.seed,
        "inputs": reason,
    }
