"""Several ways to k on the same held-out experiments, over seeds and folds."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Final

import numpy as np

from stopflow.errors import SettingsError, require_key
from stopflow.learn.compare.baselines import BASELINES
from stopflow.learn.compare.results import predict_lab
from stopflow.learn.compare.runs import ComparedRun, UnfinishedComparison
from stopflow.learn.data import LabData
from stopflow.learn.device import require_device
from stopflow.learn.memory import peak_memory
from stopflow.learn.settings import TrainSettings
from stopflow.learn.split import Split, leave_out_folds
from stopflow.learn.training.augment import TraceOf
from stopflow.learn.training.coordinates import uses_signal_space
from stopflow.learn.training.course import Progress
from stopflow.learn.training.prepare import Prepared
from stopflow.learn.training.train import choose_split, prepare_run, train
from stopflow.lowrank import LAYERS
from stopflow.trace import FloatArray

FIT: Final = "fit"
PUBLISHED_NAME: Final = "published"
DENSE_FULL: Final = "dense-full"
DEFAULT_WAYS: Final = ("constant", "ridge", PUBLISHED_NAME, "dense", "vanilla", "dlrt", FIT)
FULL_RATE: Final = 6e-3
"""Peak rate of dense layers on all inputs, the best of seven from 1e-4 to 2.4e-2."""
WIDE_COST: Final = 10
"""Cost of an epoch on all inputs of a dense layer, in epochs of the others; for progress only."""

Predictor = Callable[[LabData, Split, int], FloatArray]
"""(data, split, seed) -> rates (N,): a way that is not in the tables here, e.g. a shipped model."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """A run that is still to be made; `settings` are those of its method."""

    way: str
    data: LabData
    settings: TrainSettings
    split: Split
    fold: int

    @property
    def cost(self) -> int:
        """Approximate cost in epochs of a small network."""
        if self.way in (PUBLISHED_NAME, DENSE_FULL):
            return WIDE_COST * self.settings.epochs
        return self.settings.epochs if self.way in LAYERS else 1


class SharedPreparation:
    """Prepares the runs of one split and seed once where they all train on the same rows."""

    def __init__(self, trace: TraceOf | None) -> None:
        self.trace = trace
        self._key: tuple[int, int] | None = None
        self._prepared: Prepared | None = None

    def of(self, job: Job) -> Prepared | None:
        """Return the preparation of a job; None where it has to make its own."""
        if job.way not in LAYERS or not uses_signal_space(job.data, job.settings):
            return None
        key = (job.fold, job.settings.seed)
        if key != self._key:
            self._prepared = prepare_run(job.data, job.split, job.settings, trace=self.trace)
            self._key = key
        return self._prepared


def compare(
    labs: Mapping[str, LabData],
    settings: TrainSettings,
    *,
    ways: Sequence[str] = DEFAULT_WAYS,
    seeds: int = 1,
    folds: int = 1,
    wide_epochs: int | None = None,
    trace: TraceOf | None = None,
    further: Mapping[str, Predictor] | None = None,
    kept: UnfinishedComparison | None = None,
    progress: Progress | None = None,
) -> list[ComparedRun]:
    """Run every way on the same splits.

    Parameters
    ----------
    labs
        Kind of features -> the same shots as rows of that kind; ``published`` needs ``"raw"``,
        everything else ``settings.features``.
    ways
        Keys of `BASELINES` and `LAYERS`, ``"published"``, ``"dense-full"`` (dense layers on every
        input: neither row space nor signal space), ``"fit"``, and those of `further`.
    seeds
        Runs of each, with seeds ``settings.seed``, ``settings.seed + 1``, ...
    folds
        1: the split of the settings. More: leave-experiments-out folds, in which every experiment
        is tested once; as many other experiments as the settings ask for are set aside for
        validation.
    wide_epochs
        Largest number of epochs of ``"published"`` and ``"dense-full"``, whose epochs cost ten
        times those of the others; None: as many as the others have.
    kept
        Where finished runs are stored, so that an interrupted comparison can be resumed.
    progress
        Called as ``progress("comparing", done, total)``.

    Returns
    -------
    One run for each way, seed and split, in the order of `ways`.

    Raises
    ------
    SettingsError
        When a method or a kind of features does not exist (the valid names are listed), when no
        method is given, and when folds are asked for beside named test or validation experiments.
    """
    if not ways:
        raise SettingsError("layers", "", valid="at least one way to k")
    for name in ("test_experiments", "validation_experiments"):
        named = getattr(settings, name)
        if folds > 1 and named:
            none = f"none with {folds} folds, which test all experiments in turn"
            raise SettingsError(name, ", ".join(named), valid=none)
    further = further or {}
    valid = (*BASELINES, PUBLISHED_NAME, DENSE_FULL, *LAYERS, *further, FIT)
    for way in ways:
        require_key("layers", way, valid)
    jobs = list(_jobs(labs, settings, ways=ways, seeds=seeds, folds=folds, wide_epochs=wide_epochs))
    keys, found = _kept_runs(jobs, kept)
    total = sum(job.cost for job, one in zip(jobs, found, strict=True) if one is None)
    done, runs, shared = 0, [], SharedPreparation(trace)
    for job, key, run in zip(jobs, keys, found, strict=True):
        if run is None:
            report = _part_of(progress, job, done=done, total=total)
            run = _run_job(job, shared=shared, further=further, progress=report)
            done += job.cost
            if kept is not None:
                kept.keep(key, run)
        runs.append(run)
    if progress is not None:
        progress("comparing", total, total)
    return sorted(runs, key=lambda one: ways.index(one.way))


def way_settings(
    way: str, settings: TrainSettings, *, wide_epochs: int | None = None
) -> TrainSettings:
    """Return the settings that a method is trained with."""
    epochs = min(settings.epochs, wide_epochs or settings.epochs)
    if way in LAYERS:
        usable = settings.optimiser in (None, *LAYERS[way].optimisers)
        optimiser = settings.optimiser if usable else None
        return replace(settings, layer=way, layers=(), optimiser=optimiser)
    if way == PUBLISHED_NAME:
        return replace(settings.published(), epochs=epochs)
    if way == DENSE_FULL:
        rate = settings.learning_rate or FULL_RATE
        full = {"layer": "dense", "layers": (), "row_space": "off", "learning_rate": rate}
        full |= {"optimiser": way_settings("dense", settings).optimiser}
        return replace(settings, **full, epochs=epochs)  # type: ignore[arg-type]
    return settings


def first_jobs(
    labs: Mapping[str, LabData], settings: TrainSettings, *, ways: Sequence[str]
) -> list[Job]:
    """Return the first run of each way, on the split of the settings."""
    return list(_jobs(labs, settings, ways=ways, seeds=1, folds=1, wide_epochs=None))


def _jobs(
    labs: Mapping[str, LabData],
    settings: TrainSettings,
    *,
    ways: Sequence[str],
    seeds: int,
    folds: int,
    wide_epochs: int | None,
) -> Iterator[Job]:
    data = _lab(labs, settings.features)
    generator = np.random.default_rng(settings.seed)
    splits = (
        leave_out_folds(data, folds=folds, generator=generator, validation_count=settings.set_aside)
        if folds > 1
        else (choose_split(data, settings, generator=generator.spawn(2)[0]),)
    )
    for fold, split in enumerate(splits):
        for number, way in product(range(seeds), ways):
            if number and way in (*BASELINES, FIT):
                continue
            own = way_settings(way, settings, wide_epochs=wide_epochs)
            yield Job(
                way=way,
                data=_lab(labs, own.features),
                settings=replace(own, seed=settings.seed + number),
                split=split,
                fold=fold,
            )


def _kept_runs(
    jobs: Sequence[Job], kept: UnfinishedComparison | None
) -> tuple[list[str], list[ComparedRun | None]]:
    if kept is None:
        return [""] * len(jobs), [None] * len(jobs)
    keys = [
        kept.key(job.way, job.data, job.split, fold=job.fold, settings=job.settings) for job in jobs
    ]
    return keys, [kept.find(key, job.split) for key, job in zip(keys, jobs, strict=True)]


def _part_of(progress: Progress | None, job: Job, *, done: int, total: int) -> Progress | None:
    """Report a run's epochs as a part of the whole comparison."""
    if progress is None:
        return None
    progress("comparing", done, total)

    def report(what: str, epochs: int, all_epochs: int) -> None:
        if what == "training":
            progress("comparing", done + job.cost * epochs // all_epochs, total)

    return report


def _run_job(
    job: Job,
    *,
    shared: SharedPreparation,
    further: Mapping[str, Predictor],
    progress: Progress | None,
) -> ComparedRun:
    if job.way in (*LAYERS, PUBLISHED_NAME, DENSE_FULL):
        return _train_run(job, shared, progress=progress)
    data, way = job.data, job.way
    if way == FIT:
        return _make_run(job, np.array(data.k_fit_per_s))
    started = time.perf_counter()
    with peak_memory(require_device("cpu")) as peak:
        if way in BASELINES:
            rates = BASELINES[way](data, job.split)
        else:
            rates = further[way](data, job.split, job.settings.seed)
    return _make_run(
        job,
        rates,
        features="" if way == "constant" else job.settings.features,
        parameters=data.inputs.shape[1] + 1 if way == "ridge" else 0,
        seconds=time.perf_counter() - started,
        peak_bytes=peak.bytes,
    )


def _train_run(job: Job, shared: SharedPreparation, *, progress: Progress | None) -> ComparedRun:
    prepared = shared.of(job)
    with peak_memory(require_device(job.settings.device)) as peak:
        trained = train(
            job.data,
            job.settings,
            split=job.split,
            trace=shared.trace,
            prepared=prepared,
            progress=progress,
        )
    return _make_run(
        job,
        predict_lab(trained.model, job.data),
        features=job.settings.features,
        history=trained.history,
        epochs=trained.epochs,
        inputs_used=trained.inputs_used,
        parameters=trained.parameters,
        seconds=trained.seconds,
        peak_bytes=peak.bytes,
        status=str(trained.status),
    )


def _make_run(job: Job, rates: FloatArray, **found: Any) -> ComparedRun:
    return ComparedRun(
        way=job.way, seed=job.settings.seed, fold=job.fold, split=job.split, k_per_s=rates, **found
    )


def _lab(labs: Mapping[str, LabData], features: str) -> LabData:
    require_key("features", features, labs)
    return labs[features]
