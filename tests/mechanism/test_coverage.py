"""Intervals and joint regions hold the truth in 95 % of draws, whether shots scatter or not."""

from itertools import combinations

import numpy as np
import pytest
from simulated_shots import integrate

from stopflow.mechanism.constants import build_constants
from stopflow.mechanism.contours import follow_contours
from stopflow.mechanism.determined import determine
from stopflow.mechanism.fit import GlobalFit, conclude, fit_mechanism
from stopflow.mechanism.minimise import minimise
from stopflow.mechanism.observations import Detector, MechanismShot
from stopflow.mechanism.problem import FitProblem, build_problem
from stopflow.mechanism.scheme import parse_scheme

pytestmark = pytest.mark.whole

TIME = np.linspace(0.0, 0.5, 80)
NOISE = 0.005
CASES = {
    "binding": ("E + S <=> ES", (4e6, 8.0), {"E": 1.0}, ("S", 1.0, 9.0), "ES"),
    "dimerisation": ("2 A <=> D", (3e6, 6.0), {}, ("A", 0.5, 8.0), "D"),
    "induced fit": (
        "E + S <=> ES <=> EX", (1e7, 60.0, 25.0, 5.0), {"E": 1.0}, ("S", 2.0, 20.0), "EX",
    ),
    "turnover": ("E + S <=> ES -> E + P", (6e6, 20.0, 10.0), {"E": 1.0}, ("S", 2.0, 20.0), "P"),
    "binding and decay": ("A + B -> C; C -> D", (5e6, 4.0), {"A": 1.0}, ("B", 1.0, 9.0), "C"),
    "competition": (
        "E + S <=> ES; E + I <=> EI", (5e6, 4.0, 3e6, 10.0), {"E": 1.0, "S": 3.0},
        ("I", 0.5, 8.0), "ES",
    ),
}  # fmt: skip
"""Scheme, constants, what is kept and what is varied in µM, and what is seen."""
LABS = {"shots that agree": (3, 2, 0.0), "shots that scatter": (5, 3, 1.0)}
"""Mixtures, shots of each, and the scatter in units of 1 % of concentrations, 0.5 % of signals."""


def draw(name: str, lab: str, rng: np.random.Generator) -> FitProblem:
    """Shots of a lab: what pipettes and lamp change from shot to shot is not in the workbook."""
    text, truth, kept, (varied, low, high), seen = CASES[name]
    mixtures, shots, scatter = LABS[lab]
    scheme = parse_scheme(text)
    constants = dict(zip(scheme.constants, truth, strict=True))
    made = []
    for level in np.geomspace(low, high, mixtures):
        stated = {species: 1e-6 * amount for species, amount in {**kept, varied: level}.items()}
        curve = None
        for shot in range(shots):
            if scatter or curve is None:
                true = {key: value * (1 + 0.01 * scatter * rng.normal())
                        for key, value in stated.items()}  # fmt: skip
                c = integrate(scheme, constants, true, TIME)
                curve = 1e6 * c[:, scheme.species.index(seen)]
            signal = curve * (1 + 0.005 * scatter * rng.normal()) + rng.normal()
            made.append(
                MechanismShot(
                    name=f"{level:.3g}_{shot}",
                    time_s=TIME,
                    signal=signal + NOISE * rng.standard_normal(len(TIME)),
                    noise_sd=NOISE,
                    start_M=stated,
                )
            )
    return build_problem(scheme, build_constants(scheme), made, detector=Detector(observed=(seen,)))


def holds(fit: GlobalFit, places: tuple[int, ...], truth: np.ndarray) -> bool:
    """Whether the region of some free numbers, all others fitted again, holds the truth."""
    start = fit.best.theta.copy()
    step = truth[list(places)] - start[list(places)]
    start[list(places)] += step
    rise = minimise(fit.problem, start, held=places, near=fit.best.path).squares - fit.best.squares
    region = fit.measure(places)
    return bool(rise <= region.unit(step) * region.limit)


@pytest.mark.slow
@pytest.mark.parametrize("lab", LABS)
def test_intervals_and_joint_regions_hold_the_truth(lab, full_proof) -> None:
    draws = 1000 if full_proof else 15
    room = 3 * np.sqrt(0.95 * 0.05 / draws)
    for name in CASES if full_proof else ("binding", "turnover"):
        truth, rng = np.log(CASES[name][1]), np.random.default_rng(12)
        held = [(i,) for i in range(len(truth))] + list(combinations(range(len(truth)), 2))
        inside = np.zeros(len(held))
        for _ in range(draws):
            problem = draw(name, lab, rng)
            fit = conclude(problem, [minimise(problem, truth)])
            inside += [holds(fit, places, truth) for places in held]
        assert (np.abs(inside / draws - 0.95) < room + 0.01).all(), (name, inside / draws)


def test_degrees_of_freedom_are_those_of_the_errors_between_draws() -> None:
    """An amplitude moves with its concentration: unless that is known, they come out as 4, not 7.

    Twice the squared mean of an estimated variance over its own variance, from 300 draws, is 7.1
    for k1 and 3.9 for k-1.
    """
    rng, truth, dof = np.random.default_rng(12), np.log(CASES["dimerisation"][1]), []
    for _ in range(20):
        problem = draw("dimerisation", "shots that scatter", rng)
        fit = conclude(problem, [minimise(problem, truth)])
        dof.append(fit.errors.dof)
    first, back = np.median(dof, axis=0)
    assert 5.5 < first < 9
    assert 3.3 < back < 5.5


def test_what_is_drawn_is_what_is_counted() -> None:
    """The ends of intervals and the edge of the joint region lie where `holds` changes its mind."""
    problem = draw("turnover", "shots that scatter", np.random.default_rng(4))
    fit = fit_mechanism(problem, generator=np.random.default_rng(1))
    assert fit.errors.scattered
    found = determine(fit)
    for place, item in enumerate(found.intervals):
        for end, inward in ((item.low, 1), (item.high, -1)):
            for share, expected in ((0.03, True), (-0.03, False)):
                theta = np.full(3, np.log(end) + inward * share * np.log(item.high / item.low))
                assert holds(fit, (place,), theta) is expected
    contour = next(follow_contours(fit, found))
    assert contour.is_whole
    centre = fit.best.theta[list(contour.places)]
    for point in contour.points[::3]:
        for share, expected in ((0.94, True), (1.06, False)):
            theta = fit.best.theta.copy()
            theta[list(contour.places)] = centre + share * (point - centre)
            assert holds(fit, contour.places, theta) is expected
