"""Any law: scan of all nonlinear parameters, Levenberg-Marquardt on the projected residual.

The linear parameters are projected out as in `fit_rate`, with the Jacobian of Kaufman, BIT 15,
49 (1975), 10.1007/BF01932995. A coarse grid over all free nonlinear parameters gives the starts;
the best few are followed down, and the lowest wins. The last steps run on the points themselves,
in all parameters at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.optimize import least_squares

from stopflow.kinetics.laws import RealArray
from stopflow.kinetics.solver.blocks import block_means
from stopflow.kinetics.solver.fixed_parameters import Pins
from stopflow.kinetics.solver.one_rate import edge_refusal
from stopflow.kinetics.solver.result import FitStatus, Refusal
from stopflow.kinetics.solver.window import SLOWEST_KT, Window, fastest_kt
from stopflow.trace import FloatArray

# Grid points for one, two, three and more free rates.
RATE_COUNTS = (96, 28, 16, 9)
EXPONENTS = (0.15, 0.2, 0.27, 0.35, 0.45, 0.6, 0.8, 1.0, 1.25, 1.6, 2.0)
LOWEST_EXPONENT, HIGHEST_EXPONENT = 0.08, 4.0
STARTS = 3
# Of the sum of squares and of the logarithms: to tell the starts apart, and at the end.
LOOSE, TIGHT = 1e-6, 1e-12
# Keeps the normal equations of the scan solvable where two rates are nearly one.
RIDGE = 1e-13


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coarse:
    """What the scan and the descent work on: points or block means."""

    pins: Pins
    time: FloatArray
    signal: FloatArray
    root_weights: FloatArray | None

    def rows(self, theta: RealArray) -> tuple[RealArray, RealArray]:
        """Weighted rows (..., f, N) of the free linear terms, and what they have to explain."""
        rows, fixed = self.pins.basis(self.time, theta)
        rest = self.signal if fixed is None else self.signal - fixed
        if self.root_weights is None:
            return rows, rest
        return rows * self.root_weights, rest * self.root_weights


def solve_general(pins: Pins, window: Window) -> tuple[FloatArray, FloatArray] | Refusal:
    """Find the global minimum.

    Returns
    -------
    tuple or Refusal
        All nonlinear (q,) and the free linear (f,) parameters, dimensionless.
    """
    time, signal, root_weights = block_means(window)
    coarse = Coarse(pins=pins, time=time, signal=signal, root_weights=root_weights)
    fastest = fastest_kt(window.time)
    if pins.free.any():
        found = [
            _descend(coarse, start, fastest=fastest, tolerance=LOOSE)
            for start in scan_grid(coarse, fastest)
        ]
        best = min(found, key=lambda item: item[1])[0]
        theta = _descend(coarse, best, fastest=fastest, tolerance=TIGHT)[0]
    else:
        theta = pins.theta
    for name, value, free in zip(pins.law.nonlinear, theta, pins.free, strict=True):
        refusal = None
        if free and _rate(name):
            refusal = edge_refusal(value, fastest=fastest, length_s=window.length_s)
        elif free and not LOWEST_EXPONENT < value < HIGHEST_EXPONENT:
            refusal = Refusal(
                status=FitStatus.UNDETERMINED,
                reason=f"{name} would leave {LOWEST_EXPONENT:g} to {HIGHEST_EXPONENT:g}: no curve "
                "of this shape",
            )
        if refusal:
            return refusal
    return theta, linear_part(coarse, theta)


def linear_part(coarse: Coarse, theta: FloatArray) -> FloatArray:
    """Free linear parameters (f,) that fit best at `theta` (q,)."""
    rows, rest = coarse.rows(theta)
    return np.linalg.lstsq(rows.T, rest, rcond=None)[0]


def scan_grid(coarse: Coarse, fastest: float) -> list[FloatArray]:
    """Best few combinations (q,) that are not neighbours of each other."""
    pins = coarse.pins
    free_rates = int(sum(pins.free[i] for i, name in enumerate(pins.law.nonlinear) if _rate(name)))
    others = free_rates < pins.free.sum()
    count = RATE_COUNTS[min(free_rates + others, len(RATE_COUNTS)) - 1]
    rates = np.geomspace(SLOWEST_KT, fastest, count)
    if pins.law.exponentials == len(pins.law.nonlinear) and not pins.pinned:
        thetas, places, misfit = _scan_phases(coarse, rates)
    else:
        thetas, places, misfit = _scan_product(coarse, rates)
    chosen: list[int] = []
    for at in np.argsort(misfit):
        if all(np.abs(places[at] - places[other]).max() > 1 for other in chosen):
            chosen.append(int(at))
        if len(chosen) == STARTS:
            break
    return [thetas[at] for at in chosen]


def _rate(name: str) -> bool:
    return name.endswith("_per_s")


def _scan_phases(
    coarse: Coarse, rates: FloatArray
) -> tuple[FloatArray, NDArray[np.intp], FloatArray]:
    """Scan all choices of exchangeable exponentials, from the products of the single ones.

    Returns
    -------
    tuple
        theta (C, q), places (C, q) on the grid, misfit (C,).
    """
    law = coarse.pins.law
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
    pins = coarse.pins
    axes = [
        [value] if not free else rates if _rate(name) else EXPONENTS
        for name, value, free in zip(pins.law.nonlinear, pins.theta, pins.free, strict=True)
    ]
    thetas = np.array(list(product(*axes)), dtype=np.float64)
    places = np.array(list(product(*(range(len(axis)) for axis in axes))))
    rows, rest = coarse.rows(thetas)
    misfit = (rest * rest).sum(axis=-1)
    if rows.shape[-2]:
        target = (rows @ rest[..., None])[..., 0]
        misfit = misfit - _explained(rows @ np.swapaxes(rows, -1, -2), target)
    return thetas, places, misfit * np.ones(len(thetas))


def _explained(gram: FloatArray, target: FloatArray) -> FloatArray:
    """Explained sums of squares (C,) from products (C, f, f) and (C, f)."""
    largest = np.einsum("cii->ci", gram).max(axis=1)
    gram = gram + np.eye(gram.shape[-1]) * (RIDGE * largest + 1e-300)[:, None, None]
    return np.einsum("cf,cf->c", target, np.linalg.solve(gram, target[..., None])[..., 0])


def _descend(
    coarse: Coarse, start: FloatArray, *, fastest: float, tolerance: float
) -> tuple[FloatArray, float]:
    """Levenberg-Marquardt in the logarithms from `start`; (theta, sum of squares)."""
    pins = coarse.pins
    names = np.array(pins.law.nonlinear)[pins.free]
    rates = np.array([_rate(name) for name in names])
    low = np.log(np.where(rates, SLOWEST_KT / 10, LOWEST_EXPONENT))
    high = np.log(np.where(rates, fastest * 10, HIGHEST_EXPONENT))

    def theta_at(x: FloatArray) -> FloatArray:
        theta = pins.theta.copy()
        theta[pins.free] = np.exp(np.clip(x, low, high))
        return theta

    residual, jacobian = projected_problem(coarse, theta_at)
    found = least_squares(
        residual,
        np.log(start[pins.free]),
        jac=jacobian,
        method="lm",
        xtol=tolerance,
        ftol=tolerance,
        gtol=tolerance,
        max_nfev=200,
    )
    return theta_at(found.x), float(found.cost)


@dataclass(frozen=True, slots=True, eq=False)
class _Projection:
    """The QR decomposition of the linear terms at one x, and what it leaves of the signal."""

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
    pins = coarse.pins
    latest: list[_Projection] = []

    def project_at(x: FloatArray) -> _Projection:
        """Project once for the residual and the Jacobian at the same place."""
        if not latest or not np.array_equal(latest[0].x, x):
            theta = theta_at(x)
            rows, rest = coarse.rows(theta)
            frame, upper = np.linalg.qr(rows.T)
            inside = rest @ frame
            latest[:] = [_Projection(x.copy(), theta, frame, upper, inside, rest - frame @ inside)]
        return latest[0]

    def residual(x: FloatArray) -> FloatArray:
        return project_at(x).rest

    def jacobian(x: FloatArray) -> FloatArray:
        at = project_at(x)
        coefficients, singular = lapack.dtrtrs(at.upper, at.inside)
        if singular:
            coefficients = np.linalg.lstsq(at.upper, at.inside, rcond=None)[0]
        slopes = pins.law.theta_jacobian(coarse.time, at.theta, pins.linear(coefficients))
        slopes = slopes[pins.free] * at.theta[pins.free, None]
        if coarse.root_weights is not None:
            slopes = slopes * coarse.root_weights
        return -(slopes - (slopes @ at.frame) @ at.frame.T).T

    return residual, jacobian


def by_amplitude(
    pins: Pins, theta: FloatArray, coefficients: FloatArray, inverse: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Order phases by falling amplitude at the start, where nothing pinned tells them apart."""
    count = pins.law.exponentials
    unpinned = np.array_equal(pins.mixing[:count], np.eye(len(pins.law.linear))[:count])
    if count < 2 or not (unpinned and pins.free.all()):
        return theta, coefficients, inverse
    order = np.argsort(-np.abs(coefficients[:count]), kind="stable")
    linear = np.concatenate((order, np.arange(count, len(coefficients))))
    rows = np.concatenate((order, count + linear))
    return theta[order], coefficients[linear], inverse[rows]
