"""The curves of secondary plots: one table of models, each in the parameters that are reported.

Sources: Fersht, Structure and Mechanism in Protein Science (1999), chapters 4 and 6, for the line,
the rising and the falling hyperbola; Hill, J. Physiol. 40, iv (1910); Arrhenius, Z. Phys. Chem. 4,
226 (1889); Eyring, J. Chem. Phys. 3, 107 (1935), 10.1063/1.1749604; Vogt and Di Cera,
Biochemistry 51, 5894 (2012), 10.1021/bi3006913, for what a falling k_obs means.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.constants import Boltzmann, Planck, R

from stopflow.trace import FloatArray

Function = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
"""(x (M,), parameters (p,)) -> y (M,), dy/dparameters (M, p)."""
KILO = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveParameter:
    """A parameter of a curve.

    Attributes
    ----------
    unit
        As it stands in the tables.
    symbol
        How it is written on paper.
    headline
        How the first page of a report calls it; empty for parameters that stay in the table.
    scanned
        Grid over which the parameter is sought, in units of the largest x (``"x"``) or as it is
        (``"number"``); None for parameters that enter linearly.
    """

    name: str
    unit: str
    symbol: str = ""
    headline: str = ""
    scanned: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondaryCurve:
    """A model of a secondary plot.

    Attributes
    ----------
    kind
        Its key in `CURVES`, as in the tables.
    against
        ``"concentration"`` or ``"temperature"``.
    equation, paper
        In plain text, and as it is typeset.
    parameters
        In the order in which they are reported.
    function
        Values and slopes; `x` is the concentration in M, or 1 / T in 1/K.
    fewest
        Distinct values of x that it needs.
    valid
        Whether fitted parameters mean what the names say, for instance a k_max above 0.
    """

    kind: str
    against: str
    equation: str
    paper: str
    parameters: tuple[CurveParameter, ...]
    function: Function
    fewest: int
    valid: Callable[[FloatArray], bool] = lambda _values: True

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(item.name for item in self.parameters)


def _line(x: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    k_on, k_off = values
    return k_off + k_on * x, np.stack((x, np.ones_like(x)), axis=-1)


def _constant(x: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    return np.full_like(x, values[0]), np.ones((*x.shape, 1))


def _hyperbola(x: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    k_max, half, k_off = values
    share = x / (half + x)
    slopes = (share, -k_max * x / (half + x) ** 2, np.ones_like(x))
    return k_off + k_max * share, np.stack(slopes, axis=-1)


def _falling(x: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    k_0, k_inf, half = values
    share = half / (half + x)
    slopes = (share, 1 - share, (k_0 - k_inf) * x / (half + x) ** 2)
    return k_inf + (k_0 - k_inf) * share, np.stack(slopes, axis=-1)


def _hill(x: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    k_max, half, n, k_off = values
    safe = np.where(x > 0, x, half)
    power = np.where(x > 0, (safe / half) ** n, 0.0)
    share = power / (1 + power)
    bend = k_max * power / (1 + power) ** 2
    slopes = (share, -bend * n / half, bend * np.log(safe / half), np.ones_like(x))
    return k_off + k_max * share, np.stack(slopes, axis=-1)


def _arrhenius(x: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    energy, log_a = values
    return log_a - energy * KILO / R * x, np.stack((-KILO / R * x, np.ones_like(x)), axis=-1)


def _eyring(x: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    enthalpy, entropy = values
    y = np.log(Boltzmann / Planck) + entropy / R - enthalpy * KILO / R * x
    return y, np.stack((-KILO / R * x, np.full_like(x, 1 / R)), axis=-1)


_HALF = CurveParameter(name="K", unit="M", scanned="x")
_K_OFF = CurveParameter(name="k_off", unit="s^-1")
_K_MAX = CurveParameter(name="k_max", unit="s^-1", headline="k_max")

CURVES: Mapping[str, SecondaryCurve] = {
    curve.kind: curve
    for curve in (
        SecondaryCurve(
            kind="line",
            against="concentration",
            equation="k_obs = k_off + k_on [S]",
            paper="k = k_off + k_on [S]",
            parameters=(CurveParameter(name="k_on", unit="M^-1 s^-1", headline="k_on"), _K_OFF),
            function=_line,
            fewest=3,
        ),
        SecondaryCurve(
            kind="hyperbola",
            against="concentration",
            equation="k_obs = k_off + k_max [S] / (K + [S])",
            paper="k = k_off + k_max [S] / (K + [S])",
            parameters=(_K_MAX, _HALF, _K_OFF),
            function=_hyperbola,
            fewest=4,
            valid=lambda values: bool(values[0] > 0),
        ),
        SecondaryCurve(
            kind="falling hyperbola",
            against="concentration",
            equation="k_obs = k_inf + (k_0 - k_inf) K / (K + [S])",
            paper="k = k_inf + (k_0 − k_inf) K / (K + [S])",
            parameters=(
                CurveParameter(name="k_0", unit="s^-1", headline="k_0"),
                CurveParameter(name="k_inf", unit="s^-1", headline="k_inf"),
                _HALF,
            ),
            function=_falling,
            fewest=4,
            valid=lambda values: bool(values[0] > values[1]),
        ),
        SecondaryCurve(
            kind="Hill",
            against="concentration",
            equation="k_obs = k_off + k_max [S]^n / (K^n + [S]^n)",
            paper="k = k_off + k_max [S]ⁿ / (Kⁿ + [S]ⁿ)",
            parameters=(
                _K_MAX,
                _HALF,
                CurveParameter(name="n", unit="", scanned="number"),
                _K_OFF,
            ),
            function=_hill,
            fewest=6,
            valid=lambda values: bool(values[0] > 0),
        ),
        SecondaryCurve(
            kind="constant",
            against="concentration",
            equation="k_obs = k",
            paper="k does not depend on [S]",
            parameters=(
                CurveParameter(
                    name="k", unit="s^-1", headline="rate that does not depend on concentration"
                ),
            ),
            function=_constant,
            fewest=3,
        ),
        SecondaryCurve(
            kind="arrhenius",
            against="temperature",
            equation="ln k = ln A - Ea / (R T)",
            paper="ln k = ln A − Ea / (R T)",
            parameters=(
                CurveParameter(name="Ea", unit="kJ/mol", headline="activation energy Ea"),
                CurveParameter(name="ln A", unit=""),
            ),
            function=_arrhenius,
            fewest=3,
        ),
        SecondaryCurve(
            kind="eyring",
            against="temperature",
            equation="ln(k / T) = ln(kB / h) + dS / R - dH / (R T)",
            paper="ln(k / T) = ln(kB / h) + ΔS‡ / R − ΔH‡ / (R T)",
            parameters=(
                CurveParameter(name="dH", unit="kJ/mol", symbol="ΔH‡"),
                CurveParameter(name="dS", unit="J/(mol K)", symbol="ΔS‡"),
            ),
            function=_eyring,
            fewest=3,
        ),
    )
}
