"""Peak memory of each method, measured in a process of its own.

In a single process the second method would reuse memory that the first has left with the allocator,
and its peak would depend on the order of the rows. Here a new process holds the data, trains a
small network so that everything a training needs is loaded, and then measures one epoch of the
method.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from stopflow.learn.compare.baselines import BASELINES
from stopflow.learn.compare.compare import DENSE_FULL, PUBLISHED_NAME, Job, first_jobs
from stopflow.learn.data import LabData
from stopflow.learn.device import one_thread, require_device
from stopflow.learn.memory import peak_memory
from stopflow.learn.settings import TrainSettings
from stopflow.learn.training.train import train
from stopflow.lowrank import LAYERS
from stopflow.workers import worker_processes

MEASURED: Final = (*LAYERS, PUBLISHED_NAME, DENSE_FULL, *BASELINES)


def peaks_of_ways(
    labs: Mapping[str, LabData], settings: TrainSettings, *, ways: Sequence[str]
) -> dict[str, float]:
    """Return the peak of each method in bytes above the data; NaN where it is not known.

    Ways that are not made here (the fit, shipped models) are left out.
    """
    found = {}
    for job in first_jobs(labs, settings, ways=[way for way in ways if way in MEASURED]):
        with worker_processes(1) as pool:
            found[job.way] = pool.submit(_peak, job).result()
    return found


def _peak(job: Job) -> float:
    with one_thread():
        small = replace(job.settings, layer="dense", layers=(), hidden=(2,), epochs=1, patience=0)
        train(job.data, replace(small, optimiser=None, rank=1), split=job.split)
        with peak_memory(require_device(job.settings.device)) as peak:
            if job.way in BASELINES:
                BASELINES[job.way](job.data, job.split)
            else:
                train(job.data, replace(job.settings, epochs=1), split=job.split)
    return peak.bytes
