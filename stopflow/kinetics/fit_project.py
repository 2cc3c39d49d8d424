"""Variable projection for one rate: what is left of a trace without its baseline."""

from dataclasses import dataclass

import numpy as np

from stopflow.kinetics.fit_pins import Pins
from stopflow.kinetics.models import baseline_rows
from stopflow.trace import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OneRate:
    """The projected problem.

    Attributes
    ----------
    time
        (N,) dimensionless.
    root_weights
        (N,) or None.
    frame
        (b, N) orthonormal rows spanning the weighted baseline.
    triangle
        (b, b) lower: the baseline's rows are ``triangle @ frame``.
    signal
        (N,) weighted signal, baseline projected out.
    inside
        (b,) what was projected out, in the frame.
    tie
        (N,) what ties add to the exponential, weighted, or None.
    """

    time: FloatArray
    root_weights: FloatArray | None
    frame: FloatArray
    triangle: FloatArray
    signal: FloatArray
    inside: FloatArray
    tie: FloatArray | None


def orthonormal_rows(rows: FloatArray) -> FloatArray:
    """Gram-Schmidt, twice over; `rows` (b, N) must be independent."""
    frame = np.empty_like(rows)
    for i, row in enumerate(rows):
        rest = row
        for _ in range(2 if i else 0):
            rest = rest - (frame[:i] @ rest) @ frame[:i]
        np.divide(rest, np.sqrt(rest @ rest), out=frame[i])
    return frame


def line_frame(time: FloatArray, *, slope: bool, intercept: bool) -> tuple[FloatArray, FloatArray]:
    """Frame and triangle of the unweighted straight line 1, t in few passes over the points."""
    points, count = len(time), slope + intercept
    frame, triangle = np.empty((count, points)), np.zeros((count, count))
    if intercept:
        triangle[0, 0] = np.sqrt(points)
        frame[0] = 1 / triangle[0, 0]
    if slope:
        line = frame[-1]
        centre = time.mean() if intercept else 0.0
        np.subtract(time, centre, out=line)
        triangle[-1, 0] = centre * np.sqrt(points)
        triangle[-1, -1] = np.sqrt(line @ line)
        line /= triangle[-1, -1]
    return frame, triangle


def project(
    pins: Pins, time: FloatArray, signal: FloatArray, root_weights: FloatArray | None
) -> OneRate:
    """Project the baseline out of the signal."""
    slope, intercept = ("slope_per_s" in pins.law.linear), ("intercept" in pins.law.linear)
    tie = None
    if pins.pinned or root_weights is not None:
        lines = baseline_rows(time, slope=slope, intercept=intercept)[::-1]
        tied = pins.mixing[0, :0:-1]
        tie = tied @ lines if tied.any() else None
        if pins.offset.any():
            signal = signal - pins.offset[:0:-1] @ lines
        lines = pins.mixing[:0:-1, :0:-1] @ lines
        if root_weights is not None:
            lines, signal = lines * root_weights, signal * root_weights
            tie = None if tie is None else tie * root_weights
        frame = orthonormal_rows(lines)
        triangle = lines @ frame.T
    else:
        frame, triangle = line_frame(time, slope=slope, intercept=intercept)
    inside = frame @ signal
    return OneRate(
        time=time,
        root_weights=root_weights,
        frame=frame,
        triangle=triangle,
        signal=signal - inside @ frame,
        inside=inside,
        tie=tie,
    )
