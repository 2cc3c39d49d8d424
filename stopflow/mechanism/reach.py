"""Which constants shots could show at all: the range of the search."""

from collections.abc import Sequence

import numpy as np

from stopflow.mechanism.constants import Constants
from stopflow.mechanism.observations import MechanismShot
from stopflow.mechanism.scheme import Scheme
from stopflow.trace import FloatArray

ENTHALPY = 50.0
"""Middle of the range of an activation enthalpy, and half its width, kJ/mol."""


def find_box(
    scheme: Scheme, constants: Constants, shots: Sequence[MechanismShot]
) -> tuple[FloatArray, FloatArray]:
    """Centre and half width, (p,), of the free numbers that the shots could show.

    A rate between a tenth of the reciprocal window and ten times the reciprocal first interval;
    for second-order constants divided by the largest concentration. A bound that is stated ends it.
    """
    longest = max(float(shot.time_s[-1]) for shot in shots)
    intervals = [float(np.diff(shot.time_s[:4]).min()) for shot in shots]
    low, high = np.log(0.1 / longest), np.log(3.0 / max(min(intervals), 1e-9))
    most = max(max(shot.start_M.values()) for shot in shots)
    orders = scheme.orders
    powers = constants.powers
    centre = powers @ (0.5 * (low + high) - np.log(most) * (orders - 1))
    width = np.abs(powers) @ np.full(len(orders), 0.5 * (high - low))
    if constants.reference_K is not None:
        centre = np.concatenate((centre, powers @ np.full(len(orders), ENTHALPY)))
        width = np.concatenate((width, np.abs(powers) @ np.full(len(orders), ENTHALPY)))
    ends = [np.clip(end, constants.low, constants.high) for end in (centre - width, centre + width)]
    bounded = np.isfinite(constants.low) | np.isfinite(constants.high)
    return (
        np.where(bounded, 0.5 * (ends[0] + ends[1]), centre),
        np.where(bounded, 0.5 * (ends[1] - ends[0]), width),
    )
