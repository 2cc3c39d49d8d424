"""Small float64 networks and batches for the laws."""

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from stopflow.lowrank import LAYERS, LayerSpec, Network, build_network
from stopflow.lowrank.layer.lowrank import LowRankLayer
from stopflow.lowrank.layer.orthonormal import orthonormal

LOW_RANK = [kind for kind, family in LAYERS.items() if family.ranked]
ORTHONORMAL = [kind for kind, family in LAYERS.items() if family.dynamical]
COMBINATIONS = [(kind, name) for kind, family in LAYERS.items() for name in family.optimisers]
EQUIVARIANT = [
    (kind, name) for kind, family in LAYERS.items() for name in family.rotation_equivariant
]
INPUTS = 40

__all__ = [
    "COMBINATIONS",
    "EQUIVARIANT",
    "INPUTS",
    "LOW_RANK",
    "ORTHONORMAL",
    "batch",
    "chain",
    "mse_loss",
    "orthonormality_defect",
    "weights",
]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(seed: int = 3, *, rows: int = 16, inputs: int = INPUTS) -> tuple[Tensor, Tensor]:
    generator = seeded(seed)
    x = torch.randn(rows, inputs, generator=generator, dtype=torch.float64)
    return x, torch.randn(rows, 1, generator=generator, dtype=torch.float64)


def chain(
    kind: str,
    *,
    rank: int = 6,
    dims: tuple[int, ...] = (24, 18),
    inputs: int = INPUTS,
    seed: int = 5,
    activation: str = "tanh",
    sigma: Tensor | None = None,
) -> Network:
    """Build layers of `kind` with a dense head; biases and singular values all different."""
    specs = [LayerSpec(type=kind, dim=dim, rank=rank, activation=activation) for dim in dims]
    specs.append(LayerSpec(type="dense", dim=1, activation="linear"))
    generator = seeded(seed)
    network = build_network(inputs, specs, generator=generator, dtype=torch.float64)
    for layer in network.layers:
        layer.bias.data = 0.1 * torch.randn(layer.bias.shape, generator=generator).double()
        if isinstance(layer, LowRankLayer):
            r = layer.rank
            values = torch.linspace(2.0, 0.2, r).double() if sigma is None else sigma
            left, right = (orthonormal(r, r, generator=generator) for _ in range(2))
            u = orthonormal(layer.U.shape[0], r, generator=generator)
            v = orthonormal(layer.V.shape[0], r, generator=generator)
            layer.set_factors(u, left @ torch.diag(values) @ right.T, v)
    return network


def weights(network: Network) -> list[Tensor]:
    """Return every layer's full W, so that laws do not depend on the choice of bases."""
    return [
        (y.U @ y.S @ y.V.T if hasattr(y, "S") and y.S.numel() else y.weight).detach().clone()
        for y in network.layers
    ]


def as_dense(network: Network) -> Network:
    """Return dense layers of the same function."""
    specs = [
        LayerSpec(type="dense", dim=spec.dim, activation=spec.activation) for spec in network.specs
    ]
    dense = build_network(network.n_inputs, specs, generator=seeded(0), dtype=torch.float64)
    for own, layer, weight in zip(dense.layers, network.layers, weights(network), strict=True):
        own.weight.data, own.bias.data = weight, layer.bias.data.clone()
    return dense


def distance(first: list[Tensor], second: list[Tensor]) -> float:
    return max(float((a - b).detach().abs().max()) for a, b in zip(first, second, strict=True))


def orthonormality_defect(basis: Tensor) -> float:
    """The Frobenius norm of U^T U - I, in float64."""
    wide = basis.detach().double()
    excess = wide.mT @ wide
    excess.diagonal().sub_(1.0)
    return float(torch.linalg.matrix_norm(excess))
