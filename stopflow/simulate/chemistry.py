"""Reactions that are studied by stopped flow, and suitable concentration series for them.

All are pseudo-first order with the substrate in excess. Most of them bind or react in one step,

    k_obs = k_on [S] + k_off,

others saturate,

    k_obs = k_max [S] / (K + [S]) + k_off.

k_on, k_max and k_off follow Arrhenius with one activation energy, k(T) = k(25 C)
exp(-E/R (1/T - 1/298.15 K)). The values have the order of magnitude that is known for such
reactions and lie within the range of a stopped-flow instrument. They are not measurements.
"""

from dataclasses import KW_ONLY, dataclass

import numpy as np

GAS_CONSTANT = 8.314462618
"""J/(mol K), CODATA 2018."""

LADDER = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
"""Steps within a decade that are convenient to pipette."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """One row of the table.

    Attributes
    ----------
    reagent, substrate
        What is observed, and what is in excess and varied.
    second_order
        k_on, 1/(M s), at 25 C; where the reaction saturates, k_max/K.
    k_off_per_s
        At 25 C.
    activation_kJ
        E, kJ/mol.
    range_uM
        Concentrations after mixing that make sense.
    light
        How it is watched.
    rises
        Whether the detector voltage rises as the reaction runs.
    saturation_uM
        K; None for a straight line.
    """

    reagent: str
    substrate: str
    second_order: float
    k_off_per_s: float
    activation_kJ: float
    range_uM: tuple[float, float]
    light: str
    _: KW_ONLY
    rises: bool
    saturation_uM: float | None = None

    def k_obs(self, concentration_M: float, *, temperature_K: float) -> float:
        """Observed rate constant, 1/s, at a concentration after mixing."""
        turn = self.activation_kJ * 1e3 / GAS_CONSTANT * (1 / temperature_K - 1 / 298.15)
        first_order = self.second_order * concentration_M
        if self.saturation_uM is not None:
            first_order /= 1 + concentration_M / (self.saturation_uM * 1e-6)
        return float(np.exp(-turn) * (first_order + self.k_off_per_s))

    def occupancy(self, concentration_M: float, *, temperature_K: float) -> float:
        """Share of the full signal change at the end: 1 - k_off/k_obs."""
        k_obs = self.k_obs(concentration_M, temperature_K=temperature_K)
        return 1 - self.k_obs(0.0, temperature_K=temperature_K) / k_obs


_TRYPTOPHAN = "fluorescence 280 nm, >320 nm"
# fmt: off
REACTIONS = (
    Reaction("LPMO-CuI", "H2O2", 3.0e5, 0.4, 42, (5, 500), _TRYPTOPHAN, rises=False),
    Reaction("LPMO-CuI", "O2", 3.0e3, 0.05, 48, (50, 600), _TRYPTOPHAN, rises=False),
    Reaction("LPMO-CuII", "ascorbate", 4.0e5, 0.2, 40, (5, 500), _TRYPTOPHAN, rises=True),
    Reaction("LPMO-CuII", "cysteine", 2.0e4, 0.1, 45, (50, 5000), _TRYPTOPHAN, rises=True),
    Reaction("HRP", "H2O2", 1.7e7, 0.3, 14, (0.5, 25), "absorbance 403 nm", rises=True),
    Reaction("HRP-CpdII", "ferulate", 6.0e5, 0.1, 30, (5, 250), "absorbance 420 nm", rises=True),
    Reaction("Mb", "CO", 5.0e5, 0.02, 20, (20, 500), "absorbance 434 nm", rises=True),
    Reaction("metMb", "azide", 2.8e3, 0.12, 52, (500, 50000), "absorbance 409 nm", rises=True),
    Reaction("Fe3", "SCN", 7.0e2, 1.6, 56, (1000, 40000), "absorbance 450 nm", rises=False),
    Reaction("Ni2", "PADA", 1.3e3, 0.1, 57, (500, 20000), "absorbance 560 nm", rises=False),
    Reaction("DCPIP", "ascorbate", 4.5e4, 0.1, 32, (100, 8000), "absorbance 524 nm", rises=True),
    Reaction("NATA", "NBS", 7.3e5, 0.1, 25, (10, 500), _TRYPTOPHAN, rises=False),
    Reaction("ConA", "MUMan", 5.0e4, 2.2, 58, (10, 600), "fluorescence 318 nm, >360 nm",
             rises=False),
    Reaction("CA2", "dansylamide", 2.5e5, 0.35, 44, (2, 200), "fluorescence 280 nm, >420 nm",
             rises=True),
    Reaction("LDH", "NADH", 4.5e7, 38, 35, (0.5, 8), "fluorescence 340 nm, >420 nm", rises=True),
    Reaction("GSH", "DTNB", 2.6e3, 0.05, 50, (100, 10000), "absorbance 412 nm", rises=False),
    Reaction("BSA-Cys34", "DTNB", 9.0e2, 0.05, 54, (500, 10000), "absorbance 412 nm", rises=False),
    Reaction("chymotrypsin", "NPA", 2.4e3, 0.03, 50, (100, 6000), "absorbance 400 nm", rises=False,
             saturation_uM=1600),
    Reaction("beta-lactamase", "nitrocefin", 1.6e6, 0.5, 46, (5, 300), "absorbance 486 nm",
             rises=False, saturation_uM=90),
    Reaction("ADH", "NAD", 1.9e6, 4, 48, (5, 400), "fluorescence 295 nm, >320 nm", rises=False,
             saturation_uM=130),
)
# fmt: on


def concentration_ladder(
    reaction: Reaction, *, temperature_K: float, within: tuple[float, float]
) -> tuple[float, ...]:
    """Concentrations, µM, ascending, at which k_obs lies 5 % inside `within`, 1/s."""
    low, high = reaction.range_uM
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    steps = [float(f"{mantissa}e{decade}") for decade in decades for mantissa in LADDER]
    slowest, fastest = within[0] * 1.05, within[1] / 1.05
    return tuple(
        step
        for step in steps
        if low <= step <= high
        and slowest <= reaction.k_obs(step * 1e-6, temperature_K=temperature_K) <= fastest
    )
