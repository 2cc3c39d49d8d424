"""The drift that the shots of an experiment have in common.

The drift of lamp and detector is the same for all shots of an experiment, apart from some scatter,
and the slope and rate of a single trace are correlated. A slope that is known from the other shots
therefore improves k beyond what the trace alone allows. The slopes a_i with standard errors s_i are
taken as draws from N(mu, t^2 + s_i^2), with t by Paule and Mandel 1982 (doi:10.6028/jres.087.022).
With mu and its error from the *other* shots, a shot's own slope is shrunk by the weight that normal
theory gives, and log k moves along their covariance. Where slopes scatter more than their errors
explain, t is large and nothing moves.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stopflow.trace import FloatArray

FEWEST: Final = 4
STEPS: Final = 100


class Slopes(NamedTuple):
    """Slopes of M traces, their standard errors, and their covariance with log k, (M,) each.

    All slopes are in one unit, such as V/s; `log_k_error` is that of log k by the same trace.
    """

    slope: FloatArray
    error: FloatArray
    log_k_covariance: FloatArray
    log_k_error: FloatArray


class Pull(NamedTuple):
    """What the other shots change for each of M: a shift of log k and a factor on its SD."""

    log_shift: FloatArray
    sd_factor: FloatArray


def pull_by_others(slopes: Slopes, *, experiment: Sequence[str], usable: NDArray[np.bool_]) -> Pull:
    """Shrink the slopes of the usable shots of each experiment towards their common drift.

    Experiments of fewer than `FEWEST` usable shots, and shots that are not usable, stay as they
    are.
    """
    own = Slopes(*(np.asarray(column, dtype=np.float64) for column in slopes))
    known = usable & np.isfinite(np.stack(own)).all(axis=0) & (own.error > 0)
    shift, factor = np.zeros(len(known)), np.ones(len(known))
    names = np.asarray(experiment)
    for name in np.unique(names):
        rows = np.flatnonzero(known & (names == name))
        if len(rows) < FEWEST:
            continue
        slope, variance = own.slope[rows], own.error[rows] ** 2
        between = variance_between(slope, variance)
        weight = 1 / (variance + between)
        others = weight.sum() - weight
        mean = ((weight * slope).sum() - weight * slope) / others
        total = variance + between + 1 / others
        covariance = own.log_k_covariance[rows]
        shift[rows] = covariance / total * (mean - slope)
        share = covariance**2 / total / own.log_k_error[rows] ** 2
        factor[rows] = np.sqrt(1 - np.clip(share, 0.0, 0.99))
    return Pull(log_shift=shift, sd_factor=factor)


def variance_between(values: FloatArray, variance: FloatArray) -> float:
    """Return t^2 such that sum of (x - mean)^2 / (s^2 + t^2) is n - 1; 0 if it is less already.

    The sum falls and is convex in t^2, so Newton's steps from 0 come up to the root from below.
    """
    between, count = 0.0, len(values)
    for _ in range(STEPS):
        weight = 1 / (variance + between)
        squares = weight * (values - (weight * values).sum() / weight.sum()) ** 2
        excess = float(squares.sum()) - (count - 1)
        if excess <= 1e-12 * count:
            break
        between += excess / float((weight * squares).sum())
    return between
