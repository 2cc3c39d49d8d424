"""Whether the data distinguish the phases of a fit."""

from collections.abc import Mapping
from itertools import pairwise
from math import inf

from stopflow.kinetics.laws import find_law
from stopflow.kinetics.solver.result import Fit
from stopflow.kinetics.verdicts.compare_laws import LawComparison


def find_inseparable(
    fit: Fit, intervals: Mapping[str, tuple[float, float]], laws: LawComparison
) -> str:
    """Say why the data do not distinguish the phases of a fit; empty where they do.

    A phase is there when AICc is higher without it and when the data limit every rate on both
    sides, the limits of neighbouring rates not overlapping.
    """
    law = fit.rate_law
    rates = law.nonlinear[: law.exchangeable]
    if len(rates) < 2 or fit.fixed:
        return ""
    count = {2: "two", 3: "three"}.get(len(rates), str(len(rates)))
    head = f"the trace does not hold {count} rate constants that can be told apart"
    tail = "use a law with fewer phases, or record longer and with less noise"
    for name in rates:
        low, high = intervals[name]
        if not (low > 0 and high < inf):
            side = "upper" if high == inf else "lower"
            return f"{head}: the data set no {side} limit to {name.removesuffix('_per_s')}; {tail}"
    for fast, slow in pairwise(rates):
        if intervals[fast][0] <= intervals[slow][1]:
            return f"{head}: the 95 % intervals of {_bare(fast)} and {_bare(slow)} overlap; {tail}"
    simpler = [laws[key] for key in law.rivals if laws[key].parameters]
    own = laws[fit.law]
    for item in simpler:
        if item.numbers < own.numbers and item.fair_aicc < own.fair_aicc:
            return (
                f"{head}: {find_law(item.law).title} describes it as well with fewer parameters; "
                f"use --law {item.law}"
            )
    return ""


def _bare(name: str) -> str:
    return name.removesuffix("_per_s")
