"""Variable projection for one rate: the part of a trace orthogonal to its baseline."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.linalg import lapack

from stopflow.kinetics.laws import baseline_rows
from stopflow.kinetics.solver.fixed_parameters import Constraints
from stopflow.kinetics.solver.window import Window
from stopflow.trace import FloatArray

# Points that are processed together: as many as the second-level cache holds.
CHUNK = 16384


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
    proportional
        (N,) weighted, what parameters proportional to the amplitude add to the exponential.
    """

    time: FloatArray
    root_weights: FloatArray | None
    frame: FloatArray
    triangle: FloatArray
    signal: FloatArray
    inside: FloatArray
    proportional: FloatArray | None

    @property
    def rest(self) -> float:
        """Sum of squares of the projected signal."""
        return float(self.signal @ self.signal)

    @property
    def total(self) -> float:
        """Sum of squares that `rest` was computed from: `rest` itself; no digits were lost."""
        return self.rest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlainRate:
    """The same for a whole straight line and equal weights, without arrays beyond the trace's.

    Attributes
    ----------
    time, signal
        (N,) dimensionless, as recorded.
    triangle, inside
        As in `OneRate`.
    to_frame
        (2, b) turns products with t and 1 into products with the frame.
    total, rest
        Sums of squares of the signal and of the projected signal.
    scratch
        (3, up to `CHUNK`) work space; allocating it anew would cost more than the sums.
    """

    time: FloatArray
    signal: FloatArray
    triangle: FloatArray
    to_frame: FloatArray
    inside: FloatArray
    total: float
    rest: float
    scratch: FloatArray


def orthonormal_rows(rows: FloatArray) -> FloatArray:
    """Gram-Schmidt, twice over; `rows` (b, N) must be independent."""
    frame = np.empty_like(rows)
    for i, row in enumerate(rows):
        rest = row
        for _ in range(2 if i else 0):
            rest = rest - (frame[:i] @ rest) @ frame[:i]
        np.divide(rest, np.sqrt(rest @ rest), out=frame[i])
    return frame


def qr_of_rows(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Decompose the transpose of rows (b, N), b <= N; NumPy's own takes six times as long for few.

    Returns
    -------
    tuple
        Orthonormal columns (N, b), and the triangle (b, b); what stands below its diagonal has no
        meaning.
    """
    if not len(rows):
        return np.empty((rows.shape[1], 0)), np.empty((0, 0))
    reflected, factors, _, _ = lapack.dgeqrf(rows.T)
    frame, _, _ = lapack.dorgqr(reflected, factors)
    return frame, reflected[: len(rows)]


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
    constraints: Constraints, time: FloatArray, signal: FloatArray, root_weights: FloatArray | None
) -> OneRate:
    """Project the baseline out of the signal."""
    slope, intercept = (
        ("slope_per_s" in constraints.law.linear),
        ("intercept" in constraints.law.linear),
    )
    proportional = None
    if constraints.any_fixed or root_weights is not None:
        lines = baseline_rows(time, slope=slope, intercept=intercept)[::-1]
        factors = constraints.mixing[0, :0:-1]
        proportional = factors @ lines if factors.any() else None
        if constraints.offset.any():
            signal = signal - constraints.offset[:0:-1] @ lines
        lines = constraints.mixing[:0:-1, :0:-1] @ lines
        if root_weights is not None:
            lines, signal = lines * root_weights, signal * root_weights
            proportional = None if proportional is None else proportional * root_weights
        frame = orthonormal_rows(lines)
        triangle = lines @ frame.T
    else:
        frame, triangle = line_frame(time, slope=slope, intercept=intercept)
    inside = frame @ signal
    rest = signal - inside @ frame
    return OneRate(
        time=time,
        root_weights=root_weights,
        frame=frame,
        triangle=triangle,
        # Twice, against the rounding of a large baseline.
        signal=rest - (frame @ rest) @ frame,
        inside=inside,
        proportional=proportional,
    )


def plain_rate(time: FloatArray, signal: FloatArray, *, slope: bool, intercept: bool) -> PlainRate:
    """Prepare the sums over an unweighted trace."""
    points, of_time, of_squares = len(time), float(time.sum()), float(time @ time)
    of_signal, with_time = float(signal.sum()), float(time @ signal)
    if slope and intercept:
        root, mean = sqrt(points), of_time / points
        spread = sqrt(of_squares - mean * of_time)
        triangle = np.array([[root, 0.0], [mean * root, spread]])
        to_frame = np.array([[0.0, 1 / spread], [1 / root, -mean / spread]])
    else:
        root = sqrt(points if intercept else of_squares)
        triangle = np.full((1, 1), root)
        to_frame = np.array([[float(slope)], [float(intercept)]]) / root
    inside = np.array([with_time, of_signal]) @ to_frame
    total = float(signal @ signal)
    return PlainRate(
        time=time,
        signal=signal,
        triangle=triangle,
        to_frame=to_frame,
        inside=inside,
        total=total,
        rest=total - float(inside @ inside),
        scratch=np.empty((3, min(points, CHUNK))),
    )


def one_rate(constraints: Constraints, window: Window) -> OneRate | PlainRate:
    """Prepare a window, without further arrays where possible."""
    if constraints.any_fixed or window.root_weights is not None:
        return project(constraints, window.time, window.signal, window.root_weights)
    linear = constraints.law.linear
    return plain_rate(
        window.time, window.signal, slope="slope_per_s" in linear, intercept="intercept" in linear
    )
