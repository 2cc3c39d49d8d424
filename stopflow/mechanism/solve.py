"""Concentrations against time and their exact sensitivities, for many mixtures at once.

Where the rate equations are linear, or a single number changes, they are solved exactly, otherwise
by an integrator of high order.
"""

from dataclasses import dataclass

import numpy as np

from stopflow.mechanism.integrate import integrate
from stopflow.mechanism.linear import solve_linear
from stopflow.mechanism.rates import (
    MassAction,
    Quadratic,
    build_quadratic,
    differentiate_by_start,
)
from stopflow.mechanism.riccati import solve_riccati
from stopflow.trace import FloatArray


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


def solve(
    system: MassAction,
    start: FloatArray,
    k: FloatArray,
    times_s: FloatArray,
    *,
    dk: FloatArray | None = None,
    dstart: FloatArray | None = None,
    tolerance: float = 1e-8,
    least_M: FloatArray | None = None,
) -> Solution:
    """Solve the rate equations.

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
        Relative to `least_M`.
    least_M
        (M,) smallest concentration of each mixture that matters; None: that of its start which is
        not 0. What is in excess hardly changes, and what is seen may be as little as the least.
    """
    dk = np.zeros((len(start), 0, k.shape[1])) if dk is None else dk
    least = np.where(start > 0, start, np.inf).min(axis=1) if least_M is None else least_M
    scale = tolerance * np.where(np.isfinite(least), least, 1.0)[:, None]
    with np.errstate(all="ignore"):
        right, by_free = build_quadratic(system, start, k, dk)
        if dstart is not None:
            by_free = by_free + differentiate_by_start(system, start, k, dstart)
        found = _solve(system, right, by_free, scale, times_s)
        if found is not None:
            c = start[:, None] + found[0] @ system.basis.T
            dc = found[1] @ system.basis.T
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


def _solve(
    system: MassAction,
    right: Quadratic,
    by_free: Quadratic,
    scale: FloatArray,
    times_s: FloatArray,
) -> tuple[FloatArray, FloatArray] | None:
    exact = None
    if system.is_linear:
        exact = solve_linear(right, by_free, times_s)
    elif system.basis.shape[1] == 1:
        exact = solve_riccati(right, by_free, times_s)
    if exact is not None:
        return exact
    path = integrate(right, by_free, scale, float(times_s[-1]))
    return None if path is None else path.read(times_s)
