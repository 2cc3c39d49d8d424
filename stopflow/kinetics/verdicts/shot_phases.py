"""Whether the data distinguish the phases of a fit."""

from collections.abc import Mapping
from itertools import pairwise
from math import inf

from stopflow.kinetics.laws import find_law
from stopflow.kinetics.solver.refusals import Refusal, refuse
from stopflow.kinetics.solver.result import Fit
from stopflow.kinetics.verdicts.law_comparison import AS_GOOD, LawComparison


def find_inseparable(
    fit: Fit, intervals: Mapping[str, tuple[float, float]], laws: LawComparison
) -> Refusal | None:
    """Say why the data do not distinguish the phases of a fit; None where they do.

    A phase is there when AICc is clearly higher without it, as a search over all rates always finds
    one that noise makes, and when the data limit every rate on both sides, the limits of
    neighbouring rates not overlapping.
    """
    law = fit.rate_law
    rates = law.nonlinear[: law.exchangeable]
    if len(rates) < 2 or fit.fixed:
        return None
    phases = {2: "two", 3: "three"}.get(len(rates), str(len(rates)))
    for name in rates:
        low, high = intervals[name]
        if not (low > 0 and high < inf):
            side = "upper" if high == inf else "lower"
            return refuse("open-rate", phases=phases, side=side, rate=bare_name(name))
    for fast, slow in pairwise(rates):
        if intervals[fast][0] <= intervals[slow][1]:
            return refuse("overlap", phases=phases, fast=bare_name(fast), slow=bare_name(slow))
    simpler = [laws[key] for key in law.rivals if laws[key].parameters]
    own = laws[fit.law]
    for item in simpler:
        if item.numbers < own.numbers and item.fair_aicc < own.fair_aicc + AS_GOOD:
            title = find_law(item.law).title
            return refuse("fewer-phases", phases=phases, law=title, key=item.law)
    return None


def bare_name(rate: str) -> str:
    """Name of a rate in sentences: without its unit."""
    return rate.removesuffix("_per_s")
