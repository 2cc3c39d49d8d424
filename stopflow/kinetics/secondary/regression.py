"""Weighted straight lines and hyperbolas through a few points, with intervals and bands.

How well the errors of the points are known is said by the degrees of freedom behind them:
infinitely many for errors that are given, 0 where they leave out part of the scatter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, inf, isfinite, log, nan

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import chdtrc, fdtrc, stdtrit

from stopflow.kinetics.solver.statistics import small_sample_aic
from stopflow.trace import FloatArray, frozen_array

Model = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
"""(x (M,), parameters (p,)) -> y (M,), dy/dparameters (M, p)."""
FOLLOWED = 0.05
"""Chance of a misfit from which on points are taken to follow a curve within their errors."""
NO_MISFIT = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """A curve through points with known relative weights.

    Attributes
    ----------
    model
        What was fitted.
    values, covariance
        (p,) and (p, p). The errors of the points are scaled up where the points scatter more
        about the curve than they say, never down.
    points
        How many.
    squares
        Weighted sum.
    error_dof
        Degrees of freedom behind the errors of the points.
    """

    model: Model
    values: FloatArray
    covariance: FloatArray
    points: int
    squares: float
    error_dof: float = inf

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", frozen_array(self.values))
        object.__setattr__(self, "covariance", frozen_array(self.covariance))

    @property
    def dof(self) -> int:
        """Points less parameters."""
        return self.points - len(self.values)

    @property
    def aicc(self) -> float:
        """AICc of the weighted squares; NaN where the points do not suffice for one."""
        information = log(max(self.squares, NO_MISFIT) / self.points)
        found = small_sample_aic(self.points, numbers=len(self.values) + 1, information=information)
        return found if isfinite(found) else nan

    @property
    def misfit_chance(self) -> float:
        """Chance of points that lie as far off, given their errors."""
        if self.dof <= 0:
            return 1.0
        if 0 < self.error_dof < inf:
            return float(fdtrc(self.dof, self.error_dof, self.squares / self.dof))
        return float(chdtrc(self.dof, self.squares))

    def quantile(self, level: float = 0.95) -> float:
        """Student's two-sided quantile."""
        return float(stdtrit(self.dof, 0.5 + level / 2)) if self.dof > 0 else inf

    def band(
        self, x: FloatArray, *, level: float = 0.95
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Evaluate the curve with its pointwise confidence band: (y, low, high), each (M,)."""
        y, slopes = self.model(np.asarray(x, dtype=np.float64), self.values)
        half = self.quantile(level) * np.sqrt(
            np.maximum(np.einsum("mi,ij,mj->m", slopes, self.covariance, slopes), 0)
        )
        return y, y - half, y + half


def line(x: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``y = v0 + v1 x``."""
    return values[0] + values[1] * x, np.stack((np.ones_like(x), x), axis=-1)


def hyperbola(x: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``y = v0 + v1 x / (v2 + x)``; rapid binding, then a first-order step."""
    share = x / (values[2] + x)
    slope = -values[1] * x / (values[2] + x) ** 2
    return values[0] + values[1] * share, np.stack((np.ones_like(x), share, slope), axis=-1)


def parabola(x: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``y = v0 + v1 x + v2 x^2``."""
    powers = np.stack((np.ones_like(x), x, x**2), axis=-1)
    return powers @ values, powers


def fit_line(x: FloatArray, y: FloatArray, errors: FloatArray, *, error_dof: float = inf) -> Curve:
    """Fit a weighted straight line to (n >= 2) points."""
    columns = np.stack((np.ones_like(x), x), axis=-1)
    values = _solve(columns, y, errors)[0]
    return _curve(line, values, x, y, errors, error_dof=error_dof)


def fit_hyperbola(
    x: FloatArray, y: FloatArray, errors: FloatArray, *, error_dof: float = inf
) -> Curve | None:
    """Fit a weighted hyperbola, globally in its half point; None when the data hold none.

    The half point is sought from 1/30 of the smallest to 30 times the largest x > 0; at either
    end the curve is a step or a straight line.
    """
    positive = x[x > 0]
    if len(x) < 4 or len(positive) < 3:
        return None

    def misfit(log_half: float) -> float:
        columns = np.stack((np.ones_like(x), x / (exp(log_half) + x)), axis=-1)
        return _solve(columns, y, errors)[1]

    low, high = log(positive.min() / 30), log(positive.max() * 30)
    grid = np.linspace(low, high, 60)
    best = int(np.argmin([misfit(at) for at in grid]))
    if best in (0, len(grid) - 1):
        return None
    found = minimize_scalar(
        misfit,
        bounds=(float(grid[best - 1]), float(grid[best + 1])),
        method="bounded",
        options={"xatol": 1e-10},
    )
    half = exp(float(found.x))
    base, top = _solve(np.stack((np.ones_like(x), x / (half + x)), axis=-1), y, errors)[0]
    values = np.array([base, top, half])
    return _curve(hyperbola, values, x, y, errors, error_dof=error_dof)


def curvature_chance(
    x: FloatArray, y: FloatArray, errors: FloatArray, *, error_dof: float = inf
) -> float:
    """Chance of a quadratic term as large in data from a straight line; NaN below 4 points."""
    if len(np.unique(x)) < 4:
        return nan
    scaled = (x - x.mean()) / np.ptp(x)
    values = _solve(parabola(scaled, np.zeros(3))[1], y, errors)[0]
    bent = _curve(parabola, values, scaled, y, errors, error_dof=error_dof)
    return gain_chance(fit_line(scaled, y, errors, error_dof=error_dof), bent)


def gain_chance(straight: Curve, bent: Curve) -> float:
    """Chance that straight data gain as much from one parameter more (F test).

    The gain in squares is held against the errors of the points where the bent curve follows them
    within these, else, and with errors that leave out part of the scatter, against its own misfit.
    """
    gain = max(straight.squares - bent.squares, 0.0)
    own = 1.0
    if bent.dof > 0:
        own = float(fdtrc(1, bent.dof, gain * bent.dof / max(bent.squares, NO_MISFIT)))
    if bent.error_dof == 0:
        return own
    known = float(chdtrc(1, gain))
    if bent.error_dof < inf:
        known = float(fdtrc(1, bent.error_dof, gain))
    return known if bent.misfit_chance >= FOLLOWED else max(known, own)


def _solve(
    columns: FloatArray, y: FloatArray, errors: FloatArray
) -> tuple[FloatArray, float, FloatArray]:
    """Weighted linear least squares: (values, sum of squares, covariance)."""
    weighted = columns / errors[:, None]
    lengths = np.sqrt(np.einsum("np,np->p", weighted, weighted))
    lengths = np.where(lengths > 0, lengths, 1)
    pseudo = np.linalg.pinv(weighted / lengths) / lengths[:, None]
    values = pseudo @ (y / errors)
    rest = (y - columns @ values) / errors
    return values, float(rest @ rest), pseudo @ pseudo.T


def _curve(
    model: Model,
    values: FloatArray,
    x: FloatArray,
    y: FloatArray,
    errors: FloatArray,
    *,
    error_dof: float,
) -> Curve:
    fitted, slopes = model(x, values)
    rest = (y - fitted) / errors
    squares = float(rest @ rest)
    free = len(x) - len(values)
    covariance = _solve(slopes, y, errors)[2]
    scale = max(squares / free, 1.0) if free > 0 else 1.0
    return Curve(
        model=model,
        values=values,
        covariance=covariance * scale,
        points=len(x),
        squares=squares,
        error_dof=error_dof,
    )
