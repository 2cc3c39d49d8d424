"""Scan and first Newton for many traces on their own times, on sums over common blocks.

A block of points becomes two: its mean, and the slope of its regression on time. What is lost is
what a parabola within a block would tell.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.laws import RealArray
from stopflow.kinetics.many.rows import dot_rows, newton_steps
from stopflow.kinetics.solver.projection import orthonormal_rows
from stopflow.kinetics.solver.scan import GRID_STEP, highest, rate_grid
from stopflow.trace import FloatArray

NEWTON_STEPS = 4
# Closer the blocks do not come to the maximum on the points.
SETTLED = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockScan:
    """Where to start on the points.

    Attributes
    ----------
    x
        (B,) ln(k T), near the maximum.
    clear
        (B,) False where the whole scan of `fit_trace` is needed.
    length
        Length of the curve of unit vectors.
    """

    x: FloatArray
    clear: NDArray[np.bool_]
    length: float


def scan_blocks(sums: FloatArray, *, fastest: float, slope: bool) -> BlockScan:
    """Find the maximum of G for every trace.

    Parameters
    ----------
    sums
        (B, 5, K): points, and sums of t, y, t^2 and t y, of every block; times in units of the
        window; all 0 in empty blocks.
    fastest
        Largest k T of the scan.
    """
    sums = sums[:, :, sums[:, 0].any(axis=0)]
    mass, time, signal, squares, crossed = sums.transpose(1, 0, 2)
    common = time.sum(axis=0) / mass.sum(axis=0)
    inside = np.maximum(mass, 1)
    # Empty blocks weigh nothing; any time will do.
    time, signal = np.where(mass > 0, time / inside, common), signal / inside
    variance = np.where(mass > 1, np.maximum(squares - mass * time**2, 0), 0)
    trend = (crossed - mass * time * signal) / np.where(variance > 0, variance, 1)
    grid = rate_grid(fastest)
    decays = np.exp(-np.exp(grid)[:, None] * common)
    lines = np.array([np.ones_like(common), common])[: 1 + slope]
    x, clear = highest(_explained(mass, signal, lines, decays), grid)
    x, kept = _climb(
        np.concatenate((mass, variance), axis=1),
        time,
        np.concatenate((signal, trend), axis=1),
        variance / (2 * inside),
        x,
        slope=slope,
    )
    return BlockScan(
        x=x, clear=clear & kept, length=_curve_length(mass.mean(axis=0), lines, decays)
    )


def _explained(
    mass: FloatArray, signal: FloatArray, lines: FloatArray, decays: FloatArray
) -> FloatArray:
    """Explained sum of squares (B, G) by every decay (G, K), beside the lines (b, K).

    All traces share the blocks' mean times here: enough to find the maximum.
    """
    gram = np.einsum("gb,ib,jb->gij", mass, lines, lines)
    crossed = np.stack([mass @ (line * decays).T for line in lines], axis=1)
    pull = np.linalg.solve(gram, crossed)
    plain = mass @ (decays * decays).T
    own = plain - np.einsum("gik,gik->gk", crossed, pull)
    weighted = mass * signal
    shared = weighted @ decays.T - np.einsum("gi,gik->gk", weighted @ lines.T, pull)
    alive = own > 1e-12 * plain
    return np.where(alive, shared**2 / np.where(alive, own, 1), 0)


def _curve_length(mass: FloatArray, lines: FloatArray, decays: FloatArray) -> float:
    """Length of the curve of projected unit decays (G, K) for blocks of mean mass (K,)."""
    root = np.sqrt(mass)
    frame = orthonormal_rows(lines * root)
    vectors = decays * root
    vectors = vectors - (vectors @ frame.T) @ frame
    vectors /= np.sqrt(np.einsum("gk,gk->g", vectors, vectors))[:, None] + 1e-300
    steps = np.diff(vectors, axis=0)
    return float(np.sqrt(np.einsum("gk,gk->g", steps, steps)).sum())


def _climb(
    mass: FloatArray,
    time: FloatArray,
    signal: FloatArray,
    half_variance: FloatArray,
    x: FloatArray,
    *,
    slope: bool,
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Newton's steps on means and slopes: `mass` and `signal` (B, 2 K), the rest (B, K).

    The mean of an exponential over a block is that at the mean time, times ``1 + k^2 var / 2``
    with the variance of the block's times; its slope is that at the mean time.
    """
    nothing, one = np.zeros_like(time), np.ones_like(time)
    rows = ((one, nothing), (time, one))[: 1 + slope]
    lines = np.stack([np.concatenate(row, axis=1) for row in rows], axis=1)
    weighted = lines * mass[:, None]
    gram = weighted @ np.swapaxes(lines, 1, 2)

    def take(rows: FloatArray) -> RealArray:
        """Solve for what the lines take of rows: (B, b)."""
        return np.linalg.solve(gram, (weighted @ rows[..., None]))[..., 0]

    rest = signal - (take(signal)[:, None] @ lines)[:, 0]
    rest *= mass
    begin, kept = x, np.ones(len(x), dtype=bool)
    for _ in range(NEWTON_STEPS):
        rate = np.exp(x)[:, None]
        z, q = rate * time, rate**2 * half_variance
        decay = np.exp(-z)
        fall, level = -rate * decay, decay * (1 + q)
        bend = z * z - z
        e = np.concatenate((level, fall), axis=1)
        d = np.concatenate((2 * q * decay - z * level, fall - z * fall), axis=1)
        h = np.concatenate(
            (bend * level + (4 - 4 * z) * q * decay, (1 + bend - 2 * z) * fall), axis=1
        )
        e -= (take(e)[:, None] @ lines)[:, 0]
        flat = d - (take(d)[:, None] @ lines)[:, 0]
        heavy = mass * e
        step = newton_steps(
            dot_rows(rest, e),
            dot_rows(rest, d),
            dot_rows(rest, h),
            ee=dot_rows(heavy, e) + 1e-300,
            ed=dot_rows(heavy, d),
            dd=dot_rows(mass * flat, d),
            eh=dot_rows(heavy, h),
        )
        kept = np.abs(x + step - begin) < 2 * GRID_STEP
        x = np.where(kept, x + step, x)
        if (np.abs(step) < SETTLED).all():
            break
    return x, kept
