"""The state of a training run: steps, epochs, the best state, interruption and resumption."""

import time
from enum import StrEnum
from typing import Final

import numpy as np
import torch
from torch import Tensor

from stopflow.learn.learning_rates import SCHEDULES
from stopflow.learn.settings import TrainSettings
from stopflow.learn.training.checkpoint import Checkpoint
from stopflow.learn.training.rows import TaskRows
from stopflow.learn.training.spectra import spectra_columns
from stopflow.lowrank import Network, build_stepper, count_parameters

ROWS_AT_ONCE: Final = 256
"""Rows judged together, which fit into the processor's cache."""
MOST_JUDGED: Final = 500
"""Largest number of judged epochs; a longer run judges every second or third one, and so on."""
WATCHED_ROWS: Final = 512
LARGE_NETWORK: Final = 1_000_000
"""Values of a network, in the coordinates in which it is trained, from which on several threads are
used: the products of a smaller one are over before a second thread has begun."""


class TrainStatus(StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    STOPPED_EARLY = "stopped early"
    DIVERGED = "diverged"


class Run:
    """The state of a training run of any network on prepared rows.

    `history`, `status`, `reason` and `best_epoch` describe its course; `best` loads the best state
    into the network and returns the network.
    """

    def __init__(
        self,
        settings: TrainSettings,
        prepared: TaskRows,
        network: Network,
        *,
        generator: torch.Generator,
    ) -> None:
        self._settings, self._prepared, self._task = settings, prepared, prepared.task
        self._generator = generator
        self._network = network.to(prepared.inputs.device)
        self._batches = -(-prepared.shots // settings.batch_size)
        self._steps = settings.epochs * self._batches
        self._judge_every = -(-settings.epochs // MOST_JUDGED)
        self._stepper = build_stepper(self._network, settings.step_settings(self._steps))
        self._loss = self._task.loss(network)
        self._best = self._network.state_dict()
        self._best_error, self.best_epoch = float("inf"), 0
        self.history: list[dict[str, float]] = []
        self.status, self.reason = TrainStatus.FINISHED, ""
        self.done, self._steps_done, self.earlier_s, self._judging_s = 0, 0, 0.0, 0.0

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to do."""
        return self.done >= self._settings.epochs or self.status is not TrainStatus.FINISHED

    @property
    def is_large(self) -> bool:
        """Whether a step is so much work that several threads are worth their waiting."""
        return count_parameters(self._network) >= LARGE_NETWORK

    @property
    def stored(self) -> int:
        """How many values are kept between steps: parameters, moments and buffers."""
        return self._stepper.stored()

    def epoch(self, *, since: float) -> None:
        """Visit every training row once, then judge the network if it is due."""
        order = torch.randperm(self._prepared.shots, generator=self._generator)
        losses = [self._step(rows) for rows in order.split(self._settings.batch_size)]
        if self.status is TrainStatus.DIVERGED:
            return
        self.done += 1
        if self.done % self._judge_every == 0 or self.is_over:
            self._judge(float(np.mean(losses)), since=since)

    def _judge(self, loss: float, *, since: float) -> None:
        """Add a row to the history and keep the state if it is the best so far."""
        started = time.perf_counter()
        judged = {
            name: self._task.judge(name, self._outputs(rows))
            for name, rows in self._prepared.parts.items()
        }
        row: dict[str, float] = {"epoch": self.done, "step": self._steps_done}
        for part in self._shown():
            found = judged.get(part, {})
            row |= {f"{part}_{name}": found.get(name, np.nan) for name in self._task.columns}
        if self._settings.track_spectra:
            row |= spectra_columns(self._network, *self._watched(), loss=self._loss)
        now = time.perf_counter()
        self._judging_s += now - started
        row |= {
            "loss": loss,
            "seconds": self.earlier_s + now - since,
            "judging_s": self._judging_s,
        }
        for number, rank in enumerate(self._stepper.ranks(), start=1):
            if rank is not None:
                row[f"rank_{number}"] = rank
        latest = {place: record.value for place, record in self._stepper.stabilities()}
        for place, layer in enumerate(self._network.chain):
            if hasattr(layer, "stability"):
                row[f"stability_{place + 1}"] = latest.get(place, np.nan)
        self.history.append(row)
        self._keep_best(self._task.error(judged.get("validation", judged["train"])))

    def _watched(self) -> tuple[Tensor, Tensor]:
        """Return the first training rows, of which the gradient's spectrum is taken."""
        prepared = self._prepared
        return prepared.inputs[0, :WATCHED_ROWS], prepared.targets[0, :WATCHED_ROWS]

    @torch.no_grad()
    def _outputs(self, rows: Tensor) -> Tensor:
        return torch.cat([self._network(part) for part in rows.split(ROWS_AT_ONCE)])

    def _shown(self) -> tuple[str, ...]:
        validated = "validation" in self._prepared.parts
        return ("train", "validation", "test") if validated else ("train", "test")

    def _step(self, rows: Tensor) -> float:
        """Take one step on a version of each of the rows."""
        if self.status is TrainStatus.DIVERGED:
            return float("nan")
        prepared, settings = self._prepared, self._settings
        versions = prepared.inputs.shape[0]
        chosen = torch.randint(versions, (len(rows),), generator=self._generator)
        inputs = prepared.inputs[chosen, rows]
        if prepared.augment is not None:
            inputs = prepared.augment(inputs, (chosen, rows), self._generator)
        self._stepper.set_learning_rate(
            settings.peak_rate * SCHEDULES[settings.schedule](self._steps_done / self._steps)
        )
        result = self._stepper.step(inputs, prepared.targets[chosen, rows], loss=self._loss)
        self._steps_done += 1
        if not result.finite:
            self.status = TrainStatus.DIVERGED
            self.reason = (
                f"epoch {self.done + 1}, {result.explain()}; the state of epoch "
                f"{self.best_epoch} is kept"
            )
        return result.loss

    def _keep_best(self, error: float) -> None:
        if error < self._best_error:
            self._best_error, self.best_epoch = error, self.done
            self._best = self._network.state_dict()
        elif self._settings.patience and self.done - self.best_epoch >= self._settings.patience:
            self.status = TrainStatus.STOPPED_EARLY
            self.reason = f"the validation error has not improved since epoch {self.best_epoch}"

    def state(self, *, since: float) -> Checkpoint:
        """Everything that a resumed run needs."""
        tensors = {f"network.{name}": v for name, v in self._network.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self._best.items()}
        tensors |= {f"stepper.{name}": v for name, v in self._stepper.state_dict().items()}
        tensors["generator"] = self._generator.get_state()
        values = {
            "done": self.done,
            "steps_done": self._steps_done,
            "best_error": self._best_error,
            "best_epoch": self.best_epoch,
            "history": self.history,
            "seconds": self.earlier_s + time.perf_counter() - since,
            "judging_s": self._judging_s,
        }
        return Checkpoint(tensors=tensors, values=values)

    def restore(self, saved: Checkpoint) -> None:
        """Restore what `state` returned."""
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
        self._best_error, self.best_epoch = values["best_error"], values["best_epoch"]
        self.history = list(values["history"])
        self.earlier_s, self._judging_s = values["seconds"], values["judging_s"]

    def best(self) -> Network:
        """Return the network in the state of its best epoch."""
        self._network.load_state_dict(self._best)
        return self._network
