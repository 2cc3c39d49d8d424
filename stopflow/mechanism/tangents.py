"""Shots in the tangents of a fit, and how their pulls on the free numbers vary together.

Shots enter the errors through their tangents alone, a few orthonormal columns each: what a shot's
residuals hold beside them moves no constant.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, nnls
from scipy.special import erf
from scipy.stats import chi2
from scipy.stats import f as fisher

from stopflow.mechanism.point import Point
from stopflow.mechanism.problem import FitProblem
from stopflow.trace import FloatArray

SEEN = 1e-7
"""Share of the largest column below which a direction of a tangent is none."""
SMALL = 1e-3
"""Relative change of a concentration by which curves are differentiated."""
REWEIGHED = 6
"""How often variances are fitted, each time with the weights of those before."""
SURE = 0.01
"""Probability of residuals so large with the stated noise, below which they are the noise."""
REPEATS, SEED, MOST_DRAWN = 4096, 0, 2**20
"""Labs that are drawn to see how errors vary, always the same, and normal numbers at a time."""
CHI_SQUARED: Mapping[int, Callable[[FloatArray], FloatArray]] = {
    1: lambda square: np.asarray(erf(np.sqrt(square / 2))),
    2: lambda square: np.asarray(-np.expm1(-square / 2)),
}
"""Its distribution with one and with two degrees of freedom."""
SMALLEST = 1e-12
"""Share of its mean, or of what others leave unexplained, below which a variance is none."""
REACH = (-50.0, 50.0)
"""Logarithms between which a limit is sought."""
LEFT = 1e-8
"""Share of a shot's variance below which the fit has taken all of it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Repeats:
    """Covariances of p free numbers that labs of the assumed covariance would estimate.

    Attributes
    ----------
    expected
        (p, p) their mean, which is the covariance assumed.
    drawn
        (n, p, p) as n labs would find them.
    """

    expected: FloatArray
    drawn: FloatArray

    def limit(self, directions: FloatArray) -> float:
        """Squared distance of one or two numbers, in estimated errors, that 95 % stay within.

        A distance is normal with the covariance expected, and independent of the one estimated:
        given that, its square along a direction is chi squared, over which directions and labs are
        averaged. With a single shot's pull for all of the error this is Student's t. Of two numbers
        that nothing tells apart, what is known of both is one.
        """
        drawn = self._whitened(directions)
        count = drawn.shape[1]
        if not count:
            return float(fisher.ppf(0.95, 1, 1))
        along = np.random.default_rng(SEED).standard_normal((len(drawn), count))
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        drawn = drawn + np.eye(count) * SMALLEST
        squares = (along * np.linalg.solve(drawn, along[..., None])[..., 0]).sum(axis=1)
        squares = np.maximum(squares, SMALLEST)

        def beyond(log_limit: float) -> float:
            return float(CHI_SQUARED[count](np.exp(log_limit) / squares).mean()) - 0.95

        return float(np.exp(brentq(beyond, *REACH, xtol=1e-4)))

    def dof(self, direction: FloatArray) -> float:
        """Degrees of freedom of chi squared with the mean and the spread of one variance."""
        drawn = self._whitened(direction[None])
        return 2 / float(drawn.var()) if drawn.size else 1.0

    def _whitened(self, directions: FloatArray) -> FloatArray:
        """Covariances (n, r, r) of the r directions that differ, in units of their mean."""
        size = np.sqrt(np.maximum(((directions @ self.expected) * directions).sum(axis=1), 0.0))
        scaled = directions / np.where(size > 0, size, np.inf)[:, None]
        values, vectors = np.linalg.eigh(scaled @ self.expected @ scaled.T)
        kept = values > SMALLEST
        turn = (vectors[:, kept] / np.sqrt(values[kept])).T @ scaled
        return np.asarray(turn @ self.drawn @ turn.T)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tangents:
    """Residuals of J shots and their tangents, each in k orthonormal columns of its own.

    Attributes
    ----------
    residual, jacobian
        (J, k) and (J, k, p).
    shared
        (J, k, g) orthonormal over all shots: what the global parameters may take.
    scatter
        (J, k, m): what a change of each free number, of each stated concentration, and of the
        amplitude does to the shot.
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
        own = self.count - round(float((self.shared**2).sum()))
        held = float((self.residual**2).sum())
        if own < 1 or dof <= own:
            return 1.0, 1.0
        unit = measure_noise(squares - held, dof - own)
        return float(fisher.sf(held / own / unit, own, dof - own)), unit

    def sandwich(self, inverse: FloatArray, unit: float) -> tuple[FloatArray, Repeats]:
        """Estimate the covariance of the free numbers, (p, p), and how it varies."""
        q, flip = self.shared, (0, 2, 1)
        along = (self.scatter.transpose(flip) @ self.residual[..., None])[..., 0]
        own = self.scatter * fit_variances(self.scatter, along, unit)
        assumed = np.eye(q.shape[1]) + own @ self.scatter.transpose(flip)
        crossed = assumed @ q
        middle = np.tensordot(q, crossed, ((0, 1), (0, 1)))
        taken = crossed @ q.transpose(flip)
        left_over = assumed - taken - taken.transpose(flip) + q @ middle @ q.transpose(flip)
        root, back = _power(assumed, 0.5), _power(assumed, -0.5)
        restore = root @ _power(back @ left_over @ back, -0.5) @ back
        pull = inverse @ self.jacobian.transpose(flip) @ restore
        pulls = (pull @ self.residual[..., None])[..., 0]
        return pulls.T @ pulls, Repeats(
            expected=(pull @ left_over @ pull.transpose(flip)).sum(axis=0),
            drawn=np.concatenate(list(self._repeat(root, pull))),
        )

    def _repeat(self, root: FloatArray, pull: FloatArray) -> Iterator[FloatArray]:
        """Yield covariances (n, p, p) of labs with other noise and scatter of the same size."""
        generator, (shots, width, _) = np.random.default_rng(SEED), self.shared.shape
        together = max(MOST_DRAWN // (shots * width), 1)
        shared = self.shared.reshape(shots * width, -1)
        for first in range(0, REPEATS, together):
            count = min(together, REPEATS - first)
            drawn = generator.standard_normal((shots, width, count))
            residual = (root @ drawn).reshape(shots * width, count)
            residual = residual - shared @ (shared.T @ residual)
            pulls = pull @ residual.reshape(shots, width, count)
            yield np.einsum("jpn,jqn->npq", pulls, pulls)


def measure_noise(squares: float, dof: int) -> float:
    """Mean square of the noise, in units of what was stated, which counts unless residuals say no.

    The larger of both would be too large on average. Smaller residuals are those of noise that is
    correlated and was stated as what it does to a curve.
    """
    return squares / dof if chi2.sf(squares, dof) < SURE else 1.0


def find_tangents(problem: FitProblem, point: Point) -> Tangents:
    """Write residuals and derivatives of every shot in orthonormal columns of its tangent."""
    windows, free = problem.windows, problem.constants.count
    lengths = windows.lengths
    columns, fitted = problem.columns(point)
    modes = find_modes(problem, point, fitted)
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
        scatter.append(basis.T @ modes[number, : lengths[number]])
        group_columns.append(basis.T @ seen)
    return Tangents(
        residual=np.array(residual),
        jacobian=np.array(jacobian) * size,
        shared=_share(np.array(jacobian), np.array(group_columns), windows.groups),
        scatter=np.array(scatter),
        count=count,
    )


def find_modes(problem: FitProblem, point: Point, fitted: FloatArray) -> FloatArray:
    """Find what may scatter from shot to shot, and what each does to the signal: (J, n, m).

    A relative change of each free number, of each stated concentration, and of the amplitude;
    `fitted` (J, n) are the curves.
    """
    starts, modes = problem.starts, [*np.moveaxis(problem.windows.restore(point.jacobian), 2, 0)]
    for place in np.flatnonzero(starts.given.any(axis=0)):
        factors = np.ones(starts.given.shape[1])
        factors[place] += SMALL
        other = replace(problem, starts=replace(starts, given=starts.given * factors))
        modes.append((other.columns(point)[1] - fitted) / SMALL)
    return np.stack([*modes, fitted], axis=2)


def fit_variances(modes: FloatArray, along: FloatArray, unit: float = 1.0) -> FloatArray:
    """Fit the variances (m,) of what scatters between shots to squares along it.

    A square scatters by about as much as it is expected to be, by which it is weighted in turn.

    Parameters
    ----------
    modes
        (J, n, m) of `find_modes`, or the same in other orthonormal coordinates.
    along
        (J, m) products of the modes with what shots hold beside what they share.
    unit
        Mean square of the noise.
    """
    normal = modes.transpose(0, 2, 1) @ modes
    alone = np.diagonal(normal, axis1=1, axis2=2)
    used = alone > SEEN**2 * alone.max(axis=0, initial=1e-300)
    rows = (normal**2 / np.where(used, alone, 1.0)[..., None])[used]
    excess = (along**2 / np.where(used, alone, 1.0) / unit - 1)[used]
    size = np.maximum(rows.max(axis=0, initial=0.0), 1e-300)
    rows, found = rows / size, np.zeros(modes.shape[2])
    for _ in range(REWEIGHED):
        expected = 1 + rows @ found
        found = nnls(rows / expected[:, None], excess / expected)[0]
    return np.asarray(found / size)


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
