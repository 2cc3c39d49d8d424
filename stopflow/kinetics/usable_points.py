"""Points of a recording that were never measured: overflows and the padding after an early stop.

They are left out before anything else looks at the trace, and the shot's verdict says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stopflow.trace import FloatArray, Shot, Trace

# At most this part of the points may be overflows; more is a trace that cannot be used.
MOST_OVERFLOWS = 0.01
# A value so many times larger than all others is an overflow of the digitiser.
OVERFLOW = 1e6
# So many equal values at the end are padding, where the rest of the trace is not as still.
PADDED_RUN = 16
# Part of the neighbours before the run that may be equal: a coarse digitiser repeats itself.
STILL = 0.05
# The step into the padding, in typical steps between neighbours.
JUMP = 20.0


Omission = Mapping[str, float]
"""Points that were left out: how many, and the values that say why."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UsableShot:
    """A shot without the points that were never measured, and the numbers of what was left out."""

    shot: Shot
    omitted: tuple[Omission, ...]


def keep_usable(shot: Shot) -> UsableShot:
    """Leave out overflows and a padded end; a shot without either is returned as it is."""
    trace = shot.trace
    if trace is None or len(trace) < PADDED_RUN:
        return UsableShot(shot=shot, omitted=())
    kept, omitted = np.ones(len(trace), dtype=bool), list[Omission]()
    wrong = overflows(trace.signal)
    if wrong.any():
        kept &= ~wrong
        first = int(np.argmax(wrong))
        omitted.append(
            {
                "wrong": int(wrong.sum()),
                "points": len(trace),
                "value": float(trace.signal[first]),
                "at_s": float(trace.time_s[first]),
            }
        )
    padding = padded_tail(trace.signal[kept])
    if padding:
        places = np.flatnonzero(kept)[-padding:]
        kept[places] = False
        omitted.append(
            {
                "padded": padding,
                "value": float(trace.signal[places[0]]),
                "ended_s": float(trace.time_s[places[0] - 1]),
            }
        )
    if not omitted:
        return UsableShot(shot=shot, omitted=())
    used = Trace(
        time_s=trace.time_s[kept],
        signal=trace.signal[kept],
        signal_unit=trace.signal_unit,
        records=trace.records,
    )
    return UsableShot(shot=replace(shot, trace=used), omitted=tuple(omitted))


def overflows(signal: FloatArray) -> NDArray[np.bool_]:
    """Which of the values (N,) are no measurement; none when they are too many to be left out."""
    size = np.where(np.isfinite(signal), np.abs(signal), np.inf)
    allowed = max(int(MOST_OVERFLOWS * len(signal)), 1)
    usual = float(np.partition(size, len(size) - allowed - 1)[len(size) - allowed - 1])
    wrong = size > OVERFLOW * usual if 0 < usual < np.inf else ~np.isfinite(size)
    return wrong if wrong.sum() <= allowed else np.zeros(len(signal), dtype=bool)


def padded_tail(signal: FloatArray) -> int:
    """Count the points at the end of a signal (N,) that only fill the record.

    They are equal, the points before them are not, and they are reached by a jump, or lie inside
    the range of the signal. A saturated detector stays at the end of its range, which it reaches
    without a jump.
    """
    moved = np.flatnonzero(signal != signal[-1])
    run = len(signal) - (int(moved[-1]) + 1 if len(moved) else 0)
    before = signal[: len(signal) - run]
    if run < PADDED_RUN or len(before) < PADDED_RUN:
        return 0
    steps = np.abs(np.diff(before[-10 * PADDED_RUN :]))
    if not np.isfinite(steps).all():
        return 0
    jump = abs(float(signal[-1] - before[-1])) > JUMP * float(np.median(steps)) > 0
    at_end = not before.min() < signal[-1] < before.max()
    still = float(np.mean(steps == 0)) > STILL
    return run if not still and (jump or not at_end) else 0
