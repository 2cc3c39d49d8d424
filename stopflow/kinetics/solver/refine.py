"""The last steps to the minimum, on the points themselves and in all parameters at once."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from stopflow.kinetics.laws import RealArray
from stopflow.kinetics.solver.blocks import block_means
from stopflow.kinetics.solver.fixed_parameters import Constraints
from stopflow.kinetics.solver.refusals import Refusal, refuse
from stopflow.kinetics.solver.window import Window
from stopflow.trace import FloatArray

# Beyond this the parameters depend on each other within rounding.
LARGEST_CONDITION = 1e11
# Below this noise (over the signal) a residual in extended precision is worth it.
NEARLY_EXACT = 1e-9
LARGEST_COUNT = 60
# Steps after which the curvature is taken anew.
RENEWAL = 6
# Rates of steps in a row that differ by less than this part of them make the curve of one rate, to
# 1e-7 of its amplitude.
SAME = 1e-3
# Steps below this relative size are in the range of fast convergence.
CLOSE = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GaussNewton:
    """The linear least-squares problem around a solution, solved by QR.

    Attributes
    ----------
    step
        (p,) to the minimum: free nonlinear, then free linear parameters.
    target
        (p,) ``R @ step``.
    inverse
        (p, p) inverse of R; ``inverse @ inverse.T`` times the variance is the covariance.
    before, after
        Sum of squares at the solution, and at the end of the step.
    """

    step: RealArray
    target: RealArray
    inverse: FloatArray
    before: float
    after: float


def linearise(
    constraints: Constraints,
    data: tuple[RealArray, RealArray],
    root_weights: FloatArray | None,
    *,
    theta: RealArray,
    coefficients: RealArray,
) -> tuple[FloatArray, RealArray]:
    """Weighted derivatives (p, N) in all free parameters, and the residual in its own dtype."""
    time, signal = data
    rows, fixed = constraints.basis(time, theta)
    residual = signal - coefficients @ rows
    if fixed is not None:
        residual = residual - fixed
    slopes = constraints.law.theta_jacobian(time, theta, constraints.linear(coefficients))[
        constraints.free
    ]
    derivatives = np.empty((constraints.count, len(time)))
    derivatives[: len(slopes)] = slopes
    derivatives[len(slopes) :] = rows
    if root_weights is not None:
        derivatives *= root_weights
        residual = residual * root_weights
    return derivatives, residual


def gauss_newton(derivatives: FloatArray, residual: RealArray) -> GaussNewton | Refusal:
    """Solve ``min |residual - step @ derivatives|`` by QR."""
    size, points = derivatives.shape
    system = np.empty((size + 1, points))
    system[:size], system[size] = derivatives, residual
    factor = lapack.dgeqrf(system.T, overwrite_a=1)[0][: size + 1]
    upper = np.triu(factor[:size, :size])
    lengths = np.sqrt(np.einsum("ij,ij->j", upper, upper))
    inverse, info = lapack.dtrtri(upper / np.where(lengths > 0, lengths, 1))
    condition = float(np.linalg.norm(inverse)) if info == 0 else np.inf
    if not (condition < LARGEST_CONDITION and (lengths > 0).all()):
        return refuse("undetermined")
    inverse = inverse / lengths[:, None]
    return GaussNewton(
        step=inverse @ factor[:size, size],
        target=factor[:size, size],
        inverse=inverse,
        before=float(residual @ residual),
        after=float(factor[size, size]) ** 2,
    )


def curvature(
    constraints: Constraints,
    data: tuple[RealArray, RealArray],
    root_weights: FloatArray | None,
    *,
    theta: RealArray,
    coefficients: RealArray,
) -> FloatArray:
    """Residual times second derivatives (p, p), by differences of the derivatives.

    What Gauss-Newton leaves out of the Hessian, and what makes it creep where residuals are large.
    """
    derivatives, residual = linearise(
        constraints, data, root_weights, theta=theta, coefficients=coefficients
    )
    here = np.concatenate((theta[constraints.free], coefficients))
    free = int(constraints.free.sum())
    bent = np.empty((constraints.count, constraints.count))
    for i, value in enumerate(here):
        shift = 1e-6 * max(abs(float(value)), 1e-6)
        there = here.copy()
        there[i] += shift
        moved = theta.copy()
        moved[constraints.free] = there[:free]
        near, _ = linearise(constraints, data, root_weights, theta=moved, coefficients=there[free:])
        bent[i] = (near - derivatives) @ residual / shift
    return (bent + bent.T) / 2


def newton_step(last: GaussNewton, bent: FloatArray) -> RealArray:
    """Newton's step (p,), or Gauss-Newton's where the sum of squares is not convex."""
    system = np.eye(len(bent)) - last.inverse.T @ bent @ last.inverse
    factor, info = lapack.dpotrf(system)
    if info != 0:
        return last.step
    return last.inverse @ lapack.dpotrs(factor, last.target)[0]


def refine_minimum(
    constraints: Constraints,
    window: Window,
    *,
    theta: RealArray,
    coefficients: RealArray,
    bent_on_points: bool = False,
) -> tuple[FloatArray, FloatArray, GaussNewton] | Refusal:
    """Newton from a good start to machine precision, on the points themselves.

    The curvature comes from block means, unless it is to be that of the points: it sets the pace,
    not the place. Data that are exact to ten digits are worth a residual in extended precision.
    """
    if _meet(constraints, theta):
        return refuse("undetermined")
    times, means, weights = block_means(window)
    coarse = (times, means), weights
    if bent_on_points:
        coarse = (window.time, window.signal), window.root_weights
    found = follow_newton(
        constraints, (window.time, window.signal), window.root_weights, coarse, theta, coefficients
    )
    if isinstance(found, Refusal):
        return found
    theta, coefficients, last = found
    if last.after < len(window.time) * NEARLY_EXACT**2:
        time, signal = (part.astype(np.longdouble) for part in window.exact)
        found = follow_newton(
            constraints,
            (time, signal),
            window.root_weights,
            coarse,
            theta.astype(np.longdouble),
            coefficients.astype(np.longdouble),
        )
        if isinstance(found, Refusal):
            return found
        theta, coefficients, last = found
    return theta.astype(np.float64), coefficients.astype(np.float64), last


def _meet(constraints: Constraints, theta: RealArray) -> bool:
    """Whether steps in a row have the same rate (q,), where their difference has no derivative.

    Rates that have amplitudes of their own may still part on the points.
    """
    law = constraints.law
    rates = theta[: law.exchangeable]
    return bool(law.exchangeable > max(law.exponentials, 1) and np.ptp(rates) < SAME * rates.max())


def follow_newton(
    constraints: Constraints,
    data: tuple[RealArray, RealArray],
    root_weights: FloatArray | None,
    coarse: tuple[tuple[RealArray, RealArray], FloatArray | None],
    theta: RealArray,
    coefficients: RealArray,
) -> tuple[RealArray, RealArray, GaussNewton] | Refusal:
    """Newton from a good start until only rounding is left.

    Parameters
    ----------
    data, root_weights
        Time and signal (N,) and the roots of their weights: points or block means.
    coarse
        The same of what the curvature is taken from.
    theta, coefficients
        All nonlinear (q,) and the free linear (f,) parameters at the start.

    Returns
    -------
    tuple or Refusal
        Both at the minimum, and the linear problem one step before it.
    """
    free = int(constraints.free.sum())
    precision = float(np.finfo(data[1].dtype).eps)
    moved, misfit = np.inf, np.inf
    accepted, step = (theta, coefficients), np.zeros(constraints.count)
    creeping = False
    for count in range(LARGEST_COUNT):
        last = gauss_newton(
            *linearise(constraints, data, root_weights, theta=theta, coefficients=coefficients)
        )
        if isinstance(last, Refusal):
            return last
        if last.before > misfit * (1 + 1e-9) and moved > CLOSE:
            step, moved = step / 2, moved / 2
        else:
            if creeping or count % RENEWAL == 0:
                source = (data, root_weights) if creeping else coarse
                bent = curvature(constraints, *source, theta=theta, coefficients=coefficients)
            accepted, misfit = (theta, coefficients), last.before
            step = newton_step(last, bent)
            before, moved = moved, _relative(step[:free], theta[constraints.free])
            # The next step, if steps keep shrinking as they did; the last digits only wander.
            ahead = moved if before == np.inf else moved * moved / max(before, moved, 1e-300)
            stalled = moved < CLOSE and moved > before / 4
            if ahead < 100 * precision or (stalled and creeping):
                return *_moved(constraints, theta, coefficients, step), last
            # Where two phases are nearly one, the curvature of block means does not do.
            creeping = creeping or stalled
        theta, coefficients = _moved(constraints, *accepted, step)
    return refuse("no-minimum", steps=LARGEST_COUNT)


def _moved(
    constraints: Constraints, theta: RealArray, coefficients: RealArray, step: RealArray
) -> tuple[RealArray, RealArray]:
    """Take a step (p,); rates move in their logarithm and stay positive, unless they are signed."""
    free = int(constraints.free.sum())
    there = theta.copy()
    if constraints.law.signed:
        there[constraints.free] += step[:free]
    else:
        there[constraints.free] *= np.exp(np.clip(step[:free] / theta[constraints.free], -1, 1))
    return there, coefficients + step[free:]


def _relative(step: RealArray, theta: RealArray) -> float:
    """Largest step as a part of its parameter; a parameter of 0 counts as its step."""
    size = np.maximum(np.abs(theta), np.where(step == 0, 1, 1e-9 * np.abs(step)))
    return float(np.abs(step / size).max(initial=0.0))
