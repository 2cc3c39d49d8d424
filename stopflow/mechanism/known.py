"""Schemes that are commonly met, and how one of them is fitted: S is varied, E its partner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stopflow.mechanism.constants import build_constants
from stopflow.mechanism.fit import NEGLIGIBLE_ROUGHLY, GlobalFit, fit_mechanism
from stopflow.mechanism.observations import Detector, MechanismShot
from stopflow.mechanism.problem import build_problem
from stopflow.mechanism.scheme import parse_scheme

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
