"""Errors of the free numbers: from the noise of points, or from the scatter between shots.

Pipettes and syringes make shots of one mixture differ by more than their noise. Whether they do is
asked first: what each shot's residuals hold along that shot's own constants and amplitude is noise
alone where shots agree, with the F distribution. Where they agree, the noise is the error.

Where they do not, each shot is a cluster whose pull on the constants is measured (White,
Econometrica 48, 817 (1980), 10.2307/1912934), corrected for what the fit has taken from its
residuals so that the variance is unbiased (Bell and McCaffrey, Surv. Methodol. 28, 169 (2002)). How
far such a variance strays from its mean, and with it the end of a region, is drawn: to match two
moments to a Wishart distribution (Pustejovsky and Tipton, J. Bus. Econ. Stat. 36, 672 (2018),
10.1080/07350015.2016.1247004) makes regions too wide where a few shots hold most of it. Both need a
covariance to work with: noise, and constants, concentrations and amplitudes that scatter between
shots, with variances fitted to the squares of the residuals.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import chi2

from stopflow.mechanism.point import Point
from stopflow.mechanism.problem import FitProblem
from stopflow.mechanism.tangents import SEEN, Repeats, find_tangents, measure_noise
from stopflow.trace import FloatArray

FEWEST_SHOTS = 4
AGREE = 0.2
"""Probability above which shots agree to within their noise."""
NOTHING = 1e-12
"""Share of what the data say of all numbers that is taken for what they say of each at least."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """How a joint 95 % region of q combinations of free numbers is measured.

    Attributes
    ----------
    limit
        Squared distance from the minimum to the end of the region, in errors.
    noise, found
        (q, q) inverses of the covariance for points of the stated noise, and of that which counts.
    """

    limit: float
    noise: FloatArray
    found: FloatArray

    def unit(self, step: FloatArray) -> float:
        """Rise of the squares that is one error, in the direction of a step (q,)."""
        return float(step @ self.noise @ step) / float(step @ self.found @ step)

    @property
    def inflation(self) -> float:
        """The same of a single number."""
        return self.unit(np.ones(1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Errors:
    """The errors of p free numbers from J shots; NaN where there is no fit.

    Attributes
    ----------
    inverse
        (p, p) inverse of the normal matrix: the covariance for points of the stated noise.
    white
        Mean square of the noise in units of what was stated.
    covariance
        (p, p) that counts.
    """

    inverse: FloatArray
    white: float
    covariance: FloatArray
    _repeats: Repeats | None = None

    @classmethod
    def unknown(cls, count: int) -> "Errors":
        """Errors of a scheme that could not be fitted."""
        nothing = np.full((count, count), np.nan)
        return cls(inverse=nothing, white=1.0, covariance=nothing)

    @property
    def scattered(self) -> bool:
        """Whether shots scatter by more than their noise, so that this scatter is the error."""
        return self._repeats is not None

    @property
    def dof(self) -> FloatArray:
        """(p,) degrees of freedom of their errors; infinite where the noise is the error."""
        count = len(self.inverse)
        if self._repeats is None:
            return np.full(count, np.inf)
        return np.array([self._repeats.dof(direction) for direction in np.eye(count)])

    @property
    def stderr(self) -> FloatArray:
        """(p,) standard errors."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    @property
    def pooled(self) -> float:
        """Mean square of the errors in units of those that the stated noise gives."""
        if not np.isfinite(self.inverse).all():
            return self.white
        values, vectors = np.linalg.eigh(self.inverse)
        kept = values > SEEN**2 * max(float(values.max(initial=0.0)), 1e-300)
        along = vectors[:, kept] / np.sqrt(values[kept])
        ratios = np.einsum("pk,pq,qk->k", along, self.covariance, along)
        return float(ratios.mean()) if len(ratios) else self.white

    def region(self, directions: FloatArray) -> Region:
        """Measure the joint region of q combinations (q, p) of the free numbers."""
        count = len(directions)
        stated = directions @ self.inverse @ directions.T
        noise: FloatArray = np.asarray(np.linalg.pinv(stated, hermitian=True))
        found = directions @ self.covariance @ directions.T
        inverse: FloatArray = np.asarray(np.linalg.pinv(found, hermitian=True))
        least = np.eye(count) * max(NOTHING * float(np.trace(noise)), NOTHING)
        noise, inverse = noise + least, inverse + least / self.pooled
        if self._repeats is None:
            return Region(
                limit=float(chi2.ppf(0.95, count)), noise=noise, found=noise / self.pooled
            )
        return Region(limit=self._repeats.limit(directions), noise=noise, found=inverse)


def measure_errors(problem: FitProblem, point: Point) -> Errors:
    """Measure the errors of the free numbers at the minimum."""
    free = problem.constants.count
    normal = point.jacobian.T @ point.jacobian
    inverse: FloatArray = np.asarray(np.linalg.pinv(normal, rcond=1e-14, hermitian=True))
    dof = max(problem.points - problem.linear - free, 1)
    white = measure_noise(point.squares, dof)
    noise = Errors(inverse=inverse, white=white, covariance=white * inverse)
    if len(problem.shots) < FEWEST_SHOTS:
        return noise
    tangents = find_tangents(problem, point)
    agreement, unit = tangents.compare(point.squares, dof)
    if not agreement <= AGREE:
        return noise
    covariance, repeats = tangents.sandwich(inverse, unit)
    return replace(noise, covariance=covariance, _repeats=repeats)
