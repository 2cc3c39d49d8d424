"""Problems whose fits are timed: schemes, true constants, mixtures, and their simulated shots."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stopflow.mechanism.constants import build_constants
from stopflow.mechanism.observations import Detector, MechanismShot
from stopflow.mechanism.problem import FitProblem, build_problem
from stopflow.mechanism.scheme import parse_scheme
from stopflow.trace import FloatArray

NOISE = 0.005
POINTS = 2_000
"""Of a shot, as an instrument records it."""
MICRO = 1e-6
AWAY = (1.6, 0.6)
"""Factors by which the search begins beside the truth, in turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchCase:
    """A scheme, its true constants in µM and s, and mixtures in µM."""

    scheme: str
    constants: tuple[float, ...]
    mixtures: tuple[Mapping[str, float], ...]
    observed: str
    longest_s: float


def _with(name: str, levels: tuple[float, ...], **others: float) -> tuple[Mapping[str, float], ...]:
    return tuple({**others, name: level} for level in levels)


CASES: Mapping[str, BenchCase] = {
    "first order": BenchCase(
        scheme="A -> B",
        constants=(8.0,),
        mixtures=_with("A", (1.0, 2.0)),
        observed="B",
        longest_s=0.6,
    ),
    "two in a row": BenchCase(
        scheme="A -> B -> C",
        constants=(30.0, 6.0),
        mixtures=_with("A", (1.0, 2.0)),
        observed="B",
        longest_s=0.8,
    ),
    "binding": BenchCase(
        scheme="A + B <=> C",
        constants=(4.0, 8.0),
        mixtures=_with("B", (1.0, 3.0, 9.0), A=1.0),
        observed="C",
        longest_s=0.4,
    ),
    "turnover": BenchCase(
        scheme="E + S <=> ES -> E + P",
        constants=(6.0, 20.0, 10.0),
        mixtures=_with("S", (2.0, 6.0, 20.0), E=1.0),
        observed="P",
        longest_s=1.5,
    ),
    "dimerisation": BenchCase(
        scheme="2 A <=> D",
        constants=(3.0, 4.0),
        mixtures=_with("A", (0.5, 2.0, 8.0)),
        observed="D",
        longest_s=0.6,
    ),
    "induced fit": BenchCase(
        scheme="E + S <=> ES <=> EX",
        constants=(10.0, 60.0, 25.0, 5.0),
        mixtures=_with("S", (2.0, 5.0, 20.0), E=1.0),
        observed="EX",
        longest_s=0.5,
    ),
    "binding and decay": BenchCase(
        scheme="A + B -> C; C -> D",
        constants=(5.0, 3.0),
        mixtures=_with("B", (1.0, 3.0, 9.0), A=1.0),
        observed="C",
        longest_s=1.2,
    ),
    "dimer that decays": BenchCase(
        scheme="2 A -> D; D -> P",
        constants=(3.0, 2.0),
        mixtures=_with("A", (0.5, 2.0, 8.0)),
        observed="D",
        longest_s=1.5,
    ),
    "competition": BenchCase(
        scheme="E + S <=> ES; E + I <=> EI",
        constants=(5.0, 4.0, 3.0, 10.0),
        mixtures=_with("I", (0.5, 2.0, 8.0), E=1.0, S=3.0),
        observed="ES",
        longest_s=0.8,
    ),
    "burst": BenchCase(
        scheme="E + S <=> ES -> EP; EP -> E + P",
        constants=(8.0, 30.0, 40.0, 4.0),
        mixtures=_with("S", (3.0, 8.0, 25.0), E=1.0),
        observed="EP",
        longest_s=1.0,
    ),
    "induced fit, 24 mixtures": BenchCase(
        scheme="E + S <=> ES <=> EX",
        constants=(10.0, 60.0, 25.0, 5.0),
        mixtures=_with("S", tuple(float(s) for s in np.geomspace(1.5, 30.0, 24)), E=1.0),
        observed="EX",
        longest_s=0.5,
    ),
}
QUICK = ("first order", "binding", "turnover", "induced fit")
"""Cases of a quick comparison."""


def build_case(
    name: str, *, generator: np.random.Generator, points: int = POINTS
) -> tuple[FitProblem, FloatArray]:
    """Simulate the shots of a case; return its problem and the logarithms to begin from."""
    case = CASES[name]
    scheme = parse_scheme(case.scheme)
    units = np.array([MICRO ** (1 - step.order) for step in scheme.steps])
    truth = np.log(np.array(case.constants) * units)
    constants = build_constants(scheme)
    times = np.linspace(0.0, case.longest_s, points)
    blank = [
        MechanismShot(
            name=f"m{number}",
            time_s=times,
            signal=np.zeros(points),
            noise_sd=NOISE,
            start_M={species: MICRO * amount for species, amount in mixture.items()},
        )
        for number, mixture in enumerate(case.mixtures)
    ]
    empty = build_problem(scheme, constants, blank, detector=Detector(observed=(case.observed,)))
    c = empty.concentrations(truth)[..., scheme.species.index(case.observed)] / MICRO
    shots = [
        MechanismShot(
            name=shot.name,
            time_s=times,
            signal=clean + 0.2 * number + NOISE * generator.standard_normal(points),
            noise_sd=NOISE,
            start_M=shot.start_M,
        )
        for number, (shot, clean) in enumerate(zip(blank, c, strict=True))
    ]
    away = np.log([AWAY[place % 2] for place in range(len(truth))])
    return build_problem(
        scheme, constants, shots, detector=Detector(observed=(case.observed,))
    ), truth + away
