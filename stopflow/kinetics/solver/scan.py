"""The scan: the signal explained by every rate of a logarithmic grid, so no maximum is missed."""

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.solver.projection import OneRate
from stopflow.kinetics.solver.window import ROUNDING, SLOWEST_KT
from stopflow.trace import FloatArray

# In ln k; what a rate explains is a smooth function of ln k that changes over about 1.
GRID_STEP = 0.25
# A maximum higher than this part of the highest may turn out to be the highest.
RIVAL = 0.9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scan:
    """The explained sum of squares on the grid.

    Attributes
    ----------
    log_rates
        (G,) ln(k T).
    explained
        (G,) part of the projected signal's sum of squares explained, 0 to 1.
    length
        Length of the curve that the unit vectors draw on the sphere.
    """

    log_rates: FloatArray
    explained: FloatArray
    length: float


def rate_grid(fastest: float, *, step: float = GRID_STEP) -> FloatArray:
    """Grid of ln(k T) from the slowest to the fastest rate that can be seen."""
    low, high = log(SLOWEST_KT), log(fastest)
    count = max(int((high - low) / step) + 2, 4)
    return np.linspace(low, high, count)


def unit_vectors(problem: OneRate, log_rates: FloatArray) -> FloatArray:
    """Projected exponentials (G, N), normalised; zero where nothing is left but rounding."""
    columns = np.exp(-np.exp(log_rates)[:, None] * problem.time)
    if problem.root_weights is not None:
        columns *= problem.root_weights
    if problem.proportional is not None:
        columns += problem.proportional
    before = np.einsum("gn,gn->g", columns, columns)
    columns -= (columns @ problem.frame.T) @ problem.frame
    after = np.einsum("gn,gn->g", columns, columns)
    alive = after > ROUNDING**2 * before
    columns *= np.where(alive, 1 / np.sqrt(np.where(alive, after, 1)), 0)[:, None]
    return columns


def scan_vectors(problem: OneRate, log_rates: FloatArray) -> tuple[FloatArray, float]:
    """Make the unit vectors (G, N) and measure the curve they draw on the sphere."""
    vectors = unit_vectors(problem, log_rates)
    steps = np.diff(vectors, axis=0)
    return vectors, float(np.sqrt(np.einsum("gn,gn->g", steps, steps)).sum())


def scan(problem: OneRate, log_rates: FloatArray) -> Scan:
    """Explain the signal by every rate of the grid."""
    vectors, length = scan_vectors(problem, log_rates)
    total = max(float(problem.signal @ problem.signal), float(np.finfo(np.float64).tiny))
    return Scan(
        log_rates=log_rates, explained=(vectors @ problem.signal) ** 2 / total, length=length
    )


def summits(explained: FloatArray) -> list[int]:
    """Grid indices of maxima that could be the highest one, the highest first.

    Block means misplace a maximum's height a little, so near rivals are tried as well.
    """
    padded = np.concatenate(([-1.0], explained, [-1.0]))
    tops = np.flatnonzero((explained >= padded[:-2]) & (explained > padded[2:]))
    order = tops[np.argsort(-explained[tops])]
    return [int(i) for i in order[:3] if explained[i] > RIVAL * explained[order[0]]]


def highest(explained: FloatArray, log_rates: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Find the highest point of many scans at once.

    Parameters
    ----------
    explained
        (B, G) a row for every trace.
    log_rates
        (G,) evenly spaced.

    Returns
    -------
    tuple
        Vertices (B,) of the parabolas through the highest points, and whether (B,) each lies
        inside the grid and has no rival.
    """
    count = explained.shape[1]
    top = np.clip(np.argmax(explained, axis=1), 1, count - 2)
    rows = np.arange(len(top))
    before, at, after = (explained[rows, top + move] for move in (-1, 0, 1))
    bend = before - 2 * at + after
    shift = np.where(bend < 0, (before - after) / (2 * np.where(bend < 0, bend, 1)), 0.0)
    inner = explained[:, 1:-1]
    summit = (inner >= explained[:, :-2]) & (inner > explained[:, 2:])
    summit &= inner > RIVAL * at[:, None]
    rising = (explained[:, 0] >= explained[:, 1]) & (explained[:, 0] > RIVAL * at)
    rising |= (explained[:, -1] >= explained[:, -2]) & (explained[:, -1] > RIVAL * at)
    spacing = log_rates[1] - log_rates[0]
    found = log_rates[top] + spacing * np.clip(shift, -1, 1)
    return found, (summit.sum(axis=1) == 1) & ~rising
