"""Whether a fitted scheme describes and predicts shots: lack of fit, and mixtures held out.

Lack of fit is judged against pure error (Draper and Smith, Applied Regression Analysis, 1998,
chapter 2): what the residuals of replicates have in common is the scheme's, what they do not is the
scatter between shots, whatever that comes from. Points are put together in blocks, which neither
correlated noise nor the number of points changes.
"""

from dataclasses import replace
from math import nan

import numpy as np
from scipy.stats import chi2
from scipy.stats import f as fisher

from stopflow.mechanism.fit import GlobalFit
from stopflow.mechanism.minimise import FAIR, minimise
from stopflow.mechanism.tangents import measure_noise

BLOCKS = 8
FEWEST_FOR_ERROR = 8
"""Degrees of freedom of the scatter between replicates from which it is used."""
MOST_HELD_OUT = 4
NEGLIGIBLE = 1e-6


def measure_scatter(fit: GlobalFit) -> float | None:
    """Mean square of blocks between replicates, 1 for the stated noise; None with few replicates.

    It does not depend on the scheme, which is the same for replicates.
    """
    _, error, dof = _divide(fit)
    return measure_noise(error, dof) if dof >= FEWEST_FOR_ERROR else None


def judge_fit(fit: GlobalFit) -> float:
    """Give the probability of residuals that have as much in common if the scheme is right."""
    problem = fit.problem
    common, error, error_dof = _divide(fit)
    free = problem.constants.count + problem.system.basis.shape[1]
    dof = problem.mixtures * (BLOCKS - 1) - free
    if dof < 1:
        return nan
    if error_dof < FEWEST_FOR_ERROR:
        return float(chi2.sf(common, dof))
    unit = max(error / error_dof, 1.0)
    return float(fisher.sf(common / dof / unit, dof, error_dof))


def _divide(fit: GlobalFit) -> tuple[float, float, int]:
    """Divide the squares of blocks: common to replicates, between them, and the latter's degrees.

    A block is the sum of its residuals over the root of their number; the offset of a shot takes
    one degree of freedom of its blocks.
    """
    windows = fit.problem.windows
    blocks = np.array(
        [
            [part.sum() / np.sqrt(max(len(part), 1)) for part in np.array_split(own, BLOCKS)]
            for own in np.split(fit.point.residual, windows.bounds[1:-1])
        ]
    )
    common, error, dof = 0.0, 0.0, 0
    for mixture in range(fit.problem.mixtures):
        own = blocks[windows.mixture == mixture]
        mean = own.mean(axis=0)
        common += len(own) * float(mean @ mean)
        error += float(((own - mean) ** 2).sum())
        dof += (len(own) - 1) * (BLOCKS - 1)
    return common, error, dof


def predict_held_out(fit: GlobalFit, species: str) -> float:
    """Predict the shots of each concentration of a species from all others.

    Blanks, mixtures that lack a species, are never held out: alone they do not react.

    Returns
    -------
    float
        Mean square of the residuals of what was held out, in units of the noise; NaN with fewer
        than 3 concentrations, infinite where the others leave no fit.
    """
    problem = fit.problem
    whole = [shot for shot in problem.shots if all(value > 0 for value in shot.start_M.values())]
    levels = sorted({shot.start_M.get(species, 0.0) for shot in whole})
    if len(levels) < 3:
        return nan
    chosen = np.unique(np.linspace(0, len(levels) - 1, MOST_HELD_OUT).round().astype(int))
    squares, points = 0.0, 0
    for place in chosen:
        held = [shot for shot in whole if shot.start_M.get(species, 0.0) == levels[place]]
        rest = [shot for shot in problem.shots if shot not in held]
        others = problem.with_shots(rest)
        theta = minimise(
            others, fit.best.theta, turns=40, tolerance=FAIR, negligible=NEGLIGIBLE
        ).theta
        known = others.evaluate(theta, tolerance=FAIR).responses
        if not len(known):
            return float("inf")
        for row, members in zip(known.tolist(), others.windows.groups, strict=True):
            channel = others.shots[members[0]].channel
            own = [shot for shot in held if shot.channel == channel]
            fixed = dict(zip(problem.observed, row, strict=True))
            if own:
                told = replace(problem, detector=replace(problem.detector, fixed=fixed))
                blind = told.with_shots(own)
                squares += blind.evaluate(theta, tolerance=FAIR).squares
                points += blind.points - len(own)
    return squares / max(points, 1)
