"""Whether there is a decay at all, or whether noise alone would have done."""

from dataclasses import dataclass
from math import exp, log1p, pi

import numpy as np
from scipy.special import betainc

from stopflow.kinetics.solver.bracket import find_crossing
from stopflow.kinetics.solver.fixed_parameters import Constraints
from stopflow.kinetics.solver.projection import orthonormal_rows
from stopflow.kinetics.solver.refusals import Refusal, refuse
from stopflow.kinetics.solver.window import Window
from stopflow.trace import FloatArray

# Chance that noise alone passes for a reaction.
FALSE_ALARM = 1e-4
# That of noise with a correlation of 0.9; stronger correlation is drift or a wrong law.
LARGEST_INFLATION = 4.4
# For laws with a surface of shapes instead of a curve: generous.
SURFACE_LENGTH = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Significance:
    """What the phases explain.

    Attributes
    ----------
    explained
        Part of the sum of squares, beyond the baseline's, 0 to 1.
    length
        Length of the curve that the shapes draw on the unit sphere.
    free
        Points less baseline parameters.
    """

    explained: float
    length: float
    free: int


def false_alarm(explained: float, *, length: float, free: int) -> float:
    """Chance that white noise alone explains as much somewhere on the curve of rates.

    Volume of a tube around a curve on the sphere, Hotelling, Am. J. Math. 61, 440 (1939),
    10.2307/2371512: an end term and the length of the curve times the density on the way.

    Parameters
    ----------
    explained
        Largest explained part of the sum of squares.
    length
        Length of the curve of unit vectors.
    free
        Points less baseline parameters.
    """
    if explained >= 1:
        return 0.0
    ends = float(betainc((free - 1) / 2, 0.5, 1 - explained))
    return min(1.0, ends + length / pi * exp((free - 2) / 2 * log1p(-explained)))


def no_amplitude(significance: Significance, *, inflation: float = 1.0) -> Refusal | None:
    """Refuse phases that noise alone could have made.

    Parameters
    ----------
    significance
        What the phases explain.
    inflation
        Of standard errors, for correlated noise.
    """
    if significance.explained >= 1:
        return None
    ratio = significance.explained / (1 - significance.explained) / inflation**2
    chance = false_alarm(ratio / (1 + ratio), length=significance.length, free=significance.free)
    if chance <= FALSE_ALARM:
        return None
    return refuse("noise", chance=chance)


def enough_explained(length: float, *, free: int) -> float:
    """Explained part that even strongly correlated noise does not reach."""

    def excess(logit: float) -> float:
        ratio = np.exp(logit)
        chance = false_alarm(float(ratio / (1 + ratio)), length=length, free=free)
        return float(np.log(chance / FALSE_ALARM)) if chance > 0 else -1e3

    # Rises with less explained; few points can leave nothing that is enough.
    crossing = find_crossing(excess, 30.0, -30.0)
    if crossing is None:
        return 1.0
    ratio = float(np.exp(crossing)) * LARGEST_INFLATION**2
    return ratio / (1 + ratio)


def phase_significance(
    constraints: Constraints, window: Window, *, theta: FloatArray, rss: float
) -> Significance:
    """Compare a fit's `rss` with that of the baseline alone.

    Fixed amplitudes are taken on trust; a user's formula has to do better than its own
    constant, if it has one.
    """
    phases = len(constraints.law.phases)
    if constraints.law.signed:
        rows, held = constraints.basis(window.time, theta)
        baseline = rows[np.ptp(rows, axis=1) == 0][:1]
        signal = window.signal if held is None else window.signal - held
        if not len(baseline):
            return Significance(explained=1.0, length=0.0, free=len(window.time))
    elif constraints.offset[:phases].any():
        return Significance(explained=1.0, length=0.0, free=len(window.time))
    else:
        rows = constraints.law.basis(window.time, constraints.theta)[phases:]
        baseline = (
            constraints.mixing[:, phases:][~constraints.mixing[:, :phases].any(axis=1)] @ rows
        )
        signal = window.signal - constraints.offset[phases:] @ rows
    frame = orthonormal_rows(window.weighted(baseline))
    rest = window.weighted(signal)
    rest = rest - (frame @ rest) @ frame
    whole = float(rest @ rest)
    return Significance(
        explained=max(0.0, 1 - rss / whole) if whole > 0 else 0.0,
        length=SURFACE_LENGTH,
        free=len(window.time) - len(frame),
    )
