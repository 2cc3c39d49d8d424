"""Fit many long traces, each recorded on its own times.

What is small is done for many traces at once: the scan and a first Newton on sums over common
blocks of the window. What is long, two passes over the points, is done trace by trace.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stopflow.kinetics.fit import fit_trace, fit_window
from stopflow.kinetics.fit_blocks import block_edges
from stopflow.kinetics.fit_pins import may_centre, pin
from stopflow.kinetics.fit_project import project
from stopflow.kinetics.fit_rate import Start
from stopflow.kinetics.fit_result import Fit
from stopflow.kinetics.fit_scan import GRID_STEP, highest, rate_grid, scan_vectors
from stopflow.kinetics.fit_screen import MIN_POINTS, Window, fastest_kt, screen
from stopflow.kinetics.models import RateLaw, find_law
from stopflow.trace import FloatArray

# Traces whose points stay in the processor's cache between the two passes.
GROUP = 16
NEWTON_STEPS = 4


def fit_traces(
    traces: Sequence[tuple[ArrayLike, ArrayLike]],
    *,
    law: str | RateLaw = "single-slope",
    starts_s: Sequence[float | None] | None = None,
    workers: int = 1,
) -> tuple[Fit, ...]:
    """Fit every (time (N_i,), signal (N_i,)); the answers are those of `fit_trace`.

    Parameters
    ----------
    starts_s
        One for each trace; None: the first points.
    workers
        Threads.

    Raises
    ------
    SettingsError
        Unknown law.
    """
    rate_law = find_law(law)
    starts = list(starts_s) if starts_s is not None else [None] * len(traces)
    jobs = [(time, signal, start) for (time, signal), start in zip(traces, starts, strict=True)]

    def fit_group(first: int) -> list[Fit]:
        return _fit_group(jobs[first : first + GROUP], rate_law)

    with ThreadPoolExecutor(workers) as pool:
        groups = pool.map(fit_group, range(0, len(jobs), GROUP))
        return tuple(fit for group in groups for fit in group)


def _fit_group(
    jobs: Sequence[tuple[ArrayLike, ArrayLike, float | None]], law: RateLaw
) -> list[Fit]:
    windows = [
        screen(
            time,
            signal,
            start_s=start,
            needed=max(MIN_POINTS, len(law.parameters) + 1),
            centred=may_centre(law, {}),
        )
        for time, signal, start in jobs
    ]
    usable = [window for window in windows if isinstance(window, Window)]
    begin = iter(_starts(usable, law) if law.exponentials == 1 and usable else ())
    fits = []
    for (time, signal, start), window in zip(jobs, windows, strict=True):
        known = next(begin, None) if isinstance(window, Window) else None
        if known is None or not isinstance(window, Window):
            fits.append(fit_trace(time, signal, law=law, start_s=start))
        else:
            fits.append(fit_window(window, pin(law, {}, window), fixed={}, start=known))
    return fits


def _starts(windows: Sequence[Window], law: RateLaw) -> list[Start | None]:
    """Where to start on the points; None for traces that need the whole scan."""
    fastest = min(fastest_kt(window.time) for window in windows)
    edges = block_edges(min(window.time[1] - window.time[0] for window in windows))
    sums = np.array([_block_sums(window, edges) for window in windows])
    mass, time, signal = sums.transpose(1, 0, 2)
    inside = np.maximum(mass, 1)
    time, signal = time / inside, signal / inside
    filled = mass.sum(axis=0) > 0
    mass, time, signal = mass[:, filled], time[:, filled], signal[:, filled]
    # Empty blocks weigh nothing; any time will do.
    common = (mass * time).sum(axis=0) / mass.sum(axis=0)
    time = np.where(mass > 0, time, common)
    grid = rate_grid(fastest)
    reference = project(pin(law, {}, windows[0]), common, common, np.sqrt(mass.mean(axis=0)))
    _, length = scan_vectors(reference, grid)
    lines = np.array([np.ones_like(common), common])[: 1 + ("slope_per_s" in law.linear)]
    explained = _explained(mass, signal, lines, np.exp(-np.exp(grid)[:, None] * common))
    x, clear = highest(explained, grid)
    x, converged = _climb(mass, time, signal, x, slope=len(lines) == 2)
    return [
        Start(x=float(at), length=length) if good else None
        for at, good in zip(x, clear & converged, strict=True)
    ]


def _block_sums(window: Window, edges: FloatArray) -> FloatArray:
    """(3, B): points, sum of times, sum of signals in every block, 0 in empty ones."""
    points = len(window.time)
    starts = np.searchsorted(window.time, edges)
    mass = np.diff(starts, append=points)
    within = np.minimum(starts, points - 1)
    return np.array(
        [
            mass,
            np.where(mass > 0, np.add.reduceat(window.time, within), 0),
            np.where(mass > 0, np.add.reduceat(window.signal, within), 0),
        ]
    )


def _explained(
    mass: FloatArray, signal: FloatArray, lines: FloatArray, decays: FloatArray
) -> FloatArray:
    """Explained sum of squares (G, K) by every decay (K, B), beside the lines (b, B).

    All traces share the blocks' mean times here: enough to find the maximum.
    """
    gram = np.einsum("gb,ib,jb->gij", mass, lines, lines)
    of_signal = (mass * signal) @ lines.T
    crossed = np.einsum("gb,ib,kb->gik", mass, lines, decays, optimize=True)
    pull = np.linalg.solve(gram, crossed)
    own = mass @ (decays * decays).T - np.einsum("gik,gik->gk", crossed, pull)
    shared = (mass * signal) @ decays.T - np.einsum("gi,gik->gk", of_signal, pull)
    plain = mass @ (decays * decays).T
    alive = own > 1e-12 * plain
    return np.where(alive, shared**2 / np.where(alive, own, 1), 0)


def _climb(
    mass: FloatArray, time: FloatArray, signal: FloatArray, x: FloatArray, *, slope: bool
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Newton's steps of `fit_rate` on the blocks' own mean times, for all traces at once."""
    lines = np.stack((np.ones_like(time), time)[: 1 + slope], axis=1)
    weighted = lines * mass[:, None]
    gram = weighted @ np.swapaxes(lines, 1, 2)
    rest = signal - _onto(weighted, gram, lines, signal)
    begin = x
    for _ in range(NEWTON_STEPS):
        scaled = -np.exp(x)[:, None] * time
        e = np.exp(scaled)
        d = scaled * e
        h = d + scaled * d
        e = e - _onto(weighted, gram, lines, e)
        flat = d - _onto(weighted, gram, lines, d)
        ye, yd, yh = (np.einsum("gb,gb,gb->g", mass, rest, part) for part in (e, d, h))
        ee, ed, eh = (np.einsum("gb,gb,gb->g", mass, e, part) for part in (e, d, h))
        dd = np.einsum("gb,gb,gb->g", mass, flat, flat)
        c = ye / ee
        c1 = (yd - 2 * c * ed) / ee
        first = 2 * c * (yd - c * ed)
        second = 2 * (c1 * yd + c * yh) - 4 * c * c1 * ed - 2 * c * c * (dd + eh)
        falls = second < 0
        step = np.where(falls, -first / np.where(falls, second, 1), 10 * GRID_STEP)
        kept = np.abs(x + step - begin) < 2 * GRID_STEP
        x = np.where(kept, x + step, x)
    return x, kept


def _onto(
    weighted: FloatArray, gram: FloatArray, lines: FloatArray, rows: FloatArray
) -> FloatArray:
    """Weighted projection of rows (G, B) onto each trace's lines (G, b, B)."""
    sums = np.einsum("gib,gb->gi", weighted, rows)
    return np.einsum("gi,gib->gb", np.linalg.solve(gram, sums[..., None])[..., 0], lines)
