"""Adapting a trained network to other data with few values, and merging the result."""

import copy
import math
from dataclasses import replace
from itertools import pairwise
from numbers import Real

import torch

from stopflow.errors import SettingsError
from stopflow.lowrank.arguments import require_count, require_generator
from stopflow.lowrank.layer.adapter import AdaptedLayer
from stopflow.lowrank.layer.protocol import Layer
from stopflow.lowrank.layers import ADAPTED, FAMILIES
from stopflow.lowrank.network import LayerSpec, Network, require_network


def adapt(
    network: Network, rank: int, *, generator: torch.Generator, scale: float = 1.0
) -> Network:
    """Return a network with the same outputs whose stepper trains low-rank additions only.

    Parameters
    ----------
    network
        Trained network; copied, so that the original stays as it is.
    rank
        Rank of each addition, at most min(inputs, outputs) of the widest layer; narrower layers
        take what they can.
    generator
        Source of A's initial values.
    scale
        Factor of the addition (alpha / rank in LoRA's words).

    Raises
    ------
    SettingsError
        A rank out of range, a `scale` that is not finite, or a network that is adapted already.
    """
    require_merged(network)
    require_generator(generator)
    if not isinstance(scale, Real) or not math.isfinite(scale):
        raise SettingsError("scale", scale, valid="a finite number")
    widths = [network.n_inputs, *(spec.dim for spec in network.specs)]
    sizes = list(pairwise(widths))
    require_count("rank", rank, low=1, high=max(min(size) for size in sizes))
    layers: list[Layer] = []
    specs: list[LayerSpec] = []
    for layer, spec, (n_inputs, n_outputs) in zip(network.chain, network.specs, sizes, strict=True):
        own = min(rank, n_inputs, n_outputs)
        base = copy.deepcopy(layer)
        layers.append(
            AdaptedLayer(base, n_inputs, n_outputs, own, scale=scale, generator=generator)
        )
        specs.append(LayerSpec(type=ADAPTED, dim=spec.dim, activation=spec.activation, rank=own))
    adapted = Network(network.n_inputs, layers, specs)
    adapted.base_specs = network.specs
    return adapted


def require_merged(network: Network) -> None:
    """Raise a `SettingsError` where a network has additions, or is none."""
    require_network(network)
    if any(spec.type == ADAPTED for spec in network.specs):
        raise SettingsError("layer type", ADAPTED, valid="a network not adapted yet; merge first")


def unmerge(adapted: Network) -> Network:
    """Return the network that was adapted, without the additions."""
    layers = [copy.deepcopy(layer.base) for layer in _adapted_layers(adapted)]
    network = Network(adapted.n_inputs, layers, adapted.base_specs)
    for layer, spec in zip(layers, network.specs, strict=True):
        for name, parameter in layer.named_parameters(recurse=False):
            parameter.requires_grad_(name not in FAMILIES[spec.type].frozen)
    return network


def merge(adapted: Network) -> Network:
    """Return layers of the same function without additions: W = W0 + scale B A.

    A dense layer stays dense; a low-rank one keeps orthonormal factors of a rank higher by up to
    that of the addition.
    """
    merged = unmerge(adapted)
    for layer, base in zip(_adapted_layers(adapted), merged.chain, strict=True):
        layer.merge_into(base)
    merged.specs = tuple(
        replace(spec, rank=rank if FAMILIES[spec.type].ranked else None)
        for spec, rank in zip(merged.specs, merged.ranks(), strict=True)
    )
    return merged


def _adapted_layers(adapted: Network) -> list[AdaptedLayer]:
    require_network(adapted)
    found = [layer for layer in adapted.chain if isinstance(layer, AdaptedLayer)]
    if len(found) < len(adapted.specs):
        kinds = ", ".join(spec.type for spec in adapted.specs)
        raise SettingsError("network", kinds, valid="a network made by adapt")
    return found
