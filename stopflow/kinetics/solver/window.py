"""What can be fitted and what cannot: a trace becomes a dimensionless window, or a refusal.

Time is divided by the length of the window and the signal by its largest value, so that every
threshold below is a plain number.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stopflow.kinetics.laws import RealArray
from stopflow.kinetics.solver.kept_times import OfTimes
from stopflow.kinetics.solver.refusals import Refusal, refuse
from stopflow.trace import FloatArray

MIN_POINTS = 10
# Rates outside k T = 0.01 look like a straight line; the upper end is set by the sampling.
SLOWEST_KT = 0.01
# At the fastest rate the third point has fallen to exp(-4): two points still carry the decay.
FASTEST_EXPONENT = 4.0
LARGEST_NUMBER = 1e150
SMALLEST_NUMBER = 1 / LARGEST_NUMBER
# Shortest time between points, as a part of the window.
SHORTEST_STEP = 1e-9
# k times the time from the start to the first point: beyond this nothing of the decay is left.
FADED_EXPONENT = 30.0
# A start may lie before the first point by so many lengths of the record.
FARTHEST_START = 1.0
ROUNDING = 8 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """The part of a trace that is fitted, dimensionless.

    Attributes
    ----------
    time
        (N,) ``(t - start) / length``, increasing, at least 0, ending at 1. In the window of a
        user's expression, whose parameters have units that nobody knows, length and unit are 1.
    signal
        (N,) ``(y - centre) / unit``.
    root_weights
        (N,) square roots of the weights, or None for equal weights.
    start_s, length_s, centre, unit
        What turns the numbers back.
    exact
        (time, signal) likewise, in extended precision where the caller gave that.
    """

    time: FloatArray
    signal: FloatArray
    root_weights: FloatArray | None
    start_s: float
    length_s: float
    centre: float
    unit: float
    exact: tuple[RealArray, RealArray]

    def in_own_units(self) -> "Window":
        """Return the same points in seconds and in the unit of the signal."""
        exact = (self.exact[0] * self.length_s, self.exact[1] * self.unit + self.centre)
        return replace(
            self,
            time=exact[0].astype(np.float64),
            signal=exact[1].astype(np.float64),
            length_s=1.0,
            centre=0.0,
            unit=1.0,
            exact=exact,
        )

    def weighted(self, rows: RealArray) -> RealArray:
        """Rows (..., N) times the root weights."""
        return rows if self.root_weights is None else rows * self.root_weights


def fastest_kt(time: RealArray) -> float:
    """Largest k T that the sampling (N,) of the dimensionless time can show."""
    fastest = FASTEST_EXPONENT / max(float(time[2] - time[0]), SHORTEST_STEP)
    # With a start before the first point nothing is left of a fast exponential.
    return min(fastest, FADED_EXPONENT / max(float(time[0]), SHORTEST_STEP))


def _as_real(values: ArrayLike) -> RealArray:
    array = np.asarray(values)
    return array if array.dtype == np.longdouble else array.astype(np.float64, copy=False)


def validate_times(
    time_s: ArrayLike, *, start_s: float | None, needed: int
) -> tuple[RealArray, slice, float] | Refusal:
    """Check the times and cut what lies before the start.

    Returns
    -------
    tuple or Refusal
        (time (M,) as given, slice of the fitted points, start in seconds).
    """
    time = _as_real(time_s)
    if time.size == 0:
        return refuse("empty")
    first = float(time[0]) if start_s is None else float(start_s)
    keep = slice(0, None) if start_s is None else _from_start(time, first)
    kept = time[keep]
    increasing = kept[1:] > kept[:-1]
    # Comparisons with NaN are false: only a trace that is out of order needs a closer look.
    if not (increasing.all() and _usable(time[0]) and _usable(time[-1]) and _usable(first)):
        return _refuse_times(time, kept, increasing, first=first)
    if len(kept) < needed:
        return refuse("too-few", points=len(kept), needed=needed, start_s=first)
    refusal = _refuse_span(kept, first=first)
    return refusal or (time, keep, first)


def _refuse_span(kept: RealArray, *, first: float) -> Refusal | None:
    """Refuse a start far before the data, and windows of no usable length."""
    length, gap = float(kept[-1] - kept[0]), float(kept[0]) - first
    if not SMALLEST_NUMBER < length < LARGEST_NUMBER:
        return refuse("no-length", length_s=length)
    if gap > FARTHEST_START * length:
        return refuse("early-start", start_s=first, gap_s=gap, length_s=length)
    return None


def _usable(number: float) -> bool:
    return bool(abs(number) < LARGEST_NUMBER)


def _refuse_times(
    time: RealArray, kept: RealArray, increasing: NDArray[np.bool_], *, first: float
) -> Refusal:
    """Say which time is wrong, and how."""
    usable = np.abs(time) < LARGEST_NUMBER
    if not usable.all():
        at = int(np.argmin(usable))
        return refuse("wrong-time", point=at + 1, value=str(time[at]))
    if not _usable(first):
        return refuse("wrong-start", start_s=str(first))
    at = int(np.argmin(increasing))
    return refuse("backwards", before_s=float(kept[at]), after_s=float(kept[at + 1]))


def _from_start(time: RealArray, start: float) -> slice:
    """Slice of everything from the first point at or after `start`."""
    late = time >= start
    return slice(int(np.argmax(late)) if late.any() else len(time), None)


def validate_trace(
    time_s: ArrayLike,
    signal: ArrayLike,
    *,
    start_s: float | None = None,
    weights: ArrayLike | None = None,
    needed: int = MIN_POINTS,
    centred: bool = False,
) -> Window | Refusal:
    """Make the window that is fitted; `centred` takes the mean off the signal.

    Raises
    ------
    ValueError
        Arrays of unequal length: a mistake of the caller, not of the data.
    """
    values = _as_real(signal)
    weight = None if weights is None else np.asarray(weights, dtype=np.float64)
    shape = np.shape(time_s)
    if values.shape != shape or len(shape) != 1 or (weight is not None and weight.shape != shape):
        raise ValueError(f"time {shape}, signal {values.shape} and weights must be equal and 1-D")
    times = _since_start(_as_real(time_s), start_s, needed)
    if isinstance(times, Refusal):
        return times
    time, keep, start, length = times
    values = values[keep]
    root_weights = None
    if weight is not None:
        weight = weight[keep]
        refusal = _refuse_weights(weight, needed=needed)
        if refusal:
            return refusal
        used = weight > SMALLEST_NUMBER
        if not used.all():
            time, length = _scaled(_as_real(time_s)[keep][used], start)
        values, root_weights = values[used], np.sqrt(weight[used])
    refusal = refuse_signal(values)
    if refusal:
        return refusal
    centre = float(values.mean()) if centred else 0.0
    values = values - centre
    unit = max(abs(float(values.min())), abs(float(values.max())))
    values /= unit
    return Window(
        time=time.astype(np.float64, copy=False),
        signal=values.astype(np.float64, copy=False),
        root_weights=root_weights,
        start_s=start,
        length_s=length,
        centre=centre,
        unit=unit,
        exact=(time, values),
    )


def _times_since(
    time: RealArray, start_s: float | None, needed: int
) -> tuple[RealArray, slice, float, float] | Refusal:
    """Give the dimensionless times, which points they are of, the start and the length in s."""
    times = validate_times(time, start_s=start_s, needed=needed)
    if isinstance(times, Refusal):
        return times
    _, keep, start = times
    scaled, length = _scaled(time[keep], start)
    scaled.setflags(write=False)
    return scaled, keep, start, length


_since_start = OfTimes(_times_since)


def _scaled(time: RealArray, start: float) -> tuple[RealArray, float]:
    """Divide times (N,) since the start by that from there to the last, in s; return both."""
    length = float(time[-1] - start)
    since = time - start
    since /= length
    return since, length


def refuse_signal(values: RealArray) -> Refusal | None:
    """Refuse signals (N,) that are no numbers, too large or constant."""
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        at = int(np.argmin(np.isfinite(values)))
        return refuse("wrong-signal", point=at + 1, value=str(values[at]))
    largest = max(abs(low), abs(high))
    if largest > LARGEST_NUMBER:
        return refuse("large-signal", largest=float(largest))
    if high - low <= max(ROUNDING * largest, SMALLEST_NUMBER):
        return refuse("constant", level=float(low))
    return None


def _refuse_weights(weight: FloatArray, *, needed: int) -> Refusal | None:
    if not ((weight >= 0) & (weight < LARGEST_NUMBER)).all():
        return refuse("wrong-weight")
    used = int(np.count_nonzero(weight > SMALLEST_NUMBER))
    if used == 0:
        return refuse("zero-weights")
    if used < needed:
        return refuse("too-few-weights", points=used, needed=needed)
    return None
