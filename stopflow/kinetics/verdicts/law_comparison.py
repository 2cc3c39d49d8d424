"""The rate laws tried on one trace: their criteria, their rates, and how far these differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, log, nan

import numpy as np

from stopflow.kinetics.laws import CANDIDATES, DEFAULT, LAWS, RateLaw
from stopflow.kinetics.solver.result import Fit
from stopflow.kinetics.solver.statistics import SMALLEST_NOISE, small_sample_aic
from stopflow.trace import FloatArray

# Laws whose AICc is within this of the best one are not ruled out; Burnham and Anderson, Model
# Selection and Multimodel Inference (2002), section 2.6.
NOT_RULED_OUT = 10.0
# A law of more parameters whose AICc is at most this much higher is as likely: the ratio of the
# evidence is 0.6 or more; ibid., section 2.9.
AS_LIKELY = 1.0
# Of laws this close to the best one that of the fewest parameters is reported.
AS_GOOD = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One rate law on one trace.

    Attributes
    ----------
    law
        Key.
    parameters
        By name; empty where the fit was refused. Where the data do not determine them the criteria
        are those of the nearest curve.
    k_per_s
        Rate of the phase of the largest change (`RateLaw.main_rate`), by which laws are compared;
        NaN without one.
    aicc
        For the points as they are, white noise.
    fair_aicc
        For the number of independent points, where noise is correlated; what laws are compared by.
    numbers
        How many parameters are free.
    """

    law: str
    parameters: Mapping[str, float] = field(default_factory=dict)
    k_per_s: float = nan
    aicc: float = nan
    fair_aicc: float = inf
    numbers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RateShift:
    """How far a rate of the law fitted, by name, moves to another law.

    Attributes
    ----------
    rate_per_s
        Under the law fitted.
    sigma, share
        In standard errors of that rate, and as a part of it.
    """

    name: str
    rate_per_s: float
    sigma: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LawComparison:
    """All rate laws tried on one trace; `alternatives` by key.

    `inflation` is that of standard errors for the noise as the best of the laws leaves it.
    """

    alternatives: dict[str, Alternative]
    inflation: float = 1.0

    def __getitem__(self, law: str) -> Alternative:
        return self.alternatives.get(law, Alternative(law=law))

    @property
    def best(self) -> str:
        """Key of the law with the lowest AICc; empty when all were refused."""
        rated = {key: item.fair_aicc for key, item in self.alternatives.items()}
        best = min(rated, key=rated.__getitem__, default="")
        return best if rated.get(best, inf) < inf else ""

    def including(self, fit: Fit) -> "LawComparison":
        """Put a fit in the place of its law."""
        added = {fit.law: describe_fit(fit, inflation=self.inflation)}
        return replace(self, alternatives={**self.alternatives, **added})

    def rivals_of(self, fit: Fit) -> list[Alternative]:
        """List the other laws that have numbers, the best first."""
        others = [
            item for item in self.alternatives.values() if item.law != fit.law and item.parameters
        ]
        return sorted(others, key=lambda item: item.fair_aicc)

    def gain_of(self, rival: Alternative, fit: Fit) -> float:
        """By how much AICc of `rival` is lower than that of the law fitted."""
        own = self[fit.law].fair_aicc
        return own - rival.fair_aicc if own < inf else inf

    def largest_shift(
        self,
        fit: Fit,
        *,
        stderr: Mapping[str, float],
        undecided: Sequence[str] = (),
        ruled_out: Sequence[str] = (),
    ) -> "RateShift":
        """Find the largest shift of a rate to a law that is not ruled out.

        0 when every other law is ruled out, which no law is that is better than the one fitted. A
        law of more parameters can always follow the trace as well where the one fitted is a special
        case of it, so it counts only where it is as likely; a special case of the one fitted, as
        long as it would be reported in its place. Others count too that are `undecided` by all
        shots of the experiment, and none that these together rule out, unless it is clearly better
        on this shot.
        """
        lowest = min((item.fair_aicc for item in self.alternatives.values()), default=inf)
        own = self[fit.law]

        def margin(law: str) -> float:
            return AS_GOOD if law in fit.rate_law.special else NOT_RULED_OUT

        shifts = [
            shift_to(item, fit, stderr=stderr)
            for item in self.rivals_of(fit)
            if item.fair_aicc <= max(lowest + margin(item.law), own.fair_aicc)
            and (item.law not in ruled_out or item.fair_aicc < own.fair_aicc - NOT_RULED_OUT)
            and (
                item.numbers <= own.numbers
                or item.fair_aicc < own.fair_aicc + AS_LIKELY
                or (item.law in undecided and fit.law not in LAWS[item.law].special)
            )
        ]
        none = RateShift(name="", rate_per_s=nan, sigma=0.0, share=0.0)
        return max(shifts, key=lambda shift: shift.sigma, default=none)


def rate_beside(
    k_per_s: float, law: RateLaw, parameters: Mapping[str, float], *, window_s: float
) -> str:
    """Name the rate of a law that `k_per_s`, the main rate of another law, is held against.

    It is the main one, and of a user's formula the nearest one; "" for a formula without a rate.
    """
    if not law.signed:
        return law.main_rate(parameters, window_s=window_s)
    return min(law.rates, key=lambda name: abs(k_per_s - parameters[name]), default="")


def shift_to(item: Alternative, fit: Fit, *, stderr: Mapping[str, float]) -> RateShift:
    """By how much the rate that another law's main one is held against moves to it.

    0 for a rate without an error, such as a fixed one, and for a formula without a rate.
    """
    name = rate_beside(item.k_per_s, fit.rate_law, fit.parameters, window_s=fit.window_s)
    rate, error = fit.parameters.get(name, nan), stderr.get(name, nan)
    moved = abs(item.k_per_s - rate)
    known = error > 0 and rate > 0 and moved >= 0
    return RateShift(
        name=name,
        rate_per_s=rate,
        sigma=moved / error if known else 0.0,
        share=moved / rate if known else 0.0,
    )


def describe_fit(
    fit: Fit, *, rest: FloatArray | None = None, inflation: float = 1.0
) -> Alternative:
    """Put a fit into numbers; with `rest` (N,) its AICc is that of the points."""
    if not (fit.ok or rest is not None):
        return Alternative(law=fit.law)
    numbers = len(fit.rate_law.parameters) - len(fit.fixed)
    points = fit.points if rest is None else len(rest)
    penalty = small_sample_aic(points, numbers=numbers + 1, information=0.0)
    aicc = fit.aicc
    if rest is not None:
        floor = points * (SMALLEST_NOISE * fit.span) ** 2 + np.finfo(np.float64).tiny
        aicc = penalty + points * log(max(float(rest @ rest), floor) / points)
    return Alternative(
        law=fit.law,
        parameters=dict(fit.parameters) if fit.ok else {},
        k_per_s=fit.parameters.get(fit.main_rate, nan) if fit.ok else nan,
        aicc=aicc,
        fair_aicc=penalty + (aicc - penalty) / inflation**2,
        numbers=numbers,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenLaw:
    """The rate law of an experiment.

    Attributes
    ----------
    law
        Its key.
    note
        What decided.
    undecided
        Keys of the other laws that are as good.
    """

    law: str
    note: str
    undecided: tuple[str, ...] = ()


def choose_law(comparisons: Sequence[LawComparison]) -> ChosenLaw:
    """Choose the rate law of an experiment: the lowest sum of AICc over its shots.

    Of laws that are as good, the simplest.
    A shot on which a law could not be fitted counts for it as its worst law does.
    """
    totals = dict.fromkeys(CANDIDATES, 0.0)
    used = 0
    for comparison in comparisons:
        rated = {law: comparison[law].fair_aicc for law in CANDIDATES}
        known = [value for value in rated.values() if value < inf]
        if known:
            used += 1
            for law in CANDIDATES:
                totals[law] += min(rated[law], max(known))
    if not used:
        note = f"law auto: no shot could be fitted; {DEFAULT} is reported"
        return ChosenLaw(law=DEFAULT, note=note)
    order = sorted(CANDIDATES, key=lambda law: (totals[law], len(LAWS[law].parameters)))
    best, second = order[:2]
    margin = totals[second] - totals[best]
    others = ", ".join(f"{law} +{totals[law] - totals[best]:.1f}" for law in order[1:])
    note = f"law auto: {best} has the lowest AICc over {used} shots ({others})"
    close = [law for law in order if totals[law] < totals[best] + AS_GOOD]
    simplest = min(close, key=lambda law: len(LAWS[law].parameters))
    if margin < NOT_RULED_OUT:
        note += f"; the data do not decide between {best} and {second}"
    if len(LAWS[simplest].parameters) < len(LAWS[best].parameters):
        note += f"; {simplest}, which has fewer parameters, is reported"
    else:
        simplest = best
    undecided = tuple(law for law in close if law != simplest)
    return ChosenLaw(law=simplest, note=note, undecided=undecided)


def laws_ruled_out(comparisons: Sequence[LawComparison], *, law: str) -> tuple[str, ...]:
    """List the laws that all shots of an experiment together rule out beside the one fitted.

    By the sum of AICc over shots that all of them were compared on, whichever shot is left out.
    """
    compared = [set(comparison.alternatives) for comparison in comparisons]
    others = sorted(set.intersection(*compared) - {law}) if compared else []
    found = []
    for other in others:
        against = [_against(comparison, other, law) for comparison in comparisons]
        if sum(against) - max(against) > NOT_RULED_OUT:
            found.append(other)
    return tuple(found)


def _against(comparison: LawComparison, other: str, law: str) -> float:
    """By how much AICc of another law is higher; one without a curve counts as the worst that has.

    0 where the law fitted has none.
    """
    known = [item.fair_aicc for item in comparison.alternatives.values() if item.fair_aicc < inf]
    own = comparison[law].fair_aicc
    return min(comparison[other].fair_aicc, max(known)) - own if own < inf else 0.0
