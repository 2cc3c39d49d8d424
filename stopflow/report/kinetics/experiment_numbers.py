"""The numbers behind one experiment's pictures: decimated traces, fits, residuals, cuts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.errors import SettingsError
from stopflow.kinetics.laws import find_law, parameter_column
from stopflow.report.data import KineticsReportData, TracePair
from stopflow.report.kinetics.conditions import Series, build_series, build_units
from stopflow.report.paper.decimate import (
    FloatArray,
    bucket_statistics,
    decimate_min_max,
    envelope,
)
from stopflow.report.tables.tables import signal_unit

_POINTS_A_PAGE = 5200
_FEW = 6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """x and y of a line; for an outline, the lower edge forwards and the upper one back."""

    x: FloatArray
    y: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShotPicture:
    """One shot as drawn.

    Attributes
    ----------
    trace, log_trace
        Recorded signal against time, and against time since the cut; outlines of the noise when
        there are many shots, else lines.
    fit, log_fit
        None when the shot has no rate.
    start_s
        NaN when unknown.
    """

    series: int
    verdict: str
    start_s: float
    trace: Curve
    log_trace: Curve | None
    fit: Curve | None
    log_fit: Curve | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResidualBand:
    """Residuals of all shots: their span and the mean of each condition.

    Attributes
    ----------
    middle, low, high
        (B,) the span over all shots.
    means
        One (B,) line a condition, NaN where nothing falls.
    """

    middle: FloatArray
    low: FloatArray
    high: FloatArray
    means: tuple[FloatArray, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExperimentPicture:
    """Everything that the pictures of an experiment show.

    Attributes
    ----------
    time_factor, time_unit
        From seconds to what the axes say.
    outlined
        Whether traces are outlines of the noise.
    bold
        Places in `shots` whose fits are drawn bold: all of a few, else the median k of each
        condition.
    """

    series: tuple[Series, ...]
    shots: tuple[ShotPicture, ...]
    residuals: ResidualBand | None
    log_residuals: ResidualBand | None
    time_factor: float
    time_unit: str
    signal_unit: str
    outlined: bool
    bold: tuple[int, ...]


def predict_signal(shot: Mapping[str, object], time_s: FloatArray) -> FloatArray | None:
    """Signal of a shot's fit at `time_s`, or None when it has none."""
    try:
        law = find_law(str(shot.get(col.LAW, "")))
    except SettingsError:
        return None
    parameters = {
        name: float(shot.get(parameter_column(name), np.nan))  # type: ignore[arg-type]
        for name in law.parameters
    }
    if not all(np.isfinite(value) for value in parameters.values()):
        return None
    return law.evaluate(time_s - float(shot[col.START_S]), parameters)  # type: ignore[arg-type]


def build_experiment_picture(data: KineticsReportData, rows: Sequence[int]) -> ExperimentPicture:
    """Read the traces of one experiment and reduce them to what a page can show.

    Parameters
    ----------
    rows
        Row numbers of the experiment's shots in ``data.shots``.
    """
    table = data.shots.iloc[list(rows)].set_axis(list(rows))
    series = build_series(table, build_units(data.conditions))
    owners = {row: place for place, item in enumerate(series) for row in item.rows}
    recorded = {row: data.trace(row) for row in rows}
    readable = {row: pair for row, pair in recorded.items() if pair is not None and len(pair[0])}
    buckets = int(np.clip(_POINTS_A_PAGE / (4 * max(len(readable), 1)), 24, 500))
    outlined = len(readable) > _FEW
    pictures, residuals = [], []
    shots = dict(zip(rows, table.to_dict("records"), strict=True))
    for row, pair in readable.items():
        shot = {str(name): value for name, value in shots[row].items()}
        picture, left_over = _picture_shot(shot, pair, owners[row], buckets, outlined=outlined)
        pictures.append(picture)
        if left_over is not None:
            residuals.append((owners[row], *left_over))
    longest = max((np.ptp(pair[0]) for pair in readable.values()), default=1.0)
    factor, unit = (1e3, "ms") if longest < 2 else (1.0, "s")
    return ExperimentPicture(
        series=tuple(series),
        shots=tuple(pictures),
        residuals=_band(residuals, len(series), np.linspace) if residuals else None,
        log_residuals=_band(residuals, len(series), np.geomspace) if residuals else None,
        time_factor=factor,
        time_unit=unit,
        signal_unit=signal_unit(table),
        outlined=outlined,
        bold=_choose_bold(pictures, [float(shots[row][col.K_PER_S]) for row in readable]),
    )


def _picture_shot(
    shot: Mapping[str, object],
    pair: TracePair,
    owner: int,
    buckets: int,
    *,
    outlined: bool,
) -> tuple[ShotPicture, TracePair | None]:
    time, signal = (np.asarray(array, dtype=float) for array in pair)
    known = np.isfinite(time) & np.isfinite(signal)
    # A refused trace may run backwards; it is drawn all the same.
    order = np.argsort(time[known], kind="stable")
    time, signal = time[known][order], signal[known][order]
    start = float(shot[col.START_S])  # type: ignore[arg-type]
    begin = start if np.isfinite(start) else time[0]
    end = float(shot.get(col.END_S, np.nan))  # type: ignore[arg-type]
    kept = (time >= begin) & ~(time > end)
    since = time[kept] - begin
    later = since > 0
    fitted = predict_signal(shot, time[kept]) if kept.any() else None
    log_x = since[later]
    picture = ShotPicture(
        series=owner,
        verdict=str(shot[col.VERDICT]),
        start_s=start,
        trace=_reduce(time, signal, _edges(time, begin, buckets), buckets, outlined=outlined),
        log_trace=_reduce(
            log_x,
            signal[kept][later],
            np.geomspace(log_x[0], log_x[-1] * (1 + 1e-9), buckets + 1),
            buckets,
            outlined=outlined,
        )
        if len(log_x) > 2
        else None,
        fit=_thin(time[kept], fitted, begin) if fitted is not None else None,
        log_fit=_thin(log_x, fitted[later], 0.0) if fitted is not None else None,
    )
    left_over = (since, signal[kept] - fitted) if fitted is not None and len(log_x) > 2 else None
    return picture, left_over


def _edges(time: FloatArray, begin: float, buckets: int) -> FloatArray:
    """Half the buckets evenly, half crowded behind the cut, where the signal is steep."""
    end = time[-1] + 1e-9 * max(time[-1] - time[0], 1e-3)
    even = np.linspace(time[0], end, buckets // 2 + 1)
    if not time[0] <= begin < end:
        return even
    steep = begin + np.geomspace((end - begin) / 1000, end - begin, buckets // 2)
    return np.unique(np.concatenate([even, steep]))


def _reduce(
    x: FloatArray, y: FloatArray, edges: FloatArray, buckets: int, *, outlined: bool
) -> Curve:
    if not outlined:
        return Curve(**dict(zip("xy", decimate_min_max(x, y, buckets=2 * buckets), strict=True)))
    middle, low, high = envelope(x, y, edges=edges)
    return Curve(x=np.concatenate([middle, middle[::-1]]), y=np.concatenate([low, high[::-1]]))


def _thin(x: FloatArray, y: FloatArray, begin: float) -> Curve:
    """About 160 points of a smooth curve, crowded where it begins."""
    if len(x) <= 160:
        return Curve(x=x, y=y)
    span = x[-1] - begin
    wanted = np.concatenate(
        [np.linspace(x[0], x[-1], 60), begin + np.geomspace(span / 3000, span, 100)]
    )
    keep = np.unique(np.clip(np.searchsorted(x, wanted), 0, len(x) - 1))
    return Curve(x=x[keep], y=y[keep])


def _band(
    residuals: Sequence[tuple[int, FloatArray, FloatArray]],
    conditions: int,
    spaced: Callable[..., FloatArray],
) -> ResidualBand:
    end = max(since[-1] for _, since, _ in residuals) * (1 + 1e-9)
    first = min(since[since > 0][0] for _, since, _ in residuals)
    begin = 0.0 if spaced is np.linspace else first
    buckets = 90
    edges = spaced(begin, end, buckets + 1)
    low, high = np.full(buckets, np.inf), np.full(buckets, -np.inf)
    sums, counts = np.zeros((conditions, buckets)), np.zeros((conditions, buckets))
    for owner, since, residual in residuals:
        found = bucket_statistics(since, residual, edges=edges)
        np.minimum(low, found.low, out=low)
        np.maximum(high, found.high, out=high)
        known = found.count > 0
        sums[owner][known] += found.mean[known]
        counts[owner] += known
    averages = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    middle = (edges[:-1] + edges[1:]) / 2 if begin == 0 else np.sqrt(edges[:-1] * edges[1:])
    filled = np.isfinite(low)
    return ResidualBand(
        middle=middle[filled],
        low=low[filled],
        high=high[filled],
        means=tuple(line[filled] for line in averages),
    )


def _choose_bold(pictures: Sequence[ShotPicture], rates: Sequence[float]) -> tuple[int, ...]:
    fitted = [place for place, item in enumerate(pictures) if item.fit is not None]
    if len(fitted) <= _FEW:
        return tuple(fitted)
    chosen = []
    for owner in dict.fromkeys(pictures[place].series for place in fitted):
        own = sorted(
            (place for place in fitted if pictures[place].series == owner),
            key=lambda place: (rates[place], place),
        )
        chosen.append(own[(len(own) - 1) // 2])
    return tuple(chosen)


def relative_cuts(
    cuts: pd.DataFrame, shots: pd.DataFrame
) -> list[tuple[int, FloatArray, FloatArray]]:
    """Return k of each shot for every cut tried, relative to that at the cut of its fit.

    Both are rates of one exponential with a slope, whatever the rate law reported.

    Returns
    -------
    lines
        (row of the shot, cut_s, k / k at the cut - 1), only for shots that have both.
    """
    at_cut = shots[col.K_SLOPE_PER_S].where(np.isfinite(shots[col.K_PER_S]))
    reported = {
        (file, channel): (index, k_per_s)
        for index, file, channel, k_per_s in zip(
            shots.index, shots[col.FILE], shots[col.CHANNEL], at_cut, strict=True
        )
        if np.isfinite(k_per_s)
    }
    lines = []
    for key, part in cuts.groupby([col.FILE, col.CHANNEL], sort=False):
        if key not in reported:
            continue
        index, k = reported[key]
        tried = part[col.K_PER_S].to_numpy(float) / k - 1
        known = np.isfinite(tried)
        if known.sum() > 1:
            lines.append((int(index), part[col.CUT_S].to_numpy(float)[known], tried[known]))
    return lines
