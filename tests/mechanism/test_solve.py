"""The solver against scipy's, its sensitivities against finite differences."""

import numpy as np
import pytest
from scipy.linalg import expm, null_space
from simulated_shots import integrate

from stopflow.mechanism.constants import build_constants
from stopflow.mechanism.integrate import integrate as integrate_steps
from stopflow.mechanism.rates import RateEquations, build_mass_action, build_quadratic
from stopflow.mechanism.riccati import solve_riccati
from stopflow.mechanism.scheme import parse_scheme
from stopflow.mechanism.solve import solve

SCHEMES = {
    "A -> B -> C": ({"k1": 60.0, "k2": 15.0}, {"A": 1e-6}),
    "A -> B -> C : k1, k2; C -> A : k3": ({"k1": 60.0, "k2": 15.0, "k3": 40.0}, {"A": 1e-6}),
    "A + E -> B + E; B -> C": ({"k1": 3e7, "k2": 4.0}, {"A": 1e-6, "E": 2e-6}),
    "A -> B; B -> C": ({"k1": 20.0, "k2": 20.0}, {"A": 1e-6}),
    "A + B -> C": ({"k1": 2e6}, {"A": 1e-6, "B": 1e-6}),
    "2 A <=> D": ({"k1": 3e6, "k-1": 6.0}, {"A": 1e-6, "D": 2e-6}),
    "A + B -> 2 B": ({"k1": 1e7}, {"A": 1e-6, "B": 1e-9}),
    "A + B <=> C": ({"k1": 2e6, "k-1": 5.0}, {"A": 1e-6, "B": 4e-6}),
    "E + S <=> ES -> E + P": ({"k1": 1e7, "k-1": 50.0, "k2": 20.0}, {"E": 1e-6, "S": 1e-5}),
    "2 A <=> D; D + B -> C": ({"k1": 1e6, "k-1": 2.0, "k2": 3e5}, {"A": 1e-5, "B": 2e-5}),
    "E + S <=> ES <=> EP <=> E + P": (
        {"k1": 1e8, "k-1": 5e3, "k2": 40.0, "k-2": 10.0, "k3": 900.0, "k-3": 1e7},
        {"E": 1e-6, "S": 3e-5},
    ),
}
TIME = np.concatenate(([0.0], np.geomspace(1e-4, 1.0, 200)))


def solved(text: str, theta: np.ndarray | None = None, *, tolerance: float = 1e-10):
    scheme = parse_scheme(text)
    given, start = SCHEMES[text]
    constants = build_constants(scheme)
    if theta is None:
        theta = np.log([given[name] for name in scheme.constants])
    log_k, slopes = constants.log_k(theta, np.array([298.15]))
    k = np.exp(log_k)
    first = np.array([[start.get(name, 0.0) for name in scheme.species]])
    dk = (k[:, :, None] * slopes).transpose(0, 2, 1)
    return (
        scheme,
        theta,
        solve(build_mass_action(scheme), first, k, TIME, dk=dk, tolerance=tolerance),
    )


@pytest.mark.parametrize("text", SCHEMES)
def test_concentrations_agree_with_scipy(text: str) -> None:
    scheme, _, found = solved(text)
    given, start = SCHEMES[text]
    expected = integrate(scheme, given, start, TIME)
    assert found.ok
    np.testing.assert_allclose(found.c[0], expected, atol=1e-9 * max(start.values()))


@pytest.mark.parametrize("text", SCHEMES)
def test_sensitivities_agree_with_finite_differences(text: str) -> None:
    _, theta, found = solved(text)
    for number in range(len(theta)):
        step = np.zeros(len(theta))
        step[number] = 1e-4
        up, down = (solved(text, theta + sign * step)[2].c[0] for sign in (1, -1))
        expected = (up - down) / 2e-4
        doubt = 1e-10 * max(SCHEMES[text][1].values()) / 1e-4
        np.testing.assert_allclose(found.dc[0, :, number], expected, rtol=1e-5, atol=doubt)


@pytest.mark.parametrize("text", SCHEMES)
def test_what_the_scheme_conserves_is_conserved(text: str) -> None:
    scheme, _, found = solved(text, tolerance=1e-6)
    totals = found.c[0] @ null_space(scheme.stoichiometry().T)
    np.testing.assert_allclose(totals, np.broadcast_to(totals[:1], totals.shape), rtol=1e-12)


def test_mixtures_together_are_those_alone() -> None:
    scheme = parse_scheme("E + S <=> ES -> E + P")
    system = build_mass_action(scheme)
    starts = np.array([[1e-6, s, 0, 0] for s in (1e-6, 1e-5, 1e-4)])
    k = np.tile([1e7, 50.0, 20.0], (3, 1))
    together = solve(system, starts, k, TIME, tolerance=1e-10).c
    for number in range(3):
        alone = solve(system, starts[number : number + 1], k[:1], TIME, tolerance=1e-10).c[0]
        np.testing.assert_allclose(together[number], alone, atol=1e-9 * starts[number].max())


@pytest.mark.parametrize(
    ("text", "linear"),
    [("A <=> B -> C", True), ("A + E -> B + E", True), ("A + B -> C", False), ("2 A -> D", False)],
)
def test_linear_rate_equations_are_known(text, linear) -> None:
    assert build_mass_action(parse_scheme(text)).is_linear is linear


@pytest.mark.parametrize("ratio", [0.3, 1 - 1e-3, 1 - 1e-9, 1.0])
def test_a_chain_is_solved_exactly_also_near_equal_rates(ratio: float) -> None:
    """Against the matrix exponential, where two rates in a row leave no eigenvectors, too."""
    scheme = parse_scheme("A -> B -> C")
    first = 30.0
    k = np.array([[first, first * ratio]])
    dk = np.diag(k[0])[None]
    times = np.linspace(0, 0.4, 21)
    found = solve(
        build_mass_action(scheme), np.array([[1.0, 0, 0]]), k, times, dk=dk, tolerance=1e-12
    )
    for second, step in ((k[0, 1], 0.0), (k[0, 1] * np.exp(1e-5), 1e-5)):
        matrix = np.array([[-first, 0, 0], [first, -second, 0], [0, second, 0]])
        expected = np.array([expm(matrix * t)[:, 0] for t in times])
        moved = found.c[0] + step * found.dc[0, :, 1]
        np.testing.assert_allclose(moved, expected, atol=1e-10 + step**2)


@pytest.mark.parametrize("tolerance", [1e-5, 1e-7, 1e-9])
@pytest.mark.parametrize("text", [text for text in SCHEMES if " + " in text])
def test_the_error_is_below_the_tolerance_that_was_asked_for(text: str, tolerance: float) -> None:
    close, exact = (solved(text, tolerance=value)[2] for value in (tolerance, 1e-13))
    least = min(SCHEMES[text][1].values())
    assert np.abs(close.c - exact.c).max() < tolerance * least


@pytest.mark.parametrize("start", [{"A": 1e-6, "B": 4e-6}, {"A": 1e-6, "B": 1e-6, "C": 3e-7}])
@pytest.mark.parametrize("k", [(2e6, 5.0), (1e7, 0.0), (1e-3, 1e-6), (1e12, 1e3)])
def test_a_single_step_is_solved_by_its_closed_form(start, k) -> None:
    """Against the integral of dx / (rate) in partial fractions, and against the integrator."""
    scheme = parse_scheme("A + B <=> C")
    system = build_mass_action(scheme)
    first = np.array([[start.get(name, 0.0) for name in scheme.species]])
    constants, slopes = np.array([k]), np.eye(2)[None] * np.array(k)
    right, by_free = build_quadratic(system, first, constants, slopes)
    exact = solve_riccati(right, by_free, TIME)
    assert exact is not None
    path = integrate_steps(
        RateEquations(
            right=right,
            by_free=by_free,
            scale=np.full((1, 1), 1e-18),
            times_s=TIME,
            tolerance=1e-12,
        )
    )
    assert path is not None
    for closed, stepped, size in zip(exact, path.read(np.eye(1)), (1e-6, 1e-6), strict=True):
        np.testing.assert_allclose(closed, stepped, atol=2e-8 * size)
    a, b, both = start["A"], start["B"], k[0] * (start["A"] + start["B"]) + k[1]
    down = start.get("C", 0.0)
    ends = np.roots([k[0], -both, k[0] * a * b - k[1] * down])
    high, low = ends.max(), ends.min()
    if high > low * (1 + 1e-6):
        grown = np.exp(-k[0] * (high - low) * TIME)
        x = high * low * (1 - grown) / (high - low * grown)
        moved = exact[0][0, :, 0] * (system.basis[scheme.species.index("C"), 0])
        np.testing.assert_allclose(moved, x, rtol=1e-9, atol=1e-18)


def test_growth_from_next_to_nothing_is_left_to_the_integrator() -> None:
    scheme = parse_scheme("A + B -> 2 B")
    system = build_mass_action(scheme)
    start = np.array([[1e-6, 1e-14]])
    right, by_free = build_quadratic(system, start, np.array([[1e7]]), np.zeros((1, 0, 1)))
    assert solve_riccati(right, by_free, TIME) is None


@pytest.mark.parametrize("odd", [np.nan, np.inf, 1e300])
def test_odd_constants_end_with_a_status(odd: float) -> None:
    scheme = parse_scheme("A + B <=> C")
    found = solve(
        build_mass_action(scheme),
        np.array([[1e-6, 1e-6, 0.0]]),
        np.array([[odd, 1.0]]),
        np.linspace(0, 1, 5),
    )
    assert found.ok or np.isnan(found.c).all()
    assert found.ok == bool(np.isfinite(found.c).all())
