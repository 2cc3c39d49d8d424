"""What a rate law is: a curve with named parameters, some linear and some nonlinear.

``y(t) = sum_j c_j phi_j(t; theta)``. Time runs from the start of the reaction, so an amplitude is
the amplitude *at the start time*.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import exp, nan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stopflow.kinetics.laws.half_life import find_half_life

# Extended precision is kept where it is given, hence any real dtype.
RealArray = NDArray[Any]
Basis = Callable[[RealArray, RealArray], RealArray]
ThetaJacobian = Callable[[RealArray, RealArray, RealArray], RealArray]
HalfLife = Callable[[Mapping[str, float]], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportional:
    """A linear parameter bound to another: ``parameter = factor * to``.

    ``y = b (1 - exp(-k t))`` is the law ``single`` with ``intercept = -1 * amplitude``.
    """

    to: str
    factor: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeRange:
    """The values that a nonlinear parameter without a unit may take.

    Attributes
    ----------
    low, high
        A fit that would leave them is refused.
    below, above
        What to do instead where it would; empty: there is nothing to be said.
    starts
        Where the scan looks.
    """

    low: float
    high: float
    starts: tuple[float, ...]
    below: str = ""
    above: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLaw:
    """One rate law, and everything that the rest of the program has to know about it.

    Attributes
    ----------
    key
        Name in settings and files.
    title
        Name in sentences: "fitted to a single exponential".
    use
        When to choose it, in one sentence.
    formula, equation
        In plain text, and as a paper prints it.
    source
        For those who want to check.
    nonlinear
        Names of theta; ``*_per_s`` are rates.
    linear
        Names of the coefficients c, the phases' amplitudes first, in the order of their rates.
    shapes
        The range of every nonlinear parameter that is not a rate.
    exponentials
        How many of the leading linear terms are plain ``exp(-k_i t)``; 0 for other shapes.
    exchangeable
        How many of the leading rates may change places without changing the curve (with their
        amplitudes, where there is one for each). A fit gives them in falling order.
    rivals
        Laws that it is compared with; a rival that is clearly better and moves k fails the shot.
    remedy
        What to do when the data ask for this law instead of the one fitted.
    special
        Laws that are this one at a limit, or with some of its parameters fixed: what comes from one
        of them this law describes as well.
    column
        Name in the columns in which its k and AICc stand beside those of the law reported; empty:
        it has none. `heading` stands above them.
    memoryless
        Whether the law keeps its shape and its k when it is counted from a later start.
    pseudo_first_order
        Whether a second reagent must be in excess for the law to hold.
    signed
        Whether nonlinear parameters may be negative: those of a user's expression.
    basis
        ``(time (N,), theta (..., q)) -> phi (..., m, N)``.
    offset
        ``(time (N,), theta (..., q)) -> (..., N)``: what has no coefficient; None for nothing.
    theta_jacobian
        ``(time (N,), theta (q,), linear (m,)) -> dy/dtheta (q, N)``.
    half_life
        In seconds, from the parameters by name; None where it has no closed form.
    """

    key: str
    title: str = ""
    use: str = ""
    formula: str
    equation: str = ""
    source: str
    nonlinear: tuple[str, ...]
    linear: tuple[str, ...]
    shapes: Mapping[str, ShapeRange] = field(default_factory=dict)
    exponentials: int = 0
    exchangeable: int = 1
    rivals: tuple[str, ...] = ()
    remedy: str = ""
    special: tuple[str, ...] = ()
    column: str = ""
    heading: str = ""
    memoryless: bool = False
    pseudo_first_order: bool = True
    signed: bool = False
    basis: Basis
    offset: Basis | None = None
    theta_jacobian: ThetaJacobian
    half_life: HalfLife | None = None

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters, nonlinear first."""
        return self.nonlinear + self.linear

    @property
    def rates(self) -> tuple[str, ...]:
        """Names of the nonlinear parameters that are rates."""
        return tuple(name for name in self.nonlinear if name.endswith("_per_s"))

    @property
    def phases(self) -> tuple[str, ...]:
        """Names of the amplitudes; empty for an expression without one of that name."""
        return tuple(name for name in self.linear if name.startswith("amplitude"))

    def evaluate(self, time_s: ArrayLike, parameters: Mapping[str, float]) -> RealArray:
        """Signal (N,) at `time_s` (N,), seconds since the start."""
        theta, linear = self._vectors(parameters)
        time = np.asarray(time_s, dtype=np.float64)
        signal = linear @ self.basis(time, theta)
        return signal if self.offset is None else signal + self.offset(time, theta)

    def jacobian(self, time_s: ArrayLike, parameters: Mapping[str, float]) -> RealArray:
        """Differentiate the signal: (N, p), columns in the order of `parameters`."""
        theta, linear = self._vectors(parameters)
        time = np.asarray(time_s, dtype=np.float64)
        rows = (self.theta_jacobian(time, theta, linear), self.basis(time, theta))
        return np.concatenate(rows).T

    @property
    def compared_rate(self) -> str:
        """How the rate that laws are compared by is called: of several phases, the main one."""
        return "k" if len(self.rates) == 1 else "main k"

    def main_rate(self, parameters: Mapping[str, float], *, window_s: float) -> str:
        """Name the rate of the phase that changes the signal most within a window.

        A slow phase under a drift may have any amplitude and hardly change before the record ends.
        Of two steps in a row, whose change is one, it is the slower one.
        """
        rates = self.nonlinear[: self.exchangeable]
        if not self.exponentials == self.exchangeable > 1:
            return rates[-1] if rates else "k_per_s"
        changes = [
            abs(parameters[amplitude]) * (1 - exp(-parameters[rate] * window_s))
            for rate, amplitude in zip(rates, self.phases, strict=True)
        ]
        return rates[int(np.argmax(changes))]

    def half_life_s(self, parameters: Mapping[str, float]) -> float:
        """Time in which half of the phases' change is over; NaN for a law that has none.

        A user's formula has none, and neither has a curve that turns back.
        """
        if self.signed or any(not parameters[name] > 0 for name in self.rates):
            return nan
        if self.half_life is not None:
            return self.half_life(parameters)
        return find_half_life(self, parameters)

    def by_falling_rate(self, theta: RealArray) -> NDArray[np.intp]:
        """Places (p,) of all parameters that put the exchangeable phases in falling order of rate.

        ``parameters[places]`` is the same curve.
        """
        places = np.arange(len(self.parameters))
        count = self.exchangeable
        order = np.argsort(-np.asarray(theta[:count], dtype=np.float64), kind="stable")
        places[:count] = order
        if self.exponentials == count:
            first = len(self.nonlinear)
            places[first : first + count] = first + order
        return places

    def _vectors(self, parameters: Mapping[str, float]) -> tuple[RealArray, RealArray]:
        return (
            np.array([parameters[name] for name in self.nonlinear]),
            np.array([parameters[name] for name in self.linear]),
        )


def baseline_rows(time: RealArray, *, slope: bool, intercept: bool) -> RealArray:
    """Rows (0 to 2, N) of the straight line under the reaction: t, 1."""
    rows = [time] * slope + [np.ones_like(time)] * intercept
    return np.array(rows, dtype=time.dtype).reshape(len(rows), len(time))


def with_baseline(phases: RealArray, time: RealArray, *, slope: bool, intercept: bool) -> RealArray:
    """Phases (..., m, N) and the rows of the straight line below them."""
    *stack, count, points = phases.shape
    rows = np.empty((*stack, count + slope + intercept, points), dtype=phases.dtype)
    rows[..., :count, :] = phases
    if slope:
        rows[..., count, :] = time
    if intercept:
        rows[..., -1, :] = 1
    return rows
