"""Scatter between replicates, and schemes fitted again with squares that count it as such.

Pipettes and syringes move whole curves. What moves with them says little for or against a scheme,
however small the noise of a point is: it enters as a covariance of the shots, with variances from
replicates, which no scheme has a say in (Pinheiro and Bates, Mixed-Effects Models in S and S-PLUS,
2000, chapter 5).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stopflow.mechanism.fit import GlobalFit
from stopflow.mechanism.minimise import FAIR, minimise
from stopflow.mechanism.tangents import find_modes, fit_variances
from stopflow.trace import FloatArray

FEWEST = 4
"""Replicates, beside the first of each mixture, from which what they share is left aside."""
ENOUGH = 1e-6
"""Share of the squares to which a scheme is fitted again."""


def weigh_scatter(fits: Sequence[GlobalFit], closest: GlobalFit) -> list[float]:
    """Fit again, counting scatter between shots, and give the sums of squares.

    Parameters
    ----------
    closest
        The fit along whose curves shots may scatter, the same for all.
    """
    allowed = closest.problem.windows.allow(find_scatter(closest))
    found = []
    for fit in fits:
        windows = replace(
            fit.problem.windows, basis=allowed.basis, taken=allowed.taken, signal=allowed.signal
        )
        problem = replace(fit.problem, windows=windows)
        best = minimise(
            problem, fit.best.theta, tolerance=FAIR, negligible=ENOUGH, near=fit.best.path
        )
        found.append(best.squares)
    return found


def find_scatter(fit: GlobalFit) -> FloatArray:
    """Find by how much shots scatter along the curves of a fit: (J, n, m), one standard deviation.

    By replicates where there are enough of them, else by the residuals.
    """
    problem, windows, theta = fit.problem, fit.problem.windows, np.asarray(fit.best.theta)
    fitted = problem.columns(theta, fit.point.responses)[1]
    modes = find_modes(problem, fit.point, theta, fitted)
    along = (modes.transpose(0, 2, 1) @ windows.restore(fit.point.residual)[..., None])[..., 0]
    of_mixture = [
        (int(m), shot.channel) for m, shot in zip(windows.mixture, problem.shots, strict=True)
    ]
    if len(of_mixture) - len(set(of_mixture)) >= FEWEST:
        along = _beside_mean(along, of_mixture)
    return np.asarray(modes * np.sqrt(fit_variances(modes, along)))


def _beside_mean(values: FloatArray, of_mixture: Sequence[object]) -> FloatArray:
    """Take from each shot what its replicates share, which those that have none keep."""
    found = values.copy()
    for mixture in set(of_mixture):
        own = [place for place, other in enumerate(of_mixture) if other == mixture]
        if len(own) > 1:
            rest = values[own] - values[own].mean(axis=0)
            found[own] = rest * np.sqrt(len(own) / (len(own) - 1))
    return found
