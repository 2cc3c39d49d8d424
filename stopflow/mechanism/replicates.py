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
from stopflow.mechanism.tangents import find_modes, fit_variances, measure_noise
from stopflow.trace import FloatArray

FEWEST = 4
"""Replicates, beside the first of each mixture, from which what they share is left aside."""
SCATTERS = 0.5
"""Share that is taken out of most shots, from which a direction is one of scatter, not of noise."""
AT_MOST = 10.0
"""How many times as large as found, at most, a variance between shots may be."""
ENOUGH = 1e-6
"""Share of the squares to which a scheme is fitted again."""


def weigh_scatter(fits: Sequence[GlobalFit], closest: GlobalFit) -> list[float]:
    """Fit again, counting scatter between shots, and give the sums of squares.

    A variance between shots is known from few of them: what a fit leaves more than others along its
    directions, G, counts as ``dof log(1 + G / dof)``, as the F distribution has it, but as much as
    if the variance were `AT_MOST` times as large: a scheme that explains nothing leaves just that.

    Parameters
    ----------
    closest
        The fit along whose curves shots may scatter, the same for all.
    """
    plain = closest.problem.windows
    allowed = plain.allow(find_scatter(closest))
    along = allowed.basis[:, :, plain.basis.shape[2] :]
    share = np.linalg.norm(allowed.taken[:, :, plain.basis.shape[2] :], axis=1)
    along = along[:, :, np.median(share, axis=0) > SCATTERS]
    total, held = np.zeros(len(fits)), np.zeros(len(fits))
    for number, fit in enumerate(fits):
        windows = replace(
            fit.problem.windows, basis=allowed.basis, taken=allowed.taken, signal=allowed.signal
        )
        problem = replace(fit.problem, windows=windows)
        best = minimise(
            problem, fit.best.theta, tolerance=FAIR, negligible=ENOUGH, near=fit.best.path
        )
        point = problem.evaluate(best.theta, near=best.path)
        rest = windows.restore(point.residual)
        total[number] = point.squares
        held[number] = ((along * rest[:, :, None]).sum(axis=1) ** 2).sum()
    dofs = [max(fit.dof, 1) for fit in fits]
    lowest = int((total / dofs).argmin())
    noise = measure_noise(float(total[lowest]), dofs[lowest])
    dof = max(along.shape[2] * (len(along) - len(set(_mixtures(closest)))), 1)
    more = (held - held.min()) / noise
    counted = np.maximum(dof * np.log1p(more / dof), more / AT_MOST)
    return ((total - held) / noise + counted).tolist()


def find_scatter(fit: GlobalFit) -> FloatArray:
    """Find by how much shots scatter along the curves of a fit: (J, n, m), one standard deviation.

    By replicates where there are enough of them, else by the residuals.
    """
    windows = fit.problem.windows
    modes = find_modes(fit.problem, fit.point, fit.problem.columns(fit.point)[1])
    along = (modes.transpose(0, 2, 1) @ windows.restore(fit.point.residual)[..., None])[..., 0]
    of_mixture = _mixtures(fit)
    if len(of_mixture) - len(set(of_mixture)) >= FEWEST:
        along = _beside_mean(along, of_mixture)
    return np.asarray(modes * np.sqrt(fit_variances(modes, along)))


def _mixtures(fit: GlobalFit) -> list[tuple[int, str]]:
    """Tell which shots are replicates: those of one mixture in one channel."""
    mixtures = fit.problem.windows.mixture.tolist()
    return [(m, shot.channel) for m, shot in zip(mixtures, fit.problem.shots, strict=True)]


def _beside_mean(values: FloatArray, of_mixture: Sequence[object]) -> FloatArray:
    """Take from each shot what its replicates share, which those that have none keep."""
    found = values.copy()
    for mixture in set(of_mixture):
        own = [place for place, other in enumerate(of_mixture) if other == mixture]
        if len(own) > 1:
            rest = values[own] - values[own].mean(axis=0)
            found[own] = rest * np.sqrt(len(own) / (len(own) - 1))
    return found
