"""Optima against those of COPASI, where copasi-basico is installed (extra mechanism-proof)."""

import numpy as np
import pytest

from stopflow.mechanism.bench import CASES, build_case, fit_here

pytest.importorskip("basico")

REDUCED = ("first order", "binding", "turnover")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_optimum_is_that_of_copasi(full_proof) -> None:
    """COPASI ends by NL2SOL, which follows the squares further down than Levenberg-Marquardt.

    Where a constant is known to a few per cent only, the squares are so flat that rounding moves
    COPASI's end by 1e-4 of a standard error.
    """
    from stopflow.mechanism.copasi import fit_with_copasi

    for name in CASES if full_proof else REDUCED:
        problem, start = build_case(name, generator=np.random.default_rng(0))
        own = fit_here(problem, start, tolerance=1e-11)
        near = fit_with_copasi(problem, start, tolerance=1e-12)
        other = fit_with_copasi(problem, np.log(near.constants), tolerance=1e-12, method="NL2SOL")
        point = problem.evaluate(np.log(own.constants))
        error = np.sqrt(np.diag(np.linalg.inv(point.jacobian.T @ point.jacobian)))
        assert own.squares <= other.squares * (1 + 1e-8), name
        apart = np.abs(other.constants / own.constants - 1)
        assert (apart < 1e-6 + 3e-4 * error).all(), (name, apart, error)
