"""The course solved at once is the one that is stepped, wherever constants lie."""

import numpy as np
import pytest

from stopflow.mechanism.collocate import collocate
from stopflow.mechanism.integrate import integrate
from stopflow.mechanism.known import KNOWN
from stopflow.mechanism.rates import RateEquations, build_mass_action, build_quadratic
from stopflow.mechanism.scheme import parse_scheme

TIME = np.concatenate(([0.0], np.geomspace(1e-3, 1.0, 60)))
CURVED = [
    name
    for name, known in KNOWN.items()
    if not (system := build_mass_action(parse_scheme(known.text))).is_linear
    and system.basis.shape[1] > 1
]


def equations(
    name: str, log10_k: np.ndarray, *, tolerance: float
) -> tuple[RateEquations, np.ndarray]:
    """Three mixtures of a known scheme; constants in s⁻¹ and µM⁻¹ s⁻¹, concentrations in µM."""
    scheme = parse_scheme(KNOWN[name].text)
    start = np.array([
        [{"E": 1.0, "S": level}.get(species, 0.0) for species in scheme.species]
        for level in (0.5, 3.0, 20.0)
    ])  # fmt: skip
    k = np.tile(10.0**log10_k, (3, 1))
    dk = np.tile(np.diag(k[0]), (3, 1, 1))
    system = build_mass_action(scheme)
    right, by_free = build_quadratic(system, start, k, dk)
    least = np.where(start > 0, start, np.inf).min(axis=1)
    asked = RateEquations(
        right=right,
        by_free=by_free,
        scale=tolerance * least[:, None],
        times_s=TIME,
        tolerance=tolerance,
    )
    return asked, least


@pytest.mark.parametrize("tolerance", [1e-4, 1e-8])
@pytest.mark.parametrize("name", CURVED)
def test_the_course_at_once_is_that_of_steps(name: str, tolerance: float) -> None:
    """At random constants over six decades, from no guess and from that of other constants."""
    rng = np.random.default_rng(3)
    count = len(parse_scheme(KNOWN[name].text).steps)
    left = 0
    for _ in range(6):
        log10_k, moved = rng.uniform(-2.0, 4.0, count), 0.1 * rng.normal(size=count)
        asked, least = equations(name, log10_k, tolerance=tolerance)
        onto = np.eye(asked.right.constant.shape[1])
        exact = integrate(equations(name, log10_k, tolerance=1e-12)[0])
        close = collocate(equations(name, log10_k - moved, tolerance=tolerance)[0])
        assert exact is not None
        if close is None:
            left += 1
            continue
        guess = close.moved_to(np.log(10.0) * moved)
        for near in (None, guess):
            path = collocate(asked, near)
            left += path is None
            own, slopes = exact.read(onto) if path is None else path.read(onto)
            x, dx = exact.read(onto)
            assert (np.abs(own - x).max(axis=(1, 2)) < tolerance * least).all()
            assert (np.abs(slopes - dx).max(axis=(1, 2, 3)) < 1e3 * tolerance * least).all()
    assert left <= 2
