"""The rate constant of a condition from its shots, and its uncertainty.

From three shots on, the uncertainty is taken from the scatter between them, which includes
everything that differs from push to push; the error of a single fit does not.
"""

from dataclasses import dataclass
from math import nan, sqrt
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtrit

FEWEST_REPLICATES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicateMean:
    """Mean rate constant of a condition.

    Attributes
    ----------
    shots
        How many were averaged.
    k_per_s, k_stderr_per_s, k_low_per_s, k_high_per_s
        Mean, its standard error and its interval; NaN without a shot.
    source
        Where the uncertainty comes from; empty without a shot.
    between_shot_sd_per_s
        Standard deviation of the shots; NaN for a single one.
    scatter_ratio
        That over the median standard error of one shot.
    """

    shots: int
    k_per_s: float = nan
    k_stderr_per_s: float = nan
    k_low_per_s: float = nan
    k_high_per_s: float = nan
    source: Literal["replicates", "single shot", "mean trace", "joint fit", ""] = ""
    between_shot_sd_per_s: float = nan
    scatter_ratio: float = nan


def average_replicates(
    k_per_s: ArrayLike, k_stderr_per_s: ArrayLike, *, interval: tuple[float, float] | None = None
) -> ReplicateMean:
    """Average the shots of one condition.

    Three or more: mean, ``SD / sqrt(n)`` and Student's interval with n - 1 degrees of freedom.
    Fewer: the errors of the single fits.

    Parameters
    ----------
    k_per_s, k_stderr_per_s
        (n,) rate constants and standard errors of the single shots.
    interval
        The single shot's own interval, taken when there is just one.
    """
    k = np.asarray(k_per_s, dtype=np.float64)
    errors = np.asarray(k_stderr_per_s, dtype=np.float64)
    count = len(k)
    if count == 0:
        return ReplicateMean(shots=0)
    mean = float(k.mean())
    scatter = float(k.std(ddof=1)) if count > 1 else nan
    typical = float(np.median(errors))
    ratio = scatter / typical if typical > 0 else nan
    if count >= FEWEST_REPLICATES:
        error = scatter / sqrt(count)
        half = float(stdtrit(count - 1, 0.975)) * error
    else:
        error = float(np.sqrt((errors**2).sum())) / count
        half = float(ndtri(0.975)) * error
    low, high = mean - half, mean + half
    if count == 1 and interval is not None:
        low, high = interval
    return ReplicateMean(
        shots=count,
        k_per_s=mean,
        k_stderr_per_s=error,
        k_low_per_s=low,
        k_high_per_s=high,
        source="replicates" if count >= FEWEST_REPLICATES else "single shot",
        between_shot_sd_per_s=scatter,
        scatter_ratio=ratio,
    )
