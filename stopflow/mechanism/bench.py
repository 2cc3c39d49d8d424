"""The same global fits by this program, by scipy and by COPASI, in one run, one after the other.

Each way gets the same shots, starting values and tolerance of the rate equations, and the settings
that serve it best: scipy's LSODA has the Jacobian of the rate equations, and its `least_squares`
seeks the constants alone, responses and offsets being projected out at every step as they are here;
COPASI fits responses and offsets beside the constants, by its method of Levenberg and Marquardt.
Times are of the processor.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

from stopflow.mechanism.constants import build_constants
from stopflow.mechanism.fit import fit_mechanism
from stopflow.mechanism.minimise import minimise
from stopflow.mechanism.observations import Detector, MechanismShot
from stopflow.mechanism.problem import Problem, build_problem
from stopflow.mechanism.scheme import parse_scheme
from stopflow.trace import FloatArray

TOLERANCE = 1e-8
END = 1e-2 * TOLERANCE
"""Share of the squares, and of the constants, at which every way ends its search."""
NOISE = 0.005
POINTS = 150
MICRO = 1e-6
TIMED_S = 0.05
"""Processor time that is measured at least: reading the clock may take milliseconds."""
LONG_S = 2.0
"""A way that takes longer is followed once and not in every round."""
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reached:
    """Where a way ended: constants in M and s, weighted sum of squares, processor time."""

    constants: FloatArray
    squares: float
    seconds: float


Found = TypeVar("Found")
Way = Callable[[Problem, FloatArray], Reached]


def build_case(name: str, *, generator: np.random.Generator) -> tuple[Problem, FloatArray]:
    """Simulate the shots of a case; return its problem and the logarithms to begin from."""
    case = CASES[name]
    scheme = parse_scheme(case.scheme)
    units = np.array([MICRO ** (1 - step.order) for step in scheme.steps])
    truth = np.log(np.array(case.constants) * units)
    constants = build_constants(scheme)
    times = np.linspace(0.0, case.longest_s, POINTS)
    blank = [
        MechanismShot(
            name=f"m{number}",
            time_s=times,
            signal=np.zeros(POINTS),
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
            signal=clean + 0.2 * number + NOISE * generator.standard_normal(POINTS),
            noise_sd=NOISE,
            start_M=shot.start_M,
        )
        for number, (shot, clean) in enumerate(zip(blank, c, strict=True))
    ]
    away = np.log([AWAY[place % 2] for place in range(len(truth))])
    return build_problem(
        scheme, constants, shots, detector=Detector(observed=(case.observed,))
    ), truth + away


def fit_here(problem: Problem, start: FloatArray, *, tolerance: float = TOLERANCE) -> Reached:
    """Follow the squares down with this program."""
    found, spent = clock(
        lambda: minimise(
            problem, start, tolerance=tolerance, negligible=END * tolerance / TOLERANCE
        )
    )
    return Reached(constants=np.exp(found.theta), squares=found.squares, seconds=spent)


def fit_with_scipy(problem: Problem, start: FloatArray) -> Reached:
    """Follow the squares down with LSODA and `least_squares`."""
    rest = _ScipyResidual(problem)
    found, spent = clock(
        lambda: least_squares(rest, start, method="lm", xtol=END, ftol=END, gtol=END)
    )
    return Reached(constants=np.exp(found.x), squares=float(2 * found.cost), seconds=spent)


def clock(run: Callable[[], Found]) -> tuple[Found, float]:
    """Run something as often as the clock needs to tell its processor time: (result, seconds)."""
    begun, spent, times, done = time.process_time(), 0.0, 1, 0
    while spent < TIMED_S:
        for _ in range(times):
            found = run()
        done, times = done + times, 4 * times
        spent = time.process_time() - begun
    return found, spent / done


class _ScipyResidual:
    """Weighted residuals at logarithms of constants, linear parameters projected out."""

    def __init__(self, problem: Problem) -> None:
        scheme = problem.scheme
        self._problem = problem
        self._net = scheme.stoichiometry()
        self._orders = np.zeros((len(scheme.steps), len(scheme.species)))
        for number, step in enumerate(scheme.steps):
            for name, count in step.reactants.items():
                self._orders[number, scheme.species.index(name)] = count
        self._seen = scheme.species.index(problem.observed[0])
        self._met = [np.repeat(np.arange(len(row)), row.astype(int)) for row in self._orders]

    def __call__(self, theta: FloatArray) -> FloatArray:
        problem, k = self._problem, np.exp(theta)
        columns, signals = [], []
        for number, shot in enumerate(problem.shots):
            first = problem.starts.given[problem.windows.mixture[number]] / MICRO
            scaled = k * MICRO ** (self._orders.sum(axis=1) - 1)
            found = solve_ivp(
                self._slope,
                (0.0, float(shot.time_s[-1])),
                first,
                method="LSODA",
                t_eval=shot.time_s,
                args=(scaled,),
                jac=self._jacobian,
                rtol=TOLERANCE,
                atol=TOLERANCE * float(first.max()),
            )
            weighted = found.y[self._seen] / shot.noise_sd
            columns.append(weighted - weighted.mean())
            signals.append(problem.windows.signal[number])
        column, signal = np.concatenate(columns), np.concatenate(signals)
        return np.asarray(signal - column * float(column @ signal) / float(column @ column))

    def _slope(self, _time: float, c: FloatArray, k: FloatArray) -> FloatArray:
        rates = [value * c[met].prod() for value, met in zip(k, self._met, strict=True)]
        return np.asarray(self._net @ rates)

    def _jacobian(self, _time: float, c: FloatArray, k: FloatArray) -> FloatArray:
        slopes = np.zeros_like(self._orders)
        for number, (value, met) in enumerate(zip(k, self._met, strict=True)):
            for place, species in enumerate(met):
                slopes[number, species] += value * np.delete(c[met], place).prod()
        return np.asarray(self._net @ slopes)


QUICK = ("first order", "binding", "turnover", "induced fit")
"""Cases of a quick comparison."""


def find_ways() -> dict[str, Way]:
    """List the ways of fitting that are installed, this program's first."""
    ways: dict[str, Way] = {"stopflow": fit_here, "scipy": fit_with_scipy}
    try:
        from stopflow.mechanism.copasi import fit_with_copasi
    except ImportError:
        return ways
    return {**ways, "copasi": fit_with_copasi}


def bench_mechanism(
    *,
    names: tuple[str, ...] = tuple(CASES),
    rounds: int = 3,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[dict[str, object]]:
    """Fit every case in every way, alternately, and compare medians.

    Returns
    -------
    list of dict
        A row a case: milliseconds here, and for each other way how many times longer it took, by
        how much its sum of squares lies above (relative), and the largest relative difference of a
        constant; and the milliseconds of the whole fit, without starting values and with errors,
        which the other ways do not have.
    """
    ways, rows = find_ways(), []
    for done, name in enumerate(names):
        if progress is not None:
            progress("fitting", done, len(names))
        problem, start = build_case(name, generator=np.random.default_rng(seed))
        own: dict[str, list[Reached]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, fit in ways.items():
                if not own[way] or own[way][0].seconds < LONG_S:
                    own[way].append(fit(problem, start))
        rows.append({"case": name, **_compare(own), "whole_ms": 1e3 * _time_whole(problem, seed)})
    if progress is not None:
        progress("fitting", len(names), len(names))
    return rows


def _time_whole(problem: Problem, seed: int) -> float:
    """Time the search that needs no starting values, with its errors, in seconds."""
    return clock(lambda: fit_mechanism(problem, generator=np.random.default_rng(seed)))[1]


def _compare(own: Mapping[str, list[Reached]]) -> dict[str, object]:
    spent = {way: float(np.median([item.seconds for item in found])) for way, found in own.items()}
    here = own["stopflow"][0]
    row: dict[str, object] = {"ms": 1e3 * spent["stopflow"]}
    for way, found in own.items():
        if way == "stopflow":
            continue
        apart = np.abs(found[0].constants / here.constants - 1).max()
        row[f"{way}_times"] = spent[way] / spent["stopflow"]
        row[f"{way}_squares_above"] = found[0].squares / here.squares - 1
        row[f"{way}_constants_apart"] = float(apart)
    return row
