"""Errors of the free numbers: from the noise of points, or from the scatter between shots.

Pipettes and syringes make shots of one mixture differ by more than their noise. Whether they do is
asked first: what each shot's residuals hold along that shot's own constants and amplitude is noise
alone where shots agree, with the F distribution. Where they agree, the noise is the error.

Where they do not, each shot is a cluster whose pull on the constants is measured (White,
Econometrica 48, 817 (1980), 10.2307/1912934), corrected for what the fit has taken from its
residuals so that the variance is unbiased (Bell and McCaffrey, Surv. Methodol. 28, 169 (2002)), and
a region is that of Hotelling's T squared with the degrees of freedom that such a variance has
(Pustejovsky and Tipton, J. Bus. Econ. Stat. 36, 672 (2018), 10.1080/07350015.2016.1247004). Both need
a covariance to work with: noise, and constants and amplitudes that scatter from shot to shot, with
variances fitted to the squares of the residuals.

Shots enter through their tangents alone, a few orthonormal columns each: what a shot's residuals
hold beside them moves no constant.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.stats import chi2
from scipy.stats import f as fisher

from stopflow.mechanism.problem import Point, Problem
from stopflow.trace import FloatArray

FEWEST_SHOTS = 4
AGREE = 0.2
"""Probability above which shots agree to within their noise."""
SEEN = 1e-7
"""Share of the largest column below which a direction of a tangent is none."""
NOTHING = 1e-12
"""Share of what the data say of all numbers that is taken for what they say of each at least."""
LEFT = 1e-8
"""Share of a shot's variance below which the fit has taken all of it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """How a joint 95 % region of q combinations of free numbers is measured.

    Attributes
    ----------
    dof
        Degrees of freedom of the errors; infinite where the noise is the error.
    limit
        Squared distance from the minimum to the end of the region, in errors.
    noise, found
        (q, q) inverses of the covariance for points of the stated noise, and of that which counts.
    """

    dof: float
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
    """The errors of p free numbers from J shots.

    Attributes
    ----------
    inverse
        (p, p) inverse of the normal matrix: the covariance for points of the stated noise.
    white
        What `inverse` is multiplied with where the residuals are larger than the stated noise.
    agreement
        Probability of shots that differ as much if noise were all; 1 with too few shots.
    covariance
        (p, p) that counts.
    """

    inverse: FloatArray
    white: float
    agreement: float
    covariance: FloatArray
    _links: "_Links | None" = None

    @property
    def scattered(self) -> bool:
        """Whether shots scatter by more than their noise, so that this scatter is the error."""
        return self._links is not None

    @property
    def stderr(self) -> FloatArray:
        """(p,) standard errors."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    @property
    def pooled(self) -> float:
        """Mean square of the errors in units of those that the stated noise gives."""
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
        if self._links is None:
            return Region(
                dof=inf,
                limit=float(chi2.ppf(0.95, count)),
                noise=noise,
                found=noise / self.pooled,
            )
        dof = max(self._links.dof(directions), count - 0.5)
        limit = float(fisher.ppf(0.95, count, dof - count + 1)) * count * dof / (dof - count + 1)
        return Region(dof=dof, limit=limit, noise=noise, found=inverse)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Links:
    """How the pulls of J shots on p free numbers vary, and vary together, as assumed.

    That of shots i and j is ``own_i`` where they are the same, and besides
    ``a_i middle a_j - a_i b_j - b_i a_j``, with a = `left` and b = `right`: what they share of the
    g global parameters.
    """

    own: FloatArray
    left: FloatArray
    right: FloatArray
    middle: FloatArray

    def dof(self, directions: FloatArray) -> float:
        """Match the mean and the spread of the covariance of `directions` to Wishart's."""
        count = len(directions)
        a, b = ((directions @ item).swapaxes(0, 1) for item in (self.left, self.right))
        shared = (a @ self.middle)[:, None] @ a.swapaxes(1, 2)[None]
        shared = shared - a[:, None] @ b.swapaxes(1, 2)[None] - b[:, None] @ a.swapaxes(1, 2)[None]
        shots = np.arange(len(self.own))
        shared[:, :, shots, shots] += np.moveaxis(directions @ self.own @ directions.T, 0, -1)
        values, vectors = np.linalg.eigh(np.trace(shared, axis1=2, axis2=3))
        if not values.min() > 0:
            return 1.0
        turn = vectors / np.sqrt(values)
        links = np.tensordot(turn.T, np.tensordot(turn.T, shared, (1, 0)), (1, 1))
        spread = np.einsum("aaij,bbij->ab", links, links) + np.einsum("abij,baij->ab", links, links)
        return count * (count + 1) / float(spread.sum())


def measure_errors(problem: Problem, theta: FloatArray, point: Point) -> Errors:
    """Measure the errors of the free numbers at the minimum."""
    free = problem.constants.count
    normal = point.jacobian.T @ point.jacobian
    inverse: FloatArray = np.asarray(np.linalg.pinv(normal, rcond=1e-14, hermitian=True))
    dof = max(problem.points - problem.linear - free, 1)
    white = max(point.squares / dof, 1.0)
    noise = Errors(inverse=inverse, white=white, agreement=1.0, covariance=white * inverse)
    if len(problem.shots) < FEWEST_SHOTS:
        return noise
    tangents = _find_tangents(problem, point, theta)
    agreement, unit = tangents.compare(point.squares, dof)
    if not agreement <= AGREE:
        return replace(noise, agreement=agreement)
    covariance, links = tangents.sandwich(inverse, unit)
    return replace(noise, agreement=agreement, covariance=covariance, _links=links)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tangents:
    """Residuals of J shots and their tangents, each in k orthonormal columns of its own.

    Attributes
    ----------
    residual, jacobian
        (J, k) and (J, k, p).
    shared
        (J, k, g) orthonormal over all shots: what the global parameters may take.
    scatter
        (J, k, p + 1): what a change of each free number, and of the amplitude, does to the shot.
    count
        How many columns there are without those that are filled up with 0.
    """

    residual: FloatArray
    jacobian: FloatArray
    shared: FloatArray
    scatter: FloatArray
    count: int

    def compare(self, squares: float, dof: int) -> tuple[float, float]:
        """Probability of residuals along the tangents this large, and the noise beside them."""
        own = self.count - int(round(float((self.shared**2).sum())))
        held = float((self.residual**2).sum())
        if own < 1 or dof <= own:
            return 1.0, 1.0
        unit = max((squares - held) / (dof - own), 1.0)
        return float(fisher.sf(held / own / unit, own, dof - own)), unit

    def sandwich(self, inverse: FloatArray, unit: float) -> tuple[FloatArray, _Links]:
        """Estimate the covariance of the free numbers, (p, p), and how it varies."""
        q, flip = self.shared, (0, 2, 1)
        own = self.scatter * self._variances(unit)
        assumed = np.eye(q.shape[1]) + own @ self.scatter.transpose(flip)
        crossed = assumed @ q
        middle = np.tensordot(q, crossed, ((0, 1), (0, 1)))
        taken = crossed @ q.transpose(flip)
        left_over = assumed - taken - taken.transpose(flip) + q @ middle @ q.transpose(flip)
        root, back = _power(assumed, 0.5), _power(assumed, -0.5)
        restore = root @ _power(back @ left_over @ back, -0.5) @ back
        pull = inverse @ self.jacobian.transpose(flip) @ restore
        pulls = (pull @ self.residual[..., None])[..., 0]
        return pulls.T @ pulls, _Links(
            own=pull @ assumed @ pull.transpose(flip),
            left=pull @ q,
            right=pull @ crossed,
            middle=middle,
        )

    def _variances(self, unit: float) -> FloatArray:
        """Fit variances (p + 1,) of constants and amplitude between shots, in units of the noise.

        By the squares of each shot's residuals along each column, with what the fit has taken from
        them left aside.
        """
        normal = self.scatter.transpose(0, 2, 1) @ self.scatter
        along = (self.scatter.transpose(0, 2, 1) @ self.residual[..., None])[..., 0]
        alone = np.diagonal(normal, axis1=1, axis2=2)
        used = alone > SEEN**2 * max(float(alone.max()), 1e-300)
        rows = (normal**2 / np.where(used, alone, 1.0)[..., None])[used]
        excess = (along**2 / np.where(used, alone, 1.0) / unit - 1)[used]
        size = np.maximum(rows.max(axis=0, initial=0.0), 1e-300)
        return np.asarray(nnls(rows / size, excess)[0] / size)


def _find_tangents(problem: Problem, point: Point, theta: FloatArray) -> _Tangents:
    """Write residuals and derivatives of every shot in orthonormal columns of its tangent."""
    windows, free = problem.windows, problem.constants.count
    lengths = windows.lengths
    columns, fitted = problem.columns(theta, point.responses)
    size = np.maximum(np.linalg.norm(point.jacobian, axis=0), 1e-300)
    residual, jacobian, scatter, group_columns = [], [], [], []
    width, count = free + columns.shape[2] + 1, 0
    for number, (own, rest) in enumerate(
        zip(
            np.split(point.jacobian / size, windows.bounds[1:-1]),
            np.split(point.residual, windows.bounds[1:-1]),
            strict=True,
        )
    ):
        seen = columns[number, : lengths[number]]
        curve = fitted[number, : lengths[number], None]
        basis = np.zeros((lengths[number], width))
        found = _orthonormal(np.concatenate((own, seen, curve), axis=1))
        basis[:, : found.shape[1]] = found
        count += found.shape[1]
        residual.append(basis.T @ rest)
        jacobian.append(basis.T @ own)
        scatter.append(basis.T @ np.concatenate((own, curve), axis=1))
        group_columns.append(basis.T @ seen)
    return _Tangents(
        residual=np.array(residual),
        jacobian=np.array(jacobian) * size,
        shared=_share(np.array(jacobian), np.array(group_columns), windows.groups),
        scatter=np.array(scatter),
        count=count,
    )


def _orthonormal(columns: FloatArray) -> FloatArray:
    """Orthonormal columns that span those given."""
    size = np.linalg.norm(columns, axis=0)
    left, sizes, _ = np.linalg.svd(columns / np.where(size > 0, size, 1.0), full_matrices=False)
    return np.asarray(left[:, sizes > SEEN * max(float(sizes.max(initial=0.0)), 1e-300)])


def _share(
    jacobian: FloatArray, responses: FloatArray, groups: Sequence[NDArray[np.intp]]
) -> FloatArray:
    """Orthonormal columns (J, k, g) of the constants and of each group's responses."""
    shots, width, _ = jacobian.shape
    parts = [_orthonormal(jacobian.reshape(shots * width, -1)).reshape(shots, width, -1)]
    for members in groups:
        found = _orthonormal(responses[members].reshape(len(members) * width, -1))
        part = np.zeros((shots, width, found.shape[1]))
        part[members] = found.reshape(len(members), width, -1)
        parts.append(part)
    return np.concatenate(parts, axis=2)


def _power(matrices: FloatArray, power: float) -> FloatArray:
    """Raise symmetric matrices (J, k, k) to a power, leaving out what is none of them."""
    values, vectors = np.linalg.eigh(matrices)
    kept = values > LEFT * values.max(axis=1, keepdims=True)
    raised = np.where(kept, np.where(kept, values, 1.0) ** power, 0.0)
    return np.asarray((vectors * raised[:, None]) @ vectors.transpose(0, 2, 1))
