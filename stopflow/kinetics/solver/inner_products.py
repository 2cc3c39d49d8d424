"""The inner products that Newton's method needs, for one rate."""

from dataclasses import dataclass
from math import exp

import numpy as np

from stopflow.kinetics.solver.projection import CHUNK, OneRate, PlainRate
from stopflow.trace import FloatArray

# A product with ones is a sum in a fifth of the time.
_ONES = np.ones(CHUNK)


@dataclass(frozen=True, slots=True)
class InnerProducts:
    """Sums over the points at one x; e is the projected exponential, d and h its derivatives.

    Attributes
    ----------
    ye, yd, yh
        Signal times e, d = de/dx, h = d2e/dx2.
    ee, ed, dd, eh
        Sums of e e, e d, d d, e h, all projected.
    raw
        Sum of d d before projection.
    kept
        Share of e e that remains after the projection; it says how many digits the difference lost.
    inside_e, inside_d
        (b,) components of e and d in the frame of the baseline.
    """

    ye: float
    yd: float
    yh: float
    ee: float
    ed: float
    dd: float
    eh: float
    raw: float
    kept: float
    inside_e: FloatArray
    inside_d: FloatArray

    @property
    def amplitude(self) -> float:
        """Best amplitude c."""
        return self.ye / self.ee if self.ee > 0 else 0.0

    @property
    def explained(self) -> float:
        """G = (y . e)^2 / (e . e)."""
        return self.ye * self.amplitude

    @property
    def first(self) -> float:
        """dG/dx."""
        c = self.amplitude
        return 2 * c * (self.yd - c * self.ed)

    @property
    def amplitude_slope(self) -> float:
        """dc/dx."""
        return (self.yd - 2 * self.amplitude * self.ed) / self.ee if self.ee > 0 else 0.0

    @property
    def second(self) -> float:
        """d2G/dx2."""
        c, c1 = self.amplitude, self.amplitude_slope
        bend = 2 * (self.dd + self.eh)
        return 2 * (c1 * self.yd + c * self.yh) - 4 * c * c1 * self.ed - c * c * bend


def rate_inner_products(problem: OneRate | PlainRate, x: float) -> InnerProducts:
    """Evaluate the sums at ``x = ln(k T)``; one exponential per point."""
    if isinstance(problem, PlainRate):
        return _plain_inner_products(problem, exp(x))
    return _framed_inner_products(problem, exp(x))


def _framed_inner_products(problem: OneRate, rate: float) -> InnerProducts:
    """Project the exponential and its derivative themselves: no digits are lost."""
    scaled = problem.time * -rate
    column = np.exp(scaled)
    if problem.root_weights is not None:
        column *= problem.root_weights
    first = scaled * column
    scaled *= first
    # d2e/dx2 = d + (k T)^2 t^2 e
    curved = scaled
    if problem.proportional is not None:
        column += problem.proportional
    signal, frame = problem.signal, problem.frame
    raw = float(first @ first)
    inside_e, inside_d = frame @ column, frame @ first
    column -= inside_e @ frame
    first -= inside_d @ frame
    ed, yd = float(column @ first), float(signal @ first)
    return InnerProducts(
        ye=float(signal @ column),
        yd=yd,
        yh=float(yd + signal @ curved),
        ee=float(column @ column),
        ed=ed,
        dd=float(first @ first),
        eh=float(ed + column @ curved),
        raw=raw,
        kept=1.0,
        inside_e=inside_e,
        inside_d=inside_d,
    )


def _plain_inner_products(problem: PlainRate, rate: float) -> InnerProducts:
    """Project the sums instead of the exponential: one pass over long traces, chunk by chunk."""
    # Rows: t, 1, signal, e, d, (k T t)^2 e.
    sums = np.zeros((3, 6))
    for first in range(0, len(problem.time), CHUNK):
        time = problem.time[first : first + CHUNK]
        signal = problem.signal[first : first + CHUNK]
        h, e, d = problem.scratch[:, : len(time)]
        np.multiply(time, -rate, out=h)
        np.exp(h, out=e)
        np.multiply(h, e, out=d)
        h *= d
        ones = _ONES[: len(time)]
        for row, shape in zip(sums, (e, d, h), strict=True):
            row[0] += time @ shape
            row[1] += ones @ shape
            row[2] += signal @ shape
        sums[0, 3] += e @ e
        sums[1, 3] += d @ e
        sums[2, 3] += h @ e
        sums[1, 4] += d @ d
    inside = sums[:, :2] @ problem.to_frame
    inside_e, inside_d = inside[:2]
    ye, yd, yh = sums[:, 2] - inside @ problem.inside
    ee, ed, eh = sums[:, 3] - inside @ inside_e
    raw = float(sums[1, 4])
    return InnerProducts(
        ye=float(ye),
        yd=float(yd),
        yh=float(yd + yh),
        ee=float(max(ee, 0.0)),
        ed=float(ed),
        dd=float(raw - inside_d @ inside_d),
        eh=float(ed + eh),
        raw=raw,
        kept=float(ee / sums[0, 3]) if sums[0, 3] > 0 else 0.0,
        inside_e=inside_e,
        inside_d=inside_d,
    )
