"""What comes after each cut of each trace, a row each: the sums that Newton's method needs."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.many.cut_fits import block_decays
from stopflow.kinetics.many.rows import dot_rows
from stopflow.kinetics.many.time_blocks import TimeBlocks
from stopflow.trace import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TailSums:
    """What Newton's method needs of R tails at one x, and the step (R,) from there."""

    step: FloatArray
    amplitude: FloatArray
    line_e: FloatArray
    line_d: FloatArray
    ee: FloatArray
    ed: FloatArray
    dd: FloatArray

    def enter(self, at: NDArray[np.intp], new: "TailSums") -> None:
        """Put the sums of some tails in their places."""
        for item in fields(TailSums):
            getattr(self, item.name)[at] = getattr(new, item.name)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TailRows:
    """Every cut of every trace as a row, R of them: (R, K) blocks, 0 before the cut.

    Attributes
    ----------
    weight, signal, since
        (R, K) points, points times mean, and mean times since the cut.
    root, centre, spread
        (R, 1) of the orthonormal line.
    line
        (R, 2) the signal on it.
    """

    weight: FloatArray
    signal: FloatArray
    since: FloatArray
    root: FloatArray
    centre: FloatArray
    spread: FloatArray
    line: FloatArray

    def some(self, at: NDArray[np.intp]) -> "TailRows":
        """Return some of the rows."""
        kept = {item.name: getattr(self, item.name)[at] for item in fields(TailRows)}
        return TailRows(**kept)

    def at(self, x: FloatArray, blocks: TimeBlocks) -> TailSums:
        """Form the sums at ln k (R,)."""
        lines = np.stack((np.ones_like(blocks.time_s), blocks.time_s), axis=1)
        e, d, h = block_decays(np.exp(x)[:, None], self.since, blocks.half_variance)
        heavy_e, heavy_d, heavy_h = self.weight * e, self.weight * d, self.weight * h
        line_e, line_d, line_h = (
            self._on_line(item @ lines) for item in (heavy_e, heavy_d, heavy_h)
        )
        signal, line = self.signal, self.line
        ye = dot_rows(signal, e) - dot_rows(line, line_e)
        yd = dot_rows(signal, d) - dot_rows(line, line_d)
        yh = dot_rows(signal, h) - dot_rows(line, line_h)
        ee = dot_rows(heavy_e, e) - dot_rows(line_e, line_e)
        ed = dot_rows(heavy_e, d) - dot_rows(line_e, line_d)
        dd = dot_rows(heavy_d, d) - dot_rows(line_d, line_d)
        eh = dot_rows(heavy_e, h) - dot_rows(line_e, line_h)
        c = ye / ee
        c1 = (yd - 2 * c * ed) / ee
        first = 2 * c * (yd - c * ed)
        second = 2 * (c1 * yd + c * yh) - 4 * c * c1 * ed - 2 * c * c * (dd + eh)
        step = np.where(second < 0, -first / np.where(second < 0, second, 1), np.sign(first))
        return TailSums(step=step, amplitude=c, line_e=line_e, line_d=line_d, ee=ee, ed=ed, dd=dd)

    def _on_line(self, sums: FloatArray) -> FloatArray:
        """Turn products (R, 2) with 1 and t into those with the orthonormal line."""
        tilted = (sums[:, 1:] - self.centre * sums[:, :1]) / self.spread
        return np.concatenate((sums[:, :1] / self.root, tilted), axis=1)
