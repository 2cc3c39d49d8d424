"""What a name, a header or a comment says of a shot: concentrations, temperatures, a repeat."""

import re
from dataclasses import dataclass

from stopflow.io.units import CONCENTRATION, find_scale

ZERO_CELSIUS_K = 273.15
_CONCENTRATION = re.compile(
    r"(?<![\d.,])(?P<value>\d{1,6}(?:[.,]\d{1,6})?)[ _-]?(?P<unit>[mnpuµμ]?M)(?![A-Za-z0-9])"
)
_CELSIUS = re.compile(
    r"(?<![\d.,A-Za-z])(?P<value>-?\d{1,2}(?:[.,]\d{1,3})?)[ _]?"
    r"(?:°|deg(?:rees)?[ _.]?|º)?C(?![A-Za-z0-9])"
)
_KELVIN = re.compile(r"(?<![\d.,A-Za-z])(?P<value>[23]\d\d(?:[.,]\d{1,3})?)[ _]?K(?![A-Za-z0-9])")
_REPEAT = re.compile(
    r"(?:^|[ _-])(?:rep(?:licate|eat)?|run|shot|r|n|#)?[ _-]?(?P<value>\d{1,3})$", re.IGNORECASE
)
_LONGEST = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a text says: concentrations in mol/L, temperatures in K, and a repeat's number."""

    concentrations_M: tuple[float, ...] = ()
    temperatures_K: tuple[float, ...] = ()
    repeat: int | None = None


def parse_told(text: str) -> Told:
    """Find concentrations, temperatures and the number of a repeat in a name or a comment."""
    plain = text[:_LONGEST]
    stem = re.sub(r"\.[A-Za-z]\w{1,4}$", "", plain)
    concentrations = [
        scale.to_ours(_number(match["value"]))
        for match in _CONCENTRATION.finditer(stem)
        if (scale := find_scale(CONCENTRATION, match["unit"])) is not None
    ]
    celsius = [_number(match["value"]) + ZERO_CELSIUS_K for match in _CELSIUS.finditer(stem)]
    kelvin = [_number(match["value"]) for match in _KELVIN.finditer(stem)]
    repeat = _REPEAT.search(stem)
    return Told(
        concentrations_M=tuple(dict.fromkeys(concentrations)),
        temperatures_K=tuple(dict.fromkeys([*celsius, *kelvin])),
        repeat=int(repeat["value"]) if repeat and (concentrations or celsius) else None,
    )


def _number(text: str) -> float:
    return float(text.replace(",", "."))
