"""Whether a fitted scheme describes and predicts shots: lack of fit, and mixtures held out.

Lack of fit is judged against pure error (Draper and Smith, Applied Regression Analysis, 1998,
chapter 2): what the residuals of replicates have in common is the scheme's, what they do not is the
scatter between shots, whatever that comes from. Points are put together in blocks, which neither
correlated noise nor the number of points changes. Where whole curves scatter, blocks of a shot go
together, and both degrees of freedom fall by the share of Huynh and Feldt (J. Educ. Stat. 1, 69
(1976), 10.3102/10769986001001069).
"""

from dataclasses import dataclass, replace
from math import nan

import numpy as np
from scipy.stats import chi2
from scipy.stats import f as fisher

from stopflow.mechanism.fit import GlobalFit
from stopflow.mechanism.minimise import FAIR, minimise
from stopflow.mechanism.tangents import measure_noise
from stopflow.trace import FloatArray

BLOCKS = 8
FEWEST = 2
"""Replicates, beside the first of each mixture, from which the scatter between them is used."""
COPIES = 1e-6
"""Mean square between replicates, in units of the noise, below which they are the same trace."""
MOST_HELD_OUT = 4
NEGLIGIBLE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Blocks:
    """Squares of blocks in units of the stated noise.

    Attributes
    ----------
    common
        Of what replicates have in common.
    between
        (B, B) sums of products of what they have not.
    replicates
        Shots beside the first of each mixture.
    """

    common: float
    between: FloatArray
    replicates: int

    @property
    def error(self) -> float:
        """Sum of squares between replicates."""
        return float(np.trace(self.between))

    @property
    def dof(self) -> int:
        """Degrees of freedom between replicates; each shot's offset has taken one."""
        return self.replicates * (BLOCKS - 1)

    @property
    def share(self) -> float:
        """Share of the degrees of freedom that is left where blocks scatter together."""
        nu, own = self.replicates, float((self.between**2).sum())
        whole, squared = (nu + 1) * self.error**2 - 2 * own, nu * own - self.error**2
        least = 1 / (BLOCKS - 1)
        return 1.0 if whole * least >= squared else max(whole / squared * least, least)


def measure_scatter(fit: GlobalFit) -> float | None:
    """Mean square of blocks between replicates, 1 for the stated noise; None with few replicates.

    It does not depend on the scheme, which is the same for replicates.
    """
    blocks = _divide(fit)
    return measure_noise(blocks.error, blocks.dof) if blocks.replicates >= FEWEST else None


def judge_fit(fit: GlobalFit) -> float:
    """Give the probability of residuals that have as much in common if the scheme is right."""
    problem, blocks = fit.problem, _divide(fit)
    free = problem.constants.count + problem.system.basis.shape[1]
    dof = problem.mixtures * (BLOCKS - 1) - free
    if dof < 1:
        return nan
    if blocks.replicates < FEWEST or blocks.error < COPIES * blocks.dof:
        return float(chi2.sf(blocks.common, dof))
    ratio = blocks.common / dof / (blocks.error / blocks.dof)
    share = blocks.share
    return float(fisher.sf(ratio, share * dof, share * blocks.dof))


def _divide(fit: GlobalFit) -> _Blocks:
    """Divide the squares of blocks into what is common to replicates and what is between them.

    A block is the sum of its residuals over the root of their number.
    """
    windows = fit.problem.windows
    blocks = np.array(
        [
            [part.sum() / np.sqrt(max(len(part), 1)) for part in np.array_split(own, BLOCKS)]
            for own in np.split(fit.point.residual, windows.bounds[1:-1])
        ]
    )
    common, between = 0.0, np.zeros((BLOCKS, BLOCKS))
    for mixture in range(fit.problem.mixtures):
        own = blocks[windows.mixture == mixture]
        mean = own.mean(axis=0)
        common += len(own) * float(mean @ mean)
        between += (own - mean).T @ (own - mean)
    return _Blocks(common=common, between=between, replicates=len(blocks) - fit.problem.mixtures)


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
