"""Time of a training step over that of a dense network of the same sizes, taken in turns."""

import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from stopflow.learn.classify.data import ClassData
from stopflow.learn.settings import TrainSettings
from stopflow.lowrank import LayerSpec, Network, StepSettings, build_network, build_stepper
from stopflow.lowrank.losses import CROSS_ENTROPY

TIMED_ROUNDS, TIMED_STEPS = 9, 6


def ratio_to_dense(data: ClassData, settings: TrainSettings, network: Network) -> float:
    """Time steps of the network and of a dense one in turns; the ratio of the medians."""
    dense = [
        LayerSpec(type="dense", dim=spec.dim, activation=spec.activation) for spec in network.specs
    ]
    if [spec.type for spec in network.specs] == ["dense"] * len(dense):
        return 1.0
    own = [
        LayerSpec(type=spec.type, dim=spec.dim, activation=spec.activation, rank=rank)
        for spec, rank in zip(network.specs, network.ranks(), strict=True)
    ]
    rows = min(settings.batch_size, data.first_test)
    inputs, labels = torch.from_numpy(data.inputs[:rows]), torch.from_numpy(data.labels[:rows])
    adam = StepSettings(optimiser="adam", learning_rate=1e-4)
    timed = [
        _timer(data.n_inputs, specs, chosen, inputs, labels)
        for specs, chosen in ((own, settings.step_settings()), (dense, adam))
    ]
    times = np.array([[next(timer) for timer in timed] for _ in range(TIMED_ROUNDS)])
    ours, theirs = np.median(times[1:], axis=0)
    return float(ours / theirs)


def _timer(
    n_inputs: int, specs: list[LayerSpec], settings: StepSettings, inputs: Tensor, labels: Tensor
) -> Iterator[float]:
    generator = torch.Generator().manual_seed(0)
    stepper = build_stepper(build_network(n_inputs, specs, generator=generator), settings)
    while True:
        started = time.perf_counter()
        for _ in range(TIMED_STEPS):
            stepper.step(inputs, labels, loss=CROSS_ENTROPY)
        yield time.perf_counter() - started
