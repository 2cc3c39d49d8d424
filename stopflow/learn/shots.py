"""Rates of trimmed traces by a saved model: features, network, interval and doubt in one call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stopflow.errors import TraceError
from stopflow.features import Rows, build_features, window_of
from stopflow.learn.device import one_thread
from stopflow.learn.doubt import DoubtLimits, Residue, doubts, residues
from stopflow.learn.drift import Slopes, pull_by_others
from stopflow.learn.interval import neighbour_correlation
from stopflow.learn.model import Model, Prediction, predict
from stopflow.trace import FloatArray

TRACES_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShotPredictions:
    """Predictions of M traces, in the order given.

    Attributes
    ----------
    k_per_s, k_low95_per_s, k_high95_per_s, log_sd
        (M,) as in `Prediction`; NaN where a trace was refused.
    refusals
        Why there is no number; "" where there is one.
    doubts
        Reasons not to believe the number, joined by "; "; "" where there is none.
    log_shift
        (M,) by how much the drift of the other shots of the experiment has moved log k.
    """

    k_per_s: FloatArray
    k_low95_per_s: FloatArray
    k_high95_per_s: FloatArray
    log_sd: FloatArray
    refusals: tuple[str, ...]
    doubts: tuple[str, ...]
    log_shift: FloatArray


def predict_shots(
    model: Model,
    traces: Sequence[tuple[ArrayLike, ArrayLike]],
    *,
    experiment: Sequence[str] | None = None,
    limits: DoubtLimits | None = None,
) -> ShotPredictions:
    """Predict k of trimmed traces, (time_s, signal) each, every one on its own grid.

    Parameters
    ----------
    experiment
        (M,) names; shots of one share what they know of its drift (`stopflow.learn.drift`), those
        with doubts apart. Each trace stands alone if not given.
    limits
        Where doubt begins; the shipped models' own limits by default.
    """
    arrays = [(_as_float(time_s), _as_float(signal)) for time_s, signal in traces]
    limits = limits or DoubtLimits()
    parts = [arrays[i : i + TRACES_AT_ONCE] for i in range(0, len(arrays), TRACES_AT_ONCE)]
    with one_thread():
        parted = [_predict_part(model, part, limits) for part in parts]
    found, slopes = [part for part, _ in parted], [part for _, part in parted]

    def column(name: str) -> FloatArray:
        return np.concatenate([getattr(part, name) for part in found] or [np.empty(0)])

    whole = ShotPredictions(
        k_per_s=column("k_per_s"),
        k_low95_per_s=column("k_low95_per_s"),
        k_high95_per_s=column("k_high95_per_s"),
        log_sd=column("log_sd"),
        refusals=tuple(text for part in found for text in part.refusals),
        doubts=tuple(text for part in found for text in part.doubts),
        log_shift=column("log_shift"),
    )
    if experiment is None or not slopes:
        return whole
    return _share_drift(whole, Slopes(*np.concatenate(slopes, axis=1)), experiment)


def _share_drift(
    found: ShotPredictions, slopes: Slopes, experiment: Sequence[str]
) -> ShotPredictions:
    usable = np.array([not text for text in found.doubts]) & np.isfinite(found.k_per_s)
    pull = pull_by_others(slopes, experiment=experiment, usable=usable)
    k = found.k_per_s * np.exp(pull.log_shift)
    low, high = (
        k * (bound / found.k_per_s) ** pull.sd_factor
        for bound in (found.k_low95_per_s, found.k_high95_per_s)
    )
    return replace(
        found,
        k_per_s=k,
        k_low95_per_s=low,
        k_high95_per_s=high,
        log_sd=found.log_sd * pull.sd_factor,
        log_shift=pull.log_shift,
    )


def _as_float(values: ArrayLike) -> FloatArray:
    return np.asarray(values, dtype=np.float64)


def _predict_part(
    model: Model, traces: list[tuple[FloatArray, FloatArray]], limits: DoubtLimits
) -> tuple[ShotPredictions, FloatArray]:
    """Return the predictions and the columns of `Slopes`, (4, M), in signal per second."""
    rows: Rows = np.zeros((len(traces), model.features.n_inputs), dtype=np.float32)
    windows, points = np.ones((2, len(traces)))
    correlation = np.zeros(len(traces))
    refusals = [""] * len(traces)
    for number, (time_s, signal) in enumerate(traces):
        try:
            rows[number] = build_features(time_s, signal, spec=model.features)
            windows[number], points[number] = window_of(time_s), len(time_s)
            correlation[number] = neighbour_correlation(signal)
        except TraceError as error:
            refusals[number] = str(error)
    stretch = model.interval.factor(points, correlation)
    found = predict(model, rows, window_s=windows, stretch=stretch)
    refused = np.array([bool(text) for text in refusals])

    def known(values: FloatArray) -> FloatArray:
        return np.where(refused, np.nan, values)

    kt = found.k_per_s * windows
    numbers = np.flatnonzero(~refused & np.isfinite(kt) & (kt > 0)).tolist()
    left = dict(zip(numbers, residues([traces[i] for i in numbers], kt=kt[numbers]), strict=True))
    slopes = np.full((4, len(traces)), np.nan)
    for i, own in left.items():
        line = np.array([own.slope, own.slope_error, own.slope_log_k]) / windows[i]
        slopes[:, i] = *line, own.log_k_error
    predictions = ShotPredictions(
        k_per_s=known(found.k_per_s),
        k_low95_per_s=known(found.k_low95_per_s),
        k_high95_per_s=known(found.k_high95_per_s),
        log_sd=known(found.target_sd),
        refusals=tuple(refusals),
        doubts=_doubts_of(traces, found, left=left, usable=~refused, limits=limits),
        log_shift=np.zeros(len(traces)),
    )
    return predictions, slopes


def _doubts_of(
    traces: list[tuple[FloatArray, FloatArray]],
    found: Prediction,
    *,
    left: Mapping[int, Residue],
    usable: NDArray[np.bool_],
    limits: DoubtLimits,
) -> tuple[str, ...]:
    """One text a trace, "" for those that are not usable."""
    texts = [""] * len(traces)
    for i in np.flatnonzero(usable).tolist():
        reasons = doubts(
            *traces[i],
            k_per_s=float(found.k_per_s[i]),
            log_sd=float(found.target_sd[i]),
            limits=limits,
            left=left.get(i),
        )
        texts[i] = "; ".join(reasons)
    return tuple(texts)
