"""LoRA beside full fine-tuning on the same shots and epochs; what each reaches and costs.

All weights need a smaller step size than additions, so full fine-tuning gets the best of `RATES` by
the error on an experiment that is left out of the training shots for that; where there is but one
experiment to learn from, it gets the rate of the settings.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from stopflow.learn.adapt import Adapted, adapt_model, train_further
from stopflow.learn.compare.results import predict_lab
from stopflow.learn.data import LabData
from stopflow.learn.device import one_thread, require_device
from stopflow.learn.evaluate import Metrics, measure
from stopflow.learn.memory import peak_memory
from stopflow.learn.model import Model
from stopflow.learn.settings import TrainSettings
from stopflow.learn.split import Split
from stopflow.learn.training.augment import TraceOf
from stopflow.learn.training.train import train
from stopflow.lowrank import count_trained
from stopflow.workers import worker_processes

RATES: Final = (3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6)
FULL: Final = "in full"
LORA: Final = "LoRA"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptationCost:
    """What one way of fine-tuning reached and took.

    Attributes
    ----------
    way
        `LORA` or `FULL`.
    metrics
        Errors on ``"train"`` and, if there is one, ``"test"``.
    trained_parameters
        Values that were trained.
    learning_rate
        Step size at the start.
    processor_s
        Processor time, preparation included; the search for a rate is not.
    peak_bytes
        Of one epoch in a process of its own, above the data; NaN where the system does not tell.
    """

    way: str
    metrics: Mapping[str, Metrics]
    trained_parameters: int
    learning_rate: float
    processor_s: float
    peak_bytes: float


def adapt_beside_full(
    model: Model,
    data: LabData,
    settings: TrainSettings,
    *,
    rank: int = 4,
    trace: TraceOf | None = None,
) -> tuple[Adapted, tuple[AdaptationCost, AdaptationCost]]:
    """Fine-tune by LoRA and in full; the first is returned as `adapt_model` does, with both costs.

    Raises
    ------
    ModelError, SettingsError
        As `adapt_model`.
    """
    started = time.process_time()
    adapted = adapt_model(model, data, settings, rank=rank, trace=trace)
    lora_s = time.process_time() - started
    split = adapted.split
    rate = _full_rate(model, data, settings, split, trace=trace)
    careful = replace(settings, learning_rate=rate)
    started = time.process_time()
    network = train_further(model, data, careful, split=split, trace=trace, every_input=True)
    full_s = time.process_time() - started
    rates = predict_lab(replace(model, network=network), data)
    metrics = {
        part: measure(rates[rows], data.k_actual_per_s[rows])
        for part, rows in (("train", split.train), ("test", split.test))
        if rows.size
    }
    return adapted, (
        AdaptationCost(
            way=LORA,
            metrics=adapted.after,
            trained_parameters=adapted.trained_parameters,
            learning_rate=settings.peak_rate,
            processor_s=lora_s,
            peak_bytes=_own_peak(model, data, settings, split, rank=rank),
        ),
        AdaptationCost(
            way=FULL,
            metrics=metrics,
            trained_parameters=count_trained(network),
            learning_rate=rate,
            processor_s=full_s,
            peak_bytes=_own_peak(model, data, settings, split, rank=None),
        ),
    )


def _full_rate(
    model: Model, data: LabData, settings: TrainSettings, split: Split, *, trace: TraceOf | None
) -> float:
    """Return the rate of the smallest error on the last training experiment, left out for that."""
    names = [name for name in data.experiments if name in set(data.experiment[split.train])]
    if len(names) < 2:
        return settings.peak_rate
    left_out = split.train[data.experiment[split.train] == names[-1]]
    rest = replace(split, train=np.setdiff1d(split.train, left_out), test=left_out)
    found = {}
    for rate in RATES:
        careful = replace(settings, learning_rate=rate)
        network = train_further(model, data, careful, split=rest, trace=trace, every_input=True)
        rates = predict_lab(replace(model, network=network), data)[left_out]
        found[rate] = measure(rates, data.k_actual_per_s[left_out]).median_relative_error
    return min(found, key=lambda rate: np.nan_to_num(found[rate], nan=np.inf))


def _own_peak(
    model: Model, data: LabData, settings: TrainSettings, split: Split, *, rank: int | None
) -> float:
    once = replace(settings, epochs=1)
    with worker_processes(1) as pool:
        return pool.submit(_peak, model, data, once, split, rank).result()


def _peak(
    model: Model, data: LabData, settings: TrainSettings, split: Split, rank: int | None
) -> float:
    """Measure one epoch.

    A small network that was trained before has loaded what every training loads. It is trained on
    few rows, for the memory that it lets go of would be taken again without being counted.
    """
    with one_thread():
        small = replace(settings, layer="dense", layers=(), hidden=(2,), rank=1)
        small = replace(small, features=data.features.kind, pairs=data.features.pairs)
        train(data, small, split=replace(split, train=split.train[: settings.batch_size]))
        with peak_memory(require_device(settings.device)) as peak:
            if rank is None:
                train_further(model, data, settings, split=split, every_input=True)
            else:
                adapt_model(model, data, settings, rank=rank, split=split)
    return peak.bytes
