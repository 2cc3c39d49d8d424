"""JSON of our own: equal values give equal bytes, and no size stated in a file is trusted."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from stopflow.errors import FormatError

LARGEST_BYTES: Final = 16_000_000
"""A description of ours is smaller; parsed, a text of this size takes up to 0.5 GB."""


def json_ready(value: Any) -> Any:
    """Turn numpy numbers, paths, tuples and NaN into what JSON has (NaN and infinity: None)."""
    if isinstance(value, Mapping):
        return {str(name): json_ready(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    item = value.item() if hasattr(value, "item") else value
    return None if isinstance(item, float) and not math.isfinite(item) else item


def json_text(value: Any, *, ascii_only: bool = False) -> str:
    """Write a value as JSON, one entry a line; in ASCII it can be printed anywhere."""
    return json.dumps(json_ready(value), indent=1, ensure_ascii=ascii_only, allow_nan=False)


def load_json(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON table.

    Raises
    ------
    FormatError
        When the file cannot be read, is larger than any of ours, is nested too deep, holds a
        number that is not one, or is not a table.
    """
    expected = "a JSON table, as this program writes it"
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            found = f"{size / 1e6:.0f} MB of text"
            raise FormatError(path.name, found=found, expected=expected)
        values = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except (OSError, ValueError) as error:
        raise FormatError(path.name, found=str(error), expected=expected) from error
    except RecursionError as error:
        raise FormatError(path.name, found="brackets nested too deep", expected=expected) from error
    if not isinstance(values, dict):
        raise FormatError(path.name, found=f"a {type(values).__name__}", expected=expected)
    return values


def _refuse_constant(name: str) -> float:
    raise ValueError(f"the number {name}")
