"""Any rate law: a scan of all nonlinear parameters, Levenberg-Marquardt on the projected residual.

The linear parameters are projected out as in `one_rate`, with the Jacobian of Kaufman, BIT 15, 49
(1975), 10.1007/BF01932995. A coarse grid over all free nonlinear parameters gives the starting
values; the best few are refined, and the lowest minimum is taken. The last steps use the points
themselves and all parameters at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.optimize import least_squares

from stopflow.kinetics.laws import RealArray
from stopflow.kinetics.solver.blocks import block_means
from stopflow.kinetics.solver.fixed_parameters import Constraints
from stopflow.kinetics.solver.one_rate import edge_refusal
from stopflow.kinetics.solver.projection import qr_of_rows
from stopflow.kinetics.solver.result import FitStatus, Refusal
from stopflow.kinetics.solver.window import SLOWEST_KT, SMALLEST_NUMBER, Window, fastest_kt
from stopflow.trace import FloatArray

# Grid points for one, two, three and more free rates.
RATE_COUNTS = (96, 28, 20, 9)
STARTS = (3, 3, 3, 10)
# Of the sum of squares and of the logarithms: to tell the starts apart, and at the end.
LOOSE, TIGHT = 1e-6, 1e-12
# Keeps the normal equations of the scan solvable where two rates are nearly one.
RIDGE = 1e-13
# Replaces a residual where a formula has no value.
NO_VALUE = 1e6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coarse:
    """The data of the scan and the descent: points or block means."""

    constraints: Constraints
    time: FloatArray
    signal: FloatArray
    root_weights: FloatArray | None

    def rows(self, theta: RealArray) -> tuple[RealArray, RealArray]:
        """Weighted rows (..., f, N) of the free linear terms, and what they have to explain."""
        rows, fixed = self.constraints.basis(self.time, theta)
        rest = self.signal if fixed is None else self.signal - fixed
        if self.root_weights is None:
            return rows, rest
        return rows * self.root_weights, rest * self.root_weights


def coarse_problem(constraints: Constraints, window: Window) -> Coarse:
    """Compress a window to block means."""
    time, signal, root_weights = block_means(window)
    return Coarse(constraints=constraints, time=time, signal=signal, root_weights=root_weights)


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
        found = [
            descend(coarse, start, bounds=_log_bounds(constraints, fastest), tolerance=LOOSE)
            for start in scan_grid(coarse, fastest)
        ]
        best = min(found, key=lambda item: item[1])[0]
        theta = descend(coarse, best, bounds=_log_bounds(constraints, fastest), tolerance=TIGHT)[0]
    refusal = _refuse_edges(constraints, theta, fastest=fastest, length_s=window.length_s)
    return refusal or (theta, linear_part(coarse, theta))


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
            return Refusal(
                status=FitStatus.UNDETERMINED,
                reason=f"{name} would leave the range {shape.low:g} to {shape.high:g}: the trace "
                f"does not have the shape of {constraints.law.title or constraints.law.key}",
            )
    return None


def _inside(value: float, low: float, high: float) -> bool:
    return bool(low * (1 + 1e-6) < value < high * (1 - 1e-6))


def _log_bounds(constraints: Constraints, fastest: float) -> tuple[FloatArray, FloatArray]:
    """Return limits of the free nonlinear parameters' logarithms, wider than the refusal's."""
    limits = [
        (shape.low, shape.high)
        if (shape := constraints.law.shapes.get(name)) is not None
        else (SLOWEST_KT / 10, fastest * 10)
        for name, free in zip(constraints.law.nonlinear, constraints.free, strict=True)
        if free
    ]
    low, high = np.log(np.array(limits)).T
    return low, high


def linear_part(coarse: Coarse, theta: FloatArray) -> FloatArray:
    """Free linear parameters (f,) that fit best at `theta` (q,)."""
    rows, rest = coarse.rows(theta)
    if not np.isfinite(rows).all():
        return np.full(len(rows), np.nan)
    return np.linalg.lstsq(rows.T, rest, rcond=None)[0]


def scan_grid(coarse: Coarse, fastest: float) -> list[FloatArray]:
    """Return the best few combinations (q,) that are not neighbours of each other."""
    constraints = coarse.constraints
    rates = np.array([name not in constraints.law.shapes for name in constraints.law.nonlinear])
    free_rates = int((constraints.free & rates).sum())
    others = free_rates < constraints.free.sum()
    count = RATE_COUNTS[min(free_rates + others, len(RATE_COUNTS)) - 1]
    grid = np.geomspace(SLOWEST_KT, fastest, count)
    if constraints.law.exponentials == len(constraints.law.nonlinear) and not constraints.any_fixed:
        thetas, places, misfit = _scan_phases(coarse, grid)
    else:
        thetas, places, misfit = _scan_product(coarse, grid)
    chosen: list[int] = []
    for at in np.argsort(misfit):
        if all(np.abs(places[at] - places[other]).max() > 1 for other in chosen):
            chosen.append(int(at))
        if len(chosen) == STARTS[min(free_rates, len(STARTS)) - 1]:
            break
    return [thetas[at] for at in chosen]


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
    constraints = coarse.constraints
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
    rows, rest = coarse.rows(thetas)
    misfit = (rest * rest).sum(axis=-1)
    if rows.shape[-2]:
        target = (rows @ rest[..., None])[..., 0]
        misfit = misfit - _explained(rows @ np.swapaxes(rows, -1, -2), target)
    return thetas, places, misfit * np.ones(len(thetas))


def _axis(name: str, rates: FloatArray, constraints: Constraints) -> Sequence[float]:
    shape = constraints.law.shapes.get(name)
    return rates.tolist() if shape is None else shape.starts


def _explained(gram: FloatArray, target: FloatArray) -> FloatArray:
    """Explained sums of squares (C,) from products (C, f, f) and (C, f)."""
    largest = np.einsum("cii->ci", gram).max(axis=1)
    gram = gram + np.eye(gram.shape[-1]) * (RIDGE * largest + 1e-300)[:, None, None]
    return np.einsum("cf,cf->c", target, np.linalg.solve(gram, target[..., None])[..., 0])


def descend(
    coarse: Coarse,
    start: FloatArray,
    *,
    bounds: tuple[FloatArray, FloatArray] | None,
    tolerance: float,
    steps: int = 200,
) -> tuple[FloatArray, float]:
    """Levenberg-Marquardt from `start` (q,); returns theta (q,) and half the sum of squares.

    In the logarithms of the parameters within `bounds` (of the free ones' logarithms); None: in
    the parameters themselves, of any sign.
    """
    constraints = coarse.constraints

    def theta_at(x: FloatArray) -> FloatArray:
        theta = constraints.theta.copy()
        theta[constraints.free] = x if bounds is None else np.exp(np.clip(x, *bounds))
        return theta

    residual, jacobian = projected_problem(coarse, theta_at)
    inside = start[constraints.free] if bounds is None else np.log(start[constraints.free])
    if not np.isfinite(residual(inside)).all() or len(coarse.time) < len(inside):
        return start, np.inf
    found = least_squares(
        residual,
        inside,
        jac=jacobian,
        method="lm",
        xtol=tolerance,
        ftol=tolerance,
        gtol=tolerance,
        max_nfev=steps,
        x_scale=1.0 if bounds is not None else "jac",
    )
    return theta_at(found.x), float(found.cost)


@dataclass(frozen=True, slots=True, eq=False)
class _Projection:
    """The QR decomposition of the linear terms at one x, and the residual of the signal."""

    x: FloatArray
    theta: FloatArray
    frame: FloatArray
    upper: FloatArray
    inside: FloatArray
    rest: FloatArray


def projected_problem(
    coarse: Coarse, theta_at: Callable[[FloatArray], FloatArray]
) -> tuple[Callable[[FloatArray], FloatArray], Callable[[FloatArray], FloatArray]]:
    """Residual (N,) and Kaufman's Jacobian (N, q) as functions of the logarithms of theta."""
    constraints = coarse.constraints
    latest: list[_Projection] = []
    worst = NO_VALUE * (float(np.abs(coarse.signal).max()) + SMALLEST_NUMBER)

    def project_at(x: FloatArray) -> _Projection:
        """Project once for the residual and the Jacobian at the same place."""
        if not latest or not np.array_equal(latest[0].x, x):
            theta = theta_at(x)
            rows, rest = coarse.rows(theta)
            frame, upper = qr_of_rows(rows)
            inside = rest @ frame
            left = rest - frame @ inside
            if not np.isfinite(left).all():
                left = np.full_like(coarse.signal, worst)
            latest[:] = [_Projection(x.copy(), theta, frame, upper, inside, left)]
        return latest[0]

    def residual(x: FloatArray) -> FloatArray:
        return project_at(x).rest

    def jacobian(x: FloatArray) -> FloatArray:
        at = project_at(x)
        coefficients: RealArray = at.inside
        singular = 0
        if len(coefficients):
            coefficients, singular = lapack.dtrtrs(at.upper, at.inside)
        if singular and np.isfinite(at.upper).all():
            coefficients = np.linalg.lstsq(np.triu(at.upper), at.inside, rcond=None)[0]
        slopes = constraints.law.theta_jacobian(
            coarse.time, at.theta, constraints.linear(coefficients)
        )
        slopes = slopes[constraints.free]
        if not constraints.law.signed:
            slopes = slopes * at.theta[constraints.free, None]
        if coarse.root_weights is not None:
            slopes = slopes * coarse.root_weights
        along = -(slopes - (slopes @ at.frame) @ at.frame.T).T
        return along if np.isfinite(along).all() else np.zeros_like(along)

    return residual, jacobian
