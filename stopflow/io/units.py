"""Numbers and units as people write them, converted to s, mol/L, K and s^-1.

A unit is found in its quantity's table after `fold_unit`: Unicode variants, blanks, case and the
signs ``^ · * _`` do not count, so ``s⁻¹``, ``s^-1`` and ``S-1`` are one.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import NamedTuple


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
        Scale(1.0): "s sec secs second seconds sekunden",
        Scale(1e-3): "ms msec msecs millisec millisecs millisecond milliseconds",
        Scale(1e-6): "us usec usecs microsec microsecs microsecond microseconds",
        Scale(1e-9): "ns nsec nanosecond nanoseconds",
        Scale(60.0): "min mins minute minutes",
    }
)
CONCENTRATION = _spellings(
    {
        Scale(1.0): "m mol/l moll-1 mol/dm3 moldm-3 molar",
        Scale(1e-3): "mm mmol/l mmoll-1 mmol/dm3 mmoldm-3 mol/m3 molm-3 millimolar",
        Scale(1e-6): "um umol/l umoll-1 umol/dm3 umoldm-3 mmol/m3 micromolar",
        Scale(1e-9): "nm nmol/l nmoll-1 nmol/dm3 nmoldm-3 nanomolar",
        Scale(1e-12): "pm pmol/l pmoll-1 picomolar",
    }
)
TEMPERATURE = _spellings(
    {
        Scale(1.0): "k kelvin",
        Scale(1.0, 273.15): "c °c oc degc degreec degreesc celsius gradc",
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
    r"(?P<sign>[+-]?)(?P<mantissa>\d[\d., '’]*|[.,]\d+)"
    r"(?:\s*(?:[eE]|[x*×·]\s*10\s*\^?)\s*(?P<exponent>[+-]?\d+))?(?P<unit>.*)",
    re.DOTALL,
)
_THOUSANDS = re.compile(r"\d{1,3}(?:[ '’]\d{3})+(?=[.,]|$)")


def fold_unit(text: str) -> str:
    """Bring a unit to the spelling of the tables, e.g. ``" S⁻¹ "`` to ``"s-1"``."""
    plain = unicodedata.normalize("NFKC", text).replace("−", "-").replace("–", "-")
    plain = plain.replace("μ", "u").replace("º", "°")
    return re.sub(r"[\s^·*_.⋅]+", "", plain).casefold()


def parse_time_unit(text: str) -> float | None:
    """Return the unit's length in seconds; None when it is not a unit of time."""
    scale = TIME.get(fold_unit(text))
    return scale.factor if scale else None


def parse_quantity(text: str) -> tuple[float, str] | None:
    """Read a number with or without a unit behind it; None when there is no such number.

    The decimal sign is a point or a comma; of several kinds of signs the last is the decimal one,
    so ``1.234,5`` and ``1,234.5`` are both 1234.5 (but ``1,234`` is 1.234). A blank or an
    apostrophe may part thousands. Exponents as ``1e-3``, ``1x10^-3``.

    Returns
    -------
    tuple
        The finite number, and the text behind it, stripped.
    """
    plain = unicodedata.normalize("NFKC", text).replace("−", "-").strip()
    match = _NUMBER.fullmatch(plain)
    if not match:
        return None
    mantissa = _plain_decimal(match["mantissa"])
    if mantissa is None:
        return None
    value = float(f"{match['sign']}{mantissa}e{match['exponent'] or 0}")
    unit = match["unit"].strip()
    if not math.isfinite(value) or re.match(r"[\d.,+-]", unit):
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
    other = "," if text[decimal] == "." else "."
    if text[decimal] in whole or (other in whole and not _groups_of_three(whole, other)):
        return None
    return f"{whole.replace(other, '')}.{fraction}" if whole or fraction else None


def _groups_of_three(whole: str, separator: str) -> bool:
    first, *rest = whole.split(separator)
    return 1 <= len(first) <= 3 and all(len(group) == 3 for group in rest)
