"""The scale of the errors is right on average, and their limits hold 95 % of draws."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import f as fisher
from simulated_shots import simulate

from stopflow.mechanism.constants import build_constants
from stopflow.mechanism.fit import conclude
from stopflow.mechanism.minimise import minimise
from stopflow.mechanism.observations import Detector
from stopflow.mechanism.problem import build_problem
from stopflow.mechanism.scheme import parse_scheme
from stopflow.mechanism.tangents import Repeats, measure_noise

LABS = 200_000


def repeats(weights: np.ndarray, count: int = 1) -> Repeats:
    """Covariances that are weighted sums of squared pulls, each shot's of its own size."""
    pulls = np.random.default_rng(5).standard_normal((LABS, len(weights), count))
    drawn = np.einsum("j,njp,njq->npq", weights, pulls, pulls)
    return Repeats(expected=weights.sum() * np.eye(count), drawn=drawn)


def chance_beyond(limit: float, weights: np.ndarray) -> float:
    """Probability of a squared error above `limit` estimated ones: Imhof, Biometrika 48, 419."""
    parts = np.concatenate(([1.0], -limit * weights / weights.sum()))

    def integrand(u: float) -> float:
        angle = 0.5 * np.arctan(parts * u).sum()
        return float(np.sin(angle) / (u * np.prod(1 + (parts * u) ** 2) ** 0.25))

    return 0.5 + quad(integrand, 0, np.inf, limit=500)[0] / np.pi


@pytest.mark.parametrize(
    "weights", [[1.0] * 6, [5.0] + [0.5] * 10, [3.0, 3.0] + [0.2] * 12], ids=["equal", "one", "two"]
)
def test_the_end_of_an_interval_is_left_by_one_lab_in_twenty(weights) -> None:
    """Two moments matched to chi squared would leave 2.8 and 3.4 % where few shots hold most."""
    weights = np.array(weights)
    found = repeats(weights)
    assert chance_beyond(found.limit(np.eye(1)), weights) == pytest.approx(0.05, abs=5e-4)
    dof = weights.sum() ** 2 / (weights**2).sum()
    assert found.dof(np.eye(1)[0]) == pytest.approx(dof, rel=0.03)
    matched = chance_beyond(float(fisher.ppf(0.95, 1, dof)), weights)
    assert (matched > 0.0495) is (len(weights) == 6)


def test_a_joint_region_of_equal_shots_is_that_of_hotelling() -> None:
    found = repeats(np.ones(7), count=2)
    assert found.limit(np.eye(2)) == pytest.approx(2 * 7 / 6 * fisher.ppf(0.95, 2, 6), rel=0.01)


def test_two_numbers_that_nothing_tells_apart_are_known_as_one() -> None:
    one = repeats(np.ones(7))
    both = Repeats(expected=np.full((2, 2), 7.0), drawn=one.drawn * np.ones((2, 2)))
    assert both.limit(np.eye(2)) == pytest.approx(one.limit(np.eye(1)), rel=0.01)
    nothing = Repeats(expected=np.zeros((1, 1)), drawn=np.zeros((9, 1, 1)))
    assert nothing.limit(np.eye(1)) == pytest.approx(fisher.ppf(0.95, 1, 1))
    assert nothing.dof(np.eye(1)[0]) == 1


@pytest.mark.parametrize("dof", [20, 470])
def test_the_noise_is_right_on_average(dof) -> None:
    """The larger of what was stated and what is left would be 13 and 2.6 % too much."""
    squares = np.random.default_rng(3).chisquare(dof, 4000)
    assert np.mean([measure_noise(value, dof) for value in squares]) == pytest.approx(1, abs=0.015)
    assert measure_noise(4.0 * dof, dof) == 4.0
    assert measure_noise(0.25 * dof, dof) == 1.0


def test_errors_of_shots_that_agree_are_those_between_draws() -> None:
    """A first-order scheme, 150 labs: the variance stated of k against that of k itself."""
    rng, scheme = np.random.default_rng(9), parse_scheme("A -> B")
    k, stated, white = [], [], []
    for _ in range(150):
        shots = simulate(rng, scheme, {"k1": 7.0}, [{"A": 1e-6}, {"A": 3e-6}],
                         observed={"B": 1e6}, time_s=np.linspace(0, 0.5, 30),
                         noise_sd=0.05)  # fmt: skip
        problem = build_problem(scheme, build_constants(scheme), shots,
                                detector=Detector(observed=("B",)))  # fmt: skip
        fit = conclude(problem, [minimise(problem, np.log([7.0]))])
        k.append(float(fit.best.theta[0]))
        stated.append(float(fit.errors.inverse[0, 0]))
        white.append(fit.errors.white)
    assert np.mean(white) == pytest.approx(1, abs=0.015)
    assert np.var(k) / np.mean(stated) == pytest.approx(1, abs=3 * np.sqrt(2 / 150))
