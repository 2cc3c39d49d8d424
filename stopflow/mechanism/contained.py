"""Whether a fitted scheme contains another: whether it can draw the same curves.

`E + S <=> ES <=> EX` draws the curves of `E + S <=> ES` where its second step stands still. What
contains another scheme is found on the shots at hand: the larger scheme is fitted to the curves of
the smaller one, without noise, and contains it where less is left of them than a third of a
standard error of a single number would leave. So limits of every kind are found, such as steps that
are too slow or too fast to be seen and equilibria on one side.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from stopflow.mechanism.fit import GlobalFit
from stopflow.mechanism.minimise import FAIR, minimise
from stopflow.mechanism.observations import MechanismShot

NOTHING = 0.1
"""Squares, in units of those of one standard error, below which curves are the same."""
TURNS = 60


def contains(larger: GlobalFit, smaller: GlobalFit, *, unit: float) -> bool:
    """Whether a scheme can draw the fitted curves of another with fewer numbers.

    Parameters
    ----------
    unit
        Squares of one standard error, from the scatter between replicates.
    """
    problem = larger.problem.with_shots(tuple(_curves(larger, smaller)))
    for minimum in (larger.best, *larger.others):
        found = minimise(
            problem, np.asarray(minimum.theta), turns=TURNS, tolerance=FAIR, negligible=1e-3
        )
        if found.squares < NOTHING * unit:
            return True
    return False


def _curves(larger: GlobalFit, smaller: GlobalFit) -> Iterator[MechanismShot]:
    """Yield the shots of the larger scheme with the curves of the smaller one as their signals."""
    bounds = larger.problem.windows.bounds
    for shot, (first, last) in zip(larger.problem.shots, pairwise(bounds), strict=True):
        rest = smaller.point.residual[first:last] * shot.noise_sd
        yield replace(shot, signal=shot.signal - rest)
