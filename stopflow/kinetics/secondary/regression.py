"""Weighted fits of the curves of `CURVES` through a few points, with intervals and bands.

How well the errors of the points are known is said by the degrees of freedom behind them:
infinitely many for errors that are given, 0 where they leave out part of the scatter.
"""

from dataclasses import dataclass
from itertools import product
from math import inf, isfinite, log, nan

import numpy as np
from scipy.optimize import minimize
from scipy.special import chdtrc, fdtrc, stdtrit

from stopflow.kinetics.secondary.curves import CURVES, SecondaryCurve
from stopflow.kinetics.solver.statistics import small_sample_aic
from stopflow.trace import FloatArray, frozen_array

FOLLOWED = 0.05
"""Chance of a misfit from which on points are taken to follow a curve within their errors."""
NO_MISFIT = 1e-12
REACH = 30.0
"""A half point is sought down to 1/30 of the smallest and up to 30 times the largest x."""
HILL_SPAN = (0.3, 6.0)
SCAN = 24
HILL_SCAN = 12


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

    model: SecondaryCurve
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
        """AICc with the errors of the points as they are; NaN where the points do not suffice."""
        return self.information(errors_known=self.error_dof > 0)

    def information(self, *, errors_known: bool) -> float:
        """AICc of the points, or of the shots behind them.

        Parameters
        ----------
        errors_known
            Whether the scatter of the replicates, with its degrees of freedom, counts beside that
            of the points; otherwise the points alone tell their scatter.
        """
        numbers = len(self.values) + 1
        if errors_known and self.error_dof == inf:
            return self.squares + 2.0 * numbers
        behind = int(self.error_dof) if errors_known else 0
        count = self.points + behind
        scatter = log(max((behind + self.squares) / count, NO_MISFIT))
        found = small_sample_aic(count, numbers=numbers, information=scatter)
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
        y, slopes = self.model.function(np.asarray(x, dtype=np.float64), self.values)
        half = self.quantile(level) * np.sqrt(
            np.maximum(np.einsum("mi,ij,mj->m", slopes, self.covariance, slopes), 0)
        )
        return y, y - half, y + half


def fit_curve(
    model: SecondaryCurve,
    x: FloatArray,
    y: FloatArray,
    errors: FloatArray,
    *,
    error_dof: float = inf,
) -> Curve | None:
    """Fit a weighted curve, globally in the parameters that do not enter linearly.

    Returns
    -------
    curve
        None when there are too few points, when a parameter runs to the end of its grid (there the
        curve is a step, a constant or a simpler curve), or when the parameters do not mean what
        their names say.
    """
    scanned = [i for i, item in enumerate(model.parameters) if item.scanned]
    if len(np.unique(x)) < model.fewest or (scanned and not (x > 0).any()):
        return None
    grids = [_grid(str(model.parameters[i].scanned), x) for i in scanned]
    logs: FloatArray | None = np.zeros(0)
    if scanned:
        logs = _search(model, scanned, grids, x, y, errors)
    if logs is None:
        return None
    values = _project(model, scanned, logs, x, y, errors)[0]
    if not model.valid(values):
        return None
    return _curve(model, values, x, y, errors, error_dof=error_dof)


def fit_line(x: FloatArray, y: FloatArray, errors: FloatArray, *, error_dof: float = inf) -> Curve:
    """Fit a weighted straight line to (n >= 2) points."""
    values = _project(CURVES["line"], [], np.zeros(0), x, y, errors)[0]
    return _curve(CURVES["line"], values, x, y, errors, error_dof=error_dof)


def curvature_chance(
    x: FloatArray, y: FloatArray, errors: FloatArray, *, error_dof: float = inf
) -> float:
    """Chance of a quadratic term as large in data from a straight line; NaN below 4 points.

    The gain in squares is held against the errors of the points where the bent curve follows them
    within these, else, and with errors that leave out part of the scatter, against its own misfit.
    """
    if len(np.unique(x)) < 4:
        return nan
    scaled = (x - x.mean()) / np.ptp(x)
    squares = _solve(np.stack((np.ones_like(x), scaled, scaled**2), axis=-1), y, errors)[1]
    gain = max(fit_line(scaled, y, errors).squares - squares, 0.0)
    free = len(x) - 3
    own = float(fdtrc(1, free, gain * free / max(squares, NO_MISFIT)))
    if error_dof == 0:
        return own
    known, misfit = float(chdtrc(1, gain)), float(chdtrc(free, squares))
    if error_dof < inf:
        known = float(fdtrc(1, error_dof, gain))
        misfit = float(fdtrc(free, error_dof, squares / free))
    return known if misfit >= FOLLOWED else max(known, own)


def _grid(scanned: str, x: FloatArray) -> FloatArray:
    """Logarithms of the values that are tried."""
    if scanned == "number":
        return np.linspace(log(HILL_SPAN[0]), log(HILL_SPAN[1]), HILL_SCAN)
    return np.linspace(log(x[x > 0].min() / REACH), log(x.max() * REACH), SCAN)


def _search(
    model: SecondaryCurve,
    scanned: list[int],
    grids: list[FloatArray],
    x: FloatArray,
    y: FloatArray,
    errors: FloatArray,
) -> FloatArray | None:
    """Find the minimum: the best point of the grid, refined; None at its edge."""

    def misfit(logs: FloatArray) -> float:
        return _project(model, scanned, logs, x, y, errors)[1]

    best = min(product(*grids), key=lambda at: misfit(np.array(at)))
    if any(value in (grid[0], grid[-1]) for value, grid in zip(best, grids, strict=True)):
        return None
    found = minimize(
        misfit, np.array(best), method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-14}
    )
    inside = all(grid[0] < at < grid[-1] for at, grid in zip(found.x, grids, strict=True))
    return np.asarray(found.x) if inside else None


def _project(
    model: SecondaryCurve,
    scanned: list[int],
    logs: FloatArray,
    x: FloatArray,
    y: FloatArray,
    errors: FloatArray,
) -> tuple[FloatArray, float]:
    """Solve for the linear parameters: all parameters (p,), and the sum of squares."""
    values = np.zeros(len(model.parameters))
    values[scanned] = np.exp(logs)
    offset, slopes = model.function(x, values)
    linear = [i for i in range(len(values)) if i not in scanned]
    solved, squares, _ = _solve(slopes[:, linear], y - offset, errors)
    values[linear] = solved
    return values, squares


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
    model: SecondaryCurve,
    values: FloatArray,
    x: FloatArray,
    y: FloatArray,
    errors: FloatArray,
    *,
    error_dof: float,
) -> Curve:
    fitted, slopes = model.function(x, values)
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
