"""Networks in TOML files: [[layer]] tables in our words, or in those of the published files.

Ours has one number for `dim`, the outputs; the published one the pair ``[inputs, outputs]`` and
its own names of the types. Both may be mixed; docs/networks.md has every key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from stopflow.config import build_settings
from stopflow.errors import SettingsError
from stopflow.lowrank import LAYERS, LayerSpec

PUBLISHED_TYPES: Final[Mapping[str, str]] = {
    "Dense": "dense",
    "LowRank": "dlrt",
    "vanillaLowRank": "vanilla",
}
"""Names of the published files -> ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTables:
    """Layers of a file.

    Attributes
    ----------
    inputs
        Inputs of the first one, where the file says so; else 0.
    """

    layers: tuple[LayerSpec, ...]
    inputs: int


def parse_layers(tables: Any, *, where: str) -> LayerTables:
    """Build the layers one by one, so that an error names which one is wrong.

    Raises
    ------
    SettingsError
        A key, a type or a size that is not valid, or a layer whose inputs are not the outputs of
        the one before it.
    """
    if not isinstance(tables, list) or not all(isinstance(table, Mapping) for table in tables):
        raise SettingsError(
            f"{where}: [layer]", tables, valid="[[layer]], one table for each layer"
        )
    layers: list[LayerSpec] = []
    first = 0
    for number, table in enumerate(tables, start=1):
        place = f"{where} [[layer]] {number}"
        for key in ("type", "dim"):
            if key not in table:
                valid = (*LAYERS, *PUBLISHED_TYPES) if key == "type" else _DIM
                raise SettingsError(f"{place} {key}", None, valid=valid)
        inputs, outputs = _sizes(table["dim"], place=place)
        if layers and inputs not in (0, layers[-1].dim):
            raise SettingsError(
                f"{place} inputs",
                inputs,
                valid=f"{layers[-1].dim}, the outputs of layer {number - 1}",
            )
        first = first or (inputs if number == 1 else 0)
        kind = table["type"]
        if not isinstance(kind, str):
            raise SettingsError(f"{place} type", kind, valid=(*LAYERS, *PUBLISHED_TYPES))
        kind = PUBLISHED_TYPES.get(kind, kind)
        own = {**table, "type": kind, "dim": outputs}
        layers.append(build_settings(LayerSpec, own, where=place))
    return LayerTables(layers=tuple(layers), inputs=first)


_DIM: Final = "a whole number from 1, or [inputs, outputs]"


def _sizes(dim: Any, *, place: str) -> tuple[int, Any]:
    """Return inputs, 0 where they are not given, and outputs, which `LayerSpec` checks."""
    if not isinstance(dim, list):
        return 0, dim
    whole = all(isinstance(value, int) and not isinstance(value, bool) for value in dim)
    if len(dim) != 2 or not whole or min(dim) < 1:
        raise SettingsError(f"{place} dim", dim, valid=_DIM)
    return dim[0], dim[1]
