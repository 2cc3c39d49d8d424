"""Which further experiment would determine what these shots leave open.

Other concentrations and windows are tried on paper: what a few more shots would add to the Fisher
information of all free numbers, the responses being as uncertain as they are (Atkinson, Donev and
Tobias, Optimum Experimental Designs, 2007, chapter 9). A constant with one bound is taken to lie
inside it by a factor of 2: far away it does nothing, and no experiment would see it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import log, sqrt

import numpy as np

from stopflow.mechanism.determined import TIED, Determination, Interval, profile_rise
from stopflow.mechanism.fit import GlobalFit
from stopflow.mechanism.observations import MechanismShot
from stopflow.trace import FloatArray

SHOTS = 3
"""Replicates of the further mixture."""
FACTORS = (0.1, 0.3, 3.0, 10.0)
WINDOWS = (0.1, 0.3, 1.0, 3.0, 10.0)
INSIDE = 2.0
WORTH_NAMING = 0.5
"""Share of the present error that a further experiment has to reach to be named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What would determine a constant.

    Attributes
    ----------
    constant, unit
        That is open now.
    start_M, window_s
        Of the further shots; empty and 0 where none helps.
    relative_stderr
        That the constant would have then.
    assumed
        Its value in that sum.
    """

    constant: str
    unit: str
    start_M: tuple[tuple[str, float], ...]
    window_s: float
    relative_stderr: float
    assumed: float

    @property
    def helps(self) -> bool:
        """Whether there is such an experiment."""
        return bool(self.start_M)

    @property
    def determines(self) -> bool:
        """Whether the constant would be known then."""
        return self.relative_stderr < TIED


def propose_experiments(fit: GlobalFit, found: Determination) -> tuple[Proposal, ...]:
    """Propose, for each constant that is open, the further shots that say most of it."""
    if not fit.ok:
        return ()
    is_logarithm = fit.problem.constants.is_logarithm
    return tuple(
        _propose(fit, place, item)
        for place, item in enumerate(found.intervals)
        if is_logarithm[place] and not item.determined
    )


def _propose(fit: GlobalFit, place: int, item: Interval) -> Proposal:
    theta = _assume(fit, place, item)
    own = np.asarray(fit.problem.evaluate(theta).responses)
    now = _error(fit, theta, place, ())
    tried = []
    for shot in _candidates(fit):
        further = _simulate(fit, theta, shot, own)
        tried.append((_error(fit, theta, place, (further,)), shot))
    error, best = min(tried, key=lambda pair: pair[0])
    helps = error < WORTH_NAMING * min(now, 1.0)
    return Proposal(
        constant=item.name,
        unit=item.unit,
        start_M=tuple(best.start_M.items()) if helps else (),
        window_s=float(best.time_s[-1]) if helps else 0.0,
        relative_stderr=error,
        assumed=float(np.exp(theta[place])),
    )


def _assume(fit: GlobalFit, place: int, item: Interval) -> FloatArray:
    """Put a constant with one bound inside it, all others fitted again."""
    best = np.array(fit.best.theta)
    if item.open_below and item.open_above:
        return best
    inside = item.low * INSIDE if item.open_above else item.high / INSIDE
    value = min(max(inside, item.low), item.high)
    return np.array(profile_rise(fit, place, log(value), fit.best).theta)


def _candidates(fit: GlobalFit) -> Iterator[MechanismShot]:
    """Yield shots with a concentration beyond those there are, or another window."""
    problem = fit.problem
    longest = max(problem.shots, key=lambda shot: float(shot.time_s[-1]))
    count = int(np.median(problem.windows.lengths))
    noise = float(np.median([shot.noise_sd for shot in problem.shots])) / sqrt(SHOTS)
    mixtures = [longest.start_M]
    for name in problem.scheme.species:
        given = [shot for shot in problem.shots if shot.start_M.get(name, 0.0) > 0]
        for factor in FACTORS if given else ():
            ends = sorted(given, key=lambda shot: shot.start_M[name])
            base = ends[-1] if factor > 1 else ends[0]
            mixtures.append({**base.start_M, name: base.start_M[name] * factor})
    first = float(min(shot.time_s[0] for shot in problem.shots))
    for start_M in mixtures:
        for window in WINDOWS:
            end = first + window * (float(longest.time_s[-1]) - first)
            yield replace(
                longest,
                name="further",
                time_s=np.linspace(first, end, count),
                signal=np.zeros(count),
                noise_sd=noise,
                start_M=start_M,
            )


def _simulate(
    fit: GlobalFit, theta: FloatArray, shot: MechanismShot, responses: FloatArray
) -> MechanismShot:
    """Give a shot the signal that the scheme predicts."""
    alone = fit.problem.with_shots([shot])
    seen = [alone.scheme.species.index(name) for name in alone.observed]
    c = alone.concentrations(theta)[0][:, seen]
    return replace(shot, signal=c @ responses.mean(axis=0))


def _error(
    fit: GlobalFit, theta: FloatArray, place: int, further: tuple[MechanismShot, ...]
) -> float:
    """Predict the standard error of a free number; infinite where nothing is predicted."""
    point = fit.problem.with_shots((*fit.problem.shots, *further)).evaluate(theta)
    if not np.isfinite(point.squares):
        return float("inf")
    normal = point.jacobian.T @ point.jacobian
    values, vectors = np.linalg.eigh(normal)
    floor = max(1e-14 * float(values.max()), 1e-300)
    variance = float((vectors[place] ** 2 / np.maximum(values, floor)).sum())
    return sqrt(variance * fit.errors.pooled)
