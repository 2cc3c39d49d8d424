"""One free rate: variable projection with an exact Newton step, global in k.

The baseline (straight line, or what is left of it) is projected out of the signal and of the
exponential. What remains to be maximised over ``x = ln(k T)`` is the explained sum of squares
``G(x) = (y . e)^2 / (e . e)`` of the projected vectors, after Golub and Pereyra, SIAM J. Numer.
Anal. 10, 413 (1973), 10.1137/0710036. A scan of G on a logarithmic grid of rates sees every
maximum, so no starting value is needed.
"""

from dataclasses import dataclass
from math import exp, sqrt

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import minimize_scalar

from stopflow.kinetics.solver.blocks import block_means
from stopflow.kinetics.solver.fixed_parameters import Constraints
from stopflow.kinetics.solver.inner_products import InnerProducts, rate_inner_products
from stopflow.kinetics.solver.projection import OneRate, PlainRate, one_rate, project
from stopflow.kinetics.solver.refusals import Refusal, refuse
from stopflow.kinetics.solver.scan import GRID_STEP, Scan, rate_grid, scan, summits
from stopflow.kinetics.solver.significance import Significance, no_amplitude
from stopflow.kinetics.solver.window import ROUNDING, SLOWEST_KT, Window, fastest_kt
from stopflow.trace import FloatArray

# Newton's error after a step is about the square of the step.
CONVERGED = 1e-7
# Share of a sum below which differences of sums have lost too many digits.
CANCELLED = 1e-6
# Share below which the projected exponential itself is worth its cost: k is exact to ten digits.
COSTLY = 3e-4
# The same for the residuals' sum of squares, of which the decay takes a share away once more.
COSTLY_RESIDUALS = 1e-5
NEWTON_STEPS = 25


def has_one_rate(constraints: Constraints) -> bool:
    """Whether exactly one exponential with a free rate and a free amplitude remains."""
    if constraints.law.exponentials != 1 or not constraints.free[0]:
        return False
    return bool(constraints.mixing[:, 0].any())


def climb(
    problem: OneRate | PlainRate, x: float, *, low: float, high: float
) -> tuple[float, InnerProducts, float]:
    """Newton from `x` to the maximum of G between `low` and `high`.

    Returns
    -------
    tuple
        x, the inner products there, and the step from there to the maximum, after which the error
        is below rounding. Where Newton's method leaves the bracket or G is not concave, Brent's
        method is used first.
    """
    for attempt in range(2):
        for _ in range(NEWTON_STEPS):
            products = rate_inner_products(problem, x)
            if products.second >= 0:
                break
            step = -products.first / products.second
            if abs(step) < CONVERGED:
                return x, products, step
            if not low <= x + step <= high:
                break
            x += step
        if attempt:
            break
        found = minimize_scalar(
            lambda at: -rate_inner_products(problem, at).explained,
            bounds=(low, high),
            method="bounded",
            options={"xatol": 1e-8},
        )
        x = float(found.x)
    return x, rate_inner_products(problem, x), 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OneRateSolution:
    """Where the sum of squares is smallest, in dimensionless units.

    Attributes
    ----------
    theta
        (1,) k T.
    coefficients
        (f,) free linear parameters.
    inverse
        (1 + f, 1 + f) ``inverse @ inverse.T`` is the covariance for noise of variance 1.
    rss
        Sum of squared residuals.
    kept
        Smallest share of a sum that remains in a difference of sums.
    kept_of_rss
        The same for `rss`: the share of the exponential times that of the signal.
    accurate
        Whether the sums lost no digits; else one more step by QR is due.
    significance
        Whether there is a decay at all.
    """

    theta: FloatArray
    coefficients: FloatArray
    inverse: FloatArray
    rss: float
    kept: float
    kept_of_rss: float
    accurate: bool
    significance: Significance


def close_solution(
    problem: OneRate | PlainRate, x: float, products: InnerProducts, step: float, length: float
) -> OneRateSolution:
    """Take the last `step` and solve for everything else, by the triangle of the projections.

    The Jacobian's columns (baseline, e, c d) are ``frame``, e and the rest of d times an upper
    triangle R, all of which the sums contain.
    """
    lines = len(problem.triangle)
    rate, rest = exp(x + step), problem.rest
    amplitude = products.amplitude + step * products.amplitude_slope
    inside_e = products.inside_e + step * products.inside_d
    baseline = np.linalg.solve(problem.triangle.T, problem.inside - amplitude * inside_e)
    explained = products.explained + step * products.first / 2
    root = sqrt(products.ee) if products.ee > 0 else 1.0
    along = products.ed / root
    left = max(products.dd - along * along, 0.0)
    upper = np.zeros((lines + 2, lines + 2))
    upper[:lines, :lines] = problem.triangle.T
    upper[:lines, lines], upper[lines, lines] = inside_e, root
    slope = amplitude / rate
    upper[:lines, -1], upper[lines, -1] = products.inside_d * slope, along * slope
    upper[-1, -1] = sqrt(left) * slope
    kept = min(products.kept, left / products.raw, rest / problem.total)
    accurate = min(kept, 1 - explained / rest) > CANCELLED
    inverse = lapack.dtrtri(upper)[0] if accurate else upper
    # Here the baseline comes first, 1 before t; in a fit: rate, amplitude, slope, intercept.
    order = np.array([lines + 1, lines, *range(lines - 1, -1, -1)])
    return OneRateSolution(
        theta=np.array([rate]),
        coefficients=np.array([amplitude, *baseline[::-1]]),
        inverse=inverse[order],
        rss=rest - explained,
        kept=kept,
        kept_of_rss=products.kept * (1 - explained / rest),
        accurate=accurate,
        significance=Significance(
            explained=explained / rest, length=length, free=len(problem.time) - lines
        ),
    )


def edge_refusal(rate: float, *, fastest: float, length_s: float) -> Refusal | None:
    """Refuse a `rate` k T at the edge of what the window or the sampling can show."""
    if rate <= SLOWEST_KT * (1 + 1e-6):
        return refuse("slow", length_s=length_s, slowest_per_s=SLOWEST_KT / length_s)
    if rate >= fastest * (1 - 1e-6):
        return refuse("fast", fastest_per_s=fastest / length_s)
    return None


def solve_one_rate(constraints: Constraints, window: Window) -> OneRateSolution | Refusal:
    """Scan block means, then climb on the points themselves."""
    fastest = fastest_kt(window.time)
    fine = one_rate(constraints, window)
    if fine.rest < CANCELLED * fine.total:
        # Almost a straight line: sums have lost the digits that are left.
        fine = project(constraints, window.time, window.signal, window.root_weights)
    rest, inside = fine.rest, float(fine.inside @ fine.inside)
    if rest <= len(fine.time) * ROUNDING**2 * (rest + inside):
        return refuse("line")
    coarse = project(constraints, *block_means(window))
    scanned = scan(coarse, rate_grid(fastest))
    x, products, step = max(
        (_climb_from(coarse, fine, scanned, top) for top in summits(scanned.explained)),
        key=lambda found: found[1].explained,
    )
    solution = close_solution(fine, x, products, step, scanned.length)
    costly = solution.kept < COSTLY or solution.kept_of_rss < COSTLY_RESIDUALS
    if isinstance(fine, PlainRate) and costly:
        fine = project(constraints, window.time, window.signal, window.root_weights)
        x, products, step = climb(fine, x + step, low=x - GRID_STEP, high=x + GRID_STEP)
        solution = close_solution(fine, x, products, step, scanned.length)
    return (
        no_amplitude(solution.significance)
        or edge_refusal(exp(x), fastest=fastest, length_s=window.length_s)
        or solution
    )


def _climb_from(
    coarse: OneRate, fine: OneRate | PlainRate, scanned: Scan, top: int
) -> tuple[float, InnerProducts, float]:
    """Follow one summit of the scan up to the maximum on the points."""
    grid = scanned.log_rates
    last = len(grid) - 1
    low, high = float(grid[max(top - 1, 0)]), float(grid[min(top + 1, last)])
    if top in (0, last):
        edge = float(grid[top])
        products = rate_inner_products(fine, edge)
        if (products.first <= 0) == (top == 0):
            return edge, products, 0.0
    x, _, step = climb(coarse, float(grid[top]), low=low, high=high)
    # Blocks and points differ by little; still the maximum may lie just outside.
    return climb(fine, x + step, low=low - GRID_STEP, high=high + GRID_STEP)
