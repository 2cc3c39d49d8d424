"""Weighted fits of the curves of `CURVES` through a few points, with intervals and bands.

How well the errors of the points are known is said by the degrees of freedom behind them:
infinitely many for errors that are given, 0 where they leave out part of the scatter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite, log, nan
from types import MappingProxyType

import numpy as np
from scipy.special import chdtrc, fdtrc, stdtrit

from stopflow.kinetics.secondary.curve_model import SecondaryCurve
from stopflow.kinetics.secondary.curve_table import CURVES
from stopflow.kinetics.secondary.search import find_minimum
from stopflow.kinetics.solver.statistics import small_sample_aic
from stopflow.trace import FloatArray, frozen_array

FOLLOWED = 0.05
"""Chance of a misfit from which on points are taken to follow a curve within their errors."""
NO_MISFIT = 1e-12
NOTHING_GIVEN: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """A curve through points with known relative weights.

    Attributes
    ----------
    model
        What was fitted.
    values, covariance
        (p,) and (p, p); rows of what is given are 0. The errors of the points are scaled up where
        the points scatter more about the curve than they say, never down.
    points
        How many; of both phases for a two-step mechanism.
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
    def fitted(self) -> int:
        """Number of parameters that were fitted."""
        return len(self.values) - len(self.model.held)

    @property
    def dof(self) -> int:
        """Points less fitted parameters."""
        return self.points - self.fitted

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
        return information(
            self.squares,
            points=self.points,
            parameters=self.fitted,
            error_dof=self.error_dof if errors_known else 0,
        )

    @property
    def misfit_chance(self) -> float:
        """Chance of points that lie as far off, given their errors."""
        return misfit_chance(self.squares, dof=self.dof, error_dof=self.error_dof)

    def quantile(self, level: float = 0.95) -> float:
        """Student's two-sided quantile."""
        return float(stdtrit(self.dof, 0.5 + level / 2)) if self.dof > 0 else inf

    def band(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Evaluate the curve with its pointwise 95 % band: (y, low, high), each (M,)."""
        y, slopes = self.model.function(np.asarray(x, dtype=np.float64), self.values)
        half = self.quantile() * np.sqrt(
            np.maximum(np.einsum("mi,ij,mj->m", slopes, self.covariance, slopes), 0)
        )
        return y, y - half, y + half


def information(squares: float, *, points: int, parameters: int, error_dof: float) -> float:
    """AICc of weighted points, the scatter counted as a parameter; NaN where they do not suffice.

    Parameters
    ----------
    error_dof
        Degrees of freedom behind the errors of the points; 0: the points alone tell their scatter.
    """
    numbers = parameters + 1
    if error_dof == inf:
        return squares + 2.0 * numbers
    behind = int(error_dof)
    count = points + behind
    scatter = log(max((behind + squares) / count, NO_MISFIT))
    found = small_sample_aic(count, numbers=numbers, information=scatter)
    return found if isfinite(found) else nan


def misfit_chance(squares: float, *, dof: int, error_dof: float) -> float:
    """Chance of a sum of squares as large with `dof` degrees of freedom."""
    if dof <= 0:
        return 1.0
    if 0 < error_dof < inf:
        return float(fdtrc(dof, error_dof, squares / dof))
    return float(chdtrc(dof, squares))


def fit_curve(
    model: SecondaryCurve,
    x: FloatArray,
    y: FloatArray,
    errors: FloatArray,
    *,
    error_dof: float = inf,
    given: Mapping[str, float] = NOTHING_GIVEN,
) -> Curve | None:
    """Fit a weighted curve, globally in the parameters that do not enter linearly.

    Parameters
    ----------
    given
        What the lab knows, by `CurveParameter.given`.

    Returns
    -------
    curve
        None when there are too few points, when something is not given, when a parameter runs to
        the end of its grid (there the curve is a step, a constant or a simpler curve), or when the
        parameters do not mean what their names say.
    """
    scanned = [place for place, item in enumerate(model.parameters) if item.scanned]
    if len(np.unique(x)) < model.fewest or (scanned and not (x > 0).any()):
        return None
    if any(model.parameters[place].given not in given for place in model.held):
        return None
    values = np.zeros(len(model.parameters))
    for place in model.held:
        values[place] = given[model.parameters[place].given]
    if scanned:
        found = find_minimum(model, values, x, y, errors)
        if found is None:
            return None
        values[scanned] = found
    values = _with_linear(model, values, x, y, errors)
    if not model.valid(values):
        return None
    return curve_at(model, values, x, y, errors, error_dof=error_dof)


def fit_line(x: FloatArray, y: FloatArray, errors: FloatArray) -> Curve:
    """Fit a weighted straight line to (n >= 2) points."""
    model = CURVES["line"]
    values = _with_linear(model, np.zeros(len(model.parameters)), x, y, errors)
    return curve_at(model, values, x, y, errors, error_dof=inf)


def _with_linear(
    model: SecondaryCurve, values: FloatArray, x: FloatArray, y: FloatArray, errors: FloatArray
) -> FloatArray:
    """Return the parameters (p,), of which those that enter linearly are 0, with these solved."""
    offset, slopes = model.function(x, values)
    linear = list(model.linear)
    solved = values.copy()
    solved[linear] = _solve(slopes[:, linear], y - offset, errors)[0]
    return solved


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


def curve_at(
    model: SecondaryCurve,
    values: FloatArray,
    x: FloatArray,
    y: FloatArray,
    errors: FloatArray,
    *,
    error_dof: float,
) -> Curve:
    """Return the curve with these parameters (p,), with the covariance at its minimum."""
    fitted, slopes = model.function(x, values)
    rest = (y - fitted) / errors
    squares = float(rest @ rest)
    free = [place for place in range(len(values)) if place not in model.held]
    dof = len(x) - len(free)
    covariance = np.zeros((len(values), len(values)))
    covariance[np.ix_(free, free)] = _solve(slopes[:, free], y, errors)[2]
    scale = max(squares / dof, 1.0) if dof > 0 else 1.0
    return Curve(
        model=model,
        values=values,
        covariance=covariance * scale,
        points=len(x),
        squares=squares,
        error_dof=error_dof,
    )
