"""Peak memory of a method's training, in a process of its own and without the data.

What is measured is the network, its gradients, moments and buffers over some steps on one batch;
of a truncated network the truncation and some steps after it as well. The images are the same for
all methods and many times larger, so they are held before.
"""

from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import numpy as np
import torch

from stopflow.learn.classify.compress import KNOWN_ROWS
from stopflow.learn.classify.data import ClassData
from stopflow.learn.compress import Share, truncated
from stopflow.learn.device import one_thread
from stopflow.learn.memory import peak_memory
from stopflow.learn.published.runs import Truncated
from stopflow.learn.settings import TrainSettings
from stopflow.lowrank import LayerSpec, Network, StepSettings, build_network, build_stepper
from stopflow.lowrank.losses import CROSS_ENTROPY
from stopflow.workers import worker_processes

STEPS: Final = 30
"""For OIALR layers a third of them are dense; then the bases are rotated and truncated."""


SMALL: Final = 12
"""Widths of the network of the run before the measured one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PeakJob:
    """What a fresh process is sent."""

    specs: tuple[LayerSpec, ...]
    steps: StepSettings
    share: Share | None
    batch: int
    inputs: torch.Tensor
    labels: torch.Tensor


def peak_of(data: ClassData, asked: TrainSettings | Truncated) -> float:
    """Return the peak in bytes above what the process held with the rows; NaN where none is told.

    A truncation whose extent the error decides is not measured.
    """
    settings = asked.settings if isinstance(asked, Truncated) else asked
    share = asked.share if isinstance(asked, Truncated) else None
    rows = np.arange(min(KNOWN_ROWS, data.first_test))
    job = PeakJob(
        specs=settings.network_specs(data.n_inputs, n_outputs=data.classes),
        steps=replace(settings.step_settings(STEPS), absorb_every=STEPS // 3),
        share=None if share is None or share.is_open else share,
        batch=settings.batch_size,
        inputs=torch.from_numpy(data.inputs[rows]),
        labels=torch.from_numpy(data.labels[rows]),
    )
    with worker_processes(1) as pool:
        return pool.submit(_peak, job).result()


def _peak(job: PeakJob) -> float:
    with one_thread():
        _everything(_small(job))
        with peak_memory(torch.device("cpu")) as peak:
            _everything(job)
    return peak.bytes


def _small(job: PeakJob) -> PeakJob:
    """Return the same with narrow layers: what it loads is loaded before it is measured."""
    specs = tuple(
        replace(spec, dim=min(spec.dim, SMALL), rank=None if spec.rank is None else 2)
        for spec in job.specs[:-1]
    )
    share = None if job.share is None or job.share.rank is None else replace(job.share, rank=2)
    return replace(
        job, specs=(*specs, job.specs[-1]), steps=replace(job.steps, max_rank=None), share=share
    )


def _everything(job: PeakJob) -> None:
    network = _train(job.specs, job, job.steps)
    if job.share is not None:
        smaller = truncated(network, job.share, inputs=job.inputs).network
        _step(smaller, job, StepSettings())


def _train(specs: tuple[LayerSpec, ...], job: PeakJob, settings: StepSettings) -> Network:
    generator = torch.Generator().manual_seed(0)
    network = build_network(job.inputs.shape[1], specs, generator=generator)
    _step(network, job, settings)
    return network


def _step(network: Network, job: PeakJob, settings: StepSettings) -> None:
    stepper = build_stepper(network, settings)
    batches = zip(job.inputs.split(job.batch), job.labels.split(job.batch), strict=True)
    for inputs, labels in islice(batches, STEPS):
        stepper.step(inputs, labels, loss=CROSS_ENTROPY)
