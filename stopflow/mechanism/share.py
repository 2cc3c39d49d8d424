"""Schemes that share constants are fitted again from one another's minima.

A search from random starts misses the lowest minimum now and then. Where another scheme, with the
same constants or fewer of them, describes the shots better, its constants are a start that was
missed: the further ones begin where they do next to nothing.
"""

from collections.abc import Sequence

import numpy as np

from stopflow.mechanism.fit import GlobalFit, search_again
from stopflow.trace import FloatArray

LOWER = 1e-6
"""Share of the squares by which another scheme has to be better."""


def share_starts(fits: Sequence[GlobalFit]) -> list[GlobalFit]:
    """Fit every scheme again from those that are better with no other constants than its own."""
    found = []
    for fit in fits:
        starts = [
            _start(fit, other)
            for other in fits
            if set(other.problem.constants.names) <= set(fit.problem.constants.names)
            and other.best.squares < (1 - LOWER) * fit.best.squares
        ]
        found.append(search_again(fit, starts) if starts else fit)
    return found


def _start(fit: GlobalFit, other: GlobalFit) -> FloatArray:
    """Take over the constants of another scheme; the others stand at the low end of their range."""
    centre, width = fit.problem.box
    given = dict(zip(other.problem.constants.names, other.best.theta.tolist(), strict=True))
    low = (centre - width).tolist()
    names = fit.problem.constants.names
    return np.array([given.get(name, value) for name, value in zip(names, low, strict=True)])
