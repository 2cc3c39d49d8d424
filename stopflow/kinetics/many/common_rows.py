"""Fits of one exponential to traces in the coordinates of their common grid."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.many.common_grid import ORDER, CommonGrid
from stopflow.kinetics.many.cut_fits import LARGEST_EXPONENT
from stopflow.kinetics.many.rows import Rows, build_row_inner_products, close_rows, dot_rows
from stopflow.kinetics.solver.one_rate import CANCELLED, CONVERGED
from stopflow.kinetics.solver.scan import GRID_STEP, highest, rate_grid
from stopflow.kinetics.solver.significance import enough_explained
from stopflow.kinetics.solver.window import FASTEST_EXPONENT
from stopflow.trace import FloatArray

# Rate times the time from the first point to the start: beyond it blocks are too wide.
LARGEST_LATENESS = 6.0
# Spacing of the scan, in ln k.
SCAN_STEP = 0.2
NEWTON_STEPS = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CommonRows:
    """Traces from their starts on, in D = M + 8 K coordinates.

    First come the M points up to the next block (zero beyond a trace's own), then the coordinates
    of all blocks (zero before it).

    Attributes
    ----------
    grid
        Of the traces.
    starts_s, length_s, points
        (B,) starts, times from there to the last point, and points.
    centre, unit
        (B,) what turns the signals back.
    since
        (B, D) times at which functions are evaluated, since the start, over the length.
    used
        (B, D) 1 where a coordinate belongs to the trace, else 0.
    signal
        (B, D) coordinates of the dimensionless signal.
    total
        (B,) sum of squares of the dimensionless signal over the points.
    lateness
        (B,) time from the first point to the start, over the length.
    fastest
        (B,) largest k T that the sampling shows.
    """

    grid: CommonGrid
    starts_s: FloatArray
    length_s: FloatArray
    points: NDArray[np.intp]
    centre: FloatArray
    unit: FloatArray
    since: FloatArray
    used: FloatArray
    signal: FloatArray
    total: FloatArray
    lateness: FloatArray
    fastest: FloatArray

    @property
    def means(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Times, half variances, roots of the points and root times mean: (B, M + K) each."""
        grid, count = self.grid, len(self.signal)
        single = self.signal.shape[1] - grid.lift.shape[0] * ORDER
        blocks = self.used[:, single::ORDER]
        since = (grid.mean_s - self.starts_s[:, None]) / self.length_s[:, None]
        half = np.concatenate(
            (np.zeros((count, single)), grid.half_variance / self.length_s[:, None] ** 2), axis=1
        )
        root = np.concatenate((self.used[:, :single], blocks * np.sqrt(grid.counts)), axis=1)
        signal = np.concatenate((self.signal[:, :single], self.signal[:, single::ORDER]), axis=1)
        times = np.concatenate((self.since[:, :single], np.where(blocks > 0, since, 0)), axis=1)
        return times, half, root, signal

    def coordinates(self, values: FloatArray) -> FloatArray:
        """Turn values at `since` (B, D) into coordinates."""
        single = values.shape[1] - self.grid.lift.shape[0] * ORDER
        blocks = values[:, single:].reshape(len(values), -1, ORDER)
        # A product for every block, over all traces.
        lifted = np.matmul(blocks.swapaxes(0, 1), self.grid.lift.swapaxes(1, 2)).swapaxes(0, 1)
        whole = np.concatenate((values[:, :single], lifted.reshape(len(values), -1)), axis=1)
        return np.asarray(whole * self.used)


def build_rows(
    grid: CommonGrid, signals: NDArray[np.floating], *, starts_s: FloatArray
) -> CommonRows:
    """Cut the traces (B, N) at their starts and project them."""
    time, bounds = grid.time_s, grid.bounds
    first = np.searchsorted(time, starts_s)
    block = np.searchsorted(bounds, first)
    single = int((bounds[block] - first).max(initial=0))
    place = np.minimum(first[:, None] + np.arange(single), len(time) - 1)
    alone = first[:, None] + np.arange(single) < bounds[block][:, None]
    later = np.repeat(np.arange(len(grid.frames)) >= block[:, None], ORDER, axis=1)
    length = time[-1] - starts_s
    points = len(time) - first
    centre = np.array([row[at:].mean() for row, at in zip(signals, first, strict=True)])
    shifted = signals - centre[:, None]
    for row, at in zip(shifted, first, strict=True):
        row[:at] = 0
    unit = np.maximum(shifted.max(axis=1), -shifted.min(axis=1))
    shifted /= unit[:, None]
    at = np.arange(len(signals))[:, None]
    coordinates = grid.coordinates(shifted).reshape(len(signals), -1)
    moments = np.concatenate((time[place], np.broadcast_to(grid.nodes_s.ravel(), later.shape)), 1)
    used = np.concatenate((alone, later), axis=1).astype(np.float64)
    step = time[np.minimum(first + 2, len(time) - 1)] - time[first]
    return CommonRows(
        grid=grid,
        starts_s=starts_s,
        length_s=length,
        points=points,
        centre=centre,
        unit=unit,
        since=np.where(used > 0, (moments - starts_s[:, None]) / length[:, None], 0),
        used=used,
        signal=np.concatenate((shifted[at, place], coordinates), axis=1) * used,
        total=np.einsum("bn,bn->b", shifted, shifted),
        lateness=(starts_s - time[0]) / length,
        fastest=FASTEST_EXPONENT * length / step,
    )


def solve_rows(rows: CommonRows, *, slope: bool) -> tuple[Rows, NDArray[np.bool_]]:
    """Fit every trace.

    Returns
    -------
    tuple
        Solutions, and (B,) where they hold; other traces need `fit_trace`.
    """
    frame, triangle = _frame(rows, slope=slope)

    def project(values: FloatArray) -> tuple[FloatArray, FloatArray]:
        inside = np.einsum("bfd,bd->bf", frame, values)
        return values - np.einsum("bf,bfd->bd", inside, frame), inside

    signal, inside = project(rows.signal)
    left = rows.total - dot_rows(inside, inside)
    x, clear, length = _scan(rows, slope=slope)
    begin = x
    for _ in range(NEWTON_STEPS):
        scaled = -np.exp(x)[:, None] * rows.since
        e = np.exp(scaled)
        d = scaled * e
        (e, inside_e), (d, inside_d), (h, inside_h) = (
            project(rows.coordinates(item)) for item in (e, d, d * (1 + scaled))
        )
        products = build_row_inner_products(signal, (e, d, h), (inside_e, inside_d, inside_h))
        step = products.newton_step()
        kept = np.abs(x + step - begin) < 2 * GRID_STEP
        step = np.where(kept, step, 0.0)
        if (np.abs(step) < CONVERGED).all():
            break
        x = np.where(np.abs(step) < CONVERGED, x, x + step)
    found = close_rows(products, x, step, inside=inside, left=left, back=np.linalg.inv(triangle))
    fastest = np.minimum(rows.fastest, LARGEST_LATENESS / np.maximum(rows.lateness, 1e-9))
    sure = found.sure & clear & kept & (np.abs(step) < CONVERGED)
    sure &= (x > np.log(0.01) + GRID_STEP) & (x < np.log(fastest) - GRID_STEP)
    enough = enough_explained(length, free=int(rows.points.min()) - 1 - slope)
    sure &= (left > CANCELLED * rows.total) & (found.explained > enough * left)
    return found, sure


def _frame(rows: CommonRows, *, slope: bool) -> tuple[FloatArray, FloatArray]:
    """Orthonormal rows (B, f, D) of the straight line, and its triangles (B, f, f)."""
    level = rows.coordinates(np.ones_like(rows.since))
    return _orthonormal(level, rows.coordinates(rows.since) if slope else None)


def _orthonormal(level: FloatArray, tilt: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Orthonormal rows (B, f, D) of one or two rows each, and their triangles (B, f, f)."""
    root = np.sqrt(dot_rows(level, level))
    level = level / root[:, None]
    size = 1 if tilt is None else 2
    triangle = np.zeros((len(level), size, size))
    triangle[:, 0, 0] = root
    if tilt is None:
        return level[:, None], triangle
    along = dot_rows(tilt, level)
    tilt = tilt - along[:, None] * level
    spread = np.sqrt(dot_rows(tilt, tilt))
    triangle[:, 1, 0], triangle[:, 1, 1] = along, spread
    return np.stack((level, tilt / spread[:, None]), axis=1), triangle


def _scan(rows: CommonRows, *, slope: bool) -> tuple[FloatArray, NDArray[np.bool_], float]:
    """Find ln(k T) (B,) of the best rate, whether it is clear, and the length of the curve.

    The blocks' means are enough for it: the first coordinate of each block.
    """
    grid = rate_grid(float(rows.fastest.max()), step=SCAN_STEP)
    since, half_variance, root, signal = rows.means
    rates = np.exp(grid)[:, None]
    e = since[:, None] * -rates
    np.exp(np.maximum(e, -LARGEST_EXPONENT, out=e), out=e)
    # The mean of a block, to second order.
    e *= (1 + np.minimum(rates**2 * half_variance[:, None], 1)) * root[:, None]
    frame = _orthonormal(root, root * since if slope else None)[0]
    plain = np.einsum("bgd,bgd->bg", e, e)
    e -= (e @ frame.swapaxes(1, 2)) @ frame
    size = np.einsum("bgd,bgd->bg", e, e)
    alive = size > 1e-12 * plain
    e *= np.where(alive, 1 / np.sqrt(np.where(alive, size, 1)), 0)[..., None]
    rest = signal - np.einsum("bf,bfd->bd", np.einsum("bfd,bd->bf", frame, signal), frame)
    x, clear = highest((e @ rest[..., None])[..., 0] ** 2, grid)
    return x, clear, float(np.sqrt((np.diff(e[0], axis=0) ** 2).sum(axis=1)).sum())
