"""A user's own formula: parameters of any sign and scale, from given starts or from many.

Parameters in which the formula is linear are projected out, as for every other rate law. Of the
others nothing is known but the range of the times. Starting values are therefore drawn over that
range and orders of magnitude on both sides; the best of many are refined, together with a given
start, and the lowest minimum is taken.
"""

from collections.abc import Mapping

import numpy as np

from stopflow.errors import SettingsError
from stopflow.kinetics.solver.any_law import Coarse, coarse_problem, descend, linear_part
from stopflow.kinetics.solver.fixed_parameters import Constraints
from stopflow.kinetics.solver.refusals import Refusal, refuse
from stopflow.kinetics.solver.window import LARGEST_NUMBER, ROUNDING, Window
from stopflow.trace import FloatArray

# Draws and how many of them are followed, without and with a given start.
DRAWS, FOLLOWED = (2000, 500), (16, 4)
TIGHT = 1e-14
# Sums of squares within this part of each other are of one minimum.
SAME = 1e-6
LOOSE_STEPS, TIGHT_STEPS = 300, 5000
# Orders of magnitude around 1 / (length of the record) in which a rate may lie, and around the
# largest time or signal in which anything else may.
DECADES = (-3.0, 4.0)
SEED = 20240611


def solve_expression(
    constraints: Constraints, window: Window, *, guess: Mapping[str, float] | None
) -> tuple[FloatArray, FloatArray] | Refusal:
    """Find the best minimum; returns all nonlinear (q,) and the free linear (f,) parameters.

    Raises
    ------
    SettingsError
        When a guess is given for a name that the formula does not have, or is not a number.
    """
    given = dict(guess or {})
    for name, value in given.items():
        if name not in constraints.law.parameters or not abs(value) < LARGEST_NUMBER:
            raise SettingsError(
                f"start of {name}",
                value,
                valid=f"numbers for {', '.join(constraints.law.parameters)}",
            )
    coarse = coarse_problem(constraints, window)
    if not constraints.free.any():
        theta = constraints.theta
    else:
        starts = _starts(coarse, given)
        found = [_follow(coarse, start, steps=LOOSE_STEPS) for start in starts]
        best = min(found, key=lambda item: item[1], default=(constraints.theta, np.inf))
        # Phases that may change places keep those of the given start.
        rounding = len(coarse.time) * (ROUNDING * float(np.abs(coarse.signal).max())) ** 2
        if given and found[0][1] <= best[1] * (1 + SAME) + rounding:
            best = found[0]
        if not best[1] < np.inf:
            return refuse("no-value")
        theta = _follow(coarse, best[0], steps=TIGHT_STEPS)[0]
    coefficients = linear_part(coarse, theta)
    if not np.isfinite(coefficients).all():
        return refuse("undetermined")
    return theta, coefficients


def _follow(coarse: Coarse, start: FloatArray, *, steps: int) -> tuple[FloatArray, float]:
    return descend(coarse, start, bounds=None, tolerance=TIGHT, steps=steps)


def _starts(coarse: Coarse, given: Mapping[str, float]) -> list[FloatArray]:
    """Return starting values (q,): the one given, and the best of many draws."""
    constraints = coarse.constraints
    base = constraints.theta.copy()
    for place, name in enumerate(constraints.law.nonlinear):
        if constraints.free[place] and name in given:
            base[place] = given[name]
    count, followed = (numbers[bool(given)] for numbers in (DRAWS, FOLLOWED))
    draws = np.repeat(base[None], count, axis=0)
    draws[:, constraints.free] = _draw(coarse, count, int(constraints.free.sum()))
    misfits = np.array([_misfit(coarse, theta) for theta in draws])
    order = np.argsort(misfits, kind="stable")
    best = [draws[at] for at in order[:followed] if misfits[at] < np.inf]
    return [base, *best] if given else best


def _draw(coarse: Coarse, count: int, size: int) -> FloatArray:
    """Values (count, size): rates, times within the record, and plain numbers of either sign."""
    rng = np.random.default_rng(SEED)
    low, high = float(coarse.time[0]), float(coarse.time[-1])
    magnitude = 10.0 ** rng.uniform(*DECADES, (count, size))
    sign = np.where(rng.random((count, size)) < 0.75, 1.0, -1.0)
    kinds = np.stack(
        (
            sign * magnitude / high,
            rng.uniform(low, high, (count, size)),
            sign * magnitude,
            (high - low) * 10.0 ** rng.uniform(-2, 0, (count, size)),
        )
    )
    pick = rng.integers(0, len(kinds), (count, size))
    return np.take_along_axis(kinds, pick[None], axis=0)[0]


def _misfit(coarse: Coarse, theta: FloatArray) -> float:
    """Sum of squares that the best linear parameters leave; infinite without a value."""
    rows, rest = coarse.rows(theta)
    if not (np.isfinite(rows).all() and np.isfinite(rest).all()):
        return np.inf
    frame = np.linalg.qr(rows.T)[0]
    left = rest - frame @ (rest @ frame)
    return float(left @ left)
