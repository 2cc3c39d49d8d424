"""What each source says of the conditions of a folder's shots.

A file name such as ``ch1_0.20mM_3`` or ``H2O2 10 uM 25C`` says a concentration, a temperature and a
repeat; so may the header of the file and the folder's name.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from pathlib import PurePath
from typing import Final

from stopflow.io.units import CONCENTRATION, ZERO_CELSIUS_K, find_scale, say_celsius
from stopflow.trace import Shot

SAME = 0.011
"""Relative difference up to which two concentrations are one, written to different digits."""

SAME_K = 0.6
"""Difference in K up to which a nominal and a measured temperature are one."""

SOURCES: Final = ("workbook", "name", "header", "folder")
"""Where a condition may stand; the first that says it is used."""

SHOWN: Final = {
    "workbook": "the workbook",
    "name": "the name",
    "header": "the header",
    "folder": "the folder's name",
}
_MOST_RECORDS = 200
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

Values = tuple[float, ...]
"""What one source says of one quantity of one shot; several where it names several species."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedQuantity:
    """A condition that several sources may say.

    Attributes
    ----------
    said
        Source -> what it says of each shot.
    """

    noun: str
    said: Mapping[str, Sequence[Values]]
    is_same: Callable[[float, float], bool]
    shown: Callable[[float], str]

    def agree(self, first: Values, second: Values) -> bool:
        """Tell whether two sources name one value that is the same."""
        return any(self.is_same(one, other) for one in first for other in second)

    def used(self, at: int) -> str:
        """Return the source whose value is used for a shot."""
        return next(source for source in SOURCES if self.said[source][at])


def own_name(shot: Shot) -> str:
    """Return the name that may say something: a column's header, else the file's name."""
    _, bracket, label = shot.file.partition("[")
    return label.removesuffix("]") if bracket else PurePath(shot.file).name


def _records(shot: Shot) -> list[tuple[str, str]]:
    return list(shot.trace.records[:_MOST_RECORDS]) if shot.trace is not None else []


def concentrations_said(shots: Sequence[Shot], folder: str) -> StatedQuantity:
    """Collect the concentrations that each source says."""
    of_folder = parse_told(folder).concentrations_M
    headers = [
        [value for _, text in _records(shot) for value in parse_told(text).concentrations_M]
        for shot in shots
    ]
    return StatedQuantity(
        noun="concentration",
        said={
            "workbook": [_or_none(shot.conditions.concentration_M) for shot in shots],
            "name": [parse_told(own_name(shot)).concentrations_M for shot in shots],
            "header": [tuple(dict.fromkeys(found)) for found in headers],
            "folder": [of_folder for _ in shots],
        },
        is_same=lambda one, other: isclose(one, other, rel_tol=SAME),
        shown=_molar,
    )


def temperatures_said(shots: Sequence[Shot], folder: str) -> StatedQuantity:
    """Collect the temperatures that each source says."""
    of_folder = parse_told(folder).temperatures_K
    return StatedQuantity(
        noun="temperature",
        said={
            "workbook": [_or_none(shot.conditions.temperature_K) for shot in shots],
            "name": [parse_told(own_name(shot)).temperatures_K for shot in shots],
            "header": [_header_temperatures(shot) for shot in shots],
            "folder": [of_folder for _ in shots],
        },
        is_same=lambda one, other: abs(one - other) <= SAME_K,
        shown=say_celsius,
    )


def _or_none(value: float | None) -> Values:
    return () if value is None else (value,)


def _header_temperatures(shot: Shot) -> Values:
    """Return the temperatures that the header's records state."""
    found = [
        value
        for key, text in _records(shot)
        if "temp" in f"{key} {text}".casefold()
        for value in parse_told(text).temperatures_K
    ]
    return tuple(dict.fromkeys(found))


def _molar(value: float) -> str:
    for scale, unit in ((1.0, "M"), (1e-3, "mM"), (1e-6, "µM"), (1e-9, "nM")):
        if value >= scale * 0.9999:
            return f"{value / scale:.4g} {unit}"
    return f"{value:.4g} M"


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
