"""The layers of a network, from its input to its output."""

from collections.abc import Sequence

from stopflow.errors import SettingsError
from stopflow.lowrank import LAYERS, LayerSpec


def build_hidden(
    kind: str, widths: Sequence[int], *, n_inputs: int, rank: int, activation: str
) -> tuple[LayerSpec, ...]:
    """Return hidden layers of one kind; one too small for the rank has its full one."""
    ranked = LAYERS[kind].ranked
    return tuple(
        LayerSpec(
            type=kind,
            dim=dim,
            activation=activation,
            rank=min(rank, width, dim) if ranked else None,
        )
        for width, dim in zip((n_inputs, *widths), widths, strict=False)
    )


def complete_specs(
    specs: Sequence[LayerSpec], *, n_inputs: int, n_outputs: int
) -> tuple[LayerSpec, ...]:
    """Check layers, and add a dense linear output where the last of them is a hidden one.

    Raises
    ------
    SettingsError
        A layer whose rank is above what its size allows, or a last one whose dim is another than
        the `n_outputs` of the task.
    """
    width = n_inputs
    for number, spec in enumerate(specs, start=1):
        most = min(width, spec.dim)
        if LAYERS[spec.type].ranked and spec.rank is not None and spec.rank > most:
            raise SettingsError(f"rank of layer {number}", spec.rank, valid=f"1 to {most}")
        width = spec.dim
    last = specs[-1]
    linear = last.activation == "linear"
    if linear and last.dim != n_outputs:
        why = "one k" if n_outputs == 1 else f"one of {n_outputs} classes"
        valid = f"{n_outputs}: the network predicts {why}"
        raise SettingsError("dim of the last layer", last.dim, valid=valid)
    if not linear and (n_outputs == 1 or last.dim != n_outputs):
        return (*specs, LayerSpec(type="dense", dim=n_outputs, activation="linear"))
    return tuple(specs)
