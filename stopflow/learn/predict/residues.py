"""The residuals that a predicted rate leaves, and what they say about the rate.

The rate is put back into the trace: on log-spaced blocks of relative time, {1, tau, exp(-k T tau)}
is fitted by linear least squares, and the rest is tested for a better k, a second phase, an early
start, and no reaction at all, each by a statistic of its own. The unit of noise is the scatter of
the rest between neighbouring blocks, so that correlated noise alone raises no alarm.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from stopflow.bins import EDGES
from stopflow.features import relative_times
from stopflow.trace import FloatArray

BLOCKS: Final = 128
PHASES: Final = np.exp(np.linspace(math.log(0.5), math.log(4000.0), 19))
EARLY_SHARE: Final = 0.02
TINY: Final = 1e-300
MEDIAN_SQUARE: Final = 0.4549364
"""Median of the square of a standard normal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Residue:
    """The residuals of a trace from {1, tau, exp(-k T tau)}, in units of their error.

    Attributes
    ----------
    amplitude_sigma
        |amplitude| / its error.
    log_k_step, log_k_error
        Distance of the best log k from the predicted one, and its error.
    phase_sigma, phase_share, phase_kt
        Of the second exponential that explains most: its amplitude over its error and over the
        amplitude of the first, and its k T.
    early_sigma
        Root mean square of the first residuals, over their error.
    slope, slope_error, slope_log_k
        Change over the window (in the unit of the signal) of the least-squares line under the
        exponential, its standard error with log k free, and its covariance with log k.
    """

    amplitude_sigma: float
    log_k_step: float
    log_k_error: float
    phase_sigma: float
    phase_share: float
    phase_kt: float
    early_sigma: float
    slope: float
    slope_error: float
    slope_log_k: float


def residues(
    grids: Sequence[tuple[FloatArray, FloatArray]], *, kt: FloatArray
) -> list[Residue | None]:
    """Compute the residuals that rates leave; None where k T is not a positive number.

    Parameters
    ----------
    grids
        Times (n,) and the signals (B, n) recorded at them.
    kt
        (M,) one for each signal, in this order.
    """
    known = np.isfinite(kt) & (kt > 0)
    kt = np.where(known, kt, 1.0)
    alike: dict[int, list[_Blocks]] = defaultdict(list)
    rows: dict[int, list[int]] = defaultdict(list)
    begin = 0
    for time_s, signals in grids:
        blocks = _blocks(relative_times(time_s), signals)
        size, end = blocks.place.shape[1], begin + len(signals)
        alike[size].append(blocks)
        rows[size] += range(begin, end)
        begin = end
    found: dict[int, Residue] = {}
    for size, parts in alike.items():
        whole = _Blocks(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        found |= dict(zip(rows[size], _residues_of(whole, kt[rows[size]]), strict=True))
    return [found[i] if sure else None for i, sure in enumerate(known)]


class _Blocks(NamedTuple):
    """Mean relative time, mean signal and number of points of the filled blocks, (M, b) each."""

    place: FloatArray
    mean: FloatArray
    weight: FloatArray


def _residues_of(blocks: _Blocks, kt: FloatArray) -> Iterator[Residue]:
    """Yield the residuals of the blocks of M traces."""
    place, root = blocks.place, np.sqrt(blocks.weight)
    decay = np.exp(-kt[:, None] * place)
    basis, triangle = np.linalg.qr(
        np.stack([np.ones_like(place), place, decay], axis=-1) * root[..., None]
    )
    values = root * (blocks.mean - blocks.mean.mean(axis=1, keepdims=True))
    inside = np.einsum("mbi,mb->mi", basis, values)
    left = values - np.einsum("mbi,mi->mb", basis, inside)
    last = triangle[:, 2, 2]
    amplitude = np.divide(inside[:, 2], last, out=np.zeros_like(last), where=last != 0)
    sd = np.sqrt(np.mean(np.diff(left, axis=1) ** 2, axis=1) / 2)

    turn = -kt[:, None] * place * decay * root
    along_basis = np.einsum("mbi,mb->mi", basis, turn)
    turn -= np.einsum("mbi,mi->mb", basis, along_basis)
    norm = np.linalg.norm(turn, axis=1)
    known = np.where((norm > 0) & (amplitude != 0), norm**2 * amplitude, np.nan)
    along = np.einsum("mb,mb->m", turn, left)
    step = along / known
    line = _line(triangle, inside, along_basis * amplitude[:, None])
    log_k_error = sd / np.maximum(norm * np.abs(amplitude), TINY)
    slope_error = np.hypot(sd * line.error, line.by_log_k * log_k_error)
    turn /= np.maximum(norm, TINY)[:, None]
    left -= turn * (along / np.maximum(norm, TINY))[:, None]

    frame = np.concatenate([basis, turn[..., None]], axis=-1)
    others = np.exp(-PHASES * place[..., None]) * root[..., None]
    plain = np.linalg.norm(others, axis=1)
    others -= frame @ (frame.swapaxes(1, 2) @ others)
    norms = np.linalg.norm(others, axis=1)
    seen = norms > 0.02 * plain
    products = np.abs(np.einsum("mbp,mb->mp", others, left))
    scores = np.divide(products, norms, out=np.zeros_like(norms), where=seen)
    first = place <= np.maximum(EARLY_SHARE, place[:, 3:4])
    early = np.sqrt(np.sum(left**2, axis=1, where=first) / first.sum(axis=1))
    usual = np.sqrt(np.median(np.diff(left, axis=1) ** 2, axis=1) / (2 * MEDIAN_SQUARE))
    height = np.maximum(np.abs(amplitude), TINY)
    for i, best in enumerate(np.argmax(scores, axis=1)):
        yield Residue(
            amplitude_sigma=float(abs(amplitude[i]) * max(abs(last[i]), TINY) / max(sd[i], TINY)),
            log_k_step=float(step[i]),
            log_k_error=float(log_k_error[i]),
            phase_sigma=float(scores[i, best] / max(sd[i], TINY)),
            phase_share=float(scores[i, best] / max(norms[i, best], TINY) / height[i]),
            phase_kt=float(PHASES[best]),
            early_sigma=float(early[i] / max(usual[i], TINY)),
            slope=float(line.slope[i]),
            slope_error=float(slope_error[i]),
            slope_log_k=float(line.by_log_k[i] * log_k_error[i] ** 2),
        )


class _Line(NamedTuple):
    """Of the straight line of M traces: slope, its error for noise of SD 1, d slope / d log k."""

    slope: FloatArray
    error: FloatArray
    by_log_k: FloatArray


def _line(triangle: FloatArray, inside: FloatArray, by_log_k: FloatArray) -> _Line:
    """Solve R c = Q^T y of {1, tau, exp} for the slope, (M, 3, 3) and (M, 3) each."""
    sound = np.abs(np.diagonal(triangle, axis1=1, axis2=2)).min(axis=1) > TINY
    inverse = np.full_like(triangle, np.nan)
    inverse[sound] = np.linalg.inv(triangle[sound])
    row = inverse[:, 1]
    return _Line(
        slope=np.einsum("mi,mi->m", row, inside),
        error=np.linalg.norm(row, axis=1),
        by_log_k=-np.einsum("mi,mi->m", row, by_log_k),
    )


def _blocks(tau: FloatArray, signals: FloatArray) -> _Blocks:
    starts = np.unique(np.searchsorted(tau, EDGES["blocks"](BLOCKS)[:-1]))
    count = np.diff(np.append(starts, len(tau))).astype(np.float64)
    mean = np.add.reduceat(signals, starts, axis=1) / count
    place = np.add.reduceat(tau, starts) / count
    return _Blocks(np.broadcast_to(place, mean.shape), mean, np.broadcast_to(count, mean.shape))
