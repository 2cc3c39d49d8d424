"""Numbers as a chemist writes them: no more digits than the error leaves.

The error keeps two significant digits while it begins with 1 or 2, else one; an error that rounds
up to 10 keeps two. The value stops at the same decimal (the Particle Data Group's habit with a
simpler threshold).
"""

import math
import re
from collections.abc import Sequence
from itertools import groupby

from stopflow.io.units import celsius_text

_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
MISSING = "–"
_KEPT_HALF = 0.51
"""Part of a unit of the last digit from which on an error is rounded up to that unit."""


def error_decimals(error: float) -> int:
    """Decimals that a standard error leaves; negative for tens and hundreds.

    Raises
    ------
    ValueError
        When the error is not a positive finite number.
    """
    if not (math.isfinite(error) and error > 0):
        raise ValueError(f"error {error!r} must be positive and finite")
    exponent = math.floor(math.log10(error))
    digits = 2 if error / 10.0**exponent < 2.95 else 1
    return digits - 1 - exponent


def column_errors(errors: Sequence[float]) -> list[float]:
    """Errors to round a column by, so that its digits do not jump from row to row.

    An error that begins with 1 or 2 keeps one digit instead of two where the column has fewer
    decimals: 0.017 beside 0.03 is 0.02, and 0.08 beside 0.3 is 0.1. No error is rounded to 0,
    unusable ones stay as they are.
    """
    fewest = min((error_decimals(error) for error in errors if _usable(error)), default=0)
    return [_even_error(error, fewest) if _usable(error) else error for error in errors]


def _even_error(error: float, fewest: int) -> float:
    return 3.0 * 10.0 ** -max(fewest, -math.floor(math.log10(error / _KEPT_HALF)))


def format_pm_column(pairs: Sequence[tuple[float, float]]) -> list[str]:
    """Write values with their errors below each other, by `column_errors`."""
    likes = column_errors([error for _, error in pairs])
    return [format_pm(*pair, like=like) for pair, like in zip(pairs, likes, strict=True)]


def format_pm_groups(groups: Sequence[str], pairs: Sequence[tuple[float, float]]) -> list[str]:
    """Write a column of values with their errors, each run of one group by `column_errors`."""
    texts: list[str] = []
    for _, run in groupby(groups):
        start = len(texts)
        texts += format_pm_column(pairs[start : start + len(list(run))])
    return texts


def significant_digits(value: float, error: float) -> int:
    """Count the digits that `error` leaves of `value`; 3 when it is not known."""
    if not (math.isfinite(value) and value != 0 and _usable(error)):
        return 3
    return max(math.floor(math.log10(abs(value))) + error_decimals(error) + 1, 1)


_NEGATIVE = re.compile(r"(?<![\w.)−-])-(?=\.?\d)")
_PERCENT = re.compile(r"(?<=\d)%(?!\w)")
_POWER_OF_TEN = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)e([+-]\d+)(?!\w)")
_RAISED = re.compile(r"(?<=[A-Za-z])\^(-?\d)")
_SIGNS = {"<=": "≤", ">=": "≥", "<=>": "⇌", "->": "→"}
_PHASE = re.compile(r"(?<![\w./-])(k|amplitude)(\d)(?![\w-]|\.\w)")
_SUBSCRIPT_0 = ord("₀")
_SIGN = re.compile(f"(?<= )(?:{'|'.join(map(re.escape, _SIGNS))})(?= )")


def set_numbers(text: str) -> str:
    """Set the numbers of a sentence as print does.

    That is a true minus, a blank before %, a power of ten, raised exponents of units, and the signs
    of relations and reactions. Hyphens in names and dates stay: a minus begins its word.
    """
    text = _POWER_OF_TEN.sub(lambda found: f"{found[1]}×10{power(int(found[2]))}", text)
    text = _RAISED.sub(lambda found: power(int(found[1])), text)
    text = _SIGN.sub(lambda found: _SIGNS[found[0]], text)
    return _PERCENT.sub(" %", _NEGATIVE.sub("−", text))


def set_sentence(text: str) -> str:
    """Set a sentence of an analysis as print does: its numbers, and the names of phases."""
    return set_phase(set_numbers(text))


def set_phase(text: str) -> str:
    """Lower the number of a phase: k2 becomes k₂, and amplitude2 amplitude₂."""
    return _PHASE.sub(lambda found: f"{found[1]}{chr(_SUBSCRIPT_0 + int(found[2]))}", text)


def _plain(value: float, decimals: int) -> str:
    # A value that rounds to 0 has no sign.
    text = f"{round(value, decimals) + 0.0:.{max(decimals, 0)}f}"
    return text.replace("-", "−")


def _usable(error: float) -> bool:
    return math.isfinite(error) and error > 0


def format_value(value: float, error: float = math.nan) -> str:
    """Write `value` alone, cut where its `error` begins; four digits without an error."""
    if not math.isfinite(value):
        return MISSING
    if not _usable(error):
        return format_digits(value, 4)
    decimals = error_decimals(error)
    shown = round(value, decimals) or value
    if shown != 0 and not -5 < math.floor(math.log10(abs(shown))) < 5:
        return _scientific(shown, decimals)
    return _plain(shown, decimals)


def _scientific(value: float, decimals: int) -> str:
    exponent = math.floor(math.log10(abs(value)))
    mantissa = _plain(value / 10.0**exponent, max(decimals + exponent, 0))
    return f"{mantissa}×10{power(exponent)}"


def power(exponent: int) -> str:
    """Write an exponent in raised digits, e.g. -3 as ⁻³."""
    return str(exponent).translate(_SUPERSCRIPTS)


def format_pm(value: float, error: float, *, like: float = math.nan) -> str:
    """Write ``12.34 ± 0.12``, or ``(1.23 ± 0.04)×10⁶`` for large and small values.

    To the decimals that `error` leaves, or those that an error `like` it leaves.
    """
    if not math.isfinite(value):
        return MISSING
    if not _usable(error):
        return format_digits(value, 4)
    reference = max(abs(value), error)
    exponent = math.floor(math.log10(reference))
    decimals = error_decimals(like if _usable(like) else error)
    if -4 < exponent < 5:
        return f"{_plain(value, decimals)} ± {_plain(error, decimals)}"
    scale = 10.0**exponent
    places = max(decimals + exponent, 0)
    pair = f"{_plain(value / scale, places)} ± {_plain(error / scale, places)}"
    return f"({pair})×10{power(exponent)}"


def format_interval(low: float, high: float, *, error: float) -> str:
    """Write ``12.1 to 12.6`` at the decimals of `error`; open ends are said, not hidden."""
    if math.isnan(low) and math.isnan(high):
        return MISSING
    if not math.isfinite(high):
        return f"above {format_value(low, error)}" if low > 0 else "open"
    return f"{format_value(low, error)} to {format_value(high, error)}"


def format_digits(value: float, digits: int) -> str:
    """Write `value` with a number of significant digits, without a needless exponent."""
    if not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if -5 < exponent < 6:
        return _plain(value, digits - 1 - exponent)
    return _scientific(value, digits - 1 - exponent)


_TIMES = ((1.0, 1.0, "s"), (1e-3, 1e3, "ms"), (0.0, 1e6, "µs"))
_CONCENTRATIONS = ((1.0, 1.0, "M"), (1e-3, 1e3, "mM"), (1e-6, 1e6, "µM"), (0.0, 1e9, "nM"))


def format_percent(fraction: float, *, signed: bool = False) -> str:
    """Write a share in percent."""
    if not math.isfinite(fraction):
        return MISSING
    text = f"{format_digits(100 * fraction, 2)} %"
    return f"+{text}" if signed and fraction > 0 else text


def format_time(seconds: float, digits: int = 3, *, exact: bool = False) -> str:
    """Write a duration in s, ms or µs; an exact one loses the zeros at its end."""
    return _in_unit(seconds, digits, _TIMES, exact=exact)


def format_half_life(seconds: float, error_s: float) -> str:
    """Write a half-life to the digits that its error leaves; `MISSING` where that is as large."""
    if error_s >= seconds:
        return MISSING
    return format_time(seconds, significant_digits(seconds, error_s))


def format_concentration(molar: float) -> str:
    """Write a concentration in M, mM, µM or nM."""
    return _in_unit(molar, 4, _CONCENTRATIONS, exact=True)


def format_temperature(kelvin: float) -> str:
    """Write a temperature in °C, as it is read off a thermostat."""
    return f"{format_celsius(kelvin)} °C" if math.isfinite(kelvin) else MISSING


def format_celsius(kelvin: float) -> str:
    """Write the number of °C; `MISSING` where it is not known."""
    return celsius_text(kelvin).replace("-", "−") if math.isfinite(kelvin) else MISSING


def concentration_unit(largest_M: float) -> tuple[float, str]:
    """Return the factor from mol/L and the unit in which `largest_M` reads well."""
    for floor, factor, unit in _CONCENTRATIONS:
        if largest_M * (1 + 1e-9) >= floor:
            return factor, unit
    return 1.0, "M"


def _in_unit(
    value: float, digits: int, units: tuple[tuple[float, float, str], ...], *, exact: bool
) -> str:
    if not math.isfinite(value):
        return MISSING
    if value == 0:
        return f"0 {units[0][2]}"
    for floor, factor, unit in units:
        if abs(value) * (1 + 1e-9) >= floor:
            number = format_digits(value * factor, digits)
            return f"{_without_idle_zeros(number) if exact else number} {unit}"
    return MISSING


def _without_idle_zeros(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number and "×" not in number else number


def format_bytes(count: float) -> str:
    """Write a size in kB, MB or GB of 1000."""
    if not math.isfinite(count):
        return MISSING
    for floor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= floor:
            return f"{format_digits(count / floor, 3)} {unit}"
    return f"{count:.0f} B"
