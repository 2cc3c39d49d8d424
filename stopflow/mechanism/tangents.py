"""Shots in the tangents of a fit, and how their pulls on the free numbers vary together.

Shots enter the errors through their tangents alone, a few orthonormal columns each: what a shot's
residuals hold beside them moves no constant.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.stats import f as fisher

from stopflow.mechanism.point import Point
from stopflow.mechanism.problem import Problem
from stopflow.trace import FloatArray

SEEN = 1e-7
"""Share of the largest column below which a direction of a tangent is none."""
SMALL = 1e-3
"""Relative change of a concentration by which curves are differentiated."""
LEFT = 1e-8
"""Share of a shot's variance below which the fit has taken all of it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Links:
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
        unit = max((squares - held) / (dof - own), 1.0)
        return float(fisher.sf(held / own / unit, own, dof - own)), unit

    def sandwich(self, inverse: FloatArray, unit: float) -> tuple[FloatArray, Links]:
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
        return pulls.T @ pulls, Links(
            own=pull @ assumed @ pull.transpose(flip),
            left=pull @ q,
            right=pull @ crossed,
            middle=middle,
        )

    def _variances(self, unit: float) -> FloatArray:
        """Fit variances (m,) of what scatters between shots, in units of the noise.

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


def find_tangents(problem: Problem, point: Point, theta: FloatArray) -> Tangents:
    """Write residuals and derivatives of every shot in orthonormal columns of its tangent."""
    windows, free = problem.windows, problem.constants.count
    lengths = windows.lengths
    columns, fitted = problem.columns(theta, point.responses)
    pipetted = _by_concentration(problem, theta, point.responses, fitted)
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
        stated = pipetted[:, number, : lengths[number]].T
        scatter.append(basis.T @ np.concatenate((own, stated, curve), axis=1))
        group_columns.append(basis.T @ seen)
    return Tangents(
        residual=np.array(residual),
        jacobian=np.array(jacobian) * size,
        shared=_share(np.array(jacobian), np.array(group_columns), windows.groups),
        scatter=np.array(scatter),
        count=count,
    )


def _by_concentration(
    problem: Problem, theta: FloatArray, responses: FloatArray, fitted: FloatArray
) -> FloatArray:
    """Differentiate the curves by the logarithm of each stated concentration: (i, J, n)."""
    starts = problem.starts
    moved = []
    for place in np.flatnonzero(starts.given.any(axis=0)):
        factors = np.ones(starts.given.shape[1])
        factors[place] += SMALL
        other = replace(problem, starts=replace(starts, given=starts.given * factors))
        moved.append((other.columns(theta, responses)[1] - fitted) / SMALL)
    return np.array(moved)


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
