"""Schemes that are commonly met, fitted to the same shots and ranked.

All species may be seen by the detector, with responses of their own: which one is seen is as little
known as the scheme. Ranked by AICc, squares in units of the scatter between replicates, or, where
there are few, of that which the closest scheme leaves; schemes that the data do not tell apart are
called undecided.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np

from stopflow.mechanism.constants import build_constants
from stopflow.mechanism.fit import NEGLIGIBLE_ROUGHLY, GlobalFit, fit_mechanism
from stopflow.mechanism.judge import judge_fit, measure_scatter, predict_held_out
from stopflow.mechanism.observations import Detector, MechanismShot
from stopflow.mechanism.problem import build_problem
from stopflow.mechanism.scheme import parse_scheme

WITHIN_NOISE = 1.5
"""Mean square of the residuals, in units of the noise, that still counts as noise."""
UNDECIDED = 6.0
"""Difference of AICc below which a scheme is not ruled out: odds of 20 to 1."""
NEAR, BETTER = 30.0, 0.95
"""Difference of AICc to which residuals and predictions are tested, and the share of the best
scheme's mean square of predictions below which another is not ruled out."""
MISFIT = 1e-3
"""Probability below which residuals are called systematic."""
FAINT = 0.01
"""A partner of unknown concentration is taken as this share of the smallest one of the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownScheme:
    """A scheme with a name; E is the partner and S what is varied."""

    name: str
    text: str
    pre_equilibrated: tuple[tuple[str, str], ...] = ()


KNOWN: Mapping[str, KnownScheme] = {
    item.name: item
    for item in (
        KnownScheme(name="binding", text="E + S <=> ES"),
        KnownScheme(name="irreversible binding", text="E + S -> ES"),
        KnownScheme(name="induced fit", text="E + S <=> ES <=> EX"),
        KnownScheme(name="induced fit, irreversible", text="E + S <=> ES -> EX"),
        KnownScheme(
            name="conformational selection",
            text="E <=> F; F + S <=> FS",
            pre_equilibrated=(("E", "F"),),
        ),
        KnownScheme(name="turnover", text="E + S <=> ES -> E + P"),
        KnownScheme(name="reversible turnover", text="E + S <=> ES <=> E + P"),
        KnownScheme(name="burst", text="E + S <=> ES -> EP; EP -> E + P"),
        KnownScheme(name="covalent intermediate", text="E + S <=> ES -> EP + Q; EP -> E + P"),
        KnownScheme(name="substrate inhibition", text="E + S <=> ES -> E + P; ES + S <=> ES2"),
        KnownScheme(name="two sites in order", text="E + S <=> ES; ES + S <=> ES2"),
        KnownScheme(name="two steps after binding", text="E + S <=> ES -> EX -> EY"),
        KnownScheme(name="binding and decay", text="E + S <=> ES; E -> D"),
        KnownScheme(name="dimerisation", text="2 S <=> S2"),
        KnownScheme(name="second order with itself", text="2 S -> P"),
        KnownScheme(name="dimer that reacts", text="2 S <=> S2 -> P"),
        KnownScheme(name="first order", text="S -> P"),
        KnownScheme(name="reversible first order", text="S <=> P"),
        KnownScheme(name="two steps in a row", text="S -> I -> P"),
        KnownScheme(name="two ways", text="S -> P; S -> Q"),
    )
}


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
        Whether the data do not rule it out.
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
    widest = min((fit for _, fit in fits), key=lambda fit: fit.best.squares / max(fit.dof, 1))
    scatter = measure_scatter(widest)
    unit = max(widest.errors.pooled if scatter is None else scatter, 1.0)
    told = []
    for scheme, fit in fits:
        responses = int(np.linalg.matrix_rank(np.atleast_2d(fit.point.responses)))
        numbers = fit.problem.constants.count + max(responses, _responses(fit))
        count = fit.problem.points
        penalty = 2 * numbers * count / max(count - numbers - 1, 1)
        told.append((scheme, fit, numbers, fit.best.squares / unit + penalty))
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
    return _judge(sorted(ranked, key=lambda item: item.behind))


def _judge(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Test residuals and predictions of those near the top; what predicts better stays in play."""
    judged = [
        replace(
            item,
            lack_of_fit=judge_fit(item.fit),
            held_out=predict_held_out(item.fit, "S"),
        )
        if item.behind < NEAR
        else item
        for item in ranked
    ]
    best = judged[0].held_out
    return [
        replace(item, undecided=item.undecided or item.held_out < BETTER * best) for item in judged
    ]


def describe_ranking(ranked: Sequence[Ranked]) -> list[str]:
    """Say in sentences which schemes the data leave, and where those differ."""
    if not ranked:
        return ["none of the schemes could be fitted"]
    best, left = ranked[0], [item for item in ranked if item.undecided]
    said = []
    if len(left) > 1:
        names = [f'"{item.scheme.name}"' for item in left]
        said.append(f"undecided between {', '.join(names[:-1])} and {names[-1]}")
        said += [_where_they_differ(best, other) for other in left[1:]]
    else:
        said.append(f'"{best.scheme.name}" describes the shots best')
        if len(ranked) > 1:
            second = ranked[1]
            said[-1] += f'; the AICc of "{second.scheme.name}", the next, is higher by '
            said[-1] += f"{second.behind:.3g}"
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


def fit_known(
    known: KnownScheme,
    shots: Sequence[MechanismShot],
    *,
    reference_K: float | None = None,
    generator: np.random.Generator,
) -> GlobalFit:
    """Fit one of the known schemes with all species seen."""
    scheme = parse_scheme(known.text)
    least = min(shot.start_M["S"] for shot in shots if shot.start_M["S"] > 0)
    needed = [
        replace(shot, start_M=_start(shot, scheme.species, partner_M=FAINT * least))
        for shot in shots
    ]
    problem = build_problem(
        scheme,
        build_constants(scheme, reference_K=reference_K),
        needed,
        detector=Detector(observed=scheme.species),
        pre_equilibrated=known.pre_equilibrated,
    )
    return fit_mechanism(problem, generator=generator, negligible=NEGLIGIBLE_ROUGHLY)


def _start(shot: MechanismShot, species: Sequence[str], *, partner_M: float) -> dict[str, float]:
    given = {"S": shot.start_M["S"], "E": shot.start_M.get("E", partner_M)}
    return {name: amount for name, amount in given.items() if name in species}


def _responses(fit: GlobalFit) -> int:
    """How many responses the concentrations tell apart: what changes, beside an offset."""
    system = fit.problem.system
    return int(system.basis.shape[1])
