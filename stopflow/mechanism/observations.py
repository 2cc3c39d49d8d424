"""Traces as the global fit takes them, and what the detector sees of the species."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stopflow.trace import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MechanismShot:
    """A trace as the global fit takes it.

    Attributes
    ----------
    name
        As the report calls it.
    time_s
        (n,) since mixing, rising, 0 or later.
    signal
        (n,) in any unit, the same for all shots.
    noise_sd
        Of a point.
    start_M
        Concentrations after mixing, by species; those not named are 0.
    temperature_K
        Used with temperature-dependent constants.
    delay_s
        How long the species of the first of two mixings were together before the last.
    channel
        Shots of the same channel, such as a wavelength, share their responses.
    """

    name: str
    time_s: FloatArray
    signal: FloatArray
    noise_sd: float
    start_M: Mapping[str, float]
    temperature_K: float = 298.15
    delay_s: float = 0.0
    channel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detector:
    """What is seen.

    Attributes
    ----------
    observed
        Species.
    fixed
        Responses that are known, in units of the signal per mol/L; the others are free.
    shared
        Whether shots of the same channel share their responses; else each has its own.
    drift
        Whether every shot has a linear drift besides its offset.
    """

    observed: tuple[str, ...]
    fixed: Mapping[str, float] = field(default_factory=dict)
    shared: bool = True
    drift: bool = False
