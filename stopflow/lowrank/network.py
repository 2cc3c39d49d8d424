"""A chain of layers from a list of specifications."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stopflow.errors import SettingsError
from stopflow.lowrank.activations import require_activation
from stopflow.lowrank.factors import InputBasis
from stopflow.lowrank.layers import FAMILIES, LAYERS, LayerStart
from stopflow.lowrank.settings import require_count


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSpec:
    """One layer: a key of `LAYERS`, outputs, a key of `ACTIVATIONS`, and a rank if it has one."""

    type: str
    dim: int
    activation: str = "relu"
    rank: int | None = None

    def __post_init__(self) -> None:
        if self.type not in FAMILIES:
            raise SettingsError("layer type", self.type, valid=LAYERS)
        require_activation(self.activation)
        require_count("dim", self.dim, low=1)
        if FAMILIES[self.type].ranked:
            require_count("rank", self.rank, low=1)


class Network(nn.Module):
    """Layers and activations in a chain; `forward` works under autograd as any module does."""

    def __init__(
        self, n_inputs: int, layers: Sequence[nn.Module], specs: Sequence[LayerSpec]
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.specs = tuple(specs)
        self.base_specs: tuple[LayerSpec, ...] = ()
        self.n_inputs = n_inputs
        self.activations = tuple(require_activation(spec.activation) for spec in specs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs, shape (batch, dim of the last layer)."""
        for layer, activation in zip(self.layers, self.activations, strict=True):
            x = activation.forward(layer(x))
        return x

    def ranks(self) -> tuple[int | None, ...]:
        """Return the present rank of each layer, ``None`` for dense ones."""
        return tuple(getattr(layer, "rank", None) for layer in self.layers)


def build_network(
    n_inputs: int,
    specs: Sequence[LayerSpec],
    *,
    generator: torch.Generator,
    input_basis: InputBasis | None = None,
    fan_in: int | None = None,
    dtype: torch.dtype = torch.float32,
) -> Network:
    """Build and initialise a network on the CPU; move it with ``.to(device)``.

    Parameters
    ----------
    n_inputs
        Length of an input row.
    specs
        The layers from input to output.
    generator
        Source of the initial values (a CPU generator).
    input_basis
        Directions for V of a low-rank first layer; random ones without.
    fan_in
        Inputs before an exact reduction such as `RowSpace`, so that the start and every step mean
        the same in both coordinates; `n_inputs` if not given.

    dtype
        float32 or float64.

    Raises
    ------
    SettingsError
        No layers; or a rank above min(rows, columns) of its layer.
    """
    require_count("n_inputs", n_inputs, low=1)
    if not specs:
        raise SettingsError("layers", "", valid="at least one layer")
    layers: list[nn.Module] = []
    width = n_inputs
    for spec in specs:
        first = not layers
        start = LayerStart(
            n_inputs=width,
            n_outputs=spec.dim,
            rank=spec.rank,
            gain=1.0 if spec.activation in ("linear", "tanh", "sigmoid") else 2.0,
            fan_in=(fan_in or width) if first else width,
            generator=generator,
            basis=input_basis if first else None,
            dtype=dtype,
        )
        layers.append(FAMILIES[spec.type].build(start))
        width = spec.dim
    return Network(n_inputs, layers, specs)
