"""The rate laws: pure functions of (time, parameters) with their analytic derivatives.

A law is linear in amplitudes, slope and intercept and nonlinear in rates (and a stretching
exponent): ``y(t) = sum_j c_j phi_j(t; theta)``. Time runs from the start of the reaction, so an
amplitude is the amplitude *at the start time*.

To add a law, write its basis and its derivative and give it a row in `LAWS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stopflow.errors import SettingsError

# Extended precision is kept where it is given, hence any real dtype.
RealArray = NDArray[Any]
Basis = Callable[[RealArray, RealArray], RealArray]
ThetaJacobian = Callable[[RealArray, RealArray, RealArray], RealArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """A linear parameter bound to another: ``parameter = factor * to``.

    ``y = b (1 - exp(-k t))`` is the law ``single`` with ``intercept = -1 * amplitude``.
    """

    to: str
    factor: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLaw:
    """One rate law.

    Attributes
    ----------
    key
        Name in settings and files.
    formula, source
        For reports and for those who want to check.
    nonlinear
        Names of theta, all positive; ``*_per_s`` are rates.
    linear
        Names of the coefficients c, the phases' amplitudes first, in the order of their rates.
    exponentials
        How many of the leading linear terms are plain ``exp(-k_i t)``; 0 for other shapes.
    basis
        ``(time (N,), theta (..., q)) -> phi (..., m, N)``.
    theta_jacobian
        ``(time (N,), theta (q,), linear (m,)) -> dy/dtheta (q, N)``.
    """

    key: str
    formula: str
    source: str
    nonlinear: tuple[str, ...]
    linear: tuple[str, ...]
    exponentials: int
    basis: Basis
    theta_jacobian: ThetaJacobian

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters, nonlinear first."""
        return self.nonlinear + self.linear

    def evaluate(self, time_s: ArrayLike, parameters: Mapping[str, float]) -> RealArray:
        """Signal (N,) at `time_s` (N,), seconds since the start."""
        theta, linear = self._vectors(parameters)
        return linear @ self.basis(np.asarray(time_s, dtype=np.float64), theta)

    def jacobian(self, time_s: ArrayLike, parameters: Mapping[str, float]) -> RealArray:
        """Differentiate the signal: (N, p), columns in the order of `parameters`."""
        theta, linear = self._vectors(parameters)
        time = np.asarray(time_s, dtype=np.float64)
        rows = (self.theta_jacobian(time, theta, linear), self.basis(time, theta))
        return np.concatenate(rows).T

    def _vectors(self, parameters: Mapping[str, float]) -> tuple[RealArray, RealArray]:
        return (
            np.array([parameters[name] for name in self.nonlinear]),
            np.array([parameters[name] for name in self.linear]),
        )


def baseline_rows(time: RealArray, *, slope: bool, intercept: bool) -> RealArray:
    """Rows (0 to 2, N) of the straight line under the reaction: t, 1."""
    rows = [time] * slope + [np.ones_like(time)] * intercept
    return np.array(rows, dtype=time.dtype).reshape(len(rows), len(time))


def _with_baseline(
    phases: RealArray, time: RealArray, *, slope: bool, intercept: bool
) -> RealArray:
    rows = baseline_rows(time, slope=slope, intercept=intercept)
    if phases.ndim == 2:
        return np.concatenate((phases, rows))
    return np.concatenate((phases, np.broadcast_to(rows, (*phases.shape[:-2], *rows.shape))), -2)


def _exponential_basis(
    time: RealArray, theta: RealArray, *, slope: bool, intercept: bool
) -> RealArray:
    """phi_i = exp(-k_i t)."""
    phases = np.exp(-theta[..., :, None] * time)
    return _with_baseline(phases, time, slope=slope, intercept=intercept)


def _exponential_jacobian(time: RealArray, theta: RealArray, linear: RealArray) -> RealArray:
    """dy/dk_i = -c_i t exp(-k_i t)."""
    amplitudes = linear[: len(theta), None]
    return -amplitudes * time * np.exp(-theta[:, None] * time)


def _stretched_power(scaled: RealArray, beta: RealArray) -> RealArray:
    """(k t)^beta, cut where its exponential has vanished."""
    with np.errstate(over="ignore"):
        return np.minimum(scaled**beta, 700)


def _stretched_basis(
    time: RealArray, theta: RealArray, *, slope: bool, intercept: bool
) -> RealArray:
    """Phi = exp(-(k t)^beta)."""
    power = _stretched_power(theta[..., :1] * time, theta[..., 1:])
    return _with_baseline(np.exp(-power)[..., None, :], time, slope=slope, intercept=intercept)


def _stretched_jacobian(time: RealArray, theta: RealArray, linear: RealArray) -> RealArray:
    """dy/dk = -c beta x/k exp(-x), dy/dbeta = -c x ln(k t) exp(-x) with x = (k t)^beta."""
    rate, beta = theta
    scaled = rate * time
    power = _stretched_power(scaled, beta)
    common = -linear[0] * power * np.exp(-power)
    # x ln(k t) -> 0 at t = 0; there x is 0 and the logarithm is taken of 1.
    logarithm = np.log(np.where(scaled > 0, scaled, 1))
    return np.stack((common * beta / rate, common * logarithm))


def sum_of_exponentials(
    count: int, *, slope: bool = False, intercept: bool = True, key: str = "", source: str = ""
) -> RateLaw:
    """Build the law ``sum_i c_i exp(-k_i t) [+ a t] [+ b]`` with `count` phases.

    The phases of a fit come out by falling amplitude at the start time.
    """
    suffixes = ("", *(str(i) for i in range(2, count + 1)))
    terms = [f"c{s} exp(-k{s} t)" for s in suffixes] + ["a t"] * slope + ["b"] * intercept
    return RateLaw(
        key=key or f"{count} exponentials",
        formula="y = " + " + ".join(terms),
        source=source,
        nonlinear=tuple(f"k{s}_per_s" for s in suffixes),
        linear=(
            *(f"amplitude{s}" for s in suffixes),
            *("slope_per_s",) * slope,
            *("intercept",) * intercept,
        ),
        exponentials=count,
        basis=partial(_exponential_basis, slope=slope, intercept=intercept),
        theta_jacobian=_exponential_jacobian,
    )


LAWS: dict[str, RateLaw] = {
    "single": sum_of_exponentials(
        1,
        key="single",
        source="first order; Espenson, Chemical Kinetics and Reaction Mechanisms, 2nd ed., ch. 2",
    ),
    "single-slope": sum_of_exponentials(
        1,
        slope=True,
        key="single-slope",
        source="burst and steady rate; Hartley and Kilby, Biochem. J. 56, 288 (1954),"
        " 10.1042/bj0560288",
    ),
    "double": sum_of_exponentials(
        2,
        key="double",
        source="two consecutive or parallel first-order steps; Espenson, ch. 4",
    ),
    "stretched": RateLaw(
        key="stretched",
        formula="y = c exp(-(k t)^beta) + b",
        source="Williams and Watts, Trans. Faraday Soc. 66, 80 (1970), 10.1039/TF9706600080",
        nonlinear=("k_per_s", "beta"),
        linear=("amplitude", "intercept"),
        exponentials=0,
        basis=partial(_stretched_basis, slope=False, intercept=True),
        theta_jacobian=_stretched_jacobian,
    ),
}


def find_law(law: str | RateLaw) -> RateLaw:
    """Look a law up by its key.

    Raises
    ------
    SettingsError
        Unknown key; lists the valid ones.
    """
    if isinstance(law, RateLaw):
        return law
    if law not in LAWS:
        raise SettingsError("law", law, valid=LAWS)
    return LAWS[law]
