"""Any rate law: the global minimum, from a scan of all nonlinear parameters.

A coarse grid over all free nonlinear parameters gives starting values; the best few are refined,
and the lowest minimum is taken. The last steps use the points themselves and all parameters at
once.

Where one phase of several makes most of the change, its valley is narrower than the grid, which is
then lowest where two rates share that one, and a small phase far from it is missed. So a phase is
also added to the best fit of one phase fewer, at the rates that lower its misfit most.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.laws import RateLaw, RealArray, sum_of_exponentials
from stopflow.kinetics.solver.any_law import Coarse, coarse_problem, descend, linear_part
from stopflow.kinetics.solver.fixed_parameters import Constraints, free_constraints
from stopflow.kinetics.solver.kept_times import OfTimes
from stopflow.kinetics.solver.one_rate import edge_refusal
from stopflow.kinetics.solver.projection import qr_of_rows
from stopflow.kinetics.solver.refusals import Refusal, refuse
from stopflow.kinetics.solver.window import ROUNDING, SLOWEST_KT, Window, fastest_kt
from stopflow.trace import FloatArray

# Grid points for one, two, three and more free rates, and how many starts are taken from them.
RATE_COUNTS = (96, 28, 20, 9)
STARTS = (3, 3, 3, 10)
# Rates that are tried for a phase added to the best fit of fewer, and how many starts these give.
ADDED_RATES, ADDED_STARTS = 40, 2
# A search goes this far beyond the rates that can be seen; what it finds there is refused.
BEYOND = 10.0
# Largest change of ln k that is foreseen when a phase is added.
LARGEST_CHANGE = 0.7
# Of the sum of squares and of the logarithms: to tell the starts apart, and at the end.
LOOSE, TIGHT = 1e-6, 1e-12
# Keeps the normal equations of the scan solvable where two rates are nearly one.
RIDGE = 1e-13


def solve_general(
    constraints: Constraints, window: Window
) -> tuple[FloatArray, FloatArray] | Refusal:
    """Find the global minimum.

    Returns
    -------
    tuple or Refusal
        All nonlinear (q,) and the free linear (f,) parameters, dimensionless.
    """
    coarse = coarse_problem(constraints, window)
    fastest = fastest_kt(window.time)
    theta = constraints.theta
    if constraints.free.any():
        theta, bounds = _lowest(coarse, fastest), _log_bounds(constraints, fastest)
        if not _beyond_sight(constraints, theta, fastest=fastest):
            theta = descend(coarse, theta, bounds=bounds, tolerance=TIGHT)[0]
    refusal = _refuse_edges(constraints, theta, fastest=fastest, length_s=window.length_s)
    return refusal or (theta, linear_part(coarse, theta))


def _beyond_sight(constraints: Constraints, theta: FloatArray, *, fastest: float) -> bool:
    """Whether a free rate (q,) is so far beyond what can be seen that no step leads back."""
    law, factor = constraints.law, BEYOND * (1 - ROUNDING)
    rates = theta[constraints.free & np.array([name not in law.shapes for name in law.nonlinear])]
    return bool(((rates > fastest * factor) | (rates < SLOWEST_KT / factor)).any())


def follow_on_points(
    constraints: Constraints, window: Window, theta: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Follow a minimum of block means (q,) to that of the points; returns as `solve_general`.

    Where two rates are nearly one, block means may have theirs elsewhere, or where they are one.
    """
    points = Coarse(
        constraints=constraints,
        time=window.time,
        signal=window.signal,
        root_weights=window.root_weights,
    )
    bounds = _log_bounds(constraints, fastest_kt(window.time))
    theta = descend(points, theta, bounds=bounds, tolerance=TIGHT)[0]
    return theta, linear_part(points, theta)


def _lowest(coarse: Coarse, fastest: float) -> FloatArray:
    """All nonlinear parameters (q,) at the lowest minimum, roughly."""
    bounds = _log_bounds(coarse.constraints, fastest)
    found = [
        descend(coarse, start, bounds=bounds, tolerance=LOOSE)
        for start in find_starts(coarse, fastest)
    ]
    return min(found, key=lambda item: item[1])[0]


def _refuse_edges(
    constraints: Constraints, theta: FloatArray, *, fastest: float, length_s: float
) -> Refusal | None:
    """Refuse free parameters at the edge of what the window, the sampling or the law allow."""
    for name, value, free in zip(constraints.law.nonlinear, theta, constraints.free, strict=True):
        shape = constraints.law.shapes.get(name)
        if free and shape is None:
            refusal = edge_refusal(float(value), fastest=fastest, length_s=length_s)
            if refusal:
                return refusal
        elif free and shape is not None and not _inside(value, shape.low, shape.high):
            advice = shape.below if value < shape.high / 2 else shape.above
            return refuse(
                "shape",
                name=name,
                low=shape.low,
                high=shape.high,
                law=constraints.law.title or constraints.law.key,
                advice=advice and f"; {advice}",
            )
    return None


def _inside(value: float, low: float, high: float) -> bool:
    return bool(low * (1 + 1e-6) < value < high * (1 - 1e-6))


def _log_bounds(constraints: Constraints, fastest: float) -> tuple[FloatArray, FloatArray]:
    """Return limits of the free nonlinear parameters' logarithms, wider than the refusal's."""
    limits = [
        (shape.low, shape.high)
        if (shape := constraints.law.shapes.get(name)) is not None
        else (SLOWEST_KT / BEYOND, fastest * BEYOND)
        for name, free in zip(constraints.law.nonlinear, constraints.free, strict=True)
        if free
    ]
    low, high = np.log(np.array(limits)).T
    return low, high


def find_starts(coarse: Coarse, fastest: float) -> list[FloatArray]:
    """Return the best few combinations (q,), on the grid not neighbours of each other."""
    constraints = coarse.constraints
    rates = np.array([name not in constraints.law.shapes for name in constraints.law.nonlinear])
    free_rates = int((constraints.free & rates).sum())
    others = free_rates < constraints.free.sum()
    count = RATE_COUNTS[min(free_rates + others, len(RATE_COUNTS)) - 1]
    grid = np.geomspace(SLOWEST_KT, fastest, count)
    if constraints.law.exponentials == len(constraints.law.nonlinear) and not constraints.any_fixed:
        thetas, places, misfit = _scan_phases(coarse, grid)
        most, added = 1, _add_phase(coarse, fastest) if free_rates > 1 else []
    else:
        thetas, places, misfit = _scan_product(coarse, grid)
        most, added = STARTS[min(free_rates, len(STARTS)) - 1], []
    chosen: list[int] = []
    for at in np.argsort(misfit):
        if all(np.abs(places[at] - places[other]).max() > 1 for other in chosen):
            chosen.append(int(at))
        if len(chosen) == most:
            break
    return [*(thetas[at] for at in chosen), *added]


def _add_phase(coarse: Coarse, fastest: float) -> list[FloatArray]:
    """Add a phase to the best fit of one phase fewer: combinations (q,).

    What a phase of each rate of a grid explains is computed beside the tangent plane of that fit,
    whose rates may follow a little.
    """
    fewer = _one_phase_fewer(coarse)
    theta = _lowest(fewer, fastest)
    rows, rest = fewer.rows(theta)
    slopes = fewer.constraints.law.theta_jacobian(coarse.time, theta, linear_part(fewer, theta))
    rates = np.geomspace(SLOWEST_KT, fastest, ADDED_RATES)
    # In ln k.
    slopes, phases = slopes * theta[:, None], np.exp(-rates[:, None] * coarse.time)
    if coarse.root_weights is not None:
        slopes, phases = slopes * coarse.root_weights, phases * coarse.root_weights
    frame, upper = qr_of_rows(np.concatenate((rows, slopes)))
    inside, target = phases @ frame, rest @ frame
    left = phases - inside @ frame.T
    power, pull = np.einsum("gn,gn->g", left, left), left @ rest
    seen = power > ROUNDING * np.einsum("gn,gn->g", phases, phases)
    gain = np.where(seen, pull**2 / np.where(seen, power, 1), 0)
    beside = np.concatenate(([0], gain, [0]))
    tops = np.flatnonzero(seen & (gain >= beside[:-2]) & (gain > beside[2:]))
    starts = []
    for top in tops[np.argsort(-gain[tops])][:ADDED_STARTS]:
        amplitude = pull[top] / power[top]
        change = np.linalg.lstsq(np.triu(upper), target - amplitude * inside[top], rcond=None)[0]
        change = np.clip(change[len(rows) :], -LARGEST_CHANGE, LARGEST_CHANGE)
        starts.append(np.append(theta * np.exp(change), rates[top]))
    return starts


def _one_phase_fewer(coarse: Coarse) -> Coarse:
    """Return the problem of the same sum of exponentials with one phase fewer."""
    law = coarse.constraints.law
    law = sum_of_exponentials(
        law.exponentials - 1,
        slope="slope_per_s" in law.linear,
        intercept="intercept" in law.linear,
    )
    return replace(coarse, constraints=free_constraints(law))


def _scan_phases(
    coarse: Coarse, rates: FloatArray
) -> tuple[FloatArray, NDArray[np.intp], FloatArray]:
    """Scan all choices of exchangeable exponentials, from the products of the single ones.

    Returns
    -------
    tuple
        theta (C, q), places (C, q) on the grid, misfit (C,).
    """
    law = coarse.constraints.law
    phases = len(law.nonlinear)
    single = law.basis(coarse.time, np.repeat(rates[:, None], phases, axis=1))
    rows, rest = np.concatenate((single[:, 0], single[0, phases:])), coarse.signal
    if coarse.root_weights is not None:
        rows, rest = rows * coarse.root_weights, rest * coarse.root_weights
    gram, target = rows @ rows.T, rows @ rest
    places = np.array(list(combinations(range(len(rates)), phases)))
    baseline = np.arange(len(rates), len(rows))
    used = np.concatenate((places, np.tile(baseline, (len(places), 1))), axis=1)
    explained = _explained(gram[used[:, :, None], used[:, None]], target[used])
    return rates[places], places, float(rest @ rest) - explained


def _scan_product(
    coarse: Coarse, rates: FloatArray
) -> tuple[FloatArray, NDArray[np.intp], FloatArray]:
    """Scan every combination of the free parameters' grids; returns as `_scan_phases`."""
    constraints, weights = coarse.constraints, coarse.root_weights
    if constraints.any_fixed:
        grid = _scanned(coarse.time, constraints, rates, weights)
    else:
        kept = None if weights is None else weights.tobytes()
        grid = _scanned_for(coarse.time, constraints.law, float(rates[-1]), len(rates), kept)
    rest = coarse.rest(grid.fixed)
    misfit = (rest * rest).sum(axis=-1)
    if grid.rows.shape[-2]:
        misfit = misfit - _explained(grid.gram, (grid.rows @ rest[..., None])[..., 0])
    return grid.thetas, grid.places, misfit * np.ones(len(grid.thetas))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Scanned:
    """What a scan needs of the times alone.

    Combinations `thetas` (C, q) and their `places` (C, q) on the grids, weighted `rows` (C, f, N)
    of the free terms, their products `gram` (C, f, f) and the fixed part (..., N) if any.
    """

    thetas: FloatArray
    places: NDArray[np.intp]
    rows: RealArray
    gram: RealArray
    fixed: RealArray | None


def _scanned(
    time: FloatArray, constraints: Constraints, rates: FloatArray, root_weights: FloatArray | None
) -> _Scanned:
    thetas, places = _grid(constraints, rates)
    rows, fixed = constraints.basis(time, thetas)
    if root_weights is not None:
        rows = rows * root_weights
    gram = rows @ np.swapaxes(rows, -1, -2)
    return _Scanned(thetas=thetas, places=places, rows=rows, gram=gram, fixed=fixed)


def _scanned_free(
    time: FloatArray, law: RateLaw, fastest: float, count: int, root_weights: bytes | None
) -> _Scanned:
    """As `_scanned`, for a law without fixed parameters."""
    weights = None if root_weights is None else np.frombuffer(root_weights)
    rates = np.geomspace(SLOWEST_KT, fastest, count)
    return _scanned(time, free_constraints(law), rates, weights)


_scanned_for = OfTimes(_scanned_free)


def _grid(constraints: Constraints, rates: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """Every combination (C, q) of the free parameters' grids, and its places (C, q) on them."""
    axes = [
        _axis(name, rates, constraints) if free else [value]
        for name, value, free in zip(
            constraints.law.nonlinear, constraints.theta, constraints.free, strict=True
        )
    ]
    thetas = np.array(list(product(*axes)), dtype=np.float64)
    places = np.array(list(product(*(range(len(axis)) for axis in axes))))
    phases = constraints.law.exchangeable
    if phases > 1 and constraints.free[:phases].all():
        # The names say which phase is which: a fixed amplitude3 is that of the slowest.
        falling = (np.diff(thetas[:, :phases], axis=1) < 0).all(axis=1)
        thetas, places = thetas[falling], places[falling]
    return thetas, places


def _axis(name: str, rates: FloatArray, constraints: Constraints) -> Sequence[float]:
    shape = constraints.law.shapes.get(name)
    return rates.tolist() if shape is None else shape.starts


def _explained(gram: FloatArray, target: FloatArray) -> FloatArray:
    """Explained sums of squares (C,) from products (C, f, f) and (C, f)."""
    largest = np.einsum("cii->ci", gram).max(axis=1)
    gram = gram + np.eye(gram.shape[-1]) * (RIDGE * largest + 1e-300)[:, None, None]
    return np.einsum("cf,cf->c", target, np.linalg.solve(gram, target[..., None])[..., 0])
