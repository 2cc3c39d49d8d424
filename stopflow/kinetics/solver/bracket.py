"""Roots that may not exist: a bracket is checked before it is used."""

from collections.abc import Callable
from math import isfinite

from scipy.optimize import brentq


def find_crossing(
    function: Callable[[float], float], below: float, above: float, *, tolerance: float = 1e-9
) -> float | None:
    """Where `function` rises through 0 between `below` and `above`, in either direction of x.

    Returns
    -------
    float or None
        None where the function is not negative at `below` and positive at `above`, as for curves
        that are flat or not finite.
    """
    first, last = function(below), function(above)
    if not (isfinite(first) and isfinite(last) and first <= 0 < last):
        return None
    if first == 0:
        return below
    known = {below: first, above: last}

    def checked(x: float) -> float:
        # A second evaluation may differ in the last digit and so in sign.
        return known[x] if x in known else function(x)

    return float(brentq(checked, below, above, xtol=tolerance))
