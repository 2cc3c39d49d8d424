"""Fits of one exponential and a straight line from many cuts, and their extrapolation."""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.laws import RealArray
from stopflow.kinetics.many.time_blocks import TimeBlocks
from stopflow.trace import FloatArray

LARGEST_EXPONENT = 300.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CutFits:
    """Fits of B traces from C cuts; all arrays are (B, C) unless stated.

    The line is written in two functions that are orthonormal over the tail: ``1 / sqrt(mass)`` and
    ``(t - centre) / spread``.

    Attributes
    ----------
    cut_s
        (C,) where the fits begin, since the first time.
    found
        False where there is no significant decay, or none that the window or the sampling shows;
        everything below is then without meaning.
    log_k
        ln(k s) of the rates.
    amplitude
        At `cut_s`.
    mass, centre, spread
        Of the orthonormal line.
    line, line_e, line_d
        (B, C, 2) signal, exponential and its derivative in ln k on the orthonormal line.
    ee, ed, dd
        Products of the projected exponential and its derivative.
    """

    cut_s: FloatArray
    found: NDArray[np.bool_]
    log_k: FloatArray
    amplitude: FloatArray
    mass: FloatArray
    centre: FloatArray
    spread: FloatArray
    line: FloatArray
    line_e: FloatArray
    line_d: FloatArray
    ee: FloatArray
    ed: FloatArray
    dd: FloatArray

    @property
    def k_per_s(self) -> FloatArray:
        """(B, C) rates, NaN where nothing was found."""
        with np.errstate(all="ignore"):
            return np.where(self.found, np.exp(self.log_k), np.nan)

    @property
    def k_variance(self) -> FloatArray:
        """(B, C) variances of k for noise of variance 1 a point."""
        with np.errstate(all="ignore"):
            left = np.maximum(self.dd - self.ed**2 / self.ee, 1e-300)
            variance = np.exp(2 * self.log_k) / (self.amplitude**2 * left)
        return np.where(self.found, variance, np.nan)

    @property
    def slope_per_s(self) -> FloatArray:
        """(B, C) slopes of the line, without meaning where nothing was found."""
        with np.errstate(all="ignore"):
            return (self.line[..., 1] - self.amplitude * self.line_e[..., 1]) / self.spread

    def of_traces(self, rows: NDArray[np.intp]) -> "CutFits":
        """Fits of some of the traces."""
        kept = {
            item.name: getattr(self, item.name)[rows]
            for item in fields(self)
            if item.name != "cut_s"
        }
        return replace(self, **kept)

    def extrapolate(
        self, cut: NDArray[np.intp], blocks: TimeBlocks, block: NDArray[np.intp]
    ) -> tuple[FloatArray, FloatArray]:
        """Continue fits over blocks, also before their cuts.

        Parameters
        ----------
        cut
            (B, M) or (1, M) numbers of the cuts.
        block
            (M,) numbers of the blocks.

        Returns
        -------
        tuple of (B, M) arrays
            Expected means, NaN where there is no fit, and their variances for noise of variance 1
            a point.
        """
        with np.errstate(all="ignore"):
            return self._extrapolate(cut, blocks, block)

    def _extrapolate(
        self, cut: NDArray[np.intp], blocks: TimeBlocks, block: NDArray[np.intp]
    ) -> tuple[FloatArray, FloatArray]:
        def pick(values: RealArray) -> RealArray:
            at = cut if values.ndim == 2 else cut[..., None]
            at = np.broadcast_to(at, (len(values), *at.shape[1:]))
            return np.take_along_axis(values, at, axis=1)

        time, half = blocks.time_s[block], blocks.half_variance[block]
        rate, amplitude = np.exp(pick(self.log_k)), pick(self.amplitude)
        e, d, _ = block_decays(rate, time - self.cut_s[cut], half, curved=False)
        mass, spread = pick(self.mass), pick(self.spread)
        level, tilt = 1 / np.sqrt(mass), (time - pick(self.centre)) / spread
        line, line_e, line_d = pick(self.line), pick(self.line_e), pick(self.line_d)
        e_left = e - level * line_e[..., 0] - tilt * line_e[..., 1]
        d_left = d - level * line_d[..., 0] - tilt * line_d[..., 1]
        ee, ed, dd = pick(self.ee), pick(self.ed), pick(self.dd)
        expected = level * line[..., 0] + tilt * line[..., 1] + amplitude * e_left
        rest = d_left - e_left * ed / ee
        variance = level**2 + tilt**2 + e_left**2 / ee
        variance += rest**2 / np.maximum(dd - ed**2 / ee, 1e-300)
        return np.where(pick(self.found), expected, np.nan), variance


def block_decays(
    rate: FloatArray, since: FloatArray, half_variance: FloatArray, *, curved: bool = True
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Means of ``exp(-k t)`` over blocks, and of its first two derivatives in ln k.

    `rate` broadcasts against the times `since` and half variances of the blocks.
    """
    z = np.minimum(rate * since, LARGEST_EXPONENT)
    z = np.maximum(z, -LARGEST_EXPONENT)
    q = rate**2 * half_variance
    decay = np.exp(-z)
    e = decay * (1 + q)
    d = 2 * q * decay - z * e
    if not curved:
        return e, d, d
    h = (z * z - z) * e + (4 - 4 * z) * q * decay
    return e, d, h
