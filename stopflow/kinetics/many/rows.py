"""The formulas of `one_rate` and `inner_products` for many traces at once, a row for every trace.

Rows that need a closer look (no clear decay, a rate at an edge, two rival maxima, lost digits)
are marked for it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.laws import RealArray
from stopflow.kinetics.solver.one_rate import CANCELLED
from stopflow.trace import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowInnerProducts:
    """Sums at one x for every trace; see `inner_products.InnerProducts`.

    Attributes
    ----------
    ye, yd, yh, ee, ed, dd, eh, dh
        (B,) of projected e, its first and second derivative d and h, and the signal y.
    inside_e, inside_d, inside_h
        (B, b) what was projected out, in the frame.
    """

    ye: FloatArray
    yd: FloatArray
    yh: FloatArray
    ee: FloatArray
    ed: FloatArray
    dd: FloatArray
    eh: FloatArray
    dh: FloatArray
    inside_e: FloatArray
    inside_d: FloatArray
    inside_h: FloatArray

    @property
    def amplitude(self) -> FloatArray:
        """(B,) best amplitudes c."""
        return self.ye / self.ee

    @property
    def amplitude_slope(self) -> FloatArray:
        """(B,) dc/dx."""
        return (self.yd - 2 * self.amplitude * self.ed) / self.ee

    @property
    def first(self) -> FloatArray:
        """(B,) dG/dx."""
        c = self.amplitude
        return 2 * c * (self.yd - c * self.ed)

    def newton_step(self) -> FloatArray:
        """(B,) Newton's steps in x; infinite where G is not concave."""
        return newton_steps(
            self.ye, self.yd, self.yh, ee=self.ee, ed=self.ed, dd=self.dd, eh=self.eh
        )


def newton_steps(
    ye: FloatArray,
    yd: FloatArray,
    yh: FloatArray,
    *,
    ee: FloatArray,
    ed: FloatArray,
    dd: FloatArray,
    eh: FloatArray,
) -> FloatArray:
    """Newton's steps (B,) towards the maximum of G from the sums of `RowInnerProducts`."""
    c = ye / ee
    c1 = (yd - 2 * c * ed) / ee
    first = 2 * c * (yd - c * ed)
    second = 2 * (c1 * yd + c * yh) - 4 * c * c1 * ed - 2 * c * c * (dd + eh)
    falls = second < 0
    return np.where(falls, -first / np.where(falls, second, 1), np.inf)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Solutions of many traces, dimensionless; see `one_rate.Solution`.

    Attributes
    ----------
    sure
        (B,) True where no digits were lost.
    kept
        (B,) share of the derivative's sum of squares that the projections left.
    theta, coefficients, rss
        (B,) k T, (B, f), (B,).
    inverse
        (B, 1 + f, 1 + f).
    explained
        (B,) sum of squares that the decay explains.
    """

    sure: NDArray[np.bool_]
    kept: FloatArray
    theta: FloatArray
    coefficients: FloatArray
    inverse: FloatArray
    rss: FloatArray
    explained: FloatArray


def dot_rows(first: FloatArray, second: FloatArray) -> FloatArray:
    """Products (B,) of matching rows."""
    return np.einsum("br,br->b", first, second)


def close_rows(
    products: RowInnerProducts,
    x: FloatArray,
    step: FloatArray,
    *,
    inside: FloatArray,
    left: FloatArray,
    back: RealArray,
) -> Rows:
    """Take the last, small steps and solve for everything else.

    Parameters
    ----------
    x, step
        (B,) where the products hold, and the way to the maximum: its square must be negligible.
    inside
        (B, b) the signals' baseline part, in the frame.
    left
        (B,) sums of squares of the projected signals.
    back
        (b, b) or (B, b, b) inverse of the triangle of the baseline.
    """
    theta = np.exp(x + step)
    amplitude = products.amplitude + step * products.amplitude_slope
    explained = products.ye * products.amplitude + step * products.first / 2
    along = step[:, None]
    inside_e = products.inside_e + along * products.inside_d
    inside_d = products.inside_d + along * products.inside_h
    ee = products.ee + 2 * step * products.ed
    ed = products.ed + step * (products.dd + products.eh)
    dd = products.dd + 2 * step * products.dh
    spread = dd - ed**2 / ee
    baseline = _through(inside - amplitude[:, None] * inside_e, back)
    rss = left - explained
    raw = dd + dot_rows(inside_d, inside_d)
    size = inside.shape[1]
    scale = amplitude / theta
    root, share = np.sqrt(ee), ed / ee
    last = scale * np.sqrt(np.maximum(spread, 1e-300))
    line_e, line_d = _through(inside_e, back), _through(inside_d, back)
    inverse = np.zeros((len(x), size + 2, size + 2))
    inverse[:, 0, -1] = 1 / last
    inverse[:, 1, size] = 1 / root
    inverse[:, 1, -1] = -share * scale / last
    inverse[:, 2:, :size] = np.swapaxes(back, -1, -2)[..., ::-1, :]
    inverse[:, 2:, size] = -(line_e / root[:, None])[:, ::-1]
    inverse[:, 2:, -1] = ((share[:, None] * line_e - line_d) * (scale / last)[:, None])[:, ::-1]
    kept = spread / raw
    return Rows(
        sure=(rss > CANCELLED * left) & (kept > CANCELLED),
        kept=kept,
        theta=theta,
        coefficients=np.concatenate((amplitude[:, None], baseline[:, ::-1]), axis=1),
        inverse=inverse,
        rss=rss,
        explained=explained,
    )


def _through(rows: FloatArray, matrix: RealArray) -> FloatArray:
    """Rows (B, b) times one matrix (b, b), or each its own (B, b, b)."""
    return (rows[:, None, :] @ matrix)[:, 0]


def build_row_inner_products(
    signal: FloatArray,
    curves: tuple[FloatArray, FloatArray, FloatArray],
    inside: tuple[FloatArray, FloatArray, FloatArray],
) -> RowInnerProducts:
    """Form the inner products of each row's signal, exponential and its two derivatives.

    Parameters
    ----------
    signal, curves
        (B, n) with the baseline taken out; the exponential, its first and its second derivative.
    inside
        (B, b) what was taken out of each curve.
    """
    e, d, h = curves
    return RowInnerProducts(
        ye=dot_rows(signal, e),
        yd=dot_rows(signal, d),
        yh=dot_rows(signal, h),
        ee=dot_rows(e, e),
        ed=dot_rows(e, d),
        dd=dot_rows(d, d),
        eh=dot_rows(e, h),
        dh=dot_rows(d, h),
        inside_e=inside[0],
        inside_d=inside[1],
        inside_h=inside[2],
    )
