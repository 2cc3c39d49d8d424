"""Rates of trimmed traces by a saved model: features, network, interval and reliability."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from stopflow.features import Rows, fill_rows, shared_grids, window_of
from stopflow.learn.device import one_thread
from stopflow.learn.interval import neighbour_correlation
from stopflow.learn.model import Model, predict
from stopflow.learn.predict.reliability import ReliabilityLimits, check_reliability
from stopflow.learn.predict.residues import Residue, residues
from stopflow.learn.predict.shared_drift import Slopes, pull_by_others
from stopflow.trace import FloatArray

TRACES_AT_ONCE: Final = 64


Reasons = tuple[str, ...]
"""Each a clause of its own; they are joined where somebody reads them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShotPredictions:
    """Predictions of M traces, in the order given.

    Attributes
    ----------
    k_per_s, k_low95_per_s, k_high95_per_s, log_sd
        (M,) as in `PredictedRates`; NaN where a trace was refused.
    refusals
        Why there is no rate; empty where there is one.
    warnings
        Reasons to distrust the rate; empty without any.
    log_shift
        (M,) by how much the drift of the other shots of the experiment has moved log k.
    """

    k_per_s: FloatArray
    k_low95_per_s: FloatArray
    k_high95_per_s: FloatArray
    log_sd: FloatArray
    refusals: tuple[Reasons, ...]
    warnings: tuple[Reasons, ...]
    log_shift: FloatArray


class _Grid(NamedTuple):
    """Traces recorded at the same times: their numbers, times (n,) and signals (B, n)."""

    numbers: list[int]
    time_s: FloatArray
    signals: FloatArray


class _Found(NamedTuple):
    """What has been found of M traces: k, its bounds and SD (4, M), `Slopes` (4, M), texts."""

    rates: FloatArray
    slopes: FloatArray
    refusals: list[Reasons]
    warnings: list[Reasons]


def predict_shots(
    model: Model,
    traces: Sequence[tuple[ArrayLike, ArrayLike]],
    *,
    experiment: Sequence[str] | None = None,
    limits: ReliabilityLimits | None = None,
) -> ShotPredictions:
    """Predict k of trimmed traces, (time_s, signal) each, every one on its own grid.

    Parameters
    ----------
    experiment
        (M,) names. Shots of one experiment share its drift (`stopflow.learn.predict.shared_drift`),
        except those with warnings. Without names each trace stands alone.
    limits
        Limits beyond which a rate is not reliable; those of the shipped models by default.
    """
    arrays = [(_as_float(time_s), _as_float(signal)) for time_s, signal in traces]
    limits, count = limits or ReliabilityLimits(), len(arrays)
    rates, slopes = np.full((2, 4, count), np.nan)
    found = _Found(rates, slopes, [()] * count, [()] * count)
    with one_thread():
        for part in _parts(arrays):
            _predict_part(model, part, limits, found)
    k, low, high, log_sd = rates
    whole = ShotPredictions(
        k_per_s=k,
        k_low95_per_s=low,
        k_high95_per_s=high,
        log_sd=log_sd,
        refusals=tuple(found.refusals),
        warnings=tuple(found.warnings),
        log_shift=np.zeros(count),
    )
    return whole if experiment is None else _share_drift(whole, Slopes(*slopes), experiment)


def _parts(traces: Sequence[tuple[FloatArray, FloatArray]]) -> Iterator[list[_Grid]]:
    """Yield the traces grid by grid, about `TRACES_AT_ONCE` at once."""
    part: list[_Grid] = []
    for group in shared_grids(traces):
        for first in range(0, len(group), TRACES_AT_ONCE):
            numbers = group[first : first + TRACES_AT_ONCE]
            time_s, signals = traces[group[0]][0], np.stack([traces[i][1] for i in numbers])
            part.append(_Grid(numbers, time_s, signals))
            if sum(len(grid.numbers) for grid in part) >= TRACES_AT_ONCE:
                yield part
                part = []
    if part:
        yield part


def _share_drift(
    found: ShotPredictions, slopes: Slopes, experiment: Sequence[str]
) -> ShotPredictions:
    reliable = np.array([not reasons for reasons in found.warnings], dtype=bool)
    usable = reliable & np.isfinite(found.k_per_s)
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
    model: Model, part: Sequence[_Grid], limits: ReliabilityLimits, found: _Found
) -> None:
    """Add the predictions of a few traces."""
    count = sum(len(grid.numbers) for grid in part)
    rows: Rows = np.empty((count, model.features.n_inputs), dtype=np.float32)
    good: list[_Grid] = []
    numbers: list[int] = []
    for grid in part:
        reasons = fill_rows(
            grid.time_s, grid.signals, spec=model.features, out=rows[len(numbers) :]
        )
        for number, why in zip(grid.numbers, reasons, strict=True):
            found.refusals[number] = (why,) if why else ()
        left = _without_refused(grid, reasons)
        if left.numbers:
            good.append(left)
            numbers += left.numbers
    if not numbers:
        return
    sizes = [len(grid.numbers) for grid in good]
    windows = np.repeat([window_of(grid.time_s) for grid in good], sizes)
    stretch = model.interval.factor(
        np.repeat([len(grid.time_s) for grid in good], sizes),
        [neighbour_correlation(signal) for grid in good for signal in grid.signals],
    )
    made = predict(model, rows[: len(numbers)], window_s=windows, stretch=stretch)
    rates = np.stack([made.k_per_s, made.k_low95_per_s, made.k_high95_per_s, made.target_sd])
    kt = made.k_per_s * windows
    remains = residues([(grid.time_s, grid.signals) for grid in good], kt=kt)
    found.rates[:, numbers] = rates
    found.slopes[:, numbers] = _slopes(remains, windows)
    for number, own in zip(numbers, _check_part(good, rates, remains, limits), strict=True):
        found.warnings[number] = own


def _check_part(
    grids: Sequence[_Grid],
    rates: FloatArray,
    remains: Sequence[Residue | None],
    limits: ReliabilityLimits,
) -> Iterator[Reasons]:
    """Yield the reasons to distrust each trace."""
    begin = 0
    for grid in grids:
        own = slice(begin, begin + len(grid.numbers))
        found = check_reliability(
            grid.time_s,
            grid.signals,
            k_per_s=rates[0, own],
            log_sd=rates[3, own],
            left=remains[own],
            limits=limits,
        )
        yield from map(tuple, found)
        begin = own.stop


def _without_refused(grid: _Grid, reasons: Sequence[str]) -> _Grid:
    if not any(reasons):
        return grid
    kept = [place for place, why in enumerate(reasons) if not why]
    return _Grid([grid.numbers[place] for place in kept], grid.time_s, grid.signals[kept])


def _slopes(remains: Sequence[Residue | None], windows: FloatArray) -> FloatArray:
    """Return the columns of `Slopes`, (4, M), in signal per second; NaN where there is no rate."""
    found = np.full((4, len(remains)), np.nan)
    for i, own in enumerate(remains):
        if own is not None:
            line = np.array([own.slope, own.slope_error, own.slope_log_k]) / windows[i]
            found[:, i] = *line, own.log_k_error
    return found
