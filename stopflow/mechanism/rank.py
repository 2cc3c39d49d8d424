"""Schemes that are commonly met, fitted to the same shots and ranked.

All species may be seen by the detector, with responses of their own: which one is seen is as little
known as the scheme. Ranked by AICc, with the scatter between shots as a covariance; schemes that
the data do not tell apart are called undecided, and a scheme that merely contains another one, with
constants that the data do not determine, is said to do so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np

from stopflow.mechanism.contained import contains
from stopflow.mechanism.fit import UNDECIDED, GlobalFit
from stopflow.mechanism.judge import judge_fit, measure_scatter, predict_held_out
from stopflow.mechanism.known import KNOWN, KnownScheme, fit_known
from stopflow.mechanism.observations import MechanismShot
from stopflow.mechanism.replicates import weigh_scatter
from stopflow.mechanism.share import share_starts
from stopflow.wording import join_words

WITHIN_NOISE = 1.5
"""Mean square of the residuals, in units of the noise, that still counts as noise."""
NEAR, BETTER = 30.0, 0.95
"""Difference of AICc to which residuals and predictions are tested, and the share of the best
scheme's mean square of predictions below which another is not ruled out."""
MISFIT = 1e-3
"""Probability below which residuals are called systematic."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ranked:
    """A scheme in the ranking.

    Attributes
    ----------
    behind
        By how much its AICc lies above the lowest.
    numbers
        Free numbers and responses.
    undecided
        Whether the data do not rule it out, and it does not merely contain another scheme.
    contains
        The name of a scheme before it, not ruled out and with fewer numbers, whose curves it draws:
        what it has beyond that one is not determined. Empty where there is none.
    lack_of_fit
        Probability of residuals that have as much in common if the scheme is right; NaN where it
        was not asked.
    held_out
        Mean square, in units of the noise, of the residuals of concentrations predicted from the
        others; NaN where it was not asked.
    """

    scheme: KnownScheme
    fit: GlobalFit
    numbers: int
    behind: float
    undecided: bool
    contains: str = ""
    lack_of_fit: float = nan
    held_out: float = nan


def rank_schemes(
    shots: Sequence[MechanismShot],
    *,
    names: Sequence[str] = tuple(KNOWN),
    reference_K: float | None = None,
    generator: np.random.Generator,
    progress: Callable[[int, int], None] | None = None,
) -> list[Ranked]:
    """Fit and rank schemes, the best first.

    Parameters
    ----------
    shots
        With concentrations of S and, where it is known, of E.
    names
        Keys of `KNOWN`.
    reference_K
        With constants that follow Eyring's law.
    generator
        For the search of the minima.
    progress
        Called with (schemes fitted, schemes in all).
    """
    fits = []
    for done, name in enumerate(names, start=1):
        known = KNOWN[name]
        fits.append((known, fit_known(known, shots, reference_K=reference_K, generator=generator)))
        if progress is not None:
            progress(done, len(names))
    fits = [(scheme, fit) for scheme, fit in fits if np.isfinite(fit.best.squares)]
    if not fits:
        return []
    schemes, shared = [scheme for scheme, _ in fits], share_starts([fit for _, fit in fits])
    fits = list(zip(schemes, shared, strict=True))
    widest = min((fit for _, fit in fits), key=lambda fit: fit.best.squares / max(fit.dof, 1))
    scatter = measure_scatter(widest)
    unit = widest.errors.pooled if scatter is None else scatter
    weighed = weigh_scatter(shared, widest)
    told = []
    for (scheme, fit), squares in zip(fits, weighed, strict=True):
        responses = int(np.linalg.matrix_rank(np.atleast_2d(fit.point.responses)))
        numbers = fit.problem.constants.count + max(responses, _responses(fit))
        count = fit.problem.points
        penalty = 2 * numbers * count / max(count - numbers - 1, 1)
        told.append((scheme, fit, numbers, squares + penalty))
    lowest = min(item[3] for item in told)
    ranked = [
        Ranked(
            scheme=scheme,
            fit=fit,
            numbers=numbers,
            behind=value - lowest,
            undecided=value - lowest < UNDECIDED,
        )
        for scheme, fit, numbers, value in told
    ]
    return _set_apart(_judge(sorted(ranked, key=lambda item: item.behind)), unit)


def _judge(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Test residuals and predictions of those near the top; what predicts better stays in play."""
    judged = [
        replace(item, lack_of_fit=judge_fit(item.fit), held_out=predict_held_out(item.fit, "S"))
        if item.behind < NEAR
        else item
        for item in ranked
    ]
    best = judged[0].held_out
    return [
        replace(item, undecided=item.undecided or item.held_out < BETTER * best) for item in judged
    ]


def _set_apart(ranked: Sequence[Ranked], unit: float) -> list[Ranked]:
    """Take schemes that contain one before them, with fewer numbers, out of those undecided.

    They cannot be ruled out either, however many numbers they have for nothing.
    """
    found: list[Ranked] = []
    for item in ranked:
        within = [
            other
            for other in found
            if item.behind < NEAR
            and other.undecided
            and other.numbers < item.numbers
            and contains(item.fit, other.fit, unit=unit)
        ]
        if within:
            item = replace(item, undecided=False, contains=within[0].scheme.name)
        found.append(item)
    return found


def describe_ranking(ranked: Sequence[Ranked]) -> list[str]:
    """Say in sentences which schemes the data leave, and where those differ."""
    if not ranked:
        return ["none of the schemes could be fitted"]
    best, left = ranked[0], [item for item in ranked if item.undecided]
    said = []
    if len(left) > 1:
        names = [f'"{item.scheme.name}"' for item in left]
        said.append(f"undecided between {join_words(names)}")
        said += [_where_they_differ(best, other) for other in left[1:]]
    else:
        said.append(f'"{best.scheme.name}" describes the shots best')
        second = next((item for item in ranked[1:] if not item.contains), None)
        if second is not None:
            said[-1] += f'; the AICc of "{second.scheme.name}", the next, is higher by '
            said[-1] += f"{second.behind:.3g}"
    said += _describe_contained(ranked)
    ratio = best.fit.best.squares / max(best.fit.dof, 1)
    if ratio > WITHIN_NOISE:
        said.append(
            f"no scheme describes the shots within their noise: with {best.scheme.name} the mean "
            f"square of the residuals is {ratio:.3g} times the expected"
        )
    elif best.lack_of_fit < MISFIT:
        said.append(
            f'the residuals of "{best.scheme.name}" are alike in replicates (p = '
            f"{best.lack_of_fit:.1g}): the scheme leaves something out"
        )
    said += [
        f'"{item.scheme.name}" predicts concentrations held out better than "{best.scheme.name}" '
        f"(mean square {item.held_out:.3g} against {best.held_out:.3g})"
        for item in left[1:]
        if item.held_out < BETTER * best.held_out
    ]
    if len({tuple(sorted(shot.start_M.items())) for shot in best.fit.problem.shots}) == 1:
        said.append(
            "all shots have the same composition, so that schemes that differ in how their rates "
            "depend on concentration cannot be told apart"
        )
    return said


def _describe_contained(ranked: Sequence[Ranked]) -> list[str]:
    """Say which schemes have a simpler one in them and cannot be told from it."""
    said = []
    for item in ranked:
        larger = [
            f'"{other.scheme.name}"' for other in ranked if other.contains == item.scheme.name
        ]
        if larger:
            names = join_words(larger)
            verb, whose = ("contains", "its") if len(larger) == 1 else ("contain", "their")
            said.append(
                f'{names} {verb} "{item.scheme.name}" as a limit and cannot be ruled out by these '
                f"shots, which do not determine {whose} further constants"
            )
    return said


def _where_they_differ(best: Ranked, other: Ranked) -> str:
    """Name the shot and the time at which two fitted schemes differ most."""
    problem = best.fit.problem
    apart = np.abs(best.fit.point.residual - other.fit.point.residual)
    place = int(apart.argmax())
    shot = int(np.searchsorted(problem.windows.bounds, place, side="right")) - 1
    where = problem.shots[shot]
    time_s = where.time_s[place - int(problem.windows.bounds[shot])]
    return (
        f'the curves of "{best.scheme.name}" and "{other.scheme.name}" differ most in '
        f"{where.name} at {1e3 * time_s:.3g} ms, by {apart[place]:.2g} standard deviations of a "
        "point"
    )


def _responses(fit: GlobalFit) -> int:
    """How many responses the concentrations tell apart: what changes, beside an offset."""
    system = fit.problem.system
    return int(system.basis.shape[1])
