"""Roots that may not be there: a bracket is checked before it is believed."""

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
        None where the function is not negative at `below` and positive at `above`: curves that are
        flat, not finite, or not what theory says have no crossing to give.
    """
    first, last = function(below), function(above)
    if not (isfinite(first) and isfinite(last) and first <= 0 < last):
        return None
    if first == 0:
        return below
    known = {below: first, above: last}

    def checked(x: float) -> float:
        # Asked again, an iteration may answer with another last digit, and the sign with it.
        return known[x] if x in known else function(x)

    return float(brentq(checked, below, above, xtol=tolerance))
