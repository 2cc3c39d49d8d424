"""The whole course of a reaction at once: collocation, with exact sensitivities.

All steps of an implicit Runge-Kutta method are solved together by Newton's method, which needs a
guess of the whole course: that of constants close by, moved along its sensitivities, or, with none
at hand, that of the rate equations as they are linear at the start. What a step answers to a change
at its start, and to a change of a constant, comes out of the same matrices, so that sensitivities
cost next to nothing. Steps are divided anew, and the course is solved once more from where it
stands, until what the last polynomials hold is below the tolerance (Ascher, Mattheij and Russell,
Numerical Solution of Boundary Value Problems, 1995, chapters 5 and 9).
"""

from functools import cache

import numpy as np

from stopflow.mechanism.radau import Radau, build_radau
from stopflow.mechanism.rates import Quadratic, RateEquations
from stopflow.mechanism.trajectory import Mesh, Trajectory
from stopflow.trace import FloatArray

COARSE, FINE = build_radau(7), build_radau(13)
ROUGH = 1e-5
"""Tolerance from which the coarse method takes fewer sums."""
NEWTON_STEPS, MESHES, MOST_STEPS = 20, 8, 60
FIRST, RATIO = 2.0, 3.0
"""First step of a mesh that is guessed, in reciprocals of the fastest rate, and how they grow."""
CLOSE = 0.02
"""Newton's method ends where the next change would be below this share of the tolerance."""
CURVED = 10.0
"""How much the square of a relative change is taken for, of the next one, before that is known."""
ALLOWED, WANTED = 0.1, 0.02
"""Estimated error of a step, in units of the tolerance, that is accepted and that a new mesh aims
at: below 1 because the errors of steps add up, and an estimate is no bound.
"""
FEWEST, MOST = 0.15, 30.0
"""Into how many steps one may be divided when the mesh is renewed."""
JOINED = 2
"""How often steps may also be joined then; later they are only divided, so that it comes to an end.
"""
FASTEST = 1e15
"""Fastest rate that is told apart, in reciprocals of the whole time."""
LEAST_FALL = 0.15


def collocate(equations: RateEquations, near: Trajectory | None = None) -> Trajectory | None:
    """Solve to the end; None where Newton's method does not converge.

    Parameters
    ----------
    near
        The solution, or a guess of it, of the same mixtures to the same end, for constants close
        by.
    """
    right, times_s, scale = equations.right, equations.times_s, equations.scale
    method = COARSE if equations.tolerance >= ROUGH else FINE
    if near is None:
        mesh = Mesh(method, _guess_knots(right, float(times_s[-1])), times_s)
        x = np.zeros((len(scale), mesh.steps, method.stages + 1, right.constant.shape[1]))
    elif near.mesh.method is method and near.mesh.times_s is times_s:
        mesh, x = near.mesh, near.x
    else:
        mesh = Mesh(method, near.mesh.knots_s, times_s)
        x = near.resample(mesh)
    for turn in range(MESHES):
        found = _newton(equations, x, mesh)
        if found is None:
            return None
        path = Trajectory(mesh=mesh, x=found[0], dx=found[1])
        error = _tail(path, scale)
        if (error <= ALLOWED).all():
            return path
        mesh = Mesh(
            method, _renew_knots(mesh, error, fewest=FEWEST if turn < JOINED else 1.0), times_s
        )
        if mesh.steps > MOST_STEPS:
            return None
        x = path.resample(mesh)
    return None


def _guess_knots(right: Quadratic, end: float) -> FloatArray:
    """Guess steps that grow from the reciprocal of the fastest rate at the start."""
    fastest = float(np.linalg.norm(right.linear, axis=(1, 2)).max())
    first = min(end, FIRST / min(max(fastest, 1e-300), FASTEST / end))
    count = 1 + int(np.ceil(np.log(end / first) / np.log(RATIO)))
    return np.concatenate(([0.0], np.geomspace(first, end, count) if count > 1 else [end]))


def _renew_knots(mesh: Mesh, error: FloatArray, *, fewest: float) -> FloatArray:
    """Divide time so that all steps would have the same error."""
    wanted = np.clip((error / WANTED) ** (1 / (mesh.method.stages + 1)), fewest, MOST)
    reached = np.concatenate(([0.0], np.cumsum(wanted)))
    count = int(np.ceil(reached[-1] + 0.3))
    return np.interp(np.linspace(0.0, reached[-1], count + 1), reached, mesh.knots_s)


def _tail(path: Trajectory, scale: FloatArray) -> FloatArray:
    """Estimate the error of each step, (K,), in units of the tolerance.

    By the last coefficient in Legendre's polynomials and how much smaller it is than the one
    before: what is left out is smaller by about as much again. A last one that is small by chance
    counts as `LEAST_FALL` of the one before.
    """
    last = (np.abs(path.mesh.method.tail @ path.x).max(axis=3) / scale[:, :, None]).max(axis=0)
    fall = np.clip(last[:, 1] / np.maximum(last[:, 0], 1e-300), LEAST_FALL, 1.0)
    return np.asarray(np.maximum(last[:, 1], LEAST_FALL * last[:, 0]) * fall)


def _newton(
    equations: RateEquations, x: FloatArray, mesh: Mesh
) -> tuple[FloatArray, FloatArray] | None:
    """Solve for x (M, K, s + 1, r) and its derivatives; None without convergence."""
    step = _NewtonStep(equations.right, equations.by_free, mesh)
    before = np.inf
    for _ in range(NEWTON_STEPS):
        try:
            ahead, dx = step.take(x)
        except np.linalg.LinAlgError:
            return None
        size = float(
            (np.abs(ahead[:, :, 1:] - x[:, :, 1:]).max(axis=(1, 2)) / equations.scale).max()
        )
        x = ahead
        if not size < 1e14:
            return None
        curved = max(CURVED * equations.tolerance, size / before**2)
        if curved * size**2 < CLOSE:
            return x, dx
        before = size
    return None


class _NewtonStep:
    """A step of Newton's method for all stages of all steps of time, and what it needs each time.

    Written as ``D x = h f(x)`` at the nodes, with D the derivative of the polynomial.
    """

    def __init__(self, right: Quadratic, by_free: Quadratic, mesh: Mesh) -> None:
        mixtures, free, rank = by_free.constant.shape
        steps, stages, columns = mesh.steps, mesh.method.stages, 1 + free
        self._derivative = mesh.method.derivative
        lengths = mesh.lengths_s[:, None, None, None]
        bent = np.concatenate((right.quadratic[:, None], by_free.quadratic), axis=1)
        self._bent = 0.5 * bent.transpose(0, 4, 1, 2, 3).reshape(mixtures, rank, -1)
        linear = np.concatenate((right.linear[:, None], by_free.linear), axis=1)
        self._linear = linear[:, None, None] * lengths[..., None]
        constant = np.concatenate((right.constant[:, None], by_free.constant), axis=1)
        self._constant = constant[:, None, None] * lengths
        self._lengths = lengths[..., None]
        self._shape = (mixtures, steps, stages, columns, rank)
        self._plain, carried = _constant_parts(mesh.method, rank)
        self._matrix = np.empty((mixtures, steps, stages * rank, stages * rank))
        six = self._matrix.reshape(mixtures, steps, stages, rank, stages, rank)
        self._blocks = np.einsum("mkiaib->mkiab", six)
        self._sides = np.empty((mixtures, steps, stages, rank, columns + rank))
        self._sides[..., columns:] = carried

    def take(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Take the step: x (M, K, s + 1, r) after it, and derivatives (M, K, s + 1, p, r)."""
        mixtures, steps, stages, columns, rank = self._shape
        inner = x[:, :, 1:]
        slopes = (inner.reshape(mixtures, steps * stages, rank) @ self._bent).reshape(
            *self._shape, rank
        )
        slopes *= self._lengths
        slopes += self._linear
        rates = np.einsum("mksaij,mksj->mksai", slopes, inner)
        rates += self._constant
        rates[:, :, :, 0] -= self._derivative @ x
        self._matrix[:] = self._plain
        self._blocks -= 2 * slopes[:, :, :, 0] - self._linear[:, :, :, 0]
        self._sides[..., :columns] = rates.swapaxes(3, 4)
        found = np.linalg.solve(
            self._matrix, self._sides.reshape(mixtures, steps, stages * rank, columns + rank)
        )
        own, carried = found[..., :columns], found[..., columns:]
        starts = np.zeros((mixtures, steps, rank, columns))
        for k in range(steps - 1):
            starts[:, k + 1] = own[:, k, -rank:] + carried[:, k, -rank:] @ starts[:, k]
        changes = (own + carried @ starts).reshape(mixtures, steps, stages, rank, columns)
        whole = np.concatenate((starts[:, :, None], changes), axis=2)
        return x + whole[..., 0], whole[..., 1:].swapaxes(3, 4)


@cache
def _constant_parts(method: Radau, rank: int) -> tuple[FloatArray, FloatArray]:
    """Give what of the matrix and of the right-hand sides depends on the method alone."""
    unit = np.eye(rank)
    return np.asarray(np.kron(method.derivative[:, 1:], unit)), -method.derivative[
        :, :1, None
    ] * unit
