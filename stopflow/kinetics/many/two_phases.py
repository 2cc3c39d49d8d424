"""Two exponentials and a straight line, fitted to many traces on common blocks.

A phase is added to the best one of a grid of rates; then damped Gauss-Newton steps in ln k1 and
ln k2 follow, with everything linear solved for at each step.
"""

from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.many.cut_fits import block_decays
from stopflow.kinetics.many.growing_cut import FASTEST_IN_BLOCK
from stopflow.kinetics.many.time_blocks import TimeBlocks
from stopflow.trace import FloatArray

RATES = 28
# Slowest rate of the scan, times the window.
SLOWEST_KT = 0.3
# Closer than this in ln k two rates are one rate and its derivative.
CLOSEST = 0.05
STEPS = 20
CONVERGED = 1e-4
# Of the sum of squares, in one step.
SETTLED = 1e-7
RIDGE = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoPhases:
    """Fits of R traces.

    Attributes
    ----------
    log_k
        (R, 2) ln(k s), the faster phase first.
    log_k_variance
        (R, 2) their variances for noise of variance 1 a point; infinite where undetermined.
    amplitudes
        (R, 2) at the start of the fit.
    slope_per_s
        (R,) of the straight line.
    expected
        (R, K) means of all blocks, also of those before the start.
    """

    log_k: FloatArray
    log_k_variance: FloatArray
    amplitudes: FloatArray
    slope_per_s: FloatArray
    expected: FloatArray

    @property
    def k_per_s(self) -> FloatArray:
        """(R, 2) rates, the faster one first."""
        return np.exp(self.log_k)


def fit_two_phases(blocks: TimeBlocks, means: FloatArray, cut: NDArray[np.intp]) -> TwoPhases:
    """Fit block means (R, K), each from its own cut (R,)."""
    with np.errstate(all="ignore"):
        return _Problem(blocks, means, cut).solve()


class _Problem:
    """The weighted and projected problem of all traces."""

    def __init__(self, blocks: TimeBlocks, means: FloatArray, cut: NDArray[np.intp]) -> None:
        start = blocks.cuts[cut]
        self.blocks, self.means = blocks, means
        self.since = blocks.time_s - (blocks.edge_s[start] - blocks.first_s)[:, None]
        self.root = np.sqrt(blocks.counts * (np.arange(len(blocks.counts)) >= start[:, None]))
        level = self.root / np.sqrt((self.root**2).sum(axis=1, keepdims=True))
        tilt = self.root * blocks.time_s
        tilt = tilt - (tilt * level).sum(axis=1, keepdims=True) * level
        tilt /= np.sqrt((tilt**2).sum(axis=1, keepdims=True))
        self.frame = np.stack((level, tilt), axis=1)
        self.signal = self._project(means * self.root)
        window = blocks.time_s[-1] - (blocks.edge_s[start] - blocks.first_s)
        self.low = np.log(SLOWEST_KT / window)
        self.high = np.log(FASTEST_IN_BLOCK / (blocks.width_s[start] + _step(blocks, start)))

    def _project(self, rows: FloatArray) -> FloatArray:
        """Take the straight line out of weighted rows (R, ..., K)."""
        flat = rows.reshape(len(rows), -1, rows.shape[-1])
        flat = flat - (flat @ self.frame.swapaxes(1, 2)) @ self.frame
        return flat.reshape(rows.shape)

    def _decays(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Exponentials and derivatives (R, M, K) at ln k (R, M), unweighted."""
        e, d, _ = block_decays(
            np.exp(x)[..., None], self.since[:, None], self.blocks.half_variance, curved=False
        )
        return e, d

    def solve(self) -> TwoPhases:
        x = self._scan()
        misfit, amplitudes, gram, pull = self._linearise(x)
        damping = np.full(len(x), 1e-3)
        at = np.arange(len(x))
        for _ in range(STEPS):
            own = gram[at]
            diagonal = np.einsum("rii->ri", own)[..., None]
            step = _solve_pair(own + damping[at, None, None] * np.eye(2) * diagonal, pull[at])
            step = np.clip(np.nan_to_num(step), -1, 1)
            there = np.clip(x[at] + step, self.low[at, None] - 3, self.high[at, None])
            tried = self._some(at)._linearise(there)
            better = (tried[0] < misfit[at]) & (np.abs(np.diff(there)[:, 0]) > CLOSEST)
            gain = np.where(better, misfit[at] - tried[0], np.inf)
            close = (np.abs(step).max(axis=1) < CONVERGED) | (gain < SETTLED * misfit[at])
            open_rows = ~(better & close) & (damping[at] < 1e6)
            damping[at] = np.where(better, damping[at] / 10, damping[at] * 10)
            taken = at[better]
            x[taken] = there[better]
            for kept, new in zip((misfit, amplitudes, gram, pull), tried, strict=True):
                kept[taken] = new[better]
            at = at[open_rows]
            if not len(at):
                break
        order = np.argsort(-x, axis=1)
        determinant = np.linalg.det(gram)
        own = np.einsum("rii->ri", gram)
        sound = (own > 0).all(axis=1) & (determinant > 1e-9 * own.prod(axis=1))
        variance = own[:, ::-1] / determinant[:, None]
        variance = np.where(sound[:, None], variance, np.inf)
        e, _ = self._decays(x)
        shape = np.einsum("rm,rmk->rk", amplitudes, e)
        on_line = ((self.means - shape) * self.root)[:, None] @ self.frame.swapaxes(1, 2)
        line = self._line_everywhere(on_line[:, 0])
        return TwoPhases(
            log_k=np.take_along_axis(x, order, axis=1),
            log_k_variance=np.take_along_axis(variance, order, axis=1),
            amplitudes=np.take_along_axis(amplitudes, order, axis=1),
            slope_per_s=np.diff(line[:, [0, -1]])[:, 0] / np.ptp(self.blocks.time_s),
            expected=shape + line,
        )

    def _line_everywhere(self, on_line: FloatArray) -> FloatArray:
        """Give the straight line (R, K), also before the start."""
        time = self.blocks.time_s
        mass = (self.root**2).sum(axis=1)
        centre = (self.root**2 @ time) / mass
        spread = np.sqrt((self.root**2 * (time - centre[:, None]) ** 2).sum(axis=1))
        tilt = (time - centre[:, None]) / spread[:, None]
        return on_line[:, :1] / np.sqrt(mass)[:, None] + on_line[:, 1:] * tilt

    def _some(self, at: NDArray[np.intp]) -> "_Problem":
        """Return the problem of some of the traces."""
        found = copy(self)
        for name in ("since", "root", "frame", "signal"):
            setattr(found, name, getattr(self, name)[at])
        return found

    def _scan(self) -> FloatArray:
        """Add a phase of the grid to the best one: ln k (R, 2).

        Where one phase makes most of the change its valley is narrower than any grid, so the second
        one is held against what the best phase of the grid leaves when its rate may follow.
        """
        grid = self.low[:, None] + (self.high - self.low)[:, None] * np.linspace(0, 1, RATES)
        e, d = (self._project(item * self.root[:, None]) for item in self._decays(grid))
        at = np.arange(len(grid))
        first = np.argmax(_gain(e, self.signal), axis=1)
        plane = np.linalg.qr(np.stack((e[at, first], d[at, first]), axis=2))[0].swapaxes(1, 2)
        second = np.argmax(_gain(e, self.signal, beside=plane), axis=1)
        return np.stack((grid[at, first], grid[at, second]), axis=1)

    def _linearise(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Sum of squares (R,), amplitudes (R, 2), Gram (R, 2, 2) and pull (R, 2) of ln k."""
        e, d = (self._project(item * self.root[:, None]) for item in self._decays(x))
        gram = e @ e.swapaxes(1, 2)
        amplitudes = _solve_pair(gram, (e @ self.signal[..., None])[..., 0])
        rest = self.signal - np.einsum("rm,rmk->rk", amplitudes, e)
        slopes = d * amplitudes[..., None]
        crossed = slopes @ e.swapaxes(1, 2)
        on_phases = np.stack([_solve_pair(gram, crossed[:, i]) for i in range(2)], axis=1)
        left = slopes @ slopes.swapaxes(1, 2) - crossed @ on_phases.swapaxes(1, 2)
        return (
            np.einsum("rk,rk->r", rest, rest),
            amplitudes,
            left,
            (slopes @ rest[..., None])[..., 0],
        )


def _step(blocks: TimeBlocks, start: NDArray[np.intp]) -> FloatArray:
    """Time between points at the start."""
    return (blocks.time_s[start + 1] - blocks.time_s[start]) / blocks.counts[start]


def _gain(rows: FloatArray, signal: FloatArray, *, beside: FloatArray | None = None) -> FloatArray:
    """Give the squares (R, G) that each of the rows (R, G, K) explains beside a frame (R, 2, K)."""
    whole = np.einsum("rgk,rgk->rg", rows, rows)
    if beside is not None:
        rows = rows - (rows @ beside.swapaxes(1, 2)) @ beside
        signal = signal - ((signal[:, None] @ beside.swapaxes(1, 2)) @ beside)[:, 0]
    power = np.einsum("rgk,rgk->rg", rows, rows)
    pull = (rows @ signal[..., None])[..., 0]
    return np.where(power > RIDGE * whole, np.nan_to_num(pull**2 / power), -1.0)


def _solve_pair(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """Solve (R, 2, 2) symmetric systems for (R, 2)."""
    a, b, c = matrix[:, 0, 0], matrix[:, 1, 1], matrix[:, 0, 1]
    determinant = a * b - c * c
    determinant = np.where(determinant > RIDGE * a * b, determinant, np.inf)
    y, z = right[:, 0], right[:, 1]
    return np.stack((b * y - c * z, a * z - c * y), axis=1) / determinant[:, None]
