"""Optima against those of COPASI, where copasi-basico is installed (extra mechanism-proof)."""

from importlib.util import find_spec

import numpy as np
import pytest

from stopflow.mechanism.bench import CASES, build_case, fit_here

pytestmark = pytest.mark.skipif(find_spec("basico") is None, reason="needs copasi-basico")

REDUCED = ("first order", "binding", "turnover")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_optimum_is_that_of_copasi(full_proof) -> None:
    """Never above COPASI's, stationary to 1e-6, and the constants those of COPASI.

    COPASI takes its derivatives by differences and stops up to 2e-3 of a standard error away; the
    lower end of its two best local methods counts.
    """
    from stopflow.mechanism.copasi import fit_with_copasi

    for name in CASES if full_proof else REDUCED:
        problem, start = build_case(name, generator=np.random.default_rng(0))
        own = fit_here(problem, start, tolerance=1e-11)
        near = fit_with_copasi(problem, start, tolerance=1e-12)
        onward = fit_with_copasi(problem, np.log(near.constants), tolerance=1e-12, method="NL2SOL")
        other = min(near, onward, key=lambda item: item.squares)
        point = problem.evaluate(np.log(own.constants), tolerance=1e-11)
        normal = point.jacobian.T @ point.jacobian
        left = np.linalg.solve(normal, point.jacobian.T @ point.residual)
        error = np.sqrt(np.diag(np.linalg.inv(normal)))
        assert own.squares <= other.squares * (1 + 1e-9), name
        assert np.abs(left).max() < 1e-6, name
        apart = np.abs(other.constants / own.constants - 1)
        assert (apart < 1e-6 + 2e-3 * error).all(), (name, apart, error)
