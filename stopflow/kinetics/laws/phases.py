"""Names of the phases of a reaction: columns of their rates and amplitudes."""

from collections.abc import Sequence
from typing import Final

FIRST_RATE: Final = "k_per_s"
AMPLITUDES: Final = {"k_per_s": "amplitude", "k2_per_s": "amplitude2", "k3_per_s": "amplitude3"}
"""Rate of each phase -> its amplitude."""
FURTHER: Final = {rate: name for rate, name in AMPLITUDES.items() if rate != FIRST_RATE}
"""The same for the phases after the first."""


def name_phase(rates: Sequence[str]) -> str:
    """Name what the points are, columns in order of concentration, such as ``"amplitude2"``."""
    return (rates[-1] if rates else FIRST_RATE).removesuffix("_per_s")
