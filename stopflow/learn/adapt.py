"""Another lab's data for a trained model: low-rank additions, the model itself untouched (LoRA).

The additions live where the model looks already: in the space its first layer reads from the
inputs, so that a handful of shots cannot teach it their noise. They are merged into plain layers
at the end; `model` is not changed.
"""

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch

from stopflow.errors import ModelError
from stopflow.learn.compare.results import predict_lab
from stopflow.learn.data import LabData
from stopflow.learn.device import require_device
from stopflow.learn.evaluate import Metrics, measure
from stopflow.learn.judge import Judgement, judge
from stopflow.learn.model import Model
from stopflow.learn.settings import TrainSettings
from stopflow.learn.split import Split, split_by_experiment
from stopflow.learn.training.augment import TraceOf
from stopflow.learn.training.coordinates import Coordinates
from stopflow.learn.training.course import Progress
from stopflow.learn.training.prepare import Prepared, prepare
from stopflow.learn.training.run import Run, TrainStatus
from stopflow.lowrank import Network, adapt, count_parameters, merge
from stopflow.trace import FloatArray

ADAPT_DEFAULTS: Final[Mapping[str, Any]] = {
    "epochs": 60,
    "batch_size": 32,
    "optimiser": "adam",
    "learning_rate": 3e-4,
    "augmentations": 0,
    "test_count": 1,
}
"""Defaults of `adapt_settings` that differ from those of `TrainSettings`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Adapted:
    """A model fine-tuned to a lab.

    Attributes
    ----------
    model
        With the additions merged in.
    split
        The lab's shots that were learned from, and those that were not (none for a lab of one
        experiment).
    before, after
        Errors of the given and of the new model on ``"train"`` and, if there is one, ``"test"``.
    trained_parameters
        Number of values in the additions.
    judgement
        Whether the new model is worse, on ``"test"`` where there is one.
    """

    model: Model
    split: Split
    history: tuple[dict[str, float], ...]
    status: TrainStatus
    reason: str
    before: Mapping[str, Metrics]
    after: Mapping[str, Metrics]
    trained_parameters: int
    judgement: Judgement

    def rows(self) -> list[dict[str, Any]]:
        """Return the table: ``model, part, n, mae_per_s, median_relative_error, ...``."""
        return [
            {"model": name, "part": part, **metrics.to_dict()}
            for part in self.before
            for name, metrics in (("before", self.before[part]), ("after", self.after[part]))
        ]


def adapt_settings(**changes: Any) -> TrainSettings:
    """Return settings of a fine-tuning run; those that describe a network are not used."""
    return TrainSettings(**{**ADAPT_DEFAULTS, **changes})


def adapt_model(
    model: Model,
    data: LabData,
    settings: TrainSettings,
    *,
    rank: int = 4,
    split: Split | None = None,
    trace: TraceOf | None = None,
    progress: Progress | None = None,
) -> Adapted:
    """Fine-tune `model` to a lab; whole experiments are held out where there are two or more.

    Parameters
    ----------
    data
        The lab, with the model's own kind of features.
    rank
        Of the addition to each layer; narrow layers take what they can.
    split, trace, progress
        As for `train`.

    Raises
    ------
    ModelError
        Features of another kind, or a first layer that cannot be adapted.
    SettingsError
        A rank that is out of range, an experiment that does not exist, ``oialr`` layers.
    """
    if data.features != model.features:
        raise ModelError(
            f"the model takes {model.features.kind} features of {model.features.pairs} pairs; "
            f"the lab's rows are {data.features.kind} of {data.features.pairs}"
        )
    seeds = np.random.default_rng(settings.seed).spawn(2)
    split = split or _split(data, settings, generator=seeds[0])
    coordinates, base = own_coordinates(model)
    generator = torch.Generator().manual_seed(settings.seed)
    network = adapt(base, rank, generator=generator)
    prepared = _prepared(model, data, split, settings, coordinates, trace, seeds[1])
    run = Run(settings, prepared, network, generator=generator)
    _finish(run, settings, progress)
    merged = coordinates.export(merge(run.best()).cpu()).eval()
    record = {**model.record, "adapted": {"rank": rank, "split": split.to_dict()}}
    adapted = replace(model, network=merged, record=record)
    return Adapted(
        model=adapted,
        split=split,
        history=tuple(run.history),
        status=run.status,
        reason=run.reason,
        before=_measured(model, data, split),
        after=_measured(adapted, data, split),
        judgement=_judged(model, adapted, data, split),
        trained_parameters=count_parameters(network) - count_parameters(base),
    )


def train_further(
    model: Model,
    data: LabData,
    settings: TrainSettings,
    *,
    split: Split,
    trace: TraceOf | None = None,
    every_input: bool = False,
) -> Network:
    """Return the model's network, all of it trained further on the training shots of a split.

    Parameters
    ----------
    split, trace
        As for `adapt_model`.
    every_input
        Let the first layer learn to look elsewhere too, instead of in its `own_coordinates`.
    """
    coordinates, network = all_inputs(model) if every_input else own_coordinates(model)
    generator = torch.Generator().manual_seed(settings.seed)
    augmentations = np.random.default_rng(settings.seed)
    prepared = _prepared(model, data, split, settings, coordinates, trace, augmentations)
    run = Run(settings, prepared, network, generator=generator)
    _finish(run, settings, None)
    return coordinates.export(run.best().cpu()).eval()


def _prepared(
    model: Model,
    data: LabData,
    split: Split,
    settings: TrainSettings,
    coordinates: Coordinates,
    trace: TraceOf | None,
    generator: np.random.Generator,
) -> Prepared:
    return prepare(
        data,
        split,
        settings,
        trace=trace,
        generator=generator,
        device=require_device(settings.device),
        coordinates=coordinates,
        target=model.target,
    )


def _finish(run: Run, settings: TrainSettings, progress: Progress | None) -> None:
    started = time.perf_counter()
    while not run.is_over:
        run.epoch(since=started)
        if progress is not None:
            progress("adapting", run.done, settings.epochs)


def _judged(model: Model, adapted: Model, data: LabData, split: Split) -> Judgement:
    rows = split.test if split.test.size else split.train
    actual = data.k_actual_per_s[rows]
    before, after = (np.abs(predict_lab(one, data)[rows] - actual) for one in (model, adapted))
    return judge("MAE (1/s)", before, after)


def adapted_way(
    model: Model, *, trace: TraceOf | None = None
) -> Callable[[LabData, Split, int], FloatArray]:
    """Return the model, fine-tuned to the training shots of a split, as a way of `compare`."""

    def rates(data: LabData, split: Split, seed: int) -> FloatArray:
        settings = adapt_settings(seed=seed)
        adapted = adapt_model(model, data, settings, rank=4, split=split, trace=trace)
        return predict_lab(adapted.model, data)

    return rates


def own_coordinates(model: Model) -> tuple[Coordinates, Network]:
    """Split a model's first layer W = W' A^T: the coordinates z = x A, and the network on z.

    A is V of a low-rank first layer, and the Q of the QR decomposition of W^T of a dense one
    (`Layer.split_inputs`).
    """
    network = copy.deepcopy(model.network).cpu()
    matrix = network.chain[0].split_inputs()
    network.n_inputs = matrix.shape[1]
    coordinates = Coordinates(
        standardiser=model.standardiser,
        matrix=matrix,
        fan_in=matrix.shape[1],
        basis=None,
        reason=f"the {matrix.shape[1]} directions that the model's first layer reads",
    )
    return coordinates, network


def all_inputs(model: Model) -> tuple[Coordinates, Network]:
    """Return the inputs as they are, and a copy of the network."""
    network = copy.deepcopy(model.network).cpu()
    coordinates = Coordinates(
        standardiser=model.standardiser,
        matrix=None,
        fan_in=network.n_inputs,
        basis=None,
        reason=f"all {network.n_inputs} inputs",
    )
    return coordinates, network


def _split(data: LabData, settings: TrainSettings, *, generator: np.random.Generator) -> Split:
    if len(data.experiments) > 1:
        return split_by_experiment(
            data,
            generator=generator,
            test_experiments=settings.test_experiments,
            test_count=settings.test_count,
        )
    none = np.empty(0, dtype=np.intp)
    return Split(
        train=np.arange(len(data)),
        validation=none,
        test=none,
        test_experiments=(),
        validation_experiments=(),
    )


def _measured(model: Model, data: LabData, split: Split) -> dict[str, Metrics]:
    rates = predict_lab(model, data)
    return {
        name: measure(rates[rows], data.k_actual_per_s[rows])
        for name, rows in (("train", split.train), ("test", split.test))
        if rows.size
    }
