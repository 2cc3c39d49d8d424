"""Concentrations against time and their exact sensitivities, for many mixtures at once.

The implicit Runge-Kutta method Radau IIA of order 5 (Hairer and Wanner, Solving Ordinary
Differential Equations II, 1996, section IV.8) takes one step after another for all mixtures
together; its stages are solved by Newton's method, so that the sensitivities of the numerical
solution follow from the same matrix by the implicit function theorem: they are the derivatives of
what is computed, not an approximation of their own. Between the steps a polynomial of degree 5 goes
through values, first and second derivatives at both ends, all of which the equations give.
"""

from dataclasses import dataclass

import numpy as np

from stopflow.mechanism.rates import (
    MassAction,
    Quadratic,
    build_quadratic,
    differentiate_by_start,
)
from stopflow.trace import FloatArray

_S6 = np.sqrt(6.0)
_A = np.array(
    [
        [11 / 45 - 7 * _S6 / 360, 37 / 225 - 169 * _S6 / 1800, -2 / 225 + _S6 / 75],
        [37 / 225 + 169 * _S6 / 1800, 11 / 45 + 7 * _S6 / 360, -2 / 225 - _S6 / 75],
        [4 / 9 - _S6 / 36, 4 / 9 + _S6 / 36, 1 / 9],
    ]
)
_NODES = np.concatenate(([0.0], _A.sum(axis=1)))
_LAGRANGE = np.linalg.inv(np.vander(_NODES, increasing=True))
"""Coefficients of the polynomials that are 1 at one of the nodes and 0 at the others."""
_REAL = 3 + 3 ** (2 / 3) - 3 ** (1 / 3)
_E = np.array([-13 - 7 * _S6, -13 + 7 * _S6, -1.0]) / 3
NEWTON_STEPS = 7
MOST_STEPS = 2000
GROWTH, SHRINK = 8.0, 0.2
CLOSE = 1e-3
"""Newton's method ends when the next change is below this share of the tolerance."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solution:
    """Concentrations at the times asked for.

    Attributes
    ----------
    c
        (M, n, s).
    dc
        (M, n, p, s) derivatives by the free numbers; p = 0 where none were asked for.
    ok
        False where the solution left the finite numbers or needed too many steps; the arrays hold
        NaN then.
    """

    c: FloatArray
    dc: FloatArray
    ok: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _State:
    """A point of the solution: x (M, r) and dx (M, p, r), each with two time derivatives."""

    time_s: float
    x: tuple[FloatArray, FloatArray, FloatArray]
    dx: tuple[FloatArray, FloatArray, FloatArray]


def solve(
    system: MassAction,
    start: FloatArray,
    k: FloatArray,
    times_s: FloatArray,
    *,
    dk: FloatArray | None = None,
    dstart: FloatArray | None = None,
    tolerance: float = 1e-8,
) -> Solution:
    """Integrate the rate equations.

    Parameters
    ----------
    system
        The scheme in arrays.
    start
        (M, s) concentrations at time 0, mol/L.
    k, dk
        (M, R) constants, and their derivatives by the free numbers, (M, p, R).
    dstart
        (M, p, s) derivatives of the start, where it depends on the free numbers.
    times_s
        (n,) rising times, the first of them 0 or later.
    tolerance
        Relative to the smallest concentration at the start of each mixture that is not 0: what is
        in excess hardly changes, and what is seen may be as little as the least.
    """
    dk = np.zeros((len(start), 0, k.shape[1])) if dk is None else dk
    least = np.where(start > 0, start, np.inf).min(axis=1, keepdims=True)
    scale = tolerance * np.where(np.isfinite(least), least, 1.0)
    with np.errstate(all="ignore"):
        right = build_quadratic(system, start, k)
        by_free = build_quadratic(system, start[:, None], dk)
        if dstart is not None:
            by_free = by_free + differentiate_by_start(system, start, k, dstart)
        states = _integrate(right, by_free, scale, float(times_s[-1]))
        if states is not None:
            x, dx = _interpolate(states, times_s)
            c = start[:, None] + x @ system.basis.T
            dc = dx @ system.basis.T
            if dstart is not None:
                dc = dc + dstart[:, None]
            if np.isfinite(c).all() and np.isfinite(dc).all():
                return Solution(c=c, dc=dc)
    shape = (len(start), len(times_s))
    return Solution(
        c=np.full((*shape, start.shape[1]), np.nan),
        dc=np.full((*shape, dk.shape[1], start.shape[1]), np.nan),
        ok=False,
    )


def _integrate(
    right: Quadratic, by_free: Quadratic, scale: FloatArray, end: float
) -> list[_State] | None:
    """Step from 0 to the end; None where the solution is not finite or takes too many steps."""
    mixtures, rank = right.constant.shape
    now = _state(right, by_free, 0.0, np.zeros((mixtures, rank)), np.zeros_like(by_free.constant))
    states = [now]
    step = _first_step(now, scale, end)
    guess = np.zeros((mixtures, 3, rank))
    for _ in range(MOST_STEPS):
        if now.time_s >= end:
            return states
        found = _stages(right, now.x[0], guess, step, scale)
        error = np.inf if found is None else _error(right, now, found[0], step, scale)
        if found is None or not error <= 1:
            step *= SHRINK if not np.isfinite(error) else max(SHRINK, 0.9 * error**-0.25)
            guess = np.repeat(now.x[0][:, None], 3, axis=1)
            if not step > 1e-15 * end:
                return None
            continue
        stages, jacobians = found
        dx = _sensitivities(by_free, now.dx[0], stages, jacobians, step)
        after = _state(right, by_free, now.time_s + step, stages[:, 2], dx)
        factor = min(GROWTH, 0.9 * max(error, 1e-12) ** -0.25)
        guess = _extrapolate(now.x[0], stages, factor)
        step *= factor
        states.append(after)
        now = after
    return None


def _state(
    right: Quadratic, by_free: Quadratic, time_s: float, x: FloatArray, dx: FloatArray
) -> _State:
    """Differentiate x and dx twice by time."""
    bent = (right.quadratic @ x[:, None, :, None])[..., 0]
    jacobian = right.linear + bent
    first = right.constant + ((jacobian - 0.5 * bent) @ x[..., None])[..., 0]
    second = (jacobian @ first[..., None])[..., 0]
    if not dx.shape[1]:
        return _State(time_s=time_s, x=(x, first, second), dx=(dx, dx, dx))
    own_bent = (by_free.quadratic @ x[:, None, None, :, None])[..., 0]
    own_jacobian = by_free.linear + own_bent
    across = jacobian.transpose(0, 2, 1)
    dfirst = (
        by_free.constant
        + ((own_jacobian - 0.5 * own_bent) @ x[:, None, :, None])[..., 0]
        + dx @ across
    )
    turning = (right.quadratic @ first[:, None, :, None])[..., 0].transpose(0, 2, 1)
    dsecond = (own_jacobian @ first[:, None, :, None])[..., 0] + dx @ turning + dfirst @ across
    return _State(time_s=time_s, x=(x, first, second), dx=(dx, dfirst, dsecond))


def _first_step(now: _State, scale: FloatArray, end: float) -> float:
    """Choose a first step that is short against the curvature of the solution."""
    curved = float((np.abs(now.x[2]) / scale).max())
    return min(end, 1.0 / np.sqrt(max(curved, 1e-300)) * 10)


def _stages(
    right: Quadratic, x: FloatArray, guess: FloatArray, step: float, scale: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """Solve for the three stages (M, 3, r) and their Jacobians; None without convergence."""
    mixtures, rank = x.shape
    stages, before = guess, x[:, None]
    unit = np.eye(3 * rank)
    quadratic = right.quadratic.reshape(mixtures, rank * rank, rank)
    for turn in range(NEWTON_STEPS):
        bent = (stages @ quadratic.transpose(0, 2, 1)).reshape(mixtures, 3, rank, rank)
        jacobians = right.linear[:, None] + bent
        slopes = ((jacobians - 0.5 * bent) @ stages[..., None])[..., 0]
        slopes += right.constant[:, None]
        rest = stages - before - step * (_A @ slopes)
        matrix = unit - step * _block(jacobians)
        try:
            change = np.linalg.solve(matrix, rest.reshape(mixtures, -1, 1))
        except np.linalg.LinAlgError:
            return None
        stages = stages - change.reshape(mixtures, 3, rank)
        size = float((np.abs(change[..., 0]) / scale).max())
        if not size < 1e12:
            return None
        if size * (size if turn else 1.0) < CLOSE or (turn > 2 and size < 0.05):
            return stages, jacobians
    return None


def _block(jacobians: FloatArray) -> FloatArray:
    """Assemble A x J of the stages: (M, 3 r, 3 r)."""
    mixtures, _, rank, _ = jacobians.shape
    blocks = _A[None, :, None, :, None] * jacobians.transpose(0, 2, 1, 3)[:, None]
    return np.asarray(blocks.reshape(mixtures, 3 * rank, 3 * rank))


def _error(
    right: Quadratic, now: _State, stages: FloatArray, step: float, scale: FloatArray
) -> float:
    """Estimate the error of the step in units of the tolerance, Hairer and Wanner (8.20)."""
    x, first, _ = now.x
    jacobian = right.linear + (right.quadratic @ x[:, None, :, None])[..., 0]
    left = _REAL / step * np.eye(x.shape[1]) - jacobian
    rest = first + (_E[:, None] * (stages - x[:, None])).sum(axis=1) / step
    found = np.linalg.solve(left, rest[..., None])[..., 0]
    return float((np.abs(found) / scale).max())


def _sensitivities(
    by_free: Quadratic, dx: FloatArray, stages: FloatArray, jacobians: FloatArray, step: float
) -> FloatArray:
    """Differentiate the step by the free numbers: (M, p, r)."""
    mixtures, free, rank = dx.shape
    if not free:
        return dx
    flat = by_free.quadratic.reshape(mixtures, free * rank * rank, rank)
    bent = (stages @ flat.transpose(0, 2, 1)).reshape(mixtures, 3, free, rank, rank)
    own = ((by_free.linear[:, None] + 0.5 * bent) @ stages[:, :, None, :, None])[..., 0]
    own += by_free.constant[:, None]
    rest = dx[:, None] + step * (_A @ own.reshape(mixtures, 3, -1)).reshape(own.shape)
    rest = rest.transpose(0, 1, 3, 2).reshape(mixtures, 3 * rank, free)
    found = np.linalg.solve(np.eye(3 * rank) - step * _block(jacobians), rest)
    return np.asarray(found[:, 2 * rank :].transpose(0, 2, 1))


def _extrapolate(x: FloatArray, stages: FloatArray, factor: float) -> FloatArray:
    """Guess the next stages from the polynomial through the last ones."""
    weights = np.vander(1 + _NODES[1:] * factor, 4, increasing=True) @ _LAGRANGE
    return np.asarray(weights @ np.concatenate((x[:, None], stages), axis=1))


def _interpolate(states: list[_State], times_s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Evaluate the quintics between the states: x (M, n, r) and dx (M, n, p, r)."""
    knots = np.array([state.time_s for state in states])
    at = np.clip(np.searchsorted(knots, times_s, side="right") - 1, 0, len(knots) - 2)
    step = knots[at + 1] - knots[at]
    z = (times_s - knots[at]) / step
    weights = (
        1 - z**3 * (10 - z * (15 - 6 * z)),
        step * (z - z**3 * (6 - z * (8 - 3 * z))),
        0.5 * step**2 * z**2 * (1 - z) ** 3,
        z**3 * (10 - z * (15 - 6 * z)),
        step * z**3 * (-4 + z * (7 - 3 * z)),
        0.5 * step**2 * z**3 * (1 - z) ** 2,
    )
    found = []
    for part in ("x", "dx"):
        values = [np.stack([getattr(s, part)[order] for s in states], axis=1) for order in range(3)]
        total = 0.0
        for order in range(3):
            for side in (0, 1):
                weight = weights[order + 3 * side]
                shape = (1, -1, *([1] * (values[order].ndim - 2)))
                total = total + weight.reshape(shape) * values[order][:, at + side]
        found.append(np.asarray(total))
    return found[0], found[1]
