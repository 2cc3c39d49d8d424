"""Features: a trimmed trace on any time grid becomes a row of fixed length for a network.

Three kinds, chosen by `FeatureSpec`:

``raw``
    the published vector: interleaved time and signal from the start time, zero-padded or cut; the
    target is k itself;
``shape``
    the dimensionless vector (default): interleaved relative time and signal on a fixed grid of
    bins; the target is log(k T);
``blocks``
    the same on few, log-spaced blocks, with the log of the number of points in the time slot.

A rate constant has a unit, but the shape of a trace has none. With the window
T = time_s[-1] - time_s[0] (n - 1 steps) the relative time tau = (t - t_0)/T runs from 0 to 1 and
the curve depends on k T alone. The signal is averaged over the bins of `stopflow.bins`, centred,
scaled to unit standard deviation over them, and its sign is chosen such that an exponential in it
decays, whatever the slope below it.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stopflow.bins import EDGES, bin_matrix, bin_means
from stopflow.errors import SettingsError, TraceError, require_key
from stopflow.trace import FloatArray

Rows = NDArray[np.float32]

MINIMUM_POINTS: Final = 10
SIGNALS_AT_ONCE: Final = 8
"""Number of signals that are treated together, so that they fit into the processor's cache."""
MATRIX_PAYS_FROM: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureKind:
    """A way to turn traces into rows.

    Attributes
    ----------
    fill
        (time_s (n,), signals (B, n), rows (B, 2 pairs) to be filled).
    dimensionless
        Whether the target is log(k T) instead of k.
    """

    key: str
    description: str
    pairs: int
    dimensionless: bool
    fill: Callable[[FloatArray, FloatArray, Rows], None]


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
        require_key("features", self.kind, FEATURES)
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


def refusals(time_s: FloatArray, signals: FloatArray) -> list[str]:
    """Return why each of (B, n) signals at (n,) times cannot be used; "" where it can."""
    why = _no_times(time_s) or _no_pairs(time_s, signals)
    if why:
        return [why] * len(signals)
    low, high = signals.min(axis=1), signals.max(axis=1)
    found = np.where(low == high, "the signal is constant: there is no reaction to see", "")
    finite = np.isfinite(low) & np.isfinite(high)
    not_finite = "the signal holds values that are not finite numbers (NaN or infinite)"
    texts: list[str] = np.where(finite, found, not_finite).tolist()
    return texts


def _no_times(time_s: FloatArray) -> str:
    n_points = len(time_s)
    if n_points < MINIMUM_POINTS:
        return f"the trace has {n_points} points, and at least {MINIMUM_POINTS} are needed"
    later = time_s[1:] > time_s[:-1]
    if later.all() and np.isfinite(time_s[[0, -1]]).all():
        return ""
    if not np.isfinite(time_s).all():
        return "the times hold values that are not finite numbers (NaN or infinite)"
    late = int(np.argmin(later))
    return (
        f"the times do not increase: {time_s[late]:.6g} s is followed by "
        f"{time_s[late + 1]:.6g} s (point {late + 2}); expected strictly increasing times"
    )


def _no_pairs(time_s: FloatArray, signals: FloatArray) -> str:
    if signals.shape[1] == len(time_s):
        return ""
    return f"{signals.shape[1]} values of the signal do not fit {len(time_s)} times"


def shared_grids(traces: Sequence[tuple[FloatArray, FloatArray]]) -> list[list[int]]:
    """Group the numbers of traces, (time_s, signal) each, by equal times (and lengths)."""
    groups: list[list[int]] = []
    seen: dict[tuple[int, int, bytes], list[list[int]]] = defaultdict(list)
    for number, (time_s, signal) in enumerate(traces):
        sample = time_s[:: max(1, len(time_s) // 16)].tobytes()
        alike = seen[len(time_s), len(signal), sample]
        for group in alike:
            if np.array_equal(traces[group[0]][0], time_s):
                group.append(number)
                break
        else:
            alike.append([number])
            groups.append(alike[-1])
    return groups


def window_of(time_s: FloatArray) -> float:
    """T = last time - first time of the trimmed trace: the unit of relative time (seconds)."""
    return float(time_s[-1] - time_s[0])


@lru_cache(maxsize=8)
def sign_weights(kind: str, pairs: int) -> FloatArray:
    """(pairs,) weights whose product with the bins has the sign of the exponential's amplitude.

    They are the falling ramp over the bin number with 1 and tau projected out. Over tau that
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


def normalised(bins: FloatArray, weights: FloatArray) -> FloatArray:
    """Centre, scale by the SD over the bins, and turn: (..., m) -> (..., m); no BLAS threads."""
    centred = bins - bins.mean(axis=-1, keepdims=True)
    scale = np.sqrt(np.einsum("...i,...i->...", centred, centred) / centred.shape[-1])[..., None]
    turn = np.where(np.einsum("...i,i->...", centred, weights) < 0, -1.0, 1.0)[..., None]
    return centred * (turn / np.where(scale > 0, scale, 1.0))


def relative_times(time_s: FloatArray) -> FloatArray:
    """(n,) times from 0 to 1, exactly."""
    tau = (time_s - time_s[0]) / window_of(time_s)
    tau[-1] = 1.0
    return tau


def _fill_cells(kind: str, tau: FloatArray, signals: FloatArray, rows: Rows) -> None:
    """Put normalised bins into the signal slots."""
    pairs = rows.shape[1] // 2
    edges, weights = EDGES[kind](pairs), sign_weights(kind, pairs)
    matrix = bin_matrix(tau, edges) if len(signals) >= MATRIX_PAYS_FROM else None
    for first in range(0, len(signals), SIGNALS_AT_ONCE):
        part = slice(first, first + SIGNALS_AT_ONCE)
        if matrix is None:
            bins = bin_means(tau, signals[part], edges)
        else:
            bins = np.stack([matrix @ signal for signal in signals[part]])
        rows[part, 1::2] = normalised(bins, weights)


def _fill_shape(time_s: FloatArray, signals: FloatArray, rows: Rows) -> None:
    edges = EDGES["shape"](rows.shape[1] // 2)
    rows[:, 0::2] = 0.5 * (edges[1:] + edges[:-1])
    _fill_cells("shape", relative_times(time_s), signals, rows)


def _fill_blocks(time_s: FloatArray, signals: FloatArray, rows: Rows) -> None:
    tau = relative_times(time_s)
    rows[:, 0::2] = np.log1p(np.histogram(tau, bins=EDGES["blocks"](rows.shape[1] // 2))[0])
    _fill_cells("blocks", tau, signals, rows)


def _fill_raw(time_s: FloatArray, signals: FloatArray, rows: Rows) -> None:
    kept = min(rows.shape[1] // 2, len(time_s))
    rows[:, 0 : 2 * kept : 2] = time_s[:kept]
    rows[:, 1 : 2 * kept : 2] = signals[:, :kept]
    rows[:, 2 * kept :] = 0.0


FEATURES: Final[Mapping[str, FeatureKind]] = {
    kind.key: kind
    for kind in (
        FeatureKind(
            key="raw",
            description="time and signal as recorded, zero-padded or cut; target k",
            pairs=14_000,
            dimensionless=False,
            fill=_fill_raw,
        ),
        FeatureKind(
            key="shape",
            description="relative time and normalised signal on 14,000 bins; target log(k T)",
            pairs=14_000,
            dimensionless=True,
            fill=_fill_shape,
        ),
        FeatureKind(
            key="blocks",
            description="normalised signal and log count of 256 log-time blocks; target log(k T)",
            pairs=256,
            dimensionless=True,
            fill=_fill_blocks,
        ),
    )
}


def fill_rows(
    time_s: FloatArray, signals: FloatArray, *, spec: FeatureSpec, out: Rows
) -> list[str]:
    """Put rows of (B, n) signals at (n,) times, one after the other, at the start of `out`.

    Returns (B,) reasons why a signal has no row, "" where it has one.
    """
    reasons = refusals(time_s, signals)
    good = [number for number, why in enumerate(reasons) if not why]
    if good:
        kept = signals if len(good) == len(signals) else signals[good]
        FEATURES[spec.kind].fill(time_s, kept, out[: len(good)])
    return reasons


def build_feature_batch(time_s: ArrayLike, signals: ArrayLike, *, spec: FeatureSpec) -> Rows:
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
        Fewer than 10 points, values that are not finite numbers, times that do not increase, or a
        signal that never changes.
    """
    times = np.asarray(time_s, dtype=np.float64)
    values = np.asarray(signals, dtype=np.float64)
    rows = np.empty((len(values), spec.n_inputs), dtype=np.float32)
    for why in fill_rows(times, values, spec=spec, out=rows):
        if why:
            raise TraceError(why)
    return rows


def build_features(time_s: ArrayLike, signal: ArrayLike, *, spec: FeatureSpec) -> Rows:
    """One trimmed trace, (n,) and (n,), as a row; shape and errors as of `build_feature_batch`."""
    return build_feature_batch(time_s, np.asarray(signal, dtype=np.float64)[None, :], spec=spec)[0]


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
