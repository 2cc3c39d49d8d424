"""What a model of a secondary plot is: its formula, its parameters and how these are sought."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from stopflow.trace import FloatArray

Function = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
"""(x (M,), parameters (p,)) -> y (M,), dy/dparameters (M, p)."""
PARTNER: Final = "partner"
"""Concentration of the reagent that is not varied, as the workbook names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveParameter:
    """A parameter of a curve.

    Attributes
    ----------
    unit
        As it stands in the tables; ``"y"`` stands for the unit of the points.
    symbol
        How it is written on paper.
    headline
        How the first page of a report calls it; empty for parameters that stay in the table.
    scanned
        Grid over which the parameter is sought: in units of the largest x (``"x"``), a pure number
        (``"number"``), or over the pH of the points (``"pH"``); None for parameters that enter
        linearly.
    given
        What the lab knows and the fit holds, such as `PARTNER`; ``""``: the parameter is fitted.
    """

    name: str
    unit: str
    symbol: str = ""
    headline: str = ""
    scanned: Literal["x", "number", "pH"] | None = None
    given: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondaryCurve:
    """A model of a secondary plot.

    Attributes
    ----------
    kind
        Its key in `CURVES`, as in the tables.
    against
        ``"concentration"``, ``"temperature"`` or ``"pH"``.
    of
        ``"rate"`` or ``"amplitude"``.
    mechanism
        Name of the two-step mechanism of which this is one phase: both phases are fitted with the
        same constants. ``""`` for curves that are fitted alone.
    equation, paper
        In plain text, and as it is typeset where that is more than its minus signs.
    parameters
        In the order in which they are reported.
    function
        Values and slopes; `x` is the concentration in M, 1 / T in 1/K, or the pH.
    fewest
        Distinct values of x that it needs.
    characteristic
        (name, weight) of the parameters whose weighted sum makes the curve what it is: where that
        is zero the points are level. Empty for what has no such constant.
    valid
        Whether fitted parameters mean what the names say, for instance a k_max above 0.
    """

    kind: str
    against: Literal["concentration", "temperature", "pH"] = "concentration"
    of: Literal["rate", "amplitude"] = "rate"
    mechanism: str = ""
    equation: str
    paper: str = ""
    parameters: tuple[CurveParameter, ...]
    function: Function
    fewest: int
    characteristic: tuple[tuple[str, float], ...] = ()
    valid: Callable[[FloatArray], bool] = lambda _values: True

    def __post_init__(self) -> None:
        typeset = self.equation.replace("k_obs", "k").replace(" - ", " − ")
        object.__setattr__(self, "paper", self.paper or typeset)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(item.name for item in self.parameters)

    @property
    def held(self) -> tuple[int, ...]:
        """Places of the parameters that are given and not fitted."""
        return tuple(place for place, item in enumerate(self.parameters) if item.given)

    @property
    def linear(self) -> tuple[int, ...]:
        """Places of the parameters that enter linearly and are fitted."""
        return tuple(
            place
            for place, item in enumerate(self.parameters)
            if not item.scanned and not item.given
        )
