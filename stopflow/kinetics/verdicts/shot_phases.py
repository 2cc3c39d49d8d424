"""Whether the data distinguish the phases of a fit."""

from collections.abc import Mapping
from itertools import pairwise
from math import inf

from stopflow.kinetics.laws import find_law
from stopflow.kinetics.solver.refusals import Refusal, refuse
from stopflow.kinetics.solver.result import Fit
from stopflow.kinetics.verdicts.law_comparison import AS_GOOD, LawComparison


def find_needless_phase(fit: Fit, laws: LawComparison) -> Refusal | None:
    """Say which law of fewer parameters does as well; None where none does.

    A phase is there when AICc is clearly higher without it: a search over all rates always finds
    one that noise makes.
    """
    if fit.rate_law.exchangeable < 2 or fit.fixed:
        return None
    own = laws[fit.law]
    simpler = [
        item
        for item in laws.rivals_of(fit)
        if item.numbers < own.numbers and item.fair_aicc < own.fair_aicc + AS_GOOD
    ]
    if not simpler:
        return None
    law = find_law(simpler[0].law)
    return refuse("fewer-phases", phases=_count(fit), law=law.title, key=law.key)


def find_inseparable(fit: Fit, intervals: Mapping[str, tuple[float, float]]) -> Refusal | None:
    """Say why the data do not distinguish the phases of a fit; None where they do.

    They must limit every rate on both sides, the limits of neighbouring rates not overlapping.
    """
    rates = fit.rate_law.nonlinear[: fit.rate_law.exchangeable]
    if len(rates) < 2 or fit.fixed:
        return None
    for name in rates:
        low, high = intervals[name]
        if not (low > 0 and high < inf):
            side = "upper" if high == inf else "lower"
            return refuse("open-rate", phases=_count(fit), side=side, rate=bare_name(name))
    for fast, slow in pairwise(rates):
        if intervals[fast][0] <= intervals[slow][1]:
            return refuse("overlap", phases=_count(fit), fast=bare_name(fast), slow=bare_name(slow))
    return None


def _count(fit: Fit) -> str:
    """How many rates a law has that may change places."""
    count = fit.rate_law.exchangeable
    return {2: "two", 3: "three"}.get(count, str(count))


def bare_name(rate: str) -> str:
    """Name of a rate in sentences: without its unit."""
    return rate.removesuffix("_per_s")
