"""Global fits: constants come back, errors cover them, what is not determined is said."""

import numpy as np
import pytest
from scipy.optimize import least_squares
from simulated_shots import integrate, simulate

from stopflow.mechanism.constants import build_constants, describe_theta
from stopflow.mechanism.determined import determine
from stopflow.mechanism.fit import fit_mechanism
from stopflow.mechanism.known import KNOWN
from stopflow.mechanism.minimise import minimise
from stopflow.mechanism.observations import Detector
from stopflow.mechanism.problem import build_problem
from stopflow.mechanism.rank import rank_schemes
from stopflow.mechanism.scheme import SchemeError, parse_scheme

TIME = np.concatenate(([0.0], np.geomspace(2e-3, 0.5, 60)))


def problem_of(rng, text, truth, starts, observed, *, relations=(), **more):
    scheme = parse_scheme(text)
    shots = simulate(rng, scheme, truth, starts, observed=observed, time_s=TIME, **more)
    constants = build_constants(scheme, relations)
    return build_problem(scheme, constants, shots, detector=Detector(observed=tuple(observed)))


BINDING = (
    "A + B <=> C",
    {"k1": 2e6, "k-1": 5.0},
    [{"A": 1e-6, "B": b} for b in (1e-6, 4e-6, 1e-5)],
)


def test_no_starting_values_are_needed(rng: np.random.Generator) -> None:
    problem = problem_of(rng, *BINDING, {"C": 1e6})
    fit = fit_mechanism(problem, generator=np.random.default_rng(1))
    assert fit.ok
    assert fit.others == ()
    for name, value in describe_theta(problem.constants, fit.best.theta).items():
        place = problem.constants.names.index(name)
        assert abs(np.log(value / BINDING[1][name])) < 4 * fit.stderr[place]


def test_the_optimum_is_that_of_scipy(rng: np.random.Generator) -> None:
    """By scipy's integrator and optimiser, with the linear parameters among those sought."""
    problem = problem_of(rng, *BINDING, {"C": 1e6}, shots=1)
    fit = fit_mechanism(problem, generator=np.random.default_rng(1))

    def rest(values: np.ndarray) -> np.ndarray:
        k1, back, response = np.exp(values[:3])
        parts = []
        for number, shot in enumerate(problem.shots):
            c = integrate(problem.scheme, {"k1": k1, "k-1": back}, shot.start_M, shot.time_s)
            parts.append((shot.signal - response * c[:, 2] - values[3 + number]) / shot.noise_sd)
        return np.concatenate(parts)

    first = np.concatenate((np.log([1e6, 10.0, 1e6]), [shot.signal[0] for shot in problem.shots]))
    found = least_squares(rest, first, xtol=1e-10, ftol=1e-12)
    assert fit.best.squares <= 2 * found.cost * (1 + 1e-9)
    np.testing.assert_allclose(fit.best.theta, found.x[:2], atol=1e-5)


def test_swapped_rates_of_a_chain_are_named(rng: np.random.Generator) -> None:
    """A -> B -> C seen at C does not tell which of the two rates is the first."""
    problem = problem_of(rng, "A -> B -> C", {"k1": 60.0, "k2": 15.0}, [{"A": 1e-6}], {"C": 1e6})
    fit = fit_mechanism(problem, generator=np.random.default_rng(1))
    (other,) = fit.others
    np.testing.assert_allclose(other.theta, fit.best.theta[::-1], atol=1e-4)
    assert any("another solution" in text for text in determine(fit).sentences)


@pytest.mark.whole
def test_fast_binding_leaves_only_the_quotient(rng: np.random.Generator) -> None:
    problem = problem_of(
        rng,
        "E + S <=> ES -> E + P",
        {"k1": 1e9, "k-1": 5e4, "k2": 20.0},
        [{"E": 1e-6, "S": s} for s in (2e-5, 6e-5, 2e-4)],
        {"P": 1e6},
    )
    fit = fit_mechanism(problem, generator=np.random.default_rng(1))
    found = determine(fit)
    by_name = {item.name: item for item in found.intervals}
    assert by_name["k1"].open_above
    assert by_name["k-1"].open_above
    assert by_name["k2"].determined
    assert by_name["k2"].low < 20 < by_name["k2"].high
    (combined,) = found.combinations
    assert combined.name == "k1/k-1"
    assert abs(np.log(combined.value / 2e4)) < 4 * combined.stderr


def test_a_missing_way_back_has_an_upper_bound(rng: np.random.Generator) -> None:
    truth = {"k1": 2e6, "k-1": 1e-4}
    problem = problem_of(rng, BINDING[0], truth, BINDING[2], {"C": 1e6}, noisy=False)
    found = determine(fit_mechanism(problem, generator=np.random.default_rng(1)))
    forward, back = found.intervals
    assert forward.determined
    assert back.open_below
    assert not back.open_above
    assert back.high > 1e-4


def test_relations_hold_in_the_fit(rng: np.random.Generator) -> None:
    problem = problem_of(rng, *BINDING, {"C": 1e6}, relations=["k-1/k1 = 2.5e-6"])
    fit = fit_mechanism(problem, generator=np.random.default_rng(1))
    assert problem.constants.names == ("k1",)
    assert abs(fit.best.theta[0] - np.log(2e6)) < 4 * fit.stderr[0]


@pytest.mark.slow
def test_intervals_cover_the_truth(full_proof, rng: np.random.Generator) -> None:
    draws, inside = (1000 if full_proof else 30), np.zeros(2)
    for _ in range(draws):
        problem = problem_of(rng, *BINDING, {"C": 1e6})
        best = minimise(problem, np.log([2e6, 5.0]))
        fit_point = problem.evaluate(best.theta)
        error = np.sqrt(np.diag(np.linalg.inv(fit_point.jacobian.T @ fit_point.jacobian)))
        inside += np.abs(best.theta - np.log([2e6, 5.0])) < 1.96 * error
    allowed = 3 * np.sqrt(0.05 * 0.95 / draws)
    assert (np.abs(inside / draws - 0.95) < allowed).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"detector": Detector(observed=("X",))}, "'X' is not of the scheme"),
        ({"detector": Detector(observed=())}, "no species is observed"),
        ({"shots": ()}, "no shot"),
    ],
)
def test_a_problem_that_cannot_be_is_refused(change, said, rng: np.random.Generator) -> None:
    problem = problem_of(rng, *BINDING, {"C": 1e6})
    given = {"shots": problem.shots, "detector": Detector(observed=("C",))} | change
    with pytest.raises(SchemeError, match=said):
        build_problem(problem.scheme, problem.constants, **given)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("before", [(), (("E", "F"),)])
def test_the_gradient_is_that_of_the_squares(shared, before, rng: np.random.Generator) -> None:
    """Also where forms are in equilibrium before mixing, so that the start depends on constants."""
    scheme = parse_scheme("E <=> F; F + S <=> FS")
    truth = {"k1": 5.0, "k-1": 20.0, "k2": 2e7, "k-2": 3.0}
    starts = [{"E": 1e-6, "S": s} for s in (2e-6, 1e-5)]
    shots = simulate(rng, scheme, truth, starts, observed={"FS": 1e6}, time_s=TIME)
    problem = build_problem(
        scheme,
        build_constants(scheme),
        shots,
        detector=Detector(observed=("FS",), shared=shared),
        pre_equilibrated=before,
    )
    theta = np.log(list(truth.values())) + np.array([0.3, -0.2, 0.1, 0.4])
    point = problem.evaluate(theta, tolerance=1e-11)
    for number in range(4):
        step = np.zeros(4)
        step[number] = 1e-4
        up, down = (
            problem.evaluate(theta + sign * step, tolerance=1e-11).squares for sign in (1, -1)
        )
        expected = (up - down) / 2e-4
        found = 2 * point.jacobian[:, number] @ point.residual
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6 * point.squares)


@pytest.mark.whole
def test_schemes_are_ranked(rng: np.random.Generator) -> None:
    scheme = parse_scheme(KNOWN["induced fit"].text)
    truth = {"k1": 1e7, "k-1": 100.0, "k2": 30.0, "k-2": 5.0}
    starts = [{"E": 1e-6, "S": s} for s in (2e-6, 5e-6, 2e-5)]
    seen = {"EX": 1e6, "ES": 3e5}
    shots = simulate(rng, scheme, truth, starts, observed=seen, time_s=TIME, noise_sd=0.003)
    ranked = rank_schemes(
        shots,
        names=("binding", "induced fit", "first order"),
        generator=np.random.default_rng(0),
    )
    assert [item.scheme.name for item in ranked] == ["induced fit", "binding", "first order"]
    assert [item.undecided for item in ranked] == [True, False, False]
