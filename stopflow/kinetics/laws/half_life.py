"""Half-lives: the time in which half of a reaction's whole change is over, counted from the start.

For one exponential that is ln 2 / k; for other rate laws it is not. The closed forms are in
Espenson, Chemical Kinetics and Reaction Mechanisms, 2nd ed., chapters 2 and 4.
"""

from collections.abc import Mapping
from math import inf, log, log1p, nan
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from stopflow.kinetics.laws.rate_law import RateLaw

# Where the search looks, in 1/k of the fastest and the slowest phase.
EARLIEST, LATEST = 1e-6, 1e6
# Where a change is over, that with a power of time too.
FOREVER = 1e30
STEPS = 4000
# Bisections of one step, to more than the digits of a double.
HALVINGS = 60
# A curve that turns back by more than this share of its change has no half-life.
TURNING = 1e-9


def first_order(parameters: Mapping[str, float]) -> float:
    """``ln 2 / k``."""
    return log(2) / parameters["k_per_s"]


def stretched(parameters: Mapping[str, float]) -> float:
    """``(ln 2)^(1/beta) / k``."""
    return log(2) ** (1 / parameters["beta"]) / parameters["k_per_s"]


def second_order(parameters: Mapping[str, float]) -> float:
    """``1 / k``, with k the second-order constant times the concentration."""
    return 1 / parameters["k_per_s"]


def second_order_unequal(parameters: Mapping[str, float]) -> float:
    """``ln(2 - r) / ((1 - r) k)``, of the reactant that runs out; ``1 / k`` for r = 1."""
    excess = 1 - parameters["ratio"]
    return (log1p(excess) / excess if excess else 1.0) / parameters["k_per_s"]


def find_half_life(law: "RateLaw", parameters: Mapping[str, float]) -> float:
    """Find the half-life of the phases of a law, without its straight line, by bisection.

    NaN for a curve that turns back, whose half is passed more than once or not at all.
    """
    rates = [parameters[name] for name in law.rates]
    shape = {name: parameters[name] for name in (*law.nonlinear, *law.phases)}
    shape |= dict.fromkeys((name for name in law.linear if name not in shape), 0.0)
    if not (rates and min(rates) > 0 and max(rates) < inf):
        return nan

    def left(time_s: float) -> float:
        return float(law.evaluate(np.array([time_s]), shape)[0])

    times = np.geomspace(EARLIEST / max(rates), LATEST / min(rates), STEPS)
    end_s = FOREVER / min(rates)
    curve = law.evaluate(np.concatenate(([0.0], times, [end_s])), shape)
    change = float(curve[-1] - curve[0])
    steps = np.diff(curve) * np.sign(change)
    if change == 0 or -steps[steps < 0].sum() > TURNING * abs(change):
        return nan
    half = float(curve[0]) + change / 2
    at = int(np.argmax((curve[1:] - half) * np.sign(change) >= 0))
    if at == len(times):
        return nan
    low, high = (0.0 if at == 0 else float(times[at - 1])), float(times[at])
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if (left(middle) - half) * change >= 0:
            high = middle
        else:
            low = middle
    return high
