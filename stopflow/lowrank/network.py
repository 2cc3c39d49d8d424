"""A chain of layers from a list of specifications."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from stopflow.errors import SettingsError, require_key
from stopflow.lowrank.activations import ACTIVATIONS, Activation, require_activation
from stopflow.lowrank.arguments import (
    describe,
    require_count,
    require_generator,
    require_real,
    require_rows,
)
from stopflow.lowrank.layer.lowrank import InputBasis
from stopflow.lowrank.layer.protocol import Layer
from stopflow.lowrank.layers import FAMILIES, LAYERS, LayerFamily, LayerStart


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

    def __init__(self, n_inputs: int, layers: Sequence[Layer], specs: Sequence[LayerSpec]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.specs = tuple(specs)
        self.base_specs: tuple[LayerSpec, ...] = ()
        self.n_inputs = n_inputs

    @property
    def activations(self) -> tuple[Activation, ...]:
        """Activation of each layer."""
        return tuple(ACTIVATIONS[spec.activation] for spec in self.specs)

    @property
    def chain(self) -> tuple[Layer, ...]:
        """The layers from input to output, as what they are."""
        return tuple(cast(Layer, layer) for layer in self.layers)

    @property
    def families(self) -> tuple[LayerFamily, ...]:
        """Family of each layer."""
        return tuple(FAMILIES[spec.type] for spec in self.specs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs, shape (batch, dim of the last layer)."""
        x = require_rows(x, width=self.n_inputs, dtype=next(self.parameters()).dtype)
        for layer, activation in zip(self.layers, self.activations, strict=True):
            x = activation.forward(layer(x))
        return x

    def ranks(self) -> tuple[int | None, ...]:
        """Return the present rank of each layer, of the addition for adapted ones.

        ``None`` for ``dense`` ones; ``oialr`` ones have min(inputs, outputs) until they are cut.
        """
        return tuple(layer.rank for layer in self.chain)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return copies of all values: later steps write into the memory of some, not of others."""
        state = super().state_dict(*args, **kwargs)
        for name, value in state.items():
            state[name] = value.clone()
        return state


def require_layers(specs: Sequence[LayerSpec]) -> None:
    """Raise a `SettingsError` where there is no layer, or anything else among them."""
    if isinstance(specs, LayerSpec) or not all(isinstance(spec, LayerSpec) for spec in specs):
        raise SettingsError("layers", specs, valid="a list of LayerSpec(...)")
    if not specs:
        raise SettingsError("layers", "", valid="at least one layer")


def require_network(network: Network) -> None:
    """Raise a `SettingsError` unless it is a `Network`."""
    if not isinstance(network, Network):
        raise SettingsError("network", describe(network), valid="what build_network returns")


def require_finite(network: Network) -> None:
    """Raise a `SettingsError` that names a parameter with values that are not finite."""
    for name, parameter in network.named_parameters():
        if not bool(parameter.isfinite().all()):
            valid = "finite values; load an earlier checkpoint"
            raise SettingsError(f"network.{name}", "values that are not finite", valid=valid)


def build_network(
    n_inputs: int,
    specs: Sequence[LayerSpec],
    *,
    generator: torch.Generator,
    input_basis: InputBasis | None = None,
    fan_in: int | None = None,
    initial_decay: float = 1.0,
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
    initial_decay
        Factor by which each initial singular value of a layer with a rank lies below the one
        before it, at the same Frobenius norm; 1: equal singular values.
    dtype
        float32 or float64.

    Raises
    ------
    SettingsError
        No layers, or something else than those, a basis and a generator; a rank above min(rows,
        columns) of its layer; a `fan_in` that is no positive whole number; an `initial_decay`
        below 1; another `dtype`; a basis that is not orthonormal or does not fit.
    """
    require_count("n_inputs", n_inputs, low=1)
    fan_in = require_count("fan_in", n_inputs if fan_in is None else fan_in, low=1)
    require_real("initial_decay", initial_decay, low=1.0, closed_low=True)
    require_key("dtype", dtype, (torch.float32, torch.float64))
    require_layers(specs)
    require_generator(generator)
    if input_basis is not None and not isinstance(input_basis, InputBasis):
        raise SettingsError("input_basis", describe(input_basis), valid="InputBasis(...)")
    layers: list[Layer] = []
    width = n_inputs
    for spec in specs:
        first = not layers
        start = LayerStart(
            n_inputs=width,
            n_outputs=spec.dim,
            rank=spec.rank,
            gain=1.0 if spec.activation in ("linear", "tanh", "sigmoid") else 2.0,
            fan_in=fan_in if first else width,
            generator=generator,
            basis=input_basis if first else None,
            decay=initial_decay,
            dtype=dtype,
        )
        layers.append(FAMILIES[spec.type].build(start))
        width = spec.dim
    return Network(n_inputs, layers, specs)


def count_parameters(network: nn.Module) -> int:
    """Return the number of values of the model, biases included, momenta not."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_trained(network: nn.Module) -> int:
    """Return the number of values that training changes; frozen bases are not counted."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
