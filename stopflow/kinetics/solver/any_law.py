"""Any rate law: Levenberg-Marquardt on the projected residual, from a start.

The linear parameters are projected out as in `one_rate`, with the Jacobian of Kaufman, BIT 15, 49
(1975), 10.1007/BF01932995.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import leastsq

from stopflow.kinetics.laws import RealArray
from stopflow.kinetics.solver.blocks import block_means
from stopflow.kinetics.solver.fixed_parameters import Constraints
from stopflow.kinetics.solver.projection import qr_of_rows
from stopflow.kinetics.solver.window import SMALLEST_NUMBER, Window
from stopflow.trace import FloatArray

Built = TypeVar("Built")

# Bounds the first step in logarithms, as a part of the length of these: a longer one may leave the
# valley that the start lies in.
FIRST_STEP = 0.3
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
        return rows if self.root_weights is None else rows * self.root_weights, self.rest(fixed)

    def rest(self, fixed: RealArray | None) -> RealArray:
        """Weight what a fixed part (..., N) leaves of the signal."""
        rest = self.signal if fixed is None else self.signal - fixed
        return rest if self.root_weights is None else rest * self.root_weights


def coarse_problem(constraints: Constraints, window: Window) -> Coarse:
    """Compress a window to block means."""
    time, signal, root_weights = block_means(window)
    return Coarse(constraints=constraints, time=time, signal=signal, root_weights=root_weights)


def linear_part(coarse: Coarse, theta: FloatArray) -> FloatArray:
    """Free linear parameters (f,) that fit best at `theta` (q,)."""
    rows, rest = coarse.rows(theta)
    if not np.isfinite(rows).all():
        return np.full(len(rows), np.nan)
    return np.linalg.lstsq(rows.T, rest, rcond=None)[0]


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
    theta_at = partial(_place, constraints, bounds)
    residual, jacobian = projected_problem(coarse, theta_at)
    inside = start[constraints.free] if bounds is None else np.log(start[constraints.free])
    if not np.isfinite(residual(inside)).all() or len(coarse.time) < len(inside):
        return start, np.inf
    found, _, info, _, _ = leastsq(
        residual,
        inside,
        Dfun=jacobian,
        full_output=True,
        xtol=tolerance,
        ftol=tolerance,
        gtol=tolerance,
        maxfev=steps,
        **({"diag": np.ones(len(inside)), "factor": FIRST_STEP} if bounds is not None else {}),
    )
    return theta_at(found), float(info["fvec"] @ info["fvec"]) / 2


def _place(
    constraints: Constraints, bounds: tuple[FloatArray, FloatArray] | None, x: FloatArray
) -> FloatArray:
    """All nonlinear parameters (q,) at the free ones, or at their logarithms within `bounds`."""
    theta = constraints.theta.copy()
    inside = x if bounds is None else np.exp(np.minimum(np.maximum(x, bounds[0]), bounds[1]))
    theta[constraints.free] = inside
    return theta


@dataclass(frozen=True, slots=True, eq=False)
class _Projection:
    """The QR decomposition of the linear terms at one x, and the residual of the signal."""

    theta: FloatArray
    frame: FloatArray
    upper: FloatArray
    inside: FloatArray
    rest: FloatArray


def _kept_at_one_place(build: Callable[[FloatArray], Built]) -> Callable[[FloatArray], Built]:
    """Keep what is built at one place x (q,), which MINPACK asks for more than once in a row."""
    latest: list[tuple[bytes, Built]] = []

    def at(x: FloatArray) -> Built:
        place = x.tobytes()
        if not latest or latest[0][0] != place:
            latest[:] = [(place, build(x))]
        return latest[0][1]

    return at


def projected_problem(
    coarse: Coarse, theta_at: Callable[[FloatArray], FloatArray]
) -> tuple[Callable[[FloatArray], FloatArray], Callable[[FloatArray], FloatArray]]:
    """Residual (N,) and Kaufman's Jacobian (N, q) as functions of the logarithms of theta."""
    constraints = coarse.constraints
    free = constraints.free if constraints.any_fixed else slice(None)
    worst = NO_VALUE * (float(np.abs(coarse.signal).max()) + SMALLEST_NUMBER)

    @_kept_at_one_place
    def project_at(x: FloatArray) -> _Projection:
        theta = theta_at(x)
        rows, rest = coarse.rows(theta)
        frame, upper = qr_of_rows(rows)
        inside = rest @ frame
        left = rest - frame @ inside
        if not np.isfinite(left).all():
            left = np.full_like(coarse.signal, worst)
        return _Projection(theta, frame, upper, inside, left)

    def residual(x: FloatArray) -> FloatArray:
        return project_at(x).rest

    @_kept_at_one_place
    def jacobian(x: FloatArray) -> FloatArray:
        at = project_at(x)
        coefficients: RealArray = at.inside
        singular = 0
        if len(coefficients):
            coefficients, singular = lapack.dtrtrs(at.upper, at.inside)
        if singular and np.isfinite(at.upper).all():
            coefficients = np.linalg.lstsq(np.triu(at.upper), at.inside, rcond=None)[0]
        linear = constraints.linear(coefficients)
        slopes = constraints.law.theta_jacobian(coarse.time, at.theta, linear)[free]
        if not constraints.law.signed:
            slopes = slopes * at.theta[free, None]
        if coarse.root_weights is not None:
            slopes = slopes * coarse.root_weights
        along = -(slopes - (slopes @ at.frame) @ at.frame.T).T
        return along if np.isfinite(along).all() else np.zeros_like(along)

    return residual, jacobian
