"""What is fitted: ``mechanism.toml`` beside the traces, and options that win over it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from stopflow.config import read_toml
from stopflow.errors import SettingsError, require_key
from stopflow.mechanism.mixtures import COLUMN
from stopflow.mechanism.observations import Detector
from stopflow.mechanism.start import Ageing

FILE = "mechanism.toml"
KEYS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "scheme": (str, 'text, e.g. "A + B <=> C"'),
    "initial": (dict, "a table of species and concentrations, each as text"),
    "observe": (list, 'a list of species, e.g. ["C"]'),
    "relations": (list, 'a list of relations, e.g. ["k-1/k1 = 2e-6"]'),
    "pre_equilibrated": (list, 'a list of pairs, e.g. ["E <=> F"]'),
    "eyring": (bool, "true or false"),
    "drift": (bool, "true or false"),
    "response": (str, '"shared", "each" or "column NAME"'),
    "fixed_response": (dict, "a table of species and molar responses, each as text"),
    "mixing_ratio": ((int, float), "a number above 0"),
    "mixed_first": (list, 'a list of species, e.g. ["E", "I"]'),
    "delay": (str, 'a time such as "50 ms", or "column NAME"'),
    "second_dilution": ((int, float), "a number of at least 1"),
    "dead_time_ms": ((int, float), "milliseconds, 0 to 1e6"),
}
"""Key of the file to its type, and how that is said."""
RESPONSES = ("shared", "each", "column NAME")
MOST_RESPONSE = 1e100
"""Of a species, in units of the signal per mol/L."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MechanismSettings:
    """What is fitted, and how.

    Attributes
    ----------
    scheme
        As a chemist writes it.
    initial
        Species to concentration; see `stopflow.mechanism.mixtures`.
    observe
        Species that the detector sees; none: every species that the last step makes.
    relations
        Such as ``"k-1/k1 = 2e-6"``.
    eyring
        Whether constants follow Eyring's law with temperature.
    pre_equilibrated
        Pairs such as ``"E <=> F"`` that were in equilibrium before mixing.
    drift
        Whether every shot has a linear drift.
    response
        ``"shared"`` by all shots, of ``"each"`` shot, or shared by shots with the same text in
        ``"column NAME"``, such as a wavelength.
    fixed_response
        Species to a molar response that is known, in units of the signal per mol/L.
    mixing_ratio
        What concentrations of the workbook are divided by.
    mixed_first, delay, second_dilution
        With double mixing: species of the first mixing, how long they age (``"50 ms"`` or
        ``"column NAME"``), and what the second mixing divides their concentrations by.
    dead_time_ms
        Age of the mixture when the record begins; None: as the workbook says, or 0.
    """

    scheme: str
    initial: Mapping[str, str] = field(default_factory=dict)
    observe: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    pre_equilibrated: tuple[str, ...] = ()
    eyring: bool = False
    drift: bool = False
    response: str = "shared"
    fixed_response: Mapping[str, str] = field(default_factory=dict)
    mixing_ratio: float = 1.0
    mixed_first: tuple[str, ...] = ()
    delay: str = ""
    second_dilution: float = 2.0
    dead_time_ms: float | None = None

    def __post_init__(self) -> None:
        if self.response not in RESPONSES[:2] and not self.response_column:
            raise SettingsError("response", self.response, valid=RESPONSES)
        dead_ms = 0.0 if self.dead_time_ms is None else self.dead_time_ms
        for name, value, fits in (
            ("mixing_ratio", self.mixing_ratio, self.mixing_ratio > 0),
            ("dead_time_ms", dead_ms, 0 <= dead_ms <= 1e6),
            ("second_dilution", self.second_dilution, self.second_dilution >= 1),
        ):
            if not (fits and isfinite(value)):
                raise SettingsError(name, value, valid=KEYS[name][1])
        if bool(self.mixed_first) != bool(self.delay):
            missing = "delay" if self.mixed_first else "mixed_first"
            raise SettingsError(missing, getattr(self, missing), valid=KEYS[missing][1])
        for name, text in self.fixed_response.items():
            response = _number(text)
            if response is None or abs(response) > MOST_RESPONSE:
                valid = f'a number of at most {MOST_RESPONSE:g}, e.g. "5e5"'
                raise SettingsError(f"fixed_response: {name}", text, valid=valid)

    @property
    def response_column(self) -> str:
        """Column of the workbook whose value shots share their responses by; ``""`` for none."""
        return (
            self.response.removeprefix(COLUMN).strip() if self.response.startswith(COLUMN) else ""
        )

    @property
    def ageing(self) -> Ageing | None:
        """The first of two mixings."""
        if not self.mixed_first:
            return None
        return Ageing(species=self.mixed_first, dilution=self.second_dilution)

    def build_detector(self, observed: tuple[str, ...]) -> Detector:
        """Say what is seen; `observed` where the settings name nothing.

        Raises
        ------
        SettingsError
            A response is fixed of a species that is not seen.
        """
        seen = self.observe or observed
        for name in self.fixed_response:
            require_key("fixed_response", name, seen)
        return Detector(
            observed=seen,
            fixed={name: float(text) for name, text in self.fixed_response.items()},
            shared=self.response != RESPONSES[1],
            drift=self.drift,
        )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def mechanism_settings(
    folder: Path, *, needs_scheme: bool = True, **options: Any
) -> MechanismSettings:
    """Compose the settings from ``mechanism.toml`` beside the traces and options.

    Parameters
    ----------
    needs_scheme
        False where known schemes are ranked, and none has to be given.

    Raises
    ------
    SettingsError
        Names an unknown key, or says that no scheme is given.
    """
    values = _read_settings(folder / FILE) if (folder / FILE).is_file() else {}
    values |= {name: value for name, value in options.items() if value not in (None, (), {})}
    values.setdefault("scheme", "")
    if needs_scheme and not values["scheme"]:
        raise SettingsError(
            "--scheme",
            None,
            valid='a scheme such as "E + S <=> ES -> E + P", here or in mechanism.toml; without '
            "one, --rank compares known schemes",
        )
    for name in ("observe", "relations", "pre_equilibrated", "mixed_first"):
        if name in values:
            values[name] = tuple(values[name])
    return MechanismSettings(**values)


def _read_settings(path: Path) -> dict[str, Any]:
    values = read_toml(path, option=FILE, example='scheme = "A + B <=> C"')
    for key, value in values.items():
        require_key(f"{path.name}: key", key, KEYS)
        wanted, said = KEYS[key]
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            raise SettingsError(f"{path.name}: {key}", value, valid=said)
        inner: list[Any] = [*value.values()] if isinstance(value, dict) else [value]
        inner = value if isinstance(value, list) else inner
        if wanted in (dict, list) and not all(isinstance(item, str) for item in inner):
            raise SettingsError(f"{path.name}: {key}", value, valid=said)
    return values
