"""What is and what is not determined: cases of both kinds, labellings, joint regions."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import chi2
from simulated_shots import simulate

from stopflow.mechanism.constants import build_constants
from stopflow.mechanism.contours import follow_contours
from stopflow.mechanism.determined import determine
from stopflow.mechanism.fit import conclude, fit_mechanism
from stopflow.mechanism.minimise import minimise, search_bounds
from stopflow.mechanism.observations import Detector
from stopflow.mechanism.problem import build_problem
from stopflow.mechanism.scheme import parse_scheme

pytestmark = pytest.mark.whole

TIME = np.linspace(0.0, 0.5, 80)
BINDING, TURNOVER = "E + S <=> ES", "E + S <=> ES -> E + P"
INDUCED = "E + S <=> ES <=> EX"


def made(rng, text, truth, mixtures, observed, *, noise_sd=0.005, pre_equilibrated=()):
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
        scheme,
        build_constants(scheme),
        shots,
        detector=Detector(observed=(observed,)),
        pre_equilibrated=pre_equilibrated,
    )


def ladder(*levels, e=1.0):
    return [{"E": e, "S": level} for level in levels]


A_AND_B = [{"A": 1.0, "B": b} for b in (1.0, 3.0, 9.0)]
ONLY_A = [{"A": a} for a in (0.5, 2.0, 8.0)]
INHIBITOR = [{"E": 1.0, "S": 3.0, "I": i} for i in (0.5, 2.0, 8.0)]
RIVALS = "E + S <=> ES; E + I <=> EI"
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
    "a swift equilibrium before a slow step": (
        "A <=> B -> C", (5e4, 2e4, 6.0), [{"A": 1.0}], "C", {"k1", "k-1", "k2"},
    ),
    "initial rates far below saturation": (
        TURNOVER, (1e6, 5e2, 2e2), ladder(1.0, 2.0, 4.0, e=0.05), "P", {"k1", "k-1", "k2"},
    ),
    "initial rates far above saturation": (
        TURNOVER, (5e8, 5.0, 6.0), ladder(300.0, 600.0), "P", {"k1", "k-1", "k2"},
    ),
    "a second step that is not reversed in time": (
        INDUCED, (1e7, 60.0, 25.0, 1e-5), ladder(2.0, 6.0, 20.0), "EX", {"k-2"},
    ),
    "a decay slower than the window": (
        "A + B -> C; C -> D", (5e6, 1e-5), A_AND_B, "C", {"k2"},
    ),
    "a way back before a step": (
        "A <=> B -> C", (20.0, 15.0, 9.0), [{"A": 1.0}], "C", {"k-1"},
    ),
    "a dimer that does not fall apart": ("2 A <=> D", (3e6, 1e-5), ONLY_A, "D", {"k-1"}),
    "a competitor that binds at once": (
        RIVALS, (5e6, 4.0, 1e10, 1e4), INHIBITOR, "ES", {"k2", "k-2"},
    ),
}  # fmt: skip
"""Scheme, constants, mixtures in µM, what is seen, and what stays open.

Initial rates alone, with a response that is not known, give a product of constant and response: far
below saturation the quotient k1 k2 / k-1, far above it k2, and neither is a constant of its own.
"""
CLOSED = {
    "first order": ("A -> B", (9.0,), [{"A": 1.0}], "B"),
    "second order": ("A + B -> C", (4e6,), [{"A": 1.0, "B": b} for b in (1.0, 4.0)], "C"),
    "second order with itself": ("2 A -> P", (4e6,), ONLY_A, "P"),
    "binding": (BINDING, (4e6, 8.0), ladder(1.0, 3.0, 9.0), "ES"),
    "binding at two levels": (BINDING, (2e6, 20.0), ladder(2.0, 30.0), "ES"),
    "dimerisation": ("2 A <=> D", (3e6, 6.0), ONLY_A, "D"),
    "dimer that decays": ("2 A -> D; D -> P", (3e6, 2.0), ONLY_A, "D"),
    "binding and decay": ("A + B -> C; C -> D", (5e6, 4.0), A_AND_B, "C"),
    "induced fit": (INDUCED, (1e7, 60.0, 25.0, 5.0), ladder(2.0, 6.0, 20.0), "EX"),
    "irreversible step after binding": (
        "E + S <=> ES -> EX", (1e7, 40.0, 25.0), ladder(1.0, 3.0, 10.0, 30.0), "EX",
    ),
    "turnover seen at ES": (TURNOVER, (6e6, 20.0, 10.0), ladder(2.0, 6.0, 20.0, 60.0), "ES"),
    "turnover seen at P": (TURNOVER, (6e6, 20.0, 10.0), ladder(2.0, 6.0, 20.0), "P"),
    "competition": (RIVALS, (5e6, 4.0, 3e6, 10.0), INHIBITOR, "ES"),
    "competition seen at EI": (RIVALS, (5e6, 4.0, 3e6, 10.0), INHIBITOR, "EI"),
    "binding in one mixture": ("A + B <=> C", (4e6, 5.0), [{"A": 1.0, "B": 1.5}], "C"),
    "two sites": (
        "E + S <=> ES; ES + S <=> ES2", (4e6, 5.0, 2e6, 10.0), ladder(1.0, 4.0, 15.0), "ES2",
    ),
    "a product that binds": (
        "E + S <=> ES -> E + P; E + P <=> EP", (6e6, 20.0, 10.0, 4e6, 8.0),
        ladder(2.0, 6.0, 20.0), "P",
    ),
    "a product that drives its own making": (
        "A + B -> 2 B", (6e6,), [{"A": a, "B": 0.1} for a in (3.0, 6.0)], "B",
    ),
    "burst": (
        "E + S <=> ES -> EP; EP -> E + P", (8e6, 30.0, 40.0, 4.0), ladder(3.0, 8.0, 25.0), "EP",
    ),
}  # fmt: skip


def chosen(cases, full_proof):
    return cases if full_proof else dict(list(cases.items())[:2])


@pytest.mark.parametrize("bounds", [("k1 >= 2e3",), ("k1 >= 50", "k1 <= 3e3")])
def test_a_stated_bound_ends_what_the_shots_leave_open(rng, bounds) -> None:
    """The step is over before the first point, as with every larger constant."""
    problem = made(rng, "A -> B -> C", (2e4, 8.0), [{"A": 1.0}], "C")
    constants = build_constants(problem.scheme, bounds)
    problem = build_problem(problem.scheme, constants, problem.shots, detector=problem.detector)
    found = determine(fit_mechanism(problem, generator=np.random.default_rng(1)))
    item = found.intervals[0]
    assert item.open_above
    said = " ".join(found.sentences)
    if len(bounds) == 2:
        assert 50 < item.low < item.high == pytest.approx(3e3)
        assert "with no upper end below its bound of 3e+03 s^-1" in said
    else:
        assert item.low == pytest.approx(2e3)
        assert item.high == np.inf
        assert "k1 is not determined above its bound of 2e+03 s^-1" in said
    assert found.intervals[1].low < 8.0 < found.intervals[1].high


def test_a_valley_that_bends_and_divides_is_followed_to_its_end() -> None:
    """Two rates are all that a cycle of first order shows: each of its constants can be smaller.

    All of them can be as large as the faster rate. With the other constants left where they were,
    the way down from a point of a profile did not end, and a rise of the squares was seen where
    there is none: k2 ended at 39 per s, or was called determined.
    """
    scheme = parse_scheme("A <=> B; B <=> C; C <=> A")
    truth = dict(zip(scheme.constants, (20.0, 10.0, 8.0, 5.0, 6.0, 19.2), strict=True))
    shots = simulate(np.random.default_rng(2), scheme, truth, [{"A": 2e-6}, {"A": 5e-6}],
                     observed={"B": 3e5, "C": -1e5}, time_s=TIME, noise_sd=0.001)  # fmt: skip
    constants = build_constants(scheme, ["k1 * k2 * k3 = k-1 * k-2 * k-3"])
    problem = build_problem(scheme, constants, shots, detector=Detector(observed=("B", "C")))
    fit = conclude(problem, [minimise(problem, np.log([20.0, 10.0, 8.0, 5.0, 6.0]))])
    found = determine(fit).intervals
    assert all(item.open_below for item in found)
    highest = [item.high for item in found]
    assert max(highest) < 1.08 * min(highest)


def test_a_bound_that_the_shots_contradict_is_said(rng) -> None:
    problem = made(rng, BINDING, (4e6, 8.0), ladder(1.0, 3.0, 9.0), "ES")
    for bound, place in (("k1 <= 1e6", 0), ("k-1 >= 30", 1)):
        constants = build_constants(problem.scheme, [bound])
        held = build_problem(problem.scheme, constants, problem.shots, detector=problem.detector)
        fit = fit_mechanism(held, generator=np.random.default_rng(1))
        assert np.exp(fit.best.theta[place]) == pytest.approx((1e6, 30.0)[place])
        found = determine(fit)
        assert list(follow_contours(fit, found)) == []
        (said,) = [text for text in found.sentences if "contradict" in text]
        name, value = ("k1", "k-1")[place], (4e6, 8.0)[place]
        assert f"the shots contradict the bound of {name}: without bounds it would be" in said
        assert float(said.split()[-(2 + (place == 0))]) == pytest.approx(value, rel=0.1)


def test_a_named_quotient_has_the_interval_of_its_own(rng) -> None:
    """Of a fit without the name the error of k-1/k1 follows from both and their covariance."""
    plain = made(rng, BINDING, (4e6, 8.0), ladder(1.0, 3.0, 9.0), "ES")
    named = build_constants(plain.scheme, ["K1 = k-1/k1"])
    problem = build_problem(plain.scheme, named, plain.shots, detector=plain.detector)
    first, second = (
        fit_mechanism(item, generator=np.random.default_rng(1)) for item in (plain, problem)
    )
    assert second.best.squares == pytest.approx(first.best.squares, rel=1e-10)
    item = determine(second).intervals[1]
    assert (item.name, item.unit) == ("K1", "M")
    assert item.value == pytest.approx(np.exp(first.best.theta @ [-1, 1]), rel=1e-5)
    by_hand = np.sqrt(np.array([-1, 1]) @ first.errors.covariance @ [-1, 1])
    assert item.stderr == pytest.approx(by_hand, rel=0.05)


@pytest.mark.slow
def test_what_is_open_is_found(full_proof) -> None:
    for name, (text, truth, mixtures, observed, expected) in chosen(OPEN, full_proof).items():
        problem = made(np.random.default_rng(5), text, truth, mixtures, observed)
        fit = fit_mechanism(problem, generator=np.random.default_rng(1))
        found = determine(fit)
        opened = {item.name for item in found.intervals if not item.determined}
        if text == "A -> B -> C" and "k2" in opened:  # rates swapped: the other solution is listed
            (other,) = fit.others
            np.testing.assert_allclose(np.exp(other.theta[1]), truth[1], rtol=0.05)
            opened = {"k1"}
        assert opened == expected, name
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


@pytest.mark.parametrize(
    ("observed", "others"), [({"C": 1e6}, 1), ({"B": 1e6}, 1), ({"B": 1e6, "C": 4e5}, 1)]
)
def test_both_labellings_of_a_chain_are_listed(observed, others) -> None:
    """A -> B -> C with rates swapped gives the same curves where no response is known."""
    scheme = parse_scheme("A -> B -> C")
    shots = simulate(np.random.default_rng(5), scheme, {"k1": 30.0, "k2": 6.0}, [{"A": 1e-6}],
                     observed=observed, time_s=TIME, noise_sd=0.005)  # fmt: skip
    constants = build_constants(scheme)
    problem = build_problem(scheme, constants, shots, detector=Detector(observed=tuple(observed)))
    fit = fit_mechanism(problem, generator=np.random.default_rng(1))
    assert len(fit.others) == others
    np.testing.assert_allclose(fit.others[0].theta, fit.best.theta[::-1], atol=1e-4)
    known = Detector(observed=tuple(observed), fixed=observed)
    if "B" in observed:
        told = build_problem(scheme, constants, shots, detector=known)
        assert fit_mechanism(told, generator=np.random.default_rng(1)).others == ()


def test_a_profile_follows_the_ends_of_the_ranges_of_others() -> None:
    """Where E <=> F is fast, k2 has a lower bound alone: what binds is k2 times the share of F.

    On the way up the two constants of the equilibrium reach the ends of their ranges one by one; a
    search that ends where a step meets such an end would close the interval.
    """
    third = {"E": 1e-6 * 2 / 3, "F": 1e-6 / 3}
    problem = made(
        np.random.default_rng(5),
        "E <=> F; F + S -> FS",
        (3e4, 6e4, 4e6),
        [{**{name: 1e6 * amount for name, amount in third.items()}, "S": s} for s in (2, 8, 30)],
        "FS",
        pre_equilibrated=[("E", "F")],
    )
    found = determine(fit_mechanism(problem, generator=np.random.default_rng(1)))
    assert [item.determined for item in found.intervals] == [False, False, False]
    assert found.intervals[2].open_above
    assert 1e6 < found.intervals[2].low < 4e6 / 3 * 1.1


def test_labellings_of_a_chain_of_three_are_listed() -> None:
    """Rates in any order give the same last product; few points do not hide that."""
    text, truth = "A -> B -> C -> D", (40.0, 15.0, 5.0)
    problem = made(np.random.default_rng(5), text, truth, [{"A": 1.0}], "D")
    fit = fit_mechanism(problem, generator=np.random.default_rng(1))
    assert len(fit.others) >= 2
    for other in fit.others:
        np.testing.assert_allclose(np.sort(other.theta), np.sort(fit.best.theta), atol=1e-3)


def test_two_minima_with_a_ridge_between_them_are_both_listed() -> None:
    """How fast ES falls apart and E is lost may be swapped: squares differ by 2, the ridge is 11.

    A search that joins minima by a few thinned points keeps either of them.
    """
    mixtures = ladder(1.0, 3.0, 9.0)
    problem = made(
        np.random.default_rng(5), "E + S <=> ES; E -> D", (4e6, 8.0, 5.0), mixtures, "ES"
    )
    fit = fit_mechanism(problem, generator=np.random.default_rng(1))
    (other,) = fit.others
    np.testing.assert_allclose(np.exp(fit.best.theta), [4.03e6, 7.85, 5.07], rtol=0.01)
    np.testing.assert_allclose(np.exp(other.theta), [4.01e6, 4.53, 8.77], rtol=0.01)
    assert 1.5 < other.squares - fit.best.squares < 2.5


def test_a_product_of_constants_with_wide_intervals_is_named() -> None:
    """A <=> B -> C from A alone gives k1 k2 and the sum of all three constants."""
    text, truth, mixtures, observed, _ = OPEN["a way back before a step"]
    problem = made(np.random.default_rng(5), text, truth, mixtures, observed)
    found = determine(fit_mechanism(problem, generator=np.random.default_rng(1)))
    (both,) = found.combinations
    assert both.name == "k1 k2"
    assert both.value == pytest.approx(20.0 * 9.0, rel=4 * both.stderr)
    assert any("k1 k2 = " in text and "than either" in text for text in found.sentences)


def test_points_of_one_valley_are_one_solution() -> None:
    """Of k1 + k-1 alone is known the sum: a curved valley, not two or three solutions."""
    text, truth, mixtures, observed, _ = OPEN["one concentration of A <=> B"]
    problem = made(np.random.default_rng(5), text, truth, mixtures, observed)
    assert fit_mechanism(problem, generator=np.random.default_rng(1)).others == ()


def test_the_joint_region_of_an_open_valley_is_open() -> None:
    text, truth, mixtures, observed, _ = OPEN["fast binding before a slow step"]
    problem = made(np.random.default_rng(5), text, truth, mixtures, observed)
    fit = fit_mechanism(problem, generator=np.random.default_rng(1))
    contour = next(follow_contours(fit, determine(fit)))
    assert contour.places == (0, 1)
    assert contour.is_whole
    end = contour.points[np.array(contour.is_open)]
    assert len(end) > 0
    np.testing.assert_allclose(end[:, 0], search_bounds(problem)[1][0])


@pytest.mark.parametrize("name", ["one concentration of A <=> B", "two ways to unseen products"])
def test_the_joint_region_follows_a_valley_that_bends(name) -> None:
    """The sum of two constants is known, neither of them: both ends of the valley are open."""
    text, truth, mixtures, observed, _ = OPEN[name]
    problem = made(np.random.default_rng(5), text, truth, mixtures, observed)
    fit = fit_mechanism(problem, generator=np.random.default_rng(1))
    contour = next(follow_contours(fit, determine(fit)))
    assert contour.is_whole
    total = np.exp(contour.points).sum(axis=1)
    assert (np.abs(total / sum(truth) - 1) < 0.1).all()
    low = search_bounds(problem)[0][0]
    for side in (0, 1):
        assert contour.points[np.array(contour.is_open), side].min() < low + 1e-6


def test_the_edge_of_the_joint_region_is_at_the_95_percent_point() -> None:
    """Against the profile by scipy, over the constants that are not drawn."""
    text, truth, mixtures, observed = CLOSED["turnover seen at P"]
    problem = made(np.random.default_rng(5), text, truth, mixtures, observed)
    fit = fit_mechanism(problem, generator=np.random.default_rng(1))
    contour = next(follow_contours(fit, determine(fit)))
    (rest,) = {0, 1, 2} - set(contour.places)

    def squares(value: float, held: np.ndarray) -> float:
        theta = fit.best.theta.copy()
        theta[list(contour.places)], theta[rest] = held, value
        return problem.evaluate(theta).squares

    for held in contour.points[::5]:
        lowest = minimize_scalar(squares, args=(held,), bracket=(fit.best.theta[rest] - 0.1,
                                 fit.best.theta[rest] + 0.1), tol=1e-9).fun  # fmt: skip
        rise = (lowest - fit.best.squares) / fit.errors.pooled
        assert rise == pytest.approx(chi2.ppf(0.95, 2), rel=0.06)


def test_a_great_excess_is_solved_as_closely_as_the_scarce_species() -> None:
    """One concentration of S in 1000-fold excess gives k1 [S] + k-1 alone."""
    text, truth, mixtures, observed, _ = OPEN["binding in great excess at one level"]
    problem = made(np.random.default_rng(5), text, truth, mixtures, observed)
    found = determine(fit_mechanism(problem, generator=np.random.default_rng(1)))
    k1, back = found.intervals
    assert (k1.open_below, k1.open_above) == (True, False)
    assert (back.open_below, back.open_above) == (True, False)
    assert 14 < back.high < 17
