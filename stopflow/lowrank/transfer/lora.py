"""Adapting a trained network to other data with few values, and merging the result."""

import copy
import math
from dataclasses import replace
from itertools import pairwise
from numbers import Real

import torch
from torch import Tensor, nn

from stopflow.errors import SettingsError
from stopflow.lowrank.arguments import require_generator
from stopflow.lowrank.layer.adapter import AdaptedLayer
from stopflow.lowrank.layer.dense import DenseLayer
from stopflow.lowrank.layer.lowrank import LowRankLayer
from stopflow.lowrank.layers import ADAPTED
from stopflow.lowrank.network import LayerSpec, Network, require_network
from stopflow.lowrank.settings import require_count


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
        A rank out of range, a `scale` that is not finite, a network that is adapted already or has
        ``oialr`` layers, with which additions cannot be merged.
    """
    require_merged(network)
    require_generator(generator)
    if not isinstance(scale, Real) or not math.isfinite(scale):
        raise SettingsError("scale", scale, valid="a finite number")
    widths = [network.n_inputs, *(spec.dim for spec in network.specs)]
    sizes = list(pairwise(widths))
    require_count("rank", rank, low=1, high=max(min(size) for size in sizes))
    layers: list[nn.Module] = []
    specs: list[LayerSpec] = []
    for layer, spec, (n_inputs, n_outputs) in zip(
        network.layers, network.specs, sizes, strict=True
    ):
        if not isinstance(layer, DenseLayer | LowRankLayer):
            valid = "dense and factored layers, into which an addition can be merged"
            raise SettingsError("layer type", spec.type, valid=valid)
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
    if any(isinstance(layer, AdaptedLayer) for layer in network.layers):
        raise SettingsError("layer type", ADAPTED, valid="a network not adapted yet; merge first")


def unmerge(adapted: Network) -> Network:
    """Return the network that was adapted, without the additions."""
    require_network(adapted)
    layers = [copy.deepcopy(_adapted(layer).base).requires_grad_() for layer in adapted.layers]
    return Network(adapted.n_inputs, layers, adapted.base_specs)


def merge(adapted: Network) -> Network:
    """Return plain layers of the same function: W = W0 + scale B A.

    A dense layer stays dense; a low-rank one keeps orthonormal factors of a rank higher by up to
    that of the addition.
    """
    merged = unmerge(adapted)
    for layer, base in zip(adapted.layers, merged.layers, strict=True):
        own = _adapted(layer)
        if isinstance(base, LowRankLayer):
            base.set_factors(*_sum_of_factors(base, own))
        elif isinstance(base, DenseLayer):
            base.weight.data += own.scale * (own.B.data @ own.A.data)
    merged.specs = tuple(
        replace(spec, rank=rank) for spec, rank in zip(merged.specs, merged.ranks(), strict=True)
    )
    return merged


def _adapted(layer: nn.Module) -> AdaptedLayer:
    if not isinstance(layer, AdaptedLayer):
        raise SettingsError("network", type(layer).__name__, valid="a network made by adapt")
    return layer


def _sum_of_factors(base: LowRankLayer, own: AdaptedLayer) -> tuple[Tensor, Tensor, Tensor]:
    """Return orthonormal factors of U S V^T + scale B A, in float64 inside."""
    dtype = base.S.dtype
    left, left_r = torch.linalg.qr(torch.cat([base.U.data, own.B.data], dim=1).double())
    right, right_r = torch.linalg.qr(torch.cat([base.V.data, own.A.data.mT], dim=1).double())
    scaled = own.scale * torch.eye(own.rank, dtype=torch.float64, device=left.device)
    core = left_r @ torch.block_diag(base.S.data.double(), scaled) @ right_r.mT
    p, sigma, qt = torch.linalg.svd(core, full_matrices=False)
    return (left @ p).to(dtype), torch.diag(sigma).to(dtype), (right @ qt.mT).to(dtype)
