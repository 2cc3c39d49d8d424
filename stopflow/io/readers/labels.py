"""Headers of columns of numbers: a time, a wavelength axis, or a signal with its unit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan

from stopflow.errors import FormatError, SettingsError
from stopflow.io.units import TIME, parse_time_unit
from stopflow.io.workbook.headers import bare_unit, fold_name, is_only_unit, parse_header

TIME_NAMES = frozenset(
    "time t zeit temps tiempo tempo tid tijd czas elapsed elapsedtime reactiontime timeaxis "
    "xtime timestamp messzeit aika zaman время 时间 時間".split()
)
SPECTRAL_NAMES = frozenset(
    "wavelength wavelengths lambda wellenlange longueurdonde nm wavenumber wavenumbers cm1 "
    "ramanshift wellenzahl energy frequency λ".split()
)
SPECTRAL_UNITS = frozenset({"nm", "cm-1", "1/cm", "cm^-1", "ev", "nanometers", "nanometer", "å"})
SIGNAL_NAMES = re.compile(
    r"(?:^|[^a-z])(?:abs(?:orbance|orption)?|fl(?:uo(?:r(?:escence)?)?)?|cd|ht|hv|pmt|od|signal|"
    r"intensity|trans(?:mittance|mission)?|volts?|voltage|ch(?:annel|an)?[ _-]?\d|detector|"
    r"anisotropy|ld|scatter(?:ing)?|extinktion|fluoreszenz|photodiode|parallel|perpendicular|"
    r"red|blue|green|ratio)(?![a-z])",
    re.IGNORECASE,
)
SIGNAL_UNITS = frozenset(
    "v volt volts mv au a.u. a abs od mau rfu counts cps mdeg millidegree deg % %t arb".split()
)

_BRACKET = re.compile(r"(?P<name>.*?)\s*[(\[{]\s*(?P<unit>[^()\[\]{}]*?)\s*[)\]}]\s*")
_SLASH = re.compile(r"(?P<name>.*?\S)\s*/\s*(?P<unit>[^/]+?)\s*")
_COMMA = re.compile(r"(?P<name>.*?\S)\s*,\s*(?P<unit>\S+)\s*")
_IN = re.compile(r"(?P<name>.*?\S)\s+in\s+(?P<unit>\S+)\s*")
_GAP = re.compile(r"(?P<name>.*\S?)[\s_](?P<unit>[^\s_]+)")
_WAVELENGTH = re.compile(
    r"(?:.*?[^\d.,])?(?P<value>\d{3,4}(?:[.,]\d+)?)\s*(?P<unit>nm)?(?:\W.*)?", re.IGNORECASE
)
_NUMBER = re.compile(r"\d{2,5}(?:[.,]\d+)?\s*(?:nm)?", re.IGNORECASE)
SHORTEST_NM, LONGEST_NM = 100.0, 4000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A header: as written, and its name and unit apart."""

    text: str
    name: str
    unit: str

    @property
    def is_time(self) -> bool:
        """Whether it is the header of a time: by name, or a unit of time alone."""
        if fold_label(self.name) in TIME_NAMES:
            return not self.unit or parse_time_unit(self.unit) is not None
        return not self.name and parse_time_unit(self.unit) is not None

    @property
    def is_spectral(self) -> bool:
        """Whether it is the header of wavelengths or wavenumbers."""
        named = fold_label(self.name) in SPECTRAL_NAMES
        return named or self.unit.casefold() in SPECTRAL_UNITS

    @property
    def is_of_table(self) -> bool:
        """Whether it is a header of a table of conditions: a file name, a concentration, ..."""
        return not self.is_time and parse_header(self.text) is not None

    @property
    def signal_unit(self) -> str:
        """The unit of a signal; a header such as ``Volt`` is one itself."""
        return self.unit or (self.name if self.name.casefold() in SIGNAL_UNITS else "")

    @property
    def is_signal(self) -> bool:
        """Whether it names what a detector records."""
        return bool(SIGNAL_NAMES.search(self.text)) or self.signal_unit.casefold() in SIGNAL_UNITS


def parse_label(text: str) -> Label:
    """Take a header apart: ``Time (s)``, ``t / ms``, ``Time [s]``, ``time_ms``, ``ms``."""
    plain = " ".join(text.split()).strip("\"'")
    for form in (_BRACKET, _SLASH, _COMMA, _IN):
        match = form.fullmatch(plain)
        if match:
            return Label(text=plain, name=match["name"].strip(), unit=match["unit"].strip())
    if parse_time_unit(plain) is not None and fold_label(plain) not in TIME_NAMES:
        return Label(text=plain, name="", unit=plain)
    match = _GAP.fullmatch(plain)
    if match and parse_time_unit(match["unit"]) is not None:
        return Label(text=plain, name=match["name"].strip(), unit=match["unit"])
    return Label(text=plain, name=plain, unit="")


def fold_label(text: str) -> str:
    """Reduce a header to small letters and digits."""
    return fold_name(text).casefold()


def is_unit_alone(text: str) -> bool:
    """Tell a unit, of any quantity or of a signal, with or without brackets, from a name."""
    return is_only_unit(text) or bare_unit(text).casefold() in SIGNAL_UNITS


def wavelength_nm(text: str, *, bare: bool = False) -> float:
    """Return the wavelength in a header such as ``440 nm`` or ``Abs 440nm``; NaN without one.

    Parameters
    ----------
    bare
        Whether a number alone is one, as in a row of wavelengths.
    """
    if bare and _NUMBER.fullmatch(text.strip()):
        return _in_range(text.casefold().removesuffix("nm").strip())
    match = _WAVELENGTH.fullmatch(text.strip())
    return _in_range(match["value"]) if match and match["unit"] else nan


def _in_range(text: str) -> float:
    value = float(text.replace(",", "."))
    return value if SHORTEST_NM <= value <= LONGEST_NM else nan


def known_wavelength(value: float) -> bool:
    """Tell whether a number can be a wavelength in nm."""
    return isfinite(value) and SHORTEST_NM <= value <= LONGEST_NM


def require_one_time_unit(written: Sequence[str], *, name: str) -> None:
    """Refuse units of time that contradict each other; other texts are passed over.

    Raises
    ------
    FormatError
        When two of them have different lengths.
    """
    scales = {unit: scale for unit in written if (scale := parse_time_unit(unit)) is not None}
    if len(set(scales.values())) > 1:
        shown = " and ".join(repr(unit) for unit in list(scales)[:2])
        raise FormatError(
            name,
            where="header",
            found=f"two units of time, {shown}",
            expected="one; put the header right, or the times would be guessed",
        )


def require_time_unit(written: str, *, time_unit: str | None, name: str) -> float:
    """Return the length of a unit of time in s: that of the file, else the one given.

    Raises
    ------
    FormatError
        When neither says one, or the file's is no unit of time.
    SettingsError
        When the one given is no unit of time.
    """
    if written:
        scale = parse_time_unit(written)
        if scale is None:
            raise FormatError(
                name,
                where="header",
                found=f"the x unit {written!r}",
                expected="a unit of time (s, ms, µs, ns, min); this is no kinetic trace",
            )
        return scale
    if time_unit is None:
        raise FormatError(
            name,
            where="header",
            found="no unit of time",
            expected="one in the header, as in Time (s), or --time-unit s or ms",
        )
    scale = parse_time_unit(time_unit)
    if scale is None:
        raise SettingsError("time_unit", time_unit, valid=TIME)
    return scale
