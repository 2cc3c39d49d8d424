"""The numbers behind one experiment's pictures: decimated traces, fits, residuals, cuts."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stopflow import column_names as col
from stopflow.kinetics.laws import LAWS, parameter_column
from stopflow.report.data import KineticsReportData, TracePair
from stopflow.report.kinetics.conditions import ConditionSeries
from stopflow.report.kinetics.experiment_tables import ExperimentTables
from stopflow.report.paper.decimate import FloatArray, bucket_sums, decimate_min_max, envelope
from stopflow.report.tables.tables import signal_unit

_POINTS_A_PAGE = 5200
_FEW = 6
_BUCKETS = 90
"""Of the mean residuals."""
_FEWEST_MEANT = 4
"""Points of a shot that a mean residual is made of."""
_NOISE_SEEN = 1.5
"""Standard deviations of the noise that the axis of residuals shows at least."""
_CURVE_POINTS = 160
"""Points up to which a smooth curve is drawn whole."""
_PARAMETERS = [parameter_column(name) for law in LAWS.values() for name in law.parameters]
_DRAWN = tuple(dict.fromkeys((col.LAW, col.K_PER_S, col.START_S, col.END_S, *_PARAMETERS)))
"""Columns of shots that their pictures are drawn from."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrawnCurve:
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
    start_s: float
    trace: DrawnCurve
    log_trace: DrawnCurve | None
    fit: DrawnCurve | None
    log_fit: DrawnCurve | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResidualBand:
    """Residuals of all shots: what is expected of one, and the mean of each condition.

    Attributes
    ----------
    middle
        (B,) times since the start of the fit.
    noise
        Standard deviation of the residuals of a shot, the median over all of them.
    means
        One (B,) line a condition, NaN where nothing falls.
    """

    middle: FloatArray
    noise: float
    means: tuple[FloatArray, ...]

    @property
    def reach(self) -> float:
        """Largest residual that an axis has to show: of the means, and the noise about zero."""
        means = np.abs(np.concatenate(self.means))
        largest = float(np.nanquantile(means, 0.99)) if np.isfinite(means).any() else 0.0
        return 1.15 * max(largest, _NOISE_SEEN * self.noise) or 1.0


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

    series: tuple[ConditionSeries, ...]
    shots: tuple[ShotPicture, ...]
    residuals: ResidualBand | None
    log_residuals: ResidualBand | None
    time_factor: float
    time_unit: str
    signal_unit: str
    outlined: bool
    bold: tuple[int, ...]


def _predict_signal(shot: Mapping[Hashable, Any], since_s: FloatArray) -> FloatArray | None:
    """Signal of a shot's fit at times since its start, or None when it has none."""
    law = LAWS.get(str(shot.get(col.LAW, "")))
    if law is None:
        return None
    parameters = {name: float(shot.get(parameter_column(name), np.nan)) for name in law.parameters}
    if not all(map(isfinite, parameters.values())):
        return None
    return law.evaluate(since_s, parameters)


def build_experiment_picture(
    data: KineticsReportData, tables: ExperimentTables
) -> ExperimentPicture:
    """Read the traces of one experiment and reduce them to what a page can show."""
    series = tables.series
    owners = {row: place for place, item in enumerate(series) for row in item.rows}
    rows = [int(row) for row in tables.shots.index]
    recorded = {row: pair for row in rows if (pair := data.trace(row)) is not None}
    known = {row: _in_order(pair) for row, pair in recorded.items()}
    readable = {row: pair for row, pair in known.items() if len(pair[0])}
    buckets = int(np.clip(_POINTS_A_PAGE / (4 * max(len(readable), 1)), 24, 500))
    outlined = len(readable) > _FEW
    pictures, residuals = [], []
    drawn = tables.shots[[name for name in _DRAWN if name in tables.shots]]
    shots = dict(zip(rows, drawn.to_dict("records"), strict=True))
    for row, pair in readable.items():
        picture, left_over = _picture_shot(
            shots[row], pair, owners[row], buckets, outlined=outlined
        )
        pictures.append(picture)
        if left_over is not None:
            residuals.append((owners[row], *left_over))
    longest = max((np.ptp(pair[0]) for pair in readable.values()), default=1.0)
    factor, unit = (1e3, "ms") if longest < 2 else (1.0, "s")
    return ExperimentPicture(
        series=series,
        shots=tuple(pictures),
        residuals=_band(residuals, len(series), log=False) if residuals else None,
        log_residuals=_band(residuals, len(series), log=True) if residuals else None,
        time_factor=factor,
        time_unit=unit,
        signal_unit=signal_unit(tables.shots),
        outlined=outlined,
        bold=_choose_bold(pictures, [float(shots[row][col.K_PER_S]) for row in readable]),
    )


def _picture_shot(
    shot: Mapping[Hashable, Any], pair: TracePair, owner: int, buckets: int, *, outlined: bool
) -> tuple[ShotPicture, TracePair | None]:
    time, signal = pair
    start = float(shot[col.START_S])
    begin = start if np.isfinite(start) else float(time[0])
    end = float(shot.get(col.END_S, np.nan))
    stop = len(time) if np.isnan(end) else int(np.searchsorted(time, end, side="right"))
    first = min(int(np.searchsorted(time, begin)), stop)
    since, kept = time[first:stop] - begin, signal[first:stop]
    fitted = _predict_signal(shot, time[first:stop] - start) if len(since) else None
    later = slice(int(np.searchsorted(since, 0.0, side="right")), None)
    log_x = since[later]
    edges = _edges(float(time[0]), float(time[-1]), begin, buckets)
    long_enough = len(log_x) > 2
    log_trace = None
    if long_enough:
        log_edges = _log_edges(float(log_x[0]), float(log_x[-1]), buckets)
        log_trace = _reduce(log_x, kept[later], log_edges, buckets, outlined=outlined)
    picture = ShotPicture(
        series=owner,
        start_s=start,
        trace=_reduce(time, signal, edges, buckets, outlined=outlined),
        log_trace=log_trace,
        fit=_thin(time[first:stop], fitted) if fitted is not None else None,
        log_fit=_thin(log_x, fitted[later]) if fitted is not None else None,
    )
    left_over = (since, kept - fitted) if fitted is not None and long_enough else None
    return picture, left_over


def _in_order(pair: TracePair) -> TracePair:
    """Leave out what is no number; a refused trace may run backwards, and is drawn all the same."""
    time, signal = (np.asarray(array, dtype=float) for array in pair)
    known = np.isfinite(time) & np.isfinite(signal)
    if not known.all():
        time, signal = time[known], signal[known]
    if (time[1:] < time[:-1]).any():
        order = np.argsort(time, kind="stable")
        time, signal = time[order], signal[order]
    return time, signal


@lru_cache(maxsize=64)
def _edges(first: float, last: float, begin: float, buckets: int) -> FloatArray:
    """Half the buckets evenly, half crowded behind the cut, where the signal is steep."""
    end = last + 1e-9 * max(last - first, 1e-3)
    even = np.linspace(first, end, buckets // 2 + 1)
    if not first <= begin < end:
        return even
    steep = begin + np.geomspace((end - begin) / 1000, end - begin, buckets // 2)
    return np.unique(np.concatenate([even, steep]))


@lru_cache(maxsize=64)
def _log_edges(first: float, last: float, buckets: int) -> FloatArray:
    return np.geomspace(first, last * (1 + 1e-9), buckets + 1)


def _reduce(
    x: FloatArray, y: FloatArray, edges: FloatArray, buckets: int, *, outlined: bool
) -> DrawnCurve:
    if not outlined:
        return DrawnCurve(
            **dict(zip("xy", decimate_min_max(x, y, buckets=2 * buckets), strict=True))
        )
    middle, low, high = envelope(x, y, edges=edges)
    return DrawnCurve(x=np.concatenate([middle, middle[::-1]]), y=np.concatenate([low, high[::-1]]))


def _thin(x: FloatArray, y: FloatArray) -> DrawnCurve:
    """About 160 points of a smooth curve, crowded where it begins."""
    keep = _kept_points(len(x))
    return DrawnCurve(x=x[keep], y=y[keep])


@lru_cache(maxsize=64)
def _kept_points(count: int) -> NDArray[np.intp]:
    if count <= _CURVE_POINTS:
        return np.arange(count)
    even, crowded = np.linspace(0, count - 1, 60), np.geomspace(1, count - 1, 100)
    return np.unique(np.rint(np.concatenate([even, crowded])).astype(np.intp))


def _band(
    residuals: Sequence[tuple[int, FloatArray, FloatArray]], conditions: int, *, log: bool
) -> ResidualBand:
    """Average the residuals of each condition, on a linear axis closest behind the start."""
    end = max(since[-1] for _, since, _ in residuals)
    first = min(since[since > 0][0] for _, since, _ in residuals)
    even = np.linspace(0, 1, _BUCKETS + 1)
    edges = first * (end / first) ** even if log else end * even**2
    step = min(since[-1] / len(since) for _, since, _ in residuals)
    edges[-1] *= 1 + 1e-9
    edges = _apart(edges, least=_FEWEST_MEANT * step)
    shape = conditions, len(edges) - 1
    sums, counts = np.zeros(shape), np.zeros(shape)
    for owner, since, residual in residuals:
        count, added = bucket_sums(since, residual, edges=edges)
        counts[owner] += count
        sums[owner] += added
    averages = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return ResidualBand(
        middle=np.sqrt(edges[:-1] * edges[1:]) if log else (edges[:-1] + edges[1:]) / 2,
        noise=float(np.median([np.std(residual) for _, _, residual in residuals])),
        means=tuple(averages),
    )


def _apart(edges: FloatArray, *, least: float) -> FloatArray:
    """Leave edges out so that the others are at least so far apart."""
    kept = [edges[0]]
    for edge in edges[1:]:
        if edge - kept[-1] >= least:
            kept.append(edge)
    return np.array([*kept[:-1], edges[-1]] if len(kept) > 1 else edges[[0, -1]])


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
