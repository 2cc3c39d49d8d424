"""A trimmed trace of any length and time grid -> a fixed row of numbers for a network.

Three kinds, chosen by `FeatureSpec`:

``raw``
    the published vector: interleaved time and signal from the start time, zero-padded or cut; the
    target is k itself;
``shape``
    the dimensionless vector (default): interleaved relative time and signal on a fixed grid of
    cells; the target is log(k T);
``blocks``
    the same on few, log-spaced blocks, with the log of the number of points in the time slot.

A rate constant has a unit, the shape of its trace has none: with the window
T = time_s[-1] - time_s[0] (n - 1 steps) the relative time tau = (t - t_0)/T runs from 0 to 1 and
the curve depends on k T alone. Each cell holds the mean of the straight-line interpolant of the
signal over the cell: one rule for cells with many points and for cells with none, exact in
position whatever the sampling. The cells are narrow where fast reactions happen: their edges are
expm1(8 u)/expm1(8) for evenly spaced u. The signal is then centred, scaled by its own SD over the
cells, and turned so that an exponential decays into it, whatever the slope below it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stopflow.errors import SettingsError, TraceError
from stopflow.trace import FloatArray, frozen_array

Rows = NDArray[np.float32]
Grid = tuple[FloatArray, NDArray[np.intp], FloatArray, FloatArray, FloatArray]

MINIMUM_POINTS: Final = 10
CELL_WARP: Final = 8.0
FIRST_BLOCK_EDGE: Final = 3e-5
ROWS_AT_ONCE: Final = 8
EVEN_WITHIN: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureKind:
    """A way to turn traces into rows.

    Attributes
    ----------
    build
        (time_s (n,), signals (B, n), pairs) -> rows (B, 2 pairs).
    dimensionless
        Whether the target is log(k T) instead of k.
    """

    key: str
    description: str
    pairs: int
    dimensionless: bool
    build: Callable[[FloatArray, FloatArray, int], Rows]


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """Which features, and how many pairs; `pairs` = 0 takes the kind's own number.

    Raises
    ------
    SettingsError
        For a kind that is not in `FEATURES` or fewer than two pairs.
    """

    kind: str = "shape"
    pairs: int = 0

    def __post_init__(self) -> None:
        if self.kind not in FEATURES:
            raise SettingsError("features", self.kind, valid=FEATURES)
        if self.pairs == 0:
            object.__setattr__(self, "pairs", FEATURES[self.kind].pairs)
        if self.pairs < 2:
            raise SettingsError("pairs", self.pairs, valid="a whole number, 2 or more")

    @property
    def n_inputs(self) -> int:
        """Length of a row."""
        return 2 * self.pairs

    def to_dict(self) -> dict[str, str | int]:
        """For a saved model."""
        return {"kind": self.kind, "pairs": self.pairs}


def require_trace(time_s: FloatArray, signals: FloatArray) -> None:
    """Refuse what no feature can be made of.

    Raises
    ------
    TraceError
        Fewer than 10 points, values that are no numbers, times that do not increase, or a
        signal that never changes.
    """
    n_points = len(time_s)
    if n_points < MINIMUM_POINTS:
        raise TraceError(f"the trace has {n_points} points; at least {MINIMUM_POINTS} are needed")
    if not np.isfinite(time_s.sum()) and not np.isfinite(time_s).all():
        raise TraceError("the times hold values that are no finite numbers (NaN or infinite)")
    if not np.isfinite(signals.sum()) and not np.isfinite(signals).all():
        raise TraceError("the signal holds values that are no finite numbers (NaN or infinite)")
    late = np.flatnonzero(time_s[1:] <= time_s[:-1])
    if late.size:
        raise TraceError(
            f"the times do not increase: {time_s[late[0]]:.6g} s is followed by "
            f"{time_s[late[0] + 1]:.6g} s (point {late[0] + 2}); expected strictly increasing times"
        )
    if (np.ptp(signals, axis=-1) == 0).any():
        raise TraceError("the signal is constant: there is no reaction to see")


def window_of(time_s: FloatArray) -> float:
    """T = last time - first time of the trimmed trace: the unit of relative time (seconds)."""
    return float(time_s[-1] - time_s[0])


def shape_edges(pairs: int) -> FloatArray:
    """(pairs + 1,) edges of the shape cells in relative time: linear at first, then log-like."""
    return np.expm1(CELL_WARP * np.linspace(0.0, 1.0, pairs + 1)) / np.expm1(CELL_WARP)


def block_edges(pairs: int) -> FloatArray:
    """(pairs + 1,) log-spaced edges from 3e-5 to 1; the first block reaches down to 0."""
    edges = np.geomspace(FIRST_BLOCK_EDGE, 1.0, pairs + 1)
    edges[0], edges[-1] = 0.0, 1.0
    return edges


def cell_means(tau: FloatArray, signals: FloatArray, edges: FloatArray) -> FloatArray:
    """Mean of the straight-line interpolant over each cell.

    F(e) = integral of the interpolant from 0 to e is a parabola between two points, so the mean
    over a cell is (F(e_{j+1}) - F(e_j)) / (e_{j+1} - e_j).

    Parameters
    ----------
    tau
        (n,) increasing relative times from 0 to 1.
    signals
        (..., n) values at those times.
    edges
        (m + 1,) increasing cell edges from 0 to 1.

    Returns
    -------
    (..., m) cell means.
    """
    return _means(_cell_grid(tau, edges), signals)


def _cell_grid(tau: FloatArray, edges: FloatArray) -> Grid:
    """Return steps, the point before each edge, weights of signal and rise there, cell widths."""
    step = np.diff(tau)
    left = _point_before(tau, edges)
    ahead = edges - tau[left]
    return step, left, ahead, 0.5 * ahead**2 / step[left], np.diff(edges)


@lru_cache(maxsize=32)
def _known_grid(times: bytes, kind: str, pairs: int) -> Grid:
    """Return the grid for recorded times: the shots of an instrument share them."""
    return _cell_grid(_relative(np.frombuffer(times)), EDGES[kind](pairs))


def _means(grid: Grid, signals: FloatArray) -> FloatArray:
    step, left, ahead, bend, width = grid
    rise = np.diff(signals, axis=-1)
    area = np.zeros(signals.shape)
    np.cumsum((signals[..., :-1] + 0.5 * rise) * step, axis=-1, out=area[..., 1:])
    integral = np.take(area, left, axis=-1)
    integral += ahead * np.take(signals, left, axis=-1) + bend * np.take(rise, left, axis=-1)
    return np.diff(integral, axis=-1) / width


def _point_before(tau: FloatArray, edges: FloatArray) -> NDArray[np.intp]:
    """Find the point at or before each edge, never the last point."""
    intervals = len(tau) - 1
    if np.abs(tau * intervals - np.arange(intervals + 1)).max() < EVEN_WITHIN:
        found = (edges * intervals).astype(np.intp)  # an even grid needs no search
    else:
        found = np.searchsorted(tau, edges, side="right") - 1
    return np.minimum(found, intervals - 1)


@lru_cache(maxsize=8)
def turning_weights(kind: str, pairs: int) -> FloatArray:
    """(pairs,) weights whose product with the cells has the sign of the exponential's amplitude.

    They are the falling ramp over the cell number with 1 and tau projected out. Over tau that
    ramp is convex, so what is left is +, -, + and its product with any convex curve, such as
    exp(-k T tau), is positive, and with a constant or a slope zero.
    """
    edges = EDGES[kind](pairs)
    middle = 0.5 * (edges[1:] + edges[:-1])
    line = np.stack([np.ones(pairs), middle], axis=1)
    ramp = np.linspace(1.0, -1.0, pairs)
    weights = ramp - line @ np.linalg.lstsq(line, ramp, rcond=None)[0]
    weights.setflags(write=False)
    return weights


def normalised(cells: FloatArray, weights: FloatArray) -> FloatArray:
    """Centre, scale by the SD over the cells, and turn: (..., m) -> (..., m); no BLAS threads."""
    centred = cells - cells.mean(axis=-1, keepdims=True)
    scale = np.sqrt(np.einsum("...i,...i->...", centred, centred) / centred.shape[-1])[..., None]
    turn = np.where(np.einsum("...i,i->...", centred, weights) < 0, -1.0, 1.0)[..., None]
    return centred * (turn / np.where(scale > 0, scale, 1.0))


def _relative(time_s: FloatArray) -> FloatArray:
    tau = (time_s - time_s[0]) / window_of(time_s)
    tau[-1] = 1.0
    return tau


def _cells(kind: str, time_s: FloatArray, signals: FloatArray, pairs: int) -> FloatArray:
    centred = signals - signals.mean(axis=-1, keepdims=True)
    cells = _means(_known_grid(time_s.tobytes(), kind, pairs), centred)
    return normalised(cells, turning_weights(kind, pairs))


def _build_shape(time_s: FloatArray, signals: FloatArray, pairs: int) -> Rows:
    edges = EDGES["shape"](pairs)
    rows = np.empty((len(signals), 2 * pairs), dtype=np.float32)
    rows[:, 0::2] = 0.5 * (edges[1:] + edges[:-1])
    rows[:, 1::2] = _cells("shape", time_s, signals, pairs)
    return rows


def _build_blocks(time_s: FloatArray, signals: FloatArray, pairs: int) -> Rows:
    counts = np.histogram(_relative(time_s), bins=EDGES["blocks"](pairs))[0]
    rows = np.empty((len(signals), 2 * pairs), dtype=np.float32)
    rows[:, 0::2] = np.log1p(counts)
    rows[:, 1::2] = _cells("blocks", time_s, signals, pairs)
    return rows


def _build_raw(time_s: FloatArray, signals: FloatArray, pairs: int) -> Rows:
    rows = np.zeros((len(signals), 2 * pairs), dtype=np.float32)
    kept = min(pairs, len(time_s))
    rows[:, 0 : 2 * kept : 2] = time_s[:kept]
    rows[:, 1 : 2 * kept : 2] = signals[:, :kept]
    return rows


EDGES: Final[Mapping[str, Callable[[int], FloatArray]]] = {
    "shape": lru_cache(maxsize=4)(shape_edges),
    "blocks": lru_cache(maxsize=4)(block_edges),
}

FEATURES: Final[Mapping[str, FeatureKind]] = {
    kind.key: kind
    for kind in (
        FeatureKind(
            key="raw",
            description="time and signal as recorded, zero-padded or cut; target k",
            pairs=14_000,
            dimensionless=False,
            build=_build_raw,
        ),
        FeatureKind(
            key="shape",
            description="relative time and normalised signal on 14,000 cells; target log(k T)",
            pairs=14_000,
            dimensionless=True,
            build=_build_shape,
        ),
        FeatureKind(
            key="blocks",
            description="normalised signal and log count of 256 log-time blocks; target log(k T)",
            pairs=256,
            dimensionless=True,
            build=_build_blocks,
        ),
    )
}


def build_batch(time_s: ArrayLike, signals: ArrayLike, *, spec: FeatureSpec) -> Rows:
    """Rows of trimmed traces that share one time grid.

    Parameters
    ----------
    time_s
        (n,) seconds from the start time on, strictly increasing.
    signals
        (B, n) in any unit.

    Returns
    -------
    (B, spec.n_inputs) float32.

    Raises
    ------
    TraceError
        See `require_trace`.
    """
    times = np.asarray(time_s, dtype=np.float64)
    values = np.asarray(signals, dtype=np.float64)
    require_trace(times, values)
    build = FEATURES[spec.kind].build
    rows = np.empty((len(values), spec.n_inputs), dtype=np.float32)
    for first in range(0, len(values), ROWS_AT_ONCE):
        part = slice(first, first + ROWS_AT_ONCE)
        rows[part] = build(times, values[part], spec.pairs)
    return rows


def build_features(time_s: ArrayLike, signal: ArrayLike, *, spec: FeatureSpec) -> Rows:
    """One trimmed trace, (n,) and (n,), as a row (spec.n_inputs,); errors as `build_batch`."""
    return build_batch(time_s, np.asarray(signal, dtype=np.float64)[None, :], spec=spec)[0]


def build_rows(traces: Sequence[tuple[ArrayLike, ArrayLike]], *, spec: FeatureSpec) -> Rows:
    """Rows (B, spec.n_inputs) of trimmed traces, (time_s, signal) each, every one on its own grid.

    Raises
    ------
    TraceError
        See `require_trace`; the message names the trace by its number.
    """
    rows = np.empty((len(traces), spec.n_inputs), dtype=np.float32)
    for number, (time_s, signal) in enumerate(traces):
        try:
            rows[number] = build_features(time_s, signal, spec=spec)
        except TraceError as error:
            raise TraceError(f"trace {number + 1} of {len(traces)}: {error}") from error
    return rows


def encode_target(k_per_s: ArrayLike, window_s: ArrayLike, *, spec: FeatureSpec) -> FloatArray:
    """Turn rates into what a network learns: log(k T) for dimensionless kinds, else k.

    `window_s` is that of the trimmed trace, see `window_of`.
    """
    rates = np.asarray(k_per_s, dtype=np.float64)
    if not FEATURES[spec.kind].dimensionless:
        return rates
    return np.log(rates * np.asarray(window_s, dtype=np.float64))


def decode_target(target: ArrayLike, window_s: ArrayLike, *, spec: FeatureSpec) -> FloatArray:
    """Turn a network's output into k in s^-1: the inverse of `encode_target`."""
    values = np.asarray(target, dtype=np.float64)
    if not FEATURES[spec.kind].dimensionless:
        return values
    with np.errstate(over="ignore"):  # an untrained network may say anything: infinite then
        return np.exp(values) / np.asarray(window_s, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standardiser:
    """Column mean and scale of the training rows; a column that never changes becomes 0."""

    mean: FloatArray
    scale: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", frozen_array(self.mean))
        object.__setattr__(self, "scale", frozen_array(self.scale))
        if self.mean.shape != self.scale.shape or self.mean.ndim != 1:
            raise ValueError(f"mean {self.mean.shape} and scale {self.scale.shape} must match")

    @classmethod
    def fit(cls, rows: ArrayLike) -> Self:
        """Learn from (N, n) training rows, and from these alone."""
        values = np.asarray(rows)
        mean = values.mean(axis=0, dtype=np.float64)
        spread = values.std(axis=0, dtype=np.float64)
        rounding = 1e-6 * np.maximum(np.abs(mean), 1e-12)
        return cls(mean=mean, scale=np.where(spread > rounding, spread, np.inf))

    @classmethod
    def identity(cls, n_inputs: int) -> Self:
        """Leave rows as they are."""
        return cls(mean=np.zeros(n_inputs), scale=np.ones(n_inputs))

    def apply(self, rows: ArrayLike) -> Rows:
        """(N, n) rows -> standardised float32 rows; constant columns are exactly 0."""
        values = np.asarray(rows, dtype=np.float32)
        shifted = values - self.mean.astype(np.float32)
        shifted *= (1.0 / self.scale).astype(np.float32)
        return shifted

    def to_dict(self) -> dict[str, FloatArray]:
        """Arrays to save: mean and scale (infinite for a constant column)."""
        return {"mean": self.mean, "scale": self.scale}

    @classmethod
    def from_dict(cls, saved: Mapping[str, ArrayLike]) -> Self:
        """Inverse of `to_dict`."""
        return cls(mean=frozen_array(saved["mean"]), scale=frozen_array(saved["scale"]))
