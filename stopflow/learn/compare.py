"""Several ways to k on the same held-out experiments: one row a way, over seeds and folds."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from stopflow.errors import SettingsError
from stopflow.learn.baselines import BASELINES
from stopflow.learn.data import LabData
from stopflow.learn.device import require_device
from stopflow.learn.evaluate import compare_with_fit
from stopflow.learn.memory import peak_memory
from stopflow.learn.results import predict_lab
from stopflow.learn.settings import TrainSettings
from stopflow.learn.split import Split, leave_out_folds
from stopflow.learn.train import Progress, TrainStatus, choose_split, train
from stopflow.learn.views import TraceOf
from stopflow.lowrank import LAYERS
from stopflow.trace import FloatArray

FIT: Final = "fit"
PUBLISHED_NAME: Final = "published"
DEFAULT_WAYS: Final = ("constant", "ridge", PUBLISHED_NAME, "dense", "vanilla", "dlrt", FIT)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attempt:
    """One way, one split, one seed.

    Attributes
    ----------
    k_per_s
        (N,) rates of all shots, NaN where there is none.
    history
        Rows a epoch; empty without a network.
    """

    way: str
    features: str
    seed: int
    split: Split
    k_per_s: FloatArray
    history: tuple[dict[str, float], ...] = ()
    parameters: int = 0
    seconds: float = 0.0
    peak_bytes: float = float("nan")
    status: str = str(TrainStatus.FINISHED)


Predictor = Callable[[LabData, Split, int], FloatArray]
"""(data, split, seed) -> rates (N,): a way that is not in the tables here, e.g. a shipped model."""


def compare(
    labs: Mapping[str, LabData],
    settings: TrainSettings,
    *,
    ways: Sequence[str] = DEFAULT_WAYS,
    seeds: int = 1,
    folds: int = 1,
    trace: TraceOf | None = None,
    further: Mapping[str, Predictor] | None = None,
    progress: Progress | None = None,
) -> list[Attempt]:
    """Run every way on the same splits.

    Parameters
    ----------
    labs
        Kind of features -> the same shots as rows of that kind; ``published`` needs ``"raw"``,
        everything else ``settings.features``.
    ways
        Keys of `BASELINES` and `LAYERS`, ``"published"``, ``"fit"``, and those of `further`.
    seeds
        Runs of each, with seeds ``settings.seed``, ``settings.seed + 1``, ...
    folds
        1: the split of the settings; more: leave-experiments-out folds.

    Raises
    ------
    SettingsError
        A way or features that are not there, with the valid names.
    """
    further = further or {}
    valid = (*BASELINES, PUBLISHED_NAME, *LAYERS, *further, FIT)
    for way in ways:
        if way not in valid:
            raise SettingsError("layers", way, valid=valid)
    data = _lab(labs, settings.features)
    generator = np.random.default_rng(settings.seed)
    splits = (
        leave_out_folds(data, folds=folds, generator=generator)
        if folds > 1
        else (choose_split(data, settings, generator=generator.spawn(2)[0]),)
    )
    jobs = [
        (way, split, settings.seed + number)
        for way in ways
        for number in range(seeds if way in (*LAYERS, *further, PUBLISHED_NAME) else 1)
        for split in splits
    ]
    attempts = []
    for done, (way, split, seed) in enumerate(jobs):
        if progress is not None:
            progress(f"comparing: {way}", done, len(jobs))
        attempts.append(
            _attempt(way, labs, split, replace(settings, seed=seed), trace=trace, further=further)
        )
    if progress is not None:
        progress("comparing", len(jobs), len(jobs))
    return attempts


def comparison_rows(attempts: Sequence[Attempt], data: LabData) -> list[dict[str, Any]]:
    """Return one row a way, in order of appearance; means over seeds and folds.

    Columns: ``layer, features, runs, mae_per_s, mae_sd_per_s`` (spread over runs, NaN for one),
    ``median_relative_error, p95_relative_error, bias`` (mean relative error), ``ratio_to_fit,
    ratio_to_bound, ratio_to_fit_low_information, parameters, seconds, peak_MB, diverged`` (runs).
    """
    rows = []
    for way in dict.fromkeys(attempt.way for attempt in attempts):
        own = [attempt for attempt in attempts if attempt.way == way]
        found = [
            compare_with_fit(one.k_per_s[one.split.test], data, rows=one.split.test) for one in own
        ]
        errors = [one.model.mae_per_s for one in found]
        rows.append(
            {
                "layer": way,
                "features": own[0].features,
                "runs": len(own),
                "mae_per_s": float(np.mean(errors)),
                "mae_sd_per_s": float(np.std(errors, ddof=1)) if len(own) > 1 else np.nan,
                "median_relative_error": _mean(one.model.median_relative_error for one in found),
                "p95_relative_error": _mean(one.model.p95_relative_error for one in found),
                "bias": _mean(_bias(one, data) for one in own),
                "ratio_to_fit": _mean(one.ratio_to_fit for one in found),
                "ratio_to_bound": _mean(one.ratio_to_bound for one in found),
                "ratio_to_fit_low_information": _mean(one.low_information_ratio for one in found),
                "parameters": own[0].parameters,
                "seconds": _mean(one.seconds for one in own),
                "peak_MB": _mean(one.peak_bytes / 1e6 for one in own),
                "diverged": sum(one.status == TrainStatus.DIVERGED for one in own),
            }
        )
    return rows


def _attempt(
    way: str,
    labs: Mapping[str, LabData],
    split: Split,
    settings: TrainSettings,
    *,
    trace: TraceOf | None,
    further: Mapping[str, Predictor],
) -> Attempt:
    data = _lab(labs, settings.features)
    if way in LAYERS:
        chosen = replace(settings, layer=way, layers=())
        return _train_attempt(way, data, split, chosen, trace=trace)
    if way == PUBLISHED_NAME:
        chosen = settings.published()
        return _train_attempt(way, _lab(labs, "raw"), split, chosen, trace=None)
    started = time.perf_counter()
    with peak_memory(require_device("cpu")) as peak:
        if way == FIT:
            rates = np.array(data.k_fit_per_s)
        elif way in BASELINES:
            rates = BASELINES[way](data, split)
        else:
            rates = further[way](data, split, settings.seed)
    return Attempt(
        way=way,
        features="" if way in (FIT, "constant") else settings.features,
        seed=settings.seed,
        split=split,
        k_per_s=rates,
        parameters=data.inputs.shape[1] + 1 if way == "ridge" else 0,
        seconds=time.perf_counter() - started,
        peak_bytes=peak.bytes,
    )


def _train_attempt(
    way: str, data: LabData, split: Split, settings: TrainSettings, *, trace: TraceOf | None
) -> Attempt:
    with peak_memory(require_device(settings.device)) as peak:
        trained = train(data, settings, split=split, trace=trace)
    return Attempt(
        way=way,
        features=settings.features,
        seed=settings.seed,
        split=split,
        k_per_s=predict_lab(trained.model, data),
        history=trained.history,
        parameters=trained.parameters,
        seconds=trained.seconds,
        peak_bytes=peak.bytes,
        status=str(trained.status),
    )


def _lab(labs: Mapping[str, LabData], features: str) -> LabData:
    if features not in labs:
        raise SettingsError("features", features, valid=labs)
    return labs[features]


def _bias(attempt: Attempt, data: LabData) -> float:
    rows = attempt.split.test
    actual = data.k_actual_per_s[rows]
    return float(np.nanmean((attempt.k_per_s[rows] - actual) / actual))


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))
