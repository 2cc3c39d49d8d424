"""Settings of the stages from a TOML file, checked: every unknown key is named with what is valid.

::

    [ingest]                    # law, channel, robust, ...   as the options of `stopflow ingest`
    law = "auto"
    [quality]                   # thresholds of the verdicts
    low_signal_to_noise = 10
    [train]                     # as the options of `stopflow train`
    epochs = 300
    [settings]                  # the same under its published name
    [[layer]]                   # the network, one table a layer; the last one is the output
    type = "dlrt"
    dim = 512
    activation = "relu"
    rank = 50
"""

import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from stopflow.errors import FormatError, SettingsError, require_key

Settings = TypeVar("Settings")

LAYER = "layer"
SECTIONS = ("ingest", "quality", "train", "settings", LAYER)
LARGEST_BYTES = 1_000_000


def read_config(path: Path) -> dict[str, Any]:
    """Read a TOML file of settings.

    Raises
    ------
    FormatError
        When it is not TOML, with the line.
    SettingsError
        When it has a table that no stage reads.
    """
    values = read_toml(path, option="--config", example="epochs = 300")
    for section, value in values.items():
        require_key(f"{path.name}: table", section, SECTIONS)
        if not _is_section(section, value):
            brackets = f"[[{section}]]" if section == LAYER else f"[{section}]"
            raise SettingsError(
                f"{path.name}: {section}", value, valid=f"a table: {brackets}, its keys below it"
            )
    return values


def read_toml(path: Path, *, option: str, example: str) -> dict[str, Any]:
    """Read any TOML file of the user's.

    Parameters
    ----------
    option
        How the user named the file.
    example
        A line that it may hold.

    Raises
    ------
    FormatError
        When it is not TOML, with the line, and when it is larger than settings can be.
    SettingsError
        When it cannot be read at all.
    """
    expected = f"TOML, e.g. {example}"
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise FormatError(path.name, found="more than 1 MB of settings", expected=expected)
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(option, str(path), valid="a TOML file that can be read") from error
    except ValueError as error:  # not TOML, not UTF-8, a number of thousands of digits
        raise FormatError(path.name, found=str(error), expected=expected) from error
    except RecursionError as error:
        raise FormatError(path.name, found="brackets nested too deep", expected=expected) from error


def _is_section(section: str, value: object) -> bool:
    """Tell whether a value is what a section holds: a table, for layers a list of tables."""
    if section != LAYER:
        return isinstance(value, dict)
    return isinstance(value, list) and all(isinstance(table, dict) for table in value)


def build_settings(kind: type[Settings], values: Mapping[str, Any], *, where: str) -> Settings:
    """Build the frozen settings `kind` from plain values, converting and checking each.

    Parameters
    ----------
    kind
        A dataclass; fields that are dataclasses themselves take nested tables.
    where
        How the user knows these values, e.g. ``"lab.toml [train]"``.

    Raises
    ------
    SettingsError
        Naming the key, its value and what would be valid.
    """
    from pydantic import TypeAdapter, ValidationError

    _require_known(kind, values, where=where)
    try:
        return TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        valid = first["msg"].removeprefix("Input should be ")
        raise SettingsError(f"{where} {key}", first["input"], valid=valid) from error
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise SettingsError(where, dict(values), valid=f"other values ({error})") from error


def _require_known(kind: Any, values: Mapping[str, Any], *, where: str) -> None:
    known = get_type_hints(kind)
    names = [item.name for item in fields(kind)]
    for key, value in values.items():
        require_key(f"{where} key", key, names)
        if isinstance(value, Mapping) and is_dataclass(known[key]):
            _require_known(known[key], value, where=f"{where}.{key}")
