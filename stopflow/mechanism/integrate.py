"""Steps of an implicit Runge-Kutta method for many mixtures at once, with exact sensitivities.

A Radau IIA method takes one step after another for all mixtures together; its stages are solved by
Newton's method, so that the sensitivities of the numerical solution follow from the same matrices
by the implicit function theorem, for all steps at once: they are the derivatives of what is
computed, not an approximation of their own. Its order is high because the tolerances of a fit are
small and a step of arrays this short costs by the call, not by the number.
"""

from dataclasses import dataclass

import numpy as np

from stopflow.mechanism.radau import Radau, build_radau
from stopflow.mechanism.rates import Quadratic, RateEquations
from stopflow.mechanism.trajectory import Mesh, Trajectory
from stopflow.trace import FloatArray

ROUGH, ACCURATE = build_radau(3), build_radau(7)
ROUGHLY = 1e-3
"""Tolerance from which the method of low order takes fewer sums."""
NEWTON_STEPS = 8
MOST_STEPS = 1000
GROWTH, SHRINK = 6.0, 0.1
FIRST = 0.3
"""First step as a share of the time in which the slope would change by itself."""
SAFETY, CONFIDENT = 0.9, 1e-3
CLOSE = 1e-2
"""Newton's method ends when the next change is below this share of the tolerance."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Step:
    """An accepted step: its length, x (M, r) before it, stages (M, s, r) and their Jacobians."""

    length_s: float
    before: FloatArray
    stages: FloatArray
    jacobians: FloatArray


def integrate(equations: RateEquations) -> Trajectory | None:
    """Step to the end; None without a finite solution in the steps allowed."""
    right, scale = equations.right, equations.scale
    method = ROUGH if equations.tolerance >= ROUGHLY else ACCURATE
    end = float(equations.times_s[-1])
    x, slope, jacobian = np.zeros_like(right.constant), right.constant, right.linear
    time_s, length = 0.0, _first_step(slope, jacobian, end)
    guess = np.repeat(x[:, None], method.stages, axis=1)
    flat = np.ascontiguousarray(right.quadratic.reshape(len(x), -1, x.shape[1]).transpose(0, 2, 1))
    taken: list[_Step] = []
    for _ in range(MOST_STEPS):
        length = min(length, end - time_s)
        found = _stages(method, right, flat, x, guess, length, scale)
        error = np.inf
        if found is not None:
            stages, jacobians = found
            risen = stages - x[:, None]
            error = _error(method, risen, slope, jacobian, length, scale)
        if found is None or not error <= 1:
            short = SHRINK if not np.isfinite(error) else SAFETY * error ** (-1 / method.stages)
            length *= max(SHRINK, short)
            guess = np.repeat(x[:, None], method.stages, axis=1)
            if not length > 1e-15 * end:
                return None
            continue
        taken.append(_Step(length_s=length, before=x, stages=stages, jacobians=jacobians))
        time_s += length
        if time_s >= end * (1 - 1e-14):
            return _trajectory(method, taken, equations.by_free, equations.times_s)
        factor = min(GROWTH, SAFETY * max(error, 1e-30) ** (-1 / method.stages))
        ahead = min(length * factor, end - time_s) / length
        guess = method.extrapolate(ahead) @ np.concatenate((x[:, None], stages), axis=1)
        slope = method.last_slope @ risen / length
        x, jacobian, length = stages[:, -1], jacobians[:, -1], length * factor
    return None


def _first_step(slope: FloatArray, jacobian: FloatArray, end: float) -> float:
    """Choose a first step that is short against the time in which the slope changes."""
    turning = np.linalg.norm((jacobian @ slope[..., None])[..., 0], axis=1)
    size = np.linalg.norm(slope, axis=1)
    fastest = float((turning[size > 0] / size[size > 0]).max(initial=0.0))
    return min(end, FIRST / max(fastest, 1e-300))


def _stages(
    method: Radau,
    right: Quadratic,
    quadratic: FloatArray,
    x: FloatArray,
    guess: FloatArray,
    length: float,
    scale: FloatArray,
) -> tuple[FloatArray, FloatArray] | None:
    """Solve for the stages (M, s, r) and their Jacobians; None without convergence."""
    mixtures, count, rank = guess.shape
    stages, before = guess, x[:, None]
    matrix = length * method.matrix
    unit = np.eye(count * rank)
    for turn in range(NEWTON_STEPS):
        jacobians = (stages @ quadratic).reshape(mixtures, count, rank, rank)
        jacobians += right.linear[:, None]
        slopes = 0.5 * ((jacobians + right.linear[:, None]) @ stages[..., None])[..., 0]
        slopes += right.constant[:, None]
        rest = stages - before - matrix @ slopes
        try:
            change = np.linalg.solve(
                unit - _block(matrix, jacobians), rest.reshape(mixtures, -1, 1)
            )
        except np.linalg.LinAlgError:
            return None
        stages = stages - change.reshape(stages.shape)
        size = float((np.abs(change[..., 0]) / scale).max())
        if not size < 1e12:
            return None
        if size * (size if turn else 1.0) < CLOSE or (turn > 2 and size < 0.05):
            return stages, jacobians
    return None


def _block(matrix: FloatArray, jacobians: FloatArray) -> FloatArray:
    """Assemble A x J of the stages: (..., s r, s r) from (s, s) and (..., s, r, r)."""
    *leading, count, rank, _ = jacobians.shape
    blocks = matrix[:, None, :, None] * jacobians.swapaxes(-3, -2)[..., None, :, :, :]
    return np.asarray(blocks.reshape(*leading, count * rank, count * rank))


def _error(
    method: Radau,
    risen: FloatArray,
    slope: FloatArray,
    jacobian: FloatArray,
    length: float,
    scale: FloatArray,
) -> float:
    """Estimate the error of the step in units of the tolerance."""
    weight = method.slope_weight * length
    rest = weight * slope + method.error_weights @ risen
    found = np.linalg.solve(np.eye(slope.shape[1]) - weight * jacobian, rest[..., None])
    return float((np.abs(found[..., 0]) / scale).max())


def _trajectory(
    method: Radau, taken: list[_Step], by_free: Quadratic, times_s: FloatArray
) -> Trajectory:
    """Put the steps together, with the derivatives of all of them."""
    lengths = np.array([step.length_s for step in taken])
    before = np.stack([step.before for step in taken])
    stages = np.stack([step.stages for step in taken])
    x = np.concatenate((before[:, :, None], stages), axis=2)
    mixtures, free, rank = by_free.constant.shape
    dx = np.zeros((len(taken), method.stages + 1, mixtures, free, rank))
    if free:
        jacobians = np.stack([step.jacobians for step in taken])
        _differentiate(method, dx, by_free, stages, jacobians, lengths)
    knots = np.concatenate(([0.0], np.cumsum(lengths)))
    return Trajectory(
        mesh=Mesh(method, knots, times_s),
        x=x.transpose(1, 0, 2, 3),
        dx=dx.transpose(2, 0, 1, 3, 4),
    )


def _differentiate(
    method: Radau,
    dx: FloatArray,
    by_free: Quadratic,
    stages: FloatArray,
    jacobians: FloatArray,
    lengths: FloatArray,
) -> None:
    """Fill dx (K, s + 1, M, p, r): each step's answer to a change at its start, then one by one."""
    steps, count, mixtures, free, rank = dx.shape
    count -= 1
    flat = by_free.quadratic.reshape(mixtures, free * rank * rank, rank).transpose(0, 2, 1)
    own = 0.5 * (stages @ flat).reshape(steps, mixtures, count, free, rank, rank)
    own += by_free.linear[:, None]
    forced = (own @ stages[..., None, :, None])[..., 0] + by_free.constant[:, None]
    forced = method.matrix @ forced.reshape(steps, mixtures, count, free * rank)
    forced = forced.reshape(steps, mixtures, count, free, rank) * lengths[:, None, None, None, None]
    answers = np.zeros((steps, mixtures, count, rank, free + rank))
    answers[..., :free] = forced.transpose(0, 1, 2, 4, 3)
    answers[..., free:] = np.eye(rank)
    matrix = np.eye(count * rank) - _block(
        method.matrix, jacobians * lengths[:, None, None, None, None]
    )
    found = np.linalg.solve(matrix, answers.reshape(steps, mixtures, count * rank, free + rank))
    found = found.reshape(answers.shape)
    now = np.zeros((mixtures, rank, free))
    for k in range(steps):
        after = found[k, ..., :free] + found[k, ..., free:] @ now[:, None]
        dx[k, 0] = now.transpose(0, 2, 1)
        dx[k, 1:] = after.transpose(1, 0, 3, 2)
        now = after[:, -1]
