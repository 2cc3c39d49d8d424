"""Means of the further phases of a condition: k2 and k3 beside k, each with its own errors.

A fit gives its phases in falling order of rate, so that the phases of replicates are the same ones;
the data of a usable shot tell them apart, or the shot has failed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import nan, pi, sqrt
from typing import Final

import numpy as np
from scipy.special import ndtri, stdtrit

from stopflow.kinetics.laws.phases import FURTHER
from stopflow.kinetics.verdicts.condition_fit import ConditionFit
from stopflow.kinetics.verdicts.repeatability import Series, as_series
from stopflow.kinetics.verdicts.replicates import (
    FEWEST_REPLICATES,
    ReplicateMean,
    average_replicates,
)
from stopflow.kinetics.verdicts.shot import ShotResult

MEDIAN_OVER_MEAN: Final = sqrt(pi / 2)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhaseMean:
    """One phase of a condition.

    Attributes
    ----------
    rate
        Column of its rate constant, such as ``"k2_per_s"``.
    run
        ln of the rate in the order in which the shots were made.
    mean
        Over the usable shots.
    amplitude
        Median over the usable shots; NaN where the rate law has none of this phase alone.
    sizes
        ln of the size of the amplitudes, in the order of `run`; NaN likewise.
    """

    rate: str
    run: Series
    mean: ReplicateMean
    amplitude: float
    sizes: Series


def average_phases(
    results: Sequence[ShotResult], together: ConditionFit | None = None
) -> tuple[PhaseMean, ...]:
    """Average the further phases of the usable shots of one condition, where the law has them.

    Parameters
    ----------
    together
        One fit of all of them, whose rates and amplitudes are taken instead where it has them.
    """
    phases = []
    for rate, amplitude in FURTHER.items():
        having = [
            result
            for result in results
            if result.fit.parameters.get(rate, 0.0) > 0 and np.isfinite(result.stderr[rate])
        ]
        if not having:
            continue
        k = [result.fit.parameters[rate] for result in having]
        errors = [result.stderr[rate] for result in having]
        sizes = [result.fit.parameters.get(amplitude, np.nan) for result in having]
        own = average_replicates(
            k, errors, interval=having[0].intervals[rate] if len(having) == 1 else None
        )
        phases.append(
            PhaseMean(
                rate=rate,
                run=as_series(np.arange(len(k)), k, errors),
                sizes=amplitude_sizes(having, amplitude),
                mean=take_together(own, together, rate),
                amplitude=together.amplitudes.get(amplitude, float(np.median(sizes)))
                if together
                else float(np.median(sizes)),
            )
        )
    return tuple(phases)


def amplitude_sizes(results: Sequence[ShotResult], amplitude: str) -> Series:
    """Sizes of an amplitude with their relative errors; NaN where a law has none of this name."""
    sizes = [abs(result.fit.parameters.get(amplitude, np.nan)) for result in results]
    errors = [result.stderr.get(amplitude, np.nan) for result in results]
    with np.errstate(divide="ignore", invalid="ignore"):
        return as_series(np.arange(len(sizes)), sizes, errors)


def amplitude_interval(phase: PhaseMean) -> tuple[float, float, float]:
    """Give the standard error of the median amplitude, and its 95 % interval.

    From the scatter between three or more shots, where the error of a median is 1.25 times that of
    a mean; else from the errors of the fits.
    """
    sizes, count = phase.sizes, len(phase.sizes)
    if not count or not np.isfinite(phase.amplitude):
        return nan, nan, nan
    if count >= FEWEST_REPLICATES:
        relative = MEDIAN_OVER_MEAN * float(sizes.log_k.std(ddof=1)) / sqrt(count)
        quantile = float(stdtrit(count - 1, 0.975))
    else:
        relative = float(np.sqrt((sizes.error**2).sum())) / count
        quantile = float(ndtri(0.975))
    error = abs(phase.amplitude) * relative
    return error, phase.amplitude - quantile * error, phase.amplitude + quantile * error


def take_together(own: ReplicateMean, together: ConditionFit | None, rate: str) -> ReplicateMean:
    """Return the rate of one fit of all shots where there is one; the scatter is that of `own`."""
    found = together.rates.get(rate) if together else None
    if found is None:
        return own
    return replace(
        found, between_shot_sd_per_s=own.between_shot_sd_per_s, scatter_ratio=own.scatter_ratio
    )
