"""What is and what is not determined: cases of both kinds, coverage of the intervals, ranking."""

import numpy as np
import pytest
from simulated_shots import simulate

from stopflow.mechanism.constants import build_constants
from stopflow.mechanism.determined import determine
from stopflow.mechanism.fit import fit_mechanism
from stopflow.mechanism.minimise import minimise
from stopflow.mechanism.observations import Detector
from stopflow.mechanism.problem import build_problem
from stopflow.mechanism.rank import KNOWN, rank_schemes
from stopflow.mechanism.scheme import parse_scheme

TIME = np.linspace(0.0, 0.5, 80)
BINDING, TURNOVER = "E + S <=> ES", "E + S <=> ES -> E + P"
INDUCED = "E + S <=> ES <=> EX"


def made(rng, text, truth, mixtures, observed, *, noise_sd=0.005):
    scheme = parse_scheme(text)
    starts = [{name: 1e-6 * amount for name, amount in mixture.items()} for mixture in mixtures]
    shots = simulate(
        rng,
        scheme,
        dict(zip(scheme.constants, truth, strict=True)),
        starts,
        observed={observed: 1e6},
        time_s=TIME,
        noise_sd=noise_sd,
    )
    return build_problem(
        scheme, build_constants(scheme), shots, detector=Detector(observed=(observed,))
    )


def ladder(*levels, e=1.0):
    return [{"E": e, "S": level} for level in levels]


OPEN = {
    "one concentration of A <=> B": ("A <=> B", (9.0, 6.0), [{"A": 1.0}], "B", {"k1", "k-1"}),
    "binding in great excess at one level": (
        BINDING, (1e4, 5.0), ladder(1000.0), "ES", {"k1", "k-1"},
    ),
    "fast binding before a slow step": (
        TURNOVER, (1e9, 5e4, 20.0), ladder(20.0, 60.0, 200.0), "P", {"k1", "k-1"},
    ),
    "a way back that is too slow": (BINDING, (3e6, 1e-4), ladder(1.0, 4.0), "ES", {"k-1"}),
    "two ways to unseen products": ("A -> B; A -> C", (9.0, 4.0), [{"A": 1.0}], "B", {"k1", "k2"}),
    "a first step within the first point": (
        "A -> B -> C", (2e4, 8.0), [{"A": 1.0}], "C", {"k1"},
    ),
}  # fmt: skip
CLOSED = {
    "first order": ("A -> B", (9.0,), [{"A": 1.0}], "B"),
    "second order": ("A + B -> C", (4e6,), [{"A": 1.0, "B": b} for b in (1.0, 4.0)], "C"),
    "binding": (BINDING, (4e6, 8.0), ladder(1.0, 3.0, 9.0), "ES"),
    "dimerisation": ("2 A <=> D", (3e6, 6.0), [{"A": a} for a in (0.5, 2.0, 8.0)], "D"),
    "binding and decay": (
        "A + B -> C; C -> D", (5e6, 4.0), [{"A": 1.0, "B": b} for b in (1.0, 3.0, 9.0)], "C",
    ),
    "induced fit": (INDUCED, (1e7, 60.0, 25.0, 5.0), ladder(2.0, 6.0, 20.0), "EX"),
}  # fmt: skip


def chosen(cases, full_proof):
    return cases if full_proof else dict(list(cases.items())[:2])


@pytest.mark.slow
def test_what_is_open_is_found(full_proof) -> None:
    for name, (text, truth, mixtures, observed, expected) in chosen(OPEN, full_proof).items():
        problem = made(np.random.default_rng(5), text, truth, mixtures, observed)
        found = determine(fit_mechanism(problem, generator=np.random.default_rng(1)))
        assert {item.name for item in found.intervals if not item.determined} == expected, name
        assert found.sentences, name


@pytest.mark.slow
def test_what_is_closed_raises_no_alarm(full_proof) -> None:
    for name, (text, truth, mixtures, observed) in chosen(CLOSED, full_proof).items():
        problem = made(np.random.default_rng(5), text, truth, mixtures, observed)
        fit = fit_mechanism(problem, generator=np.random.default_rng(1))
        found = determine(fit)
        assert found.sentences == (), name
        for item, value in zip(found.intervals, truth, strict=True):
            width = np.log(item.high / item.low)
            assert item.low * np.exp(-width) < value < item.high * np.exp(width), name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["binding", "dimerisation", "induced fit"])
def test_profile_intervals_cover_the_truth(name, full_proof) -> None:
    """Intervals of the profile, from the truth as start, over draws of the noise."""
    text, truth, mixtures, observed = CLOSED[name]
    draws, inside = (150 if full_proof else 4), 0
    rng = np.random.default_rng(11)
    for _ in range(draws):
        problem = made(rng, text, truth, mixtures, observed)
        best = minimise(problem, np.log(truth))
        held = minimise(problem, np.log(truth), held=(0,))
        inside += held.squares - best.squares < 3.8414588
    assert abs(inside / draws - 0.95) < 3 * np.sqrt(0.95 * 0.05 / draws) + 0.5 / draws


@pytest.mark.slow
def test_the_true_scheme_is_not_ruled_out(full_proof) -> None:
    names = ("binding", "induced fit", "turnover", "dimerisation", "reversible first order")
    for scheme in ("binding", "induced fit") if full_proof else ("binding",):
        text, truth, mixtures, observed = CLOSED[scheme]
        for seed in range(4 if full_proof else 1):
            problem = made(np.random.default_rng(seed), text, truth, mixtures, observed)
            ranked = rank_schemes(problem.shots, names=names, generator=np.random.default_rng(seed))
            assert KNOWN[scheme] in [item.scheme for item in ranked if item.undecided]


def test_a_great_excess_is_solved_as_closely_as_the_scarce_species() -> None:
    """One concentration of S in 1000-fold excess gives k1 [S] + k-1 alone."""
    text, truth, mixtures, observed, _ = OPEN["binding in great excess at one level"]
    problem = made(np.random.default_rng(5), text, truth, mixtures, observed)
    found = determine(fit_mechanism(problem, generator=np.random.default_rng(1)))
    k1, back = found.intervals
    assert (k1.open_below, k1.open_above) == (True, False)
    assert (back.open_below, back.open_above) == (True, False)
    assert 14 < back.high < 17
