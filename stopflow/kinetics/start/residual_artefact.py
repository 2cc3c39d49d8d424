"""What is left of an artefact after each possible start, and how far it may shift k.

The deviations of the first points from the fit of what comes later are described as noise whose
size falls exponentially, with a likelihood for each size and decay time. Continued past a start,
such noise, all of one sign, shifts k by its projection on the sensitivity of k.

A fit that begins within the artefact hides part of it: the deviations are taken from the start at
which the mean square error of k is smallest, with the shift three times as large as it seems.
"""

from dataclasses import dataclass

import numpy as np

from stopflow.kinetics.solver.result import Fit
from stopflow.kinetics.start.backward_extrapolation import STRIDE, Tails, fastest_rate
from stopflow.trace import FloatArray

# The decay is looked at from the last block on that deviates by so many of its errors.
TALL = 10.0
SPIKE = 4.3
# So many errors two neighbours deviate by at least in an artefact.
PAIRED = 2.0
# Decay times, and sizes, that are tried.
GRID = 24
# In steps between blocks.
SHORTEST_DECAY = 0.1
# In deviations of the first block.
LARGEST_SIZE = 4.0
SMALLEST_SIZE = 0.1
# Starts are tried up to so many times the first that is possible.
LATEST = 6
CAUTION = 3.0
# In standard errors; beyond it nothing is known but that the start is too early.
LARGEST_SHIFT = 5.0
ROUNDS = 4
TAIL_BLOCKS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Root mean square deviations ``size exp(-(t - origin) / decay)``.

    Attributes
    ----------
    origin_s
        Where the sizes hold; before it they are as large.
    decay_s, square, weight
        (D,) decay times, the mean square size for each, and their posterior weights of sum 1.
    """

    origin_s: float
    decay_s: FloatArray
    square: FloatArray
    weight: FloatArray


def rest_of_artefact(tails: Tails, accepted: int) -> tuple[FloatArray, FloatArray]:
    """Shift of k by what is left of the artefact, for starts at the edges before 6 times the cut.

    Parameters
    ----------
    tails
        With the fits made.
    accepted
        Number of the first edge after which the points follow; 0 where no artefact is seen.

    Returns
    -------
    tuple of (E,) arrays
        Starts in seconds, and root mean square shifts in standard errors of k for the noise of
        the trace, at most 5; empty where there is no artefact.
    """
    fit = tails.fit(accepted) if accepted else None
    if fit is None:
        return np.empty(0), np.empty(0)
    edges = tails.edges
    last = min(int(np.searchsorted(edges, LATEST * edges[accepted])), len(edges) - 2)
    quiet, tried = accepted, {accepted}
    for _ in range(ROUNDS):
        stop = int(np.searchsorted(edges, 2 * edges[quiet]))
        stop = min(max(stop, accepted + STRIDE), len(edges) - 1)
        envelope = fit_envelope(tails, fit, accepted=accepted, stop=stop)
        if envelope is None:
            return np.empty(0), np.empty(0)
        variance, square = square_errors(tails, fit, envelope)
        cost = variance + CAUTION**2 * square
        quiet = accepted + int(np.argmin(cost[accepted : last + 1]))
        later = tails.fit(quiet)
        if quiet in tried or later is None:
            break
        tried.add(quiet)
        fit = later
    shift = np.minimum(np.sqrt(square / variance), LARGEST_SHIFT)
    return tails.time_s[edges[: last + 1]], shift[: last + 1]


def fit_envelope(tails: Tails, fit: Fit, *, accepted: int, stop: int) -> Envelope | None:
    """Describe the deviations from `fit` of the blocks before edge number `stop`.

    A single block that deviates is a spike, and so is what deviates more than noise does from edge
    number `accepted` on. None without an artefact.
    """
    edges, time = tails.edges, tails.time_s
    rows = [tails.residual(edge, fit) for edge in range(stop)]
    middle = (time[edges[:stop]] + time[edges[1 : stop + 1] - 1]) / 2
    mean, error = np.array([row.mean for row in rows]), np.array([row.sd for row in rows])
    limit = SPIKE * error[accepted:]
    mean[accepted:] = np.clip(mean[accepted:], -limit, limit)
    height = np.nan_to_num(np.abs(mean[: accepted + 1]) / error[: accepted + 1], posinf=0)
    beside = np.maximum(np.append(height[1:], 0), np.append(0, height[:-1]))
    height = np.where(np.minimum(height, beside) > PAIRED, height, 0)
    tall = np.flatnonzero(height > TALL)
    first = int(tall[-1]) if len(tall) else int(np.argmax(height))
    if height[first] == 0:
        return None
    unknown = np.flatnonzero(~np.isfinite(mean / error))
    first = min(max(first, int(unknown[-1]) + 1 if len(unknown) else 0), stop - 2)
    mean, error, since = mean[first:], error[first:], middle[first:] - middle[first]
    decay = np.geomspace(SHORTEST_DECAY * since[1], 2 * since[-1], GRID)
    largest = max(abs(float(mean[0])), float(error[0]))
    size = np.geomspace(SMALLEST_SIZE, LARGEST_SIZE, GRID)[:, None] * largest
    variance = error**2 + size[..., None] ** 2 * np.exp(-2 * since / decay[:, None])
    likelihood = -(np.log(variance) + mean**2 / variance).sum(axis=-1) / 2
    weight = np.exp(likelihood - likelihood.max())
    of_decay = weight.sum(axis=0)
    return Envelope(
        origin_s=float(middle[first]),
        decay_s=decay,
        square=np.einsum("sd,sd->d", size**2, weight / np.maximum(of_decay, 1e-300)),
        weight=of_decay / of_decay.sum(),
    )


def square_errors(tails: Tails, fit: Fit, envelope: Envelope) -> tuple[FloatArray, FloatArray]:
    """Variance of k and mean square of its shift, for starts at all edges: (E,), in one unit."""
    tail = np.linspace(tails.edges[-1], len(tails.time_s), TAIL_BLOCKS + 1).astype(np.intp)
    bounds = np.unique(np.concatenate((tails.edges, tail)))
    counts = np.diff(bounds)[:, None, None]
    time = np.add.reduceat(tails.time_s, bounds[:-1]) / np.diff(bounds)
    jacobian = fit.rate_law.jacobian(time - fit.start_s, fit.parameters)
    jacobian = (jacobian / np.sqrt(np.einsum("bp,bp->p", jacobian, jacobian)))[:, :, None]
    artefact = np.exp(-np.maximum(time - envelope.origin_s, 0)[:, None] / envelope.decay_s)

    def from_each_edge(blocks: FloatArray) -> FloatArray:
        return np.cumsum((counts * blocks)[::-1], axis=0)[::-1][: len(tails.edges)]

    information = from_each_edge(jacobian * jacobian.transpose(0, 2, 1))
    inverse = np.asarray(np.linalg.pinv(information, hermitian=True), dtype=np.float64)
    pull = from_each_edge(jacobian * artefact[:, None, :])
    place = fit.rate_law.parameters.index(fastest_rate(fit))
    shift = np.einsum("ep,epd->ed", inverse[:, place], pull)
    variance = (tails.noise.sd * tails.noise.inflation) ** 2 * inverse[:, place, place]
    square = (shift**2 * envelope.square) @ envelope.weight
    return variance, square
