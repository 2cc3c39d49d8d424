"""One variant of a published row, trained with one seed: as it was published, or by our methods."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from stopflow.learn.classify.compress import ClassSubject
from stopflow.learn.classify.data import ClassData, split_rows
from stopflow.learn.classify.model import Classifier
from stopflow.learn.classify.scores import score_classes
from stopflow.learn.classify.train import JUDGED_ROWS, split_by_settings, train_classifier
from stopflow.learn.compress import NotSmallerError, Share, compress_subject
from stopflow.learn.data import LabData
from stopflow.learn.published.reference import AsPublished, Reference, published_values
from stopflow.learn.published.step_time import ratio_to_dense
from stopflow.learn.settings import TrainSettings
from stopflow.learn.split import Split
from stopflow.learn.training.augment import TraceOf
from stopflow.learn.training.train import Trained, train
from stopflow.lowrank import Network, count_parameters

RANKED_STEPS: Final = 600
"""First steps of which the ranks are kept, as the published appendix prints them."""

OnEpoch = Callable[[int, int], None]
"""(epochs done, epochs in all)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncated:
    """A network that is trained and then truncated, and perhaps trained further."""

    settings: TrainSettings
    share: Share


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VariantRun:
    """A finished run.

    Attributes
    ----------
    history
        A row an epoch: ``epoch, train_accuracy, test_accuracy, train_loss, test_loss, loss,
        seconds, rank_1, ...`` and the same for validation where rows were set aside.
    epoch
        The epoch whose figures count: the best one by validation, the last one without.
    seconds
        Of the training steps, judging left out.
    processor_s
        Processor time of the steps, of a truncation and of the training after it; NaN where it
        was not taken.
    parameters, trained_parameters, stored
        As in `Trained`; what was trained before a truncation counts as trained.
    evaluation_parameters
        What evaluation needs without biases: sum of r (inputs + outputs), or inputs x outputs.
    compression
        Share of the evaluation parameters of a dense network of these sizes that is saved, %.
    macro_f1
        On the test images; NaN for rates and for the published implementation.
    accuracy_before
        Of a truncated network before it was truncated; NaN for others.
    step_ratio
        Time of a step over that of a dense network of the same sizes, measured alternately.
    ranks_of_steps
        Ranks after each of the first steps; empty where they do not change.
    """

    seed: int
    history: tuple[dict[str, float], ...]
    epoch: int
    seconds: float
    parameters: int
    trained_parameters: int
    stored: int
    evaluation_parameters: int
    compression: float
    step_ratio: float = float("nan")
    ranks_of_steps: tuple[tuple[int, ...], ...] = ()
    status: str = "finished"
    macro_f1: float = float("nan")
    accuracy_before: float = float("nan")
    processor_s: float = float("nan")

    @property
    def measure(self) -> str:
        """What the history judges parts by: ``"accuracy"``, or ``"mae_per_s"`` for rates."""
        return "accuracy" if "test_accuracy" in self.history[0] else "mae_per_s"

    def at_epoch(self) -> dict[str, float]:
        """Return the row of the history that counts."""
        return next(row for row in self.history if row["epoch"] == self.epoch)


def run_ours(
    data: ClassData, settings: TrainSettings, *, on_epoch: OnEpoch, timed: bool = True
) -> VariantRun:
    """Train by the project's own loop; `step_ratio` is NaN unless `timed`."""
    split = split_by_settings(data, settings)
    trained, processor_s = _train_timed(data, settings, split=split, on_epoch=on_epoch)
    run = replace(
        _run_of(trained, "accuracy", seed=settings.seed),
        processor_s=processor_s,
        macro_f1=_macro_f1(trained.model, data, split),
    )
    if timed:
        ratio = ratio_to_dense(data, settings, trained.model.network)
        run = replace(run, step_ratio=ratio)
    return run if split.validation.size else replace(run, epoch=int(run.history[-1]["epoch"]))


def _run_of(
    trained: Trained[Any], measure: str, *, seed: int, network: Network | None = None
) -> VariantRun:
    """Return a run of the project's own loop, with the network that came of it, or another one."""
    history, network = _history(trained, measure), network or trained.model.network
    sizes = (network.n_inputs, *(spec.dim for spec in network.specs))
    return VariantRun(
        seed=seed,
        history=history,
        epoch=trained.best_epoch,
        seconds=history[-1]["seconds"] - history[-1]["judging_s"],
        parameters=count_parameters(network),
        trained_parameters=trained.trained_parameters,
        stored=trained.stored,
        evaluation_parameters=evaluation_parameters(network),
        compression=_compression(evaluation_parameters(network), sizes),
        status=str(trained.status),
    )


def _train_timed(
    data: ClassData, settings: TrainSettings, *, split: Split, on_epoch: OnEpoch
) -> tuple[Trained[Classifier], float]:
    """Train, and return the processor time as well, without the share that went into judging."""
    started = time.process_time()
    trained = train_classifier(
        data, settings, split=split, progress=lambda _what, done, total: on_epoch(done, total)
    )
    used = time.process_time() - started
    judging_s = _history(trained, "accuracy")[-1]["judging_s"]
    return trained, used * (1.0 - judging_s / trained.seconds)


def _history(trained: Trained[Any], measure: str) -> tuple[dict[str, float], ...]:
    """Return the epochs; of a run that diverged in its first one an epoch 0 without figures."""
    figures = [
        f"{part}_{name}" for part in ("train", "validation", "test") for name in (measure, "loss")
    ]
    unknown = dict.fromkeys([*figures, "loss"], float("nan"))
    return trained.history or ({"epoch": 0, "seconds": 0.0, "judging_s": 0.0} | unknown,)


def _macro_f1(classifier: Classifier, data: ClassData, split: Split) -> float:
    predicted = classifier.predict(data.inputs[split.test])
    return score_classes(predicted, data.labels[split.test], classes=data.classes).macro_f1


def run_rates(
    data: LabData, settings: TrainSettings, *, trace: TraceOf | None, on_epoch: OnEpoch
) -> VariantRun:
    """Train a network of rates on a lab."""
    trained = train(
        data,
        settings,
        trace=trace,
        progress=lambda what, done, total: on_epoch(done, total) if what == "training" else None,
    )
    return _run_of(trained, "mae_per_s", seed=settings.seed)


def run_truncated(data: ClassData, asked: Truncated, *, on_epoch: OnEpoch) -> VariantRun:
    """Train, truncate and judge; the history has the truncated network as its last row."""
    split = split_by_settings(data, asked.settings)
    trained, processor_s = _train_timed(data, asked.settings, split=split, on_epoch=on_epoch)
    subject = ClassSubject(classifier=trained.model, data=data)
    status, network = str(trained.status), trained.model.network
    cut_at = time.process_time()
    try:
        network = compress_subject(subject, asked.share).model.network
    except NotSmallerError:
        status = "no smaller network keeps the error"
    processor_s += time.process_time() - cut_at
    classifier = replace(trained.model, network=network)
    row: dict[str, float] = {"epoch": len(trained.history) + 1, "loss": float("nan")}
    for part in ("train", "validation", "test"):
        rows = getattr(split, part)[:JUDGED_ROWS]
        if not rows.size:
            continue
        labels = data.labels[rows]
        probabilities = classifier.probabilities(data.inputs[rows])
        row[f"{part}_accuracy"] = float((probabilities.argmax(axis=1) == labels).mean())
        at_label = probabilities[np.arange(len(labels)), labels]
        row[f"{part}_loss"] = float(-np.log(np.maximum(at_label, 1e-300)).mean())
    run = _run_of(trained, "accuracy", seed=asked.settings.seed, network=network)
    return replace(
        run,
        history=(*run.history, row),
        epoch=int(row["epoch"]),
        status=status,
        macro_f1=_macro_f1(classifier, data, split),
        processor_s=processor_s,
        accuracy_before=run.at_epoch()["test_accuracy"],
    )


def run_reference(
    data: ClassData, published: AsPublished, *, seed: int, on_epoch: OnEpoch
) -> VariantRun:
    """Train by the published implementation; the last epoch counts unless rows are set aside."""
    split = split_rows(
        data, validation_count=published.validation_count, generator=np.random.default_rng(seed)
    )
    parts = {
        name: _tensors(data, rows)
        for name, rows in (
            ("train", split.train[:JUDGED_ROWS]),
            ("validation", split.validation),
            ("test", split.test),
        )
        if rows.size
    }
    inputs, labels = _tensors(data, split.train)
    sizes = (data.n_inputs, *published.hidden, data.classes)
    generator = torch.Generator().manual_seed(seed)
    network = Reference(published, sizes, generator=generator)
    history: list[dict[str, float]] = []
    ranks: list[tuple[int, ...]] = []
    seconds, status = 0.0, "finished"
    for epoch in range(1, published.epochs + 1):
        network.frozen = 0 < published.frozen_after < epoch
        started = time.perf_counter()
        losses = []
        for rows in torch.randperm(len(labels), generator=generator).split(published.batch_size):
            losses.append(network.step(inputs[rows], labels[rows]))
            if not np.isfinite(losses[-1]):
                break
            if published.kind == "adaptive" and len(ranks) < RANKED_STEPS:
                ranks.append(network.ranks())
        seconds += time.perf_counter() - started
        row = {"epoch": epoch, "loss": float(np.mean(losses)), "seconds": seconds}
        for name, (own, actual) in parts.items():
            row |= {f"{name}_{key}": v for key, v in _judged(network, own, actual).items()}
        history.append(row | {f"rank_{i}": r for i, r in enumerate(network.ranks(), start=1)})
        on_epoch(epoch, published.epochs)
        if not np.isfinite(row["loss"]):
            status = "diverged"
            break
    column = "validation_accuracy" if "validation" in parts else "epoch"
    best = max(history, key=lambda row: row[column])
    low_rank = sum(
        len(layer["S"]) * (len(layer["U"]) + len(layer["V"]))
        if "S" in layer
        else layer["W"].numel()
        for layer in network.layers
    )
    return VariantRun(
        seed=seed,
        history=tuple(history),
        epoch=int(best["epoch"]),
        seconds=seconds,
        parameters=network.parameters(),
        trained_parameters=network.parameters(),
        stored=published_values(published, sizes) + data.classes * (sizes[-2] + 1),
        evaluation_parameters=low_rank,
        compression=_compression(low_rank, sizes),
        ranks_of_steps=tuple(ranks),
        status=status,
    )


def evaluation_parameters(network: Network) -> int:
    """Return sum of r (inputs + outputs) of low-rank layers and of inputs x outputs of dense."""
    total, width = 0, network.n_inputs
    for spec, rank in zip(network.specs, network.ranks(), strict=True):
        total += width * spec.dim if rank is None else rank * (width + spec.dim)
        width = spec.dim
    return total


def _compression(parameters: int, sizes: tuple[int, ...]) -> float:
    """Return how much less than the weights of a dense network of these sizes that is, in %."""
    return 100.0 * (1.0 - parameters / sum(a * b for a, b in pairwise(sizes)))


def _tensors(data: ClassData, rows: np.ndarray) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(data.inputs[rows]), torch.from_numpy(data.labels[rows])


def _judged(network: Reference, rows: Tensor, labels: Tensor) -> dict[str, float]:
    outputs = network.outputs(rows)
    return {
        "accuracy": float((outputs.argmax(dim=1) == labels).double().mean()),
        "loss": float(torch.nn.functional.cross_entropy(outputs.double(), labels)),
    }
