"""Concentrations against time and their exact sensitivities, for many mixtures at once.

Where the rate equations are linear, or a single number changes, they are solved exactly, otherwise
by collocation over all steps of time at once; where that finds no solution, and for the many
mixtures of a scan, step by step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stopflow.mechanism.collocate import collocate
from stopflow.mechanism.integrate import integrate
from stopflow.mechanism.linear import solve_linear
from stopflow.mechanism.rates import (
    MassAction,
    Quadratic,
    RateEquations,
    build_quadratic,
    differentiate_by_start,
)
from stopflow.mechanism.riccati import solve_riccati
from stopflow.mechanism.trajectory import Trajectory
from stopflow.trace import FloatArray

MOST_AT_ONCE = 64
"""Mixtures for which the whole course is sought without a guess."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solution:
    """Concentrations at the times asked for.

    Attributes
    ----------
    c
        (M, n, o) of the species asked for.
    dc
        (M, n, p, o) derivatives by the free numbers; p = 0 where none were asked for.
    path
        The steps it was computed in, for constants close by; None where it is exact.
    ok
        False where the solution left the finite numbers or needed too many steps; the arrays hold
        NaN then.
    """

    c: FloatArray
    dc: FloatArray
    path: Trajectory | None = None
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
    seen: Sequence[int] | None = None,
    near: Trajectory | None = None,
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
    seen
        Places of the species that are asked for; None for all.
    near
        A guess of the solution.
    """
    dk = np.zeros((len(start), 0, k.shape[1])) if dk is None else dk
    least = np.where(start > 0, start, np.inf).min(axis=1) if least_M is None else least_M
    scale = tolerance * np.where(np.isfinite(least), least, 1.0)[:, None]
    places = list(range(start.shape[1])) if seen is None else list(seen)
    onto = system.basis.T[:, places]
    with np.errstate(all="ignore"):
        right, by_free = build_quadratic(system, start, k, dk)
        if dstart is not None:
            by_free = by_free + differentiate_by_start(system, start, k, dstart)
        exact = _solve_exactly(system, right, by_free, times_s, onto)
        path = None
        if exact is None:
            equations = RateEquations(
                right=right, by_free=by_free, scale=scale, times_s=times_s, tolerance=tolerance
            )
            path = _step(equations, near)
        found = path.read(onto) if path is not None else exact
        if found is not None:
            x, dx = found
            c = x + start[:, None, places]
            dc = dx if dstart is None else dx + dstart[:, None, :, places]
            if np.isfinite(c).all() and np.isfinite(dc).all():
                return Solution(c=c, dc=dc, path=path)
    shape = (len(start), len(times_s))
    return Solution(
        c=np.full((*shape, len(places)), np.nan),
        dc=np.full((*shape, dk.shape[1], len(places)), np.nan),
        ok=False,
    )


def _solve_exactly(
    system: MassAction,
    right: Quadratic,
    by_free: Quadratic,
    times_s: FloatArray,
    onto: FloatArray,
) -> tuple[FloatArray, FloatArray] | None:
    found = None
    if len(onto) == 1:
        found = solve_riccati(right, by_free, times_s)
        if found is not None:
            return found[0] * onto[0], found[1] * onto[0]
    if system.is_linear:
        found = solve_linear(right, by_free, times_s)
    return None if found is None else (found[0] @ onto, found[1] @ onto)


def _step(equations: RateEquations, near: Trajectory | None) -> Trajectory | None:
    """Solve in steps: all at once where a guess is at hand or easily made, else one by one."""
    for guess in (near, None) if near is not None else (None,):
        if guess is not None or len(equations.scale) <= MOST_AT_ONCE:
            path = collocate(equations, guess)
            if path is not None:
                return path
    return integrate(equations)
