"""Which constants shots could show at all: the range of the search."""

from collections.abc import Sequence

import numpy as np

from stopflow.mechanism.constants import Constants
from stopflow.mechanism.observations import MechanismShot
from stopflow.trace import FloatArray


def find_box(constants: Constants, shots: Sequence[MechanismShot]) -> tuple[FloatArray, FloatArray]:
    """Centre and half width, (p,), of the free numbers that the shots could show.

    A rate between a tenth of the reciprocal window and ten times the reciprocal first interval;
    for second-order constants divided by the largest concentration.
    """
    longest = max(float(shot.time_s[-1]) for shot in shots)
    intervals = [float(np.diff(shot.time_s[:4]).min()) for shot in shots]
    low, high = np.log(0.1 / longest), np.log(3.0 / max(min(intervals), 1e-9))
    most = max(max(shot.start_M.values()) for shot in shots)
    centre, width = np.zeros(constants.count), np.zeros(constants.count)
    for place, unit in enumerate(constants.units):
        shift = -np.log(most) if unit.startswith("M^-1") else 0.0
        is_rate = constants.is_logarithm[place]
        centre[place] = 0.5 * (low + high) + shift if is_rate else 50.0
        width[place] = 0.5 * (high - low) if is_rate else 50.0
    return centre, width
