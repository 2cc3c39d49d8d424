"""Numbers and units as they are written by hand, converted to s, mol/L, K and s^-1.

A unit is found in its quantity's table by `find_scale`, after `fold_unit`: Unicode variants,
blanks, case, brackets around exponents and the signs ``^ · * _ $`` do not count, so ``s⁻¹``,
``s^(-1)`` and ``S-1`` are one.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import NamedTuple

from stopflow.io.workbook.cells import LONGEST_PHRASE

ZERO_CELSIUS_K = 273.15


def celsius_text(kelvin: float) -> str:
    """Write the number of °C to a hundredth, without idle zeros, as it is read off a thermostat."""
    return f"{round(kelvin - ZERO_CELSIUS_K, 2) + 0.0:.2f}".rstrip("0").rstrip(".")


def say_celsius(kelvin: float) -> str:
    """Write a temperature with its unit."""
    return f"{celsius_text(kelvin)} °C"


class Scale(NamedTuple):
    """value in our unit = factor * value + offset."""

    factor: float
    offset: float = 0.0

    def to_ours(self, value: float) -> float:
        """Convert a value of this unit to s, mol/L, K or s^-1.

        To 12 digits, so that 10 µM and 0.01 mM are one number.
        """
        return float(f"{self.factor * value + self.offset:.12g}")


def _spellings(table: Mapping[Scale, str]) -> dict[str, Scale]:
    return {word: scale for scale, words in table.items() for word in words.split()}


TIME = _spellings(
    {
        Scale(1.0): "s sec secs second seconds sek sekunde sekunden seconde secondes "
        "secondi seg segundo segundos с сек секунды 秒",
        Scale(1e-3): "ms msec msecs millisec millisecs millisecond milliseconds millisekunden "
        "millisecondes millisecondi milisegundos мс мсек 毫秒 ミリ秒",
        Scale(1e-6): "us usec usecs microsec microsecs microsecond microseconds mikrosekunden "
        "microsecondes microsecondi microsegundos мкс 微秒 マイクロ秒",
        Scale(1e-9): "ns nsec nanosecond nanoseconds нс",
        Scale(60.0): "min mins minute minutes minuten minuti minutos мин 分 分钟",
    }
)


def _concentrations() -> dict[str, Scale]:
    """Return molar units: ``mm``, ``mmol/l``, ``mmoll-1``, ``mmoldm-3``, ``millimolar``, ..."""
    prefixes = (("", "", 0), ("m", "milli", -3), ("u", "micro", -6), ("n", "nano", -9))
    litres = {"l": 0, "liter": 0, "litre": 0, "dm3": 0, "m3": 3, "ml": -3, "cm3": -3, "ul": -6}
    table = {}
    for prefix, long_prefix, power in (*prefixes, ("p", "pico", -12)):
        table[f"{prefix}m"] = table[f"{long_prefix}molar"] = Scale(float(f"1e{power}"))
        for volume, volume_power in litres.items():
            scale = Scale(float(f"1e{power - volume_power}"))
            inverse = f"{volume[:-1]}-3" if volume.endswith("3") else f"{volume}-1"
            table[f"{prefix}mol/{volume}"] = table[f"{prefix}mol{inverse}"] = scale
    return table


CONCENTRATION = _concentrations()
TEMPERATURE = _spellings(
    {
        Scale(1.0): "k kelvin",
        Scale(5 / 9, ZERO_CELSIUS_K - 32 * 5 / 9): "°f degf fahrenheit",
        Scale(1.0, ZERO_CELSIUS_K): "c °c oc degc degreec degreesc celsius gradc",
    }
)
RATE = _spellings(
    {
        Scale(1.0): "s-1 1/s /s pers sec-1 1/sec /sec persec persecond hz",
        Scale(1 / 60): "min-1 1/min /min permin perminute",
        Scale(1e3): "ms-1 1/ms /ms perms",
    }
)

_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<mantissa>\d(?:[\d.,'’]|[ ](?!1\s*/))*|[.,]\d+)"
    r"(?:\s*(?:[eE]|[x*×·]\s*10\s*\^?)\s*(?P<exponent>[+-]?\d+))?(?P<unit>.*)",
    re.DOTALL,
)
_UNCERTAINTY = re.compile(r"(?<=\d)\s*(?:±|\+/-|\+-)\s*[\d.,]+(?:[eE][+-]?\d+)?|(?<=\d)\(\d+\)")
_APPROXIMATE = re.compile(
    r"\s*(?:[~≈∼≃]|(?:c\.|ca\.?|circa|approx\.?|approximately|about|etwa|ungef(?:\.|ähr)|env\.|environ)"
    r"(?![a-zäöü]))\s*(?=[\d.,+-])",
    re.IGNORECASE,
)
_INVERSE = re.compile(r"1\s*/\s*[a-z]", re.IGNORECASE)
_THOUSANDS = re.compile(r"\d{1,3}(?:[ '’]\d{3})+(?=[.,]|$)")


_LOOKALIKES = str.maketrans(
    {**dict.fromkeys("µμ", "u"), **dict.fromkeys("º˚", "°"), **dict.fromkeys("⁻‐‑‒–—―−﹣－¯ˉ", "-")}
)
_DECORATION = re.compile(r"[\s^·*_.⋅×$\\{}]+|\+(?=\()")
_BRACKETED_EXPONENT = re.compile(r"\((-?\d)\)")
_POWER_OF_TEN = re.compile(r"10\+?(-?[1-9]\d?)([a-z/].*)")
_PER_MILLISECOND = re.compile(r"\s*ms")


def fold_unit(text: str) -> str:
    """Bring a unit to the spelling of the tables, e.g. ``" S⁻¹ "`` to ``"s-1"``."""
    plain = _DECORATION.sub("", _plain_signs(text.replace("\\mu", "u")))
    return _BRACKETED_EXPONENT.sub(r"\1", plain).casefold()


def _plain_signs(text: str) -> str:
    """Replace what looks like a minus, a degree or a micro sign by the usual one."""
    plain = text.replace("⁰C", "°C").translate(_LOOKALIKES)
    return unicodedata.normalize("NFKC", plain)


def find_scale(units: Mapping[str, Scale], text: str) -> Scale | None:
    """Return what a unit means in one of the tables; None when it is not there.

    ``ms-1`` is 1/ms; ``M s-1`` and ``m s-1`` are something else. A power of ten may stand before
    it, as in ``10^-6 M``.
    """
    folded = fold_unit(text)
    if folded == "ms-1" and not _PER_MILLISECOND.match(text):
        return None
    multiple = _POWER_OF_TEN.fullmatch(folded)
    scale = units.get(multiple[2] if multiple else folded)
    if not multiple or not scale or scale.offset:
        return scale
    return Scale(scale.factor * float(f"1e{multiple[1]}"))


def is_unit(text: str) -> bool:
    """Tell whether a text is a unit in one of the tables."""
    if len(text) > LONGEST_PHRASE:
        return False
    tables = (TIME, CONCENTRATION, TEMPERATURE, RATE)
    return any(find_scale(table, text) is not None for table in tables)


def is_molar(text: str) -> bool:
    """Tell a unit of concentration from what only folds to one, such as ``nm`` and ``mm``."""
    return ("M" in text or "mol" in text.casefold()) and bool(find_scale(CONCENTRATION, text))


def is_approximate(text: str) -> bool:
    """Tell ``~10``, ``ca. 10`` and the like from a number; ``<10`` is none of them."""
    return len(text) <= LONGEST_PHRASE and bool(_APPROXIMATE.match(text))


def without_uncertainty(text: str) -> str:
    """Leave out what stands behind ``±`` or as ``(4)`` behind the last digit; the unit stays.

    The sign of an approximate number, as in ``~10`` and ``ca. 10``, is left out, too.
    """
    if len(text) > LONGEST_PHRASE:
        return text
    return _UNCERTAINTY.sub(
        "", _APPROXIMATE.sub("", text, count=1) if is_approximate(text) else text
    )


def parse_time_unit(text: str) -> float | None:
    """Return the unit's length in seconds; None when it is not a unit of time."""
    scale = find_scale(TIME, text)
    return scale.factor if scale else None


def mantissa(text: str) -> str:
    """Return the digits and signs of the number that a text begins with; ``""`` without one."""
    match = _match_number(text)
    return match["mantissa"].strip() if match else ""


def _match_number(text: str) -> re.Match[str] | None:
    if len(text) > LONGEST_PHRASE:
        return None
    return _NUMBER.fullmatch(_plain_signs(text).strip())


def parse_quantity(text: str) -> tuple[float, str] | None:
    """Read a number with or without a unit behind it; None for any other text.

    The decimal sign is a point or a comma; of several kinds of signs the last is the decimal one,
    so ``1.234,5`` and ``1,234.5`` are both 1234.5. A sign between several groups of three digits
    separates thousands, as in ``1,234,567``, and so may a blank or an apostrophe. ``1,234`` is read
    as 1.234 here; `decimal_signs` tells where it may be 1234. Exponents as ``1e-3``, ``1x10^-3``.

    Returns
    -------
    tuple
        The finite number, and the text behind it, stripped.
    """
    match = _match_number(text)
    if not match:
        return None
    mantissa = _plain_decimal(match["mantissa"])
    if mantissa is None:
        return None
    value = float(f"{match['sign']}{mantissa}e{match['exponent'] or 0}")
    unit = match["unit"].strip()
    is_more = re.match(r"[\d.,+-]", unit) and not _INVERSE.match(unit)
    if not math.isfinite(value) or is_more:
        return None
    return value, unit


def _plain_decimal(written: str) -> str | None:
    """Return digits with a decimal point, or None when the signs make no number."""
    text = written.strip()
    grouped = _THOUSANDS.match(text)
    if grouped:
        text = re.sub(r"[ '’]", "", grouped[0]) + text[grouped.end() :]
    if not re.fullmatch(r"[\d.,]+", text):
        return None
    decimal = max(text.rfind("."), text.rfind(","))
    if decimal < 0:
        return text
    whole, fraction = text[:decimal], text[decimal + 1 :]
    sign, other = text[decimal], "," if text[decimal] == "." else "."
    if sign in whole and other not in whole and _groups_of_three(text, sign):
        return text.replace(sign, "")
    if sign in whole or (other in whole and not _groups_of_three(whole, other)):
        return None
    return f"{whole.replace(other, '')}.{fraction}" if whole or fraction else None


def _groups_of_three(whole: str, separator: str) -> bool:
    first, *rest = whole.split(separator)
    return 1 <= len(first) <= 3 and all(len(group) == 3 for group in rest)
