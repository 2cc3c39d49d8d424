"""The curves of secondary plots: one table of models, each in the parameters that are reported.

Sources: Fersht, Structure and Mechanism in Protein Science (1999), chapters 4 to 6, for the line,
the hyperbolas, two-step binding and pH profiles; Hill, J. Physiol. 40, iv (1910); Morrison,
Biochim. Biophys. Acta 185, 269 (1969), 10.1016/0005-2744(69)90420-3, for tight binding; Vogt and Di
Cera, Biochemistry 51, 5894 (2012), 10.1021/bi3006913, for induced fit against conformational
selection; Arrhenius, Z. Phys. Chem. 4, 226 (1889); Eyring, J. Chem. Phys. 3, 107 (1935),
10.1063/1.1749604.
"""

from collections.abc import Mapping
from typing import Final

from stopflow.kinetics.secondary import curve_functions
from stopflow.kinetics.secondary.curve_model import PARTNER, CurveParameter, SecondaryCurve

_HALF: Final = CurveParameter(name="K", unit="M", scanned="x")
_K_ON: Final = CurveParameter(name="k_on", unit="M^-1 s^-1", headline="k_on")
_K_OFF: Final = CurveParameter(name="k_off", unit="s^-1")
_K_MAX: Final = CurveParameter(name="k_max", unit="s^-1", headline="k_max")
_TOTAL: Final = CurveParameter(name="E_0", unit="M", given=PARTNER)
_TOP: Final = CurveParameter(name="A_max", unit="y")
_INDUCED_FIT: Final = (
    _K_ON,
    _K_OFF,
    CurveParameter(name="k_2", unit="s^-1", headline="k_2"),
    CurveParameter(name="k_-2", unit="s^-1", symbol="k₋₂"),
)
_SELECTION: Final = (
    CurveParameter(name="k_r", unit="s^-1", headline="k_r"),
    CurveParameter(name="k_-r", unit="s^-1", symbol="k₋ᵣ"),
    _K_ON,
    _K_OFF,
)


def _two_step(mechanism: str, parameters: tuple[CurveParameter, ...]) -> tuple[SecondaryCurve, ...]:
    """Both phases of a mechanism, whose sum and product are straight lines."""
    total, product = {
        "induced fit": ("k_on [S] + k_off + k_2 + k_-2", "k_on [S] (k_2 + k_-2) + k_off k_-2"),
        "conformational selection": (
            "k_on [S] + k_off + k_r + k_-r",
            "k_on [S] k_r + k_off (k_r + k_-r)",
        ),
    }[mechanism]
    return tuple(
        SecondaryCurve(
            kind=f"{mechanism}, {phase} phase",
            mechanism=mechanism,
            equation=f"the {phase}er root of k^2 - s k + p, s = {total}, p = {product}",
            paper=f"the {phase}er root of k² − s k + p = 0, s = {total}, p = {product}".replace(
                "k_-2", "k₋₂"
            ).replace("k_-r", "k₋ᵣ"),
            parameters=parameters,
            function=curve_functions.two_step(mechanism, fast=phase == "fast"),
            fewest=4,
            characteristic=(("k_on", 1.0),),
            valid=lambda values: bool((values > 0).all()),
        )
        for phase in ("fast", "slow")
    )


CURVES: Mapping[str, SecondaryCurve] = {
    curve.kind: curve
    for curve in (
        SecondaryCurve(
            kind="line",
            equation="k_obs = k_off + k_on [S]",
            parameters=(_K_ON, _K_OFF),
            function=curve_functions.line,
            fewest=3,
            characteristic=(("k_on", 1.0),),
        ),
        SecondaryCurve(
            kind="hyperbola",
            equation="k_obs = k_off + k_max [S] / (K + [S])",
            parameters=(_K_MAX, _HALF, _K_OFF),
            function=curve_functions.hyperbola,
            fewest=4,
            characteristic=(("k_max", 1.0),),
            valid=lambda values: bool(values[0] > 0),
        ),
        SecondaryCurve(
            kind="falling hyperbola",
            equation="k_obs = k_inf + (k_0 - k_inf) K / (K + [S])",
            parameters=(
                CurveParameter(name="k_0", unit="s^-1", headline="k_0"),
                CurveParameter(name="k_inf", unit="s^-1", headline="k_inf"),
                _HALF,
            ),
            function=curve_functions.falling,
            fewest=4,
            characteristic=(("k_0", 1.0), ("k_inf", -1.0)),
            valid=lambda values: bool(values[0] > values[1]),
        ),
        SecondaryCurve(
            kind="Hill",
            equation="k_obs = k_off + k_max [S]^n / (K^n + [S]^n)",
            paper="k = k_off + k_max [S]ⁿ / (Kⁿ + [S]ⁿ)",
            parameters=(_K_MAX, _HALF, CurveParameter(name="n", unit="", scanned="number"), _K_OFF),
            function=curve_functions.hill,
            fewest=6,
            characteristic=(("k_max", 1.0),),
            valid=lambda values: bool(values[0] > 0),
        ),
        SecondaryCurve(
            kind="tight binding",
            equation="k_obs = k_on sqrt((E_0 + [S] + K)^2 - 4 E_0 [S]), k_off = k_on K",
            paper="k = k_on √[(E_0 + [S] + K)² − 4 E_0 [S]], k_off = k_on K",
            parameters=(_K_ON, _HALF, _TOTAL),
            function=curve_functions.tight_binding,
            fewest=4,
            characteristic=(("k_on", 1.0),),
            valid=lambda values: bool(values[0] > 0),
        ),
        SecondaryCurve(
            kind="constant",
            equation="k_obs = k",
            paper="k does not depend on [S]",
            parameters=(
                CurveParameter(
                    name="k", unit="s^-1", headline="rate that does not depend on concentration"
                ),
            ),
            function=curve_functions.constant,
            fewest=3,
        ),
        *_two_step("induced fit", _INDUCED_FIT),
        *_two_step("conformational selection", _SELECTION),
        SecondaryCurve(
            kind="level amplitude",
            of="amplitude",
            equation="amplitude = A",
            paper="the amplitude does not depend on [S]",
            parameters=(CurveParameter(name="A", unit="y"),),
            function=curve_functions.constant,
            fewest=3,
        ),
        SecondaryCurve(
            kind="saturating amplitude",
            of="amplitude",
            equation="amplitude = A_max [S] / (K + [S])",
            parameters=(_TOP, _HALF),
            function=curve_functions.saturation,
            fewest=4,
            characteristic=(("A_max", 1.0),),
        ),
        SecondaryCurve(
            kind="tight-binding amplitude",
            of="amplitude",
            equation="amplitude = A_max (s - sqrt(s^2 - 4 E_0 [S])) / (2 E_0), s = E_0 + [S] + K",
            paper="amplitude = A_max [s − √(s² − 4 E_0 [S])] / (2 E_0), s = E_0 + [S] + K",
            parameters=(_TOP, _HALF, _TOTAL),
            function=curve_functions.bound_share,
            fewest=4,
            characteristic=(("A_max", 1.0),),
        ),
        SecondaryCurve(
            kind="arrhenius",
            against="temperature",
            equation="ln k = ln A - Ea / (R T)",
            parameters=(
                CurveParameter(name="Ea", unit="kJ/mol", headline="activation energy Ea"),
                CurveParameter(name="ln A", unit=""),
            ),
            function=curve_functions.arrhenius,
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
            function=curve_functions.eyring,
            fewest=3,
        ),
        SecondaryCurve(
            kind="one pKa",
            against="pH",
            equation="k = k_acid + (k_base - k_acid) / (1 + 10^(pKa - pH))",
            parameters=(
                CurveParameter(name="k_acid", unit="y"),
                CurveParameter(name="k_base", unit="y"),
                CurveParameter(name="pKa", unit="", headline="pKa", scanned="pH"),
            ),
            function=curve_functions.one_pka,
            fewest=4,
            characteristic=(("k_base", 1.0), ("k_acid", -1.0)),
        ),
        SecondaryCurve(
            kind="bell",
            against="pH",
            equation="k = k_max / (1 + 10^(pKa1 - pH) + 10^(pH - pKa2))",
            parameters=(
                CurveParameter(name="k_max", unit="y", headline="k_max"),
                CurveParameter(name="pKa1", unit="", headline="pKa1", scanned="pH"),
                CurveParameter(name="pKa2", unit="", headline="pKa2", scanned="pH"),
            ),
            function=curve_functions.bell,
            fewest=5,
            characteristic=(("k_max", 1.0),),
            valid=lambda values: bool(values[0] > 0 and values[1] < values[2]),
        ),
        SecondaryCurve(
            kind="no pKa",
            against="pH",
            equation="k does not depend on pH",
            parameters=(CurveParameter(name="k", unit="y"),),
            function=curve_functions.constant,
            fewest=3,
        ),
    )
}


def rivals(against: str, *, of: str = "rate") -> tuple[SecondaryCurve, ...]:
    """Curves that compete for the points of one plot; two-step mechanisms need both phases."""
    return tuple(
        curve
        for curve in CURVES.values()
        if curve.against == against and curve.of == of and not curve.mechanism
    )
