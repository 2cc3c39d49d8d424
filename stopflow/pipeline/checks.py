"""What is refused before any work is done: names, seeds, units and numbers that make no sense."""

import math
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

from stopflow.errors import SettingsError
from stopflow.io.units import parse_time_unit
from stopflow.report.paper.sizes import require_paper

LARGEST_SEED: Final = 2**63 - 1
TIME_UNITS: Final = ("s", "ms", "us", "ns", "min")
OTHER_REPORTS: Final = ("kinetics", "compare")


def require_name(name: str) -> str:
    """Refuse names of models that are paths, that hide, or whose PDF is another report's."""
    if not name or name.startswith(".") or Path(name).name != name:
        raise SettingsError("--name", name, valid="a plain name, e.g. dlrt")
    if name.casefold() in OTHER_REPORTS:
        valid = f"another name than {' and '.join(OTHER_REPORTS)}, whose PDFs are other reports"
        raise SettingsError("--name", name, valid=valid)
    return name


def require_whole(name: str, value: int, *, high: int | None = None) -> int:
    """Refuse a whole number outside 0 to `high`."""
    if value < 0 or (high is not None and value > high):
        end = "" if high is None else f" to {high}"
        raise SettingsError(name, value, valid=f"a whole number from 0{end}")
    return value


def require_seed(seed: int) -> int:
    """Refuse a seed that no generator takes."""
    return require_whole("seed", seed, high=LARGEST_SEED)


def require_time_unit(unit: str | None) -> None:
    """Refuse what is no unit of time; None is no unit at all."""
    if unit is not None and parse_time_unit(unit) is None:
        raise SettingsError("time_unit", unit, valid=TIME_UNITS)


def require_moment(option: str, moment: float | None) -> None:
    """Refuse a time that is no finite number; None is none at all."""
    if moment is not None and not math.isfinite(moment):
        raise SettingsError(option, moment, valid="a finite number, in the file's own unit")


def require_wavelength(wavelength_nm: float | None) -> None:
    """Refuse what is no wavelength in nm; None is none at all."""
    if wavelength_nm is not None and not (math.isfinite(wavelength_nm) and wavelength_nm > 0):
        raise SettingsError("--wavelength", wavelength_nm, valid="a wavelength in nm, e.g. 340")


def require_reports(reports: Path, *, paper: str) -> None:
    """Refuse a page size that there is not, and reports that could not be written.

    Nothing is left behind: the folder itself is made with the first report.

    Raises
    ------
    SettingsError, OSError
        Before work is done that could not be kept.
    """
    require_paper(paper)
    if reports.exists() and not reports.is_dir():
        raise SettingsError("--reports", str(reports), valid="a folder; this is a file")
    nearest = next(folder for folder in (reports, *reports.absolute().parents) if folder.exists())
    if not nearest.is_dir():
        raise SettingsError("--reports", str(reports), valid=f"a folder; {nearest} is a file")
    try:
        with TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(reports)) from error


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not None; refuse one that is an empty text."""
    for key, value in options.items():
        if value == "":
            name = f"--{key.replace('_', '-')}"
            raise SettingsError(name, value, valid=f"a value; without {name} the default holds")
    return {key: value for key, value in options.items() if value is not None}
