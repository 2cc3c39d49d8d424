"""What is fitted: ``mechanism.toml`` beside the traces, and options that win over it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stopflow.config import read_toml
from stopflow.errors import SettingsError

FILE = "mechanism.toml"
KEYS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "scheme": (str, 'text, e.g. "A + B <=> C"'),
    "initial": (dict, "a table of species and concentrations, each as text"),
    "observe": (list, 'a list of species, e.g. ["C"]'),
    "relations": (list, 'a list of relations, e.g. ["k-1/k1 = 2e-6"]'),
    "pre_equilibrated": (list, 'a list of pairs, e.g. ["E <=> F"]'),
    "eyring": (bool, "true or false"),
    "drift": (bool, "true or false"),
    "response": (str, '"shared" or "each"'),
    "mixing_ratio": ((int, float), "a number above 0"),
    "dead_time_ms": ((int, float), "milliseconds, 0 or more"),
}
"""Key of the file to its type, and how that is said."""
RESPONSES = ("shared", "each")


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
        ``"shared"`` by all shots, or of ``"each"`` shot.
    """

    scheme: str
    initial: Mapping[str, str] = field(default_factory=dict)
    observe: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    pre_equilibrated: tuple[str, ...] = ()
    eyring: bool = False
    drift: bool = False
    response: str = "shared"
    mixing_ratio: float = 1.0
    dead_time_ms: float = 0.0

    def __post_init__(self) -> None:
        if self.response not in RESPONSES:
            raise SettingsError("response", self.response, valid=RESPONSES)
        if not (isinstance(self.mixing_ratio, int | float) and self.mixing_ratio > 0):
            raise SettingsError("mixing_ratio", self.mixing_ratio, valid="a number above 0")
        if not (isinstance(self.dead_time_ms, int | float) and 0 <= self.dead_time_ms < 1e6):
            raise SettingsError("dead_time_ms", self.dead_time_ms, valid="milliseconds, 0 or more")


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
        raise SettingsError("--scheme", "", valid='a scheme such as "E + S <=> ES -> E + P"')
    for name in ("observe", "relations", "pre_equilibrated"):
        if name in values:
            values[name] = tuple(values[name])
    return MechanismSettings(**values)


def _read_settings(path: Path) -> dict[str, Any]:
    values = read_toml(path, option=FILE, example='scheme = "A + B <=> C"')
    for key, value in values.items():
        if key not in KEYS:
            raise SettingsError(f"{path.name}: key", key, valid=KEYS)
        wanted, said = KEYS[key]
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            raise SettingsError(f"{path.name}: {key}", value, valid=said)
        inner: list[Any] = [*value.values()] if isinstance(value, dict) else [value]
        inner = value if isinstance(value, list) else inner
        if wanted in (dict, list) and not all(isinstance(item, str) for item in inner):
            raise SettingsError(f"{path.name}: {key}", value, valid=said)
    return values
