"""Checks of a recorded signal and of the residuals of its fit: range, steps, patterns."""

from dataclasses import dataclass
from math import erf, inf, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, fdtrc

from stopflow.kinetics.uncertainty.noise import estimate_noise
from stopflow.kinetics.uncertainty.quantisation import rounding_sd
from stopflow.trace import FloatArray

MISFIT_BLOCKS = 32
FEWEST_POINTS = 64
# Residuals of this size, as a part of the signal, are rounding.
ROUNDING = 1e-9
# Chances below this are one and the same.
NOTHING = 1e-250
# So many equal neighbours at the end of the range are no accident.
CLIPPED_RUN = 4
# Of the values a digitiser gives, the outermost is rarer than the next ones, unless it is a limit.
NEXT_VALUES = 3
# Chance of a run of equal values at the end of the range from which on it is no accident.
NO_ACCIDENT = 1e-6
# Share of turning points over the noise in steps of the digitiser, 0.56 below half a step and less
# above; with room.
TURNS_PER_NOISE = 0.7
# A stray point lies so many median deviations off, 8 standard deviations; at most this part
# of the points are stray.
FAR_OFF, MOST_STRAY = 12.0, 0.02
# No Gaussian noise has a point so many mean deviations off.
WORTH_A_LOOK = 8.0
# So many points between two clipped ones belong to one stretch, or as many as it is long.
CLIPPED_GAP = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalChecks:
    """The numbers that the verdicts are based on.

    Attributes
    ----------
    clipped_share
        Part of the points at a limit of the detector.
    unbroken_share
        Part of the points in runs at a limit that the noise would have broken up, where the signal
        has few levels and the end of a reaction makes runs of equal values too.
    levels
        Distinct values.
    noise_steps
        Noise over the digitising step; infinite where no step can be seen.
    misfit_ratio
        Mean square of block means of the residuals over what the noise of neighbours explains;
        1 for a fit that follows the data.
    misfit_chance
        Probability of as large a value by chance.
    stray
        Single points far off the fit that make most of its misfit, without which a robust loss is
        judged; 0 where the misfit is not theirs.
    """

    clipped_share: float
    unbroken_share: float
    levels: int
    noise_steps: float
    misfit_ratio: float
    misfit_chance: float
    stray: int


def check_signal(
    signal: FloatArray,
    residuals: FloatArray,
    *,
    noise_sd: float,
    parameters: int,
    levels: int,
    step: float,
    robust: bool = False,
) -> SignalChecks:
    """Check the fitted points (N,) and their residuals (N,).

    Parameters
    ----------
    signal, residuals
        In the same unit.
    noise_sd
        Of the fit.
    parameters
        How many were fitted.
    levels
        Distinct values of the signal.
    step
        Distance of the digitiser's levels; 0 where none can be seen.
    robust
        Whether the fit is one that single stray points hardly move.
    """
    stray = stray_points(residuals)
    if robust:
        residuals = np.where(stray, 0.0, residuals)
    exact = noise_sd <= ROUNDING * float(np.abs(signal).max())
    ratio, chance = (1.0, 1.0)
    if not exact:
        shared = rounding_sd(step, noise_sd)
        ratio, chance = misfit_anywhere(residuals, parameters=parameters, shared_sd=shared)
        early = early_misfit(residuals, parameters=parameters)
        ratio, chance = min((ratio, chance), early, key=_by_chance)
    return SignalChecks(
        clipped_share=clipped_share(signal),
        unbroken_share=unbroken_share(signal),
        levels=levels,
        noise_steps=noise_sd / step if step > 0 else inf,
        misfit_ratio=ratio,
        misfit_chance=chance,
        stray=int(np.count_nonzero(stray)),
    )


def stray_points(residuals: FloatArray) -> NDArray[np.bool_]:
    """Find the points (N,) that lie far off alone, or two together; none unless they are few.

    They have to make more than half of the sum of squares: else the misfit is not theirs.
    """
    size = np.abs(residuals)
    stray = size > FAR_OFF * float(np.median(size))
    found = np.flatnonzero(stray)
    few = 0 < len(found) <= max(MOST_STRAY * len(residuals), 1)
    if not few or (found[2:] - found[:-2] == 2).any():
        return np.zeros(len(residuals), dtype=bool)
    power = size**2
    return stray if power[found].sum() > power.sum() / 2 else np.zeros(len(residuals), dtype=bool)


def without_stray(signal: FloatArray, *, after: int) -> FloatArray:
    """Put single points (N,) from `after` on that lie far off their neighbours between these.

    A spike is no mixing artefact. A signal without any is returned as it is.
    """
    off = signal[1:-1] - (signal[:-2] + signal[2:]) / 2
    size = np.abs(off)
    if not size.max() > WORTH_A_LOOK * size.mean():
        return signal
    beside = np.concatenate(([0.0], size, [0.0]))
    tops = (size >= beside[:-2]) & (size >= beside[2:])
    found = 1 + np.flatnonzero(tops & (size > FAR_OFF * float(np.median(size))))
    found = found[found >= after]
    if not 0 < len(found) <= max(MOST_STRAY * len(signal), 1):
        return signal
    calm = signal.copy()
    calm[found] -= off[found - 1]
    # Of a record at the limit of the detector nothing else may be left.
    return calm if np.ptp(calm) > 0 else signal


def clipped_share(signal: FloatArray) -> float:
    """Share of the points at a limit of the detector, at either end of the range.

    They form runs; or, where noise lifts most of its points off the limit, the outermost value is
    more frequent than the three next to it together.
    """
    ends = [signal == end for end in (signal.min(), signal.max())]
    frequent = [is_end for is_end in ends if np.count_nonzero(is_end) >= CLIPPED_RUN]
    if not frequent:
        return 0.0
    limits = {limit for limit, _ in _limits(signal)}
    share = 0.0
    for is_end in frequent:
        end = float(signal[np.argmax(is_end)])
        lengths = _runs(is_end)
        counted = lengths if end in limits else lengths[lengths >= CLIPPED_RUN]
        share += float(counted.sum()) / len(signal)
    return share


def unbroken_share(signal: FloatArray) -> float:
    """Share of the points (N,) in runs at an end of the range that noise would have broken up.

    A value stays on its level with no more than the chance that noise is below half a step of the
    digitiser. How large the noise is the other values say: on few levels the share of those that
    both neighbours lie below, or above, grows with it, and a monotonic change has none.
    """
    low, high = float(signal.min()), float(signal.max())
    steps = np.diff(signal[(signal > low) & (signal < high)])
    turns = float(np.mean(steps[1:] * steps[:-1] < 0)) if len(steps) > 1 else 0.0
    stays = erf(0.5 * TURNS_PER_NOISE / (sqrt(2) * turns)) if turns > 0 else 1.0
    share = 0.0
    for end in (low, high):
        lengths = _runs(signal == end)
        chance = len(signal) * stays ** (lengths - 1.0)
        share += float(lengths[chance < NO_ACCIDENT].sum()) / len(signal)
    return share


def _runs(inside: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Lengths of the runs of True."""
    steps = np.diff(np.concatenate(([False], inside, [False])).astype(np.int8))
    return np.flatnonzero(steps == -1) - np.flatnonzero(steps == 1)


def _limits(signal: FloatArray) -> list[tuple[float, NDArray[np.intp]]]:
    """Outermost values that are more frequent than the next ones together, and where they are."""
    values, counts = np.unique(signal, return_counts=True)
    sides = (
        (values[-1], counts[-1], counts[-1 - NEXT_VALUES : -1]),
        (values[0], counts[0], counts[1 : 1 + NEXT_VALUES]),
    )
    return [
        (float(limit), np.flatnonzero(signal == limit))
        for limit, times, next_to in sides
        if times > max(next_to.sum(), NEXT_VALUES)
    ]


def clipped_stretch(signal: FloatArray) -> tuple[int, int]:
    """Find the first stretch in which the detector is at its limit.

    There the largest or the smallest value is more frequent than the three values next to it
    together. Noise moves some of the points near the limit away from it.

    Returns
    -------
    tuple of int
        Its first point and the point after its last one; 0, 0 without one.
    """
    found: list[tuple[int, int]] = []
    for _, places in _limits(signal):
        at = places.tolist()
        first = stop = at[0]
        for place in at:
            if place - stop > max(CLIPPED_GAP, stop - first):
                break
            stop = place + 1
        found.append((first, stop))
    return min(found, default=(0, 0))


def early_misfit(residuals: FloatArray, *, parameters: int) -> tuple[float, float]:
    """Test whether the first residuals are larger than the others, as after an artefact.

    The mean square of the first 2, 4, 8 ... (up to a quarter) over that of the rest is a ratio of
    variances; the smallest chance is multiplied by how many were tried.

    Returns
    -------
    tuple of float
        (ratio, chance); 1, 1 for too few points.
    """
    power = residuals**2
    sizes = [2**n for n in range(1, 7) if 2**n <= len(power) // 4]
    if not sizes or len(power) < parameters + 8:
        return 1.0, 1.0
    last = float(power[sizes[-1] :].sum())
    found = []
    for size in sizes:
        free = max(len(power) - size - parameters, 1)
        rest = (last + float(power[size : sizes[-1]].sum())) / free
        ratio = float(power[:size].mean()) / rest if rest > 0 else 1.0
        found.append((ratio, float(fdtrc(size, free, ratio))))
    ratio, chance = min(found, key=_by_chance)
    return ratio, min(chance * len(sizes), 1.0)


def _by_chance(found: tuple[float, float]) -> tuple[float, float]:
    """Order (ratio, chance): the least chance first, of chances that are nothing the largest ratio.

    Those that small are lost in rounding, each library's own way.
    """
    ratio, chance = found
    return max(chance, NOTHING), -ratio


def misfit_anywhere(
    residuals: FloatArray, *, parameters: int, shared_sd: float = 0.0
) -> tuple[float, float]:
    """Test the residuals (N,) for slow waves as a whole and in either half by its own noise.

    Where the sampling changes, so does the correlation of neighbours: hum in densely sampled points
    would excuse any misfit of the others.

    Returns
    -------
    tuple of float
        As of `misfit`; the smallest chance is multiplied by how many were tried.
    """
    half = len(residuals) // 2
    parts = (residuals, residuals[:half], residuals[half:])
    tried = [
        misfit(part, parameters=parameters, shared_sd=shared_sd)
        for part in parts
        if part is residuals or half >= FEWEST_POINTS
    ]
    ratio, chance = min(tried, key=_by_chance)
    return ratio, min(chance * len(tried), 1.0)


def misfit(
    residuals: FloatArray, *, parameters: int, shared_sd: float = 0.0
) -> tuple[float, float]:
    """Test whether the residuals show slow waves that their noise does not explain.

    Means of up to 32 equal blocks are compared with the noise seen inside short blocks, with its
    correlation: ``sum (mean / sd)^2`` is chi-squared with (blocks - parameters) degrees of
    freedom. Unlike a runs test, it gives no alarm for noise with a short memory. `shared_sd` is the
    SD of errors that all points of a block have in common, as from rounding to coarse levels.

    Returns
    -------
    tuple of float
        (sum over its expectation, chance); 1, 1 for few points or without noise.
    """
    noise = estimate_noise(residuals) if len(residuals) >= FEWEST_POINTS else None
    if noise is None or not noise.sd + shared_sd > 0:
        return 1.0, 1.0
    length = max(len(residuals) // MISFIT_BLOCKS, 8)
    starts = np.arange(0, len(residuals) - length + 1, length)
    counts = np.full(len(starts), length)
    counts[-1] = len(residuals) - starts[-1]
    means = np.add.reduceat(residuals, starts) / counts
    scaled = means / np.hypot(noise.mean_sd(counts), shared_sd)
    total = float(scaled @ scaled)
    free = max(len(starts) - parameters, 1)
    # The noise itself is an estimate: over N points its square is known to about 2 / sqrt(N).
    total /= 1 + 2 * sqrt(2 / len(residuals)) * noise.inflation
    return total / free, float(chdtrc(free, total))
