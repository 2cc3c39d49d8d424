"""The published algorithms as they stand: a gradient tape for each of K, L and S, Householder QR.

Slow on purpose. They are what the fast integrators are proved and timed against; plain descent
only, biases and dense layers moved with the gradient of the last tape.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from stopflow.lowrank.integrators.truncate import truncated_core
from stopflow.lowrank.layer.dense import DenseLayer
from stopflow.lowrank.layer.lowrank import LowRankLayer
from stopflow.lowrank.losses import Loss
from stopflow.lowrank.network import Network

Factors = list[tuple[Tensor, ...]]


def reference_kls_step(
    network: Network, inputs: Tensor, targets: Tensor, *, loss: Loss, rate: float
) -> None:
    """Take one fixed-rank KLS step (Schotthoefer et al. 2022, arXiv:2205.13571) in place."""
    _move_bases(network, inputs, targets, loss=loss, rate=rate, augment=False)
    _core_step(network, inputs, targets, loss=loss, rate=rate)


def reference_augmented_step(
    network: Network,
    inputs: Tensor,
    targets: Tensor,
    *,
    loss: Loss,
    rate: float,
    theta: float,
    lowest: int = 2,
    highest: int | None = None,
) -> None:
    """Take one rank-adaptive step (Ceruti et al. 2022, doi:10.1007/s10543-021-00907-7)."""
    _move_bases(network, inputs, targets, loss=loss, rate=rate, augment=True)
    _core_step(network, inputs, targets, loss=loss, rate=rate)
    for layer in _low_rank(network):
        p, s, q = truncated_core(
            layer.S.data, theta=theta, lowest=lowest, highest=highest or layer.full_rank
        )
        layer.set_factors(layer.U.data @ p, s, layer.V.data @ q)


def _low_rank(network: Network) -> list[LowRankLayer]:
    return [layer for layer in network.layers if isinstance(layer, LowRankLayer)]


def _move_bases(
    network: Network, inputs: Tensor, targets: Tensor, *, loss: Loss, rate: float, augment: bool
) -> None:
    """Move W to orth(K1) and orth(L1), or to those of [U, K1] and [V, L1], from one tape each."""
    layers = _low_rank(network)
    k = [(y.U @ y.S).detach().requires_grad_() for y in layers]
    l = [(y.V @ y.S.T).detach().requires_grad_() for y in layers]  # noqa: E741
    k_factors: Factors = [(y.V.detach(), ki.T) for y, ki in zip(layers, k, strict=True)]
    l_factors: Factors = [(li, y.U.detach().T) for y, li in zip(layers, l, strict=True)]
    k_grads = torch.autograd.grad(loss(_forward(network, k_factors, inputs), targets), k)
    l_grads = torch.autograd.grad(loss(_forward(network, l_factors, inputs), targets), l)
    new = []
    for starts, grads, olds in (
        (k, k_grads, [y.U.data for y in layers]),
        (l, l_grads, [y.V.data for y in layers]),
    ):
        moved = [a.detach() - rate * g for a, g in zip(starts, grads, strict=True)]
        if augment:
            moved = [torch.cat([o, a], dim=1) for o, a in zip(olds, moved, strict=True)]
        new.append([torch.linalg.qr(a)[0] for a in moved])
    for layer, u, v in zip(layers, *new, strict=True):
        core = (u.T @ layer.U.data) @ layer.S.data @ (layer.V.data.T @ v)
        layer.set_factors(u, core, v)


def _core_step(
    network: Network, inputs: Tensor, targets: Tensor, *, loss: Loss, rate: float
) -> None:
    """Move S, biases and dense weights along the gradient of a third tape."""
    trained = [layer.S for layer in _low_rank(network)]
    trained += [layer.weight for layer in network.layers if isinstance(layer, DenseLayer)]
    trained += [layer.bias for layer in network.layers]  # type: ignore[misc]
    grads = torch.autograd.grad(loss(network(inputs), targets), trained)
    with torch.no_grad():
        for parameter, grad in zip(trained, grads, strict=True):
            parameter.sub_(grad, alpha=rate)


def _forward(network: Network, factors: Sequence[tuple[Tensor, ...]], x: Tensor) -> Tensor:
    """Run the network with each low-rank W^T replaced by a product of `factors`."""
    remaining = iter(factors)
    for layer, activation in zip(network.layers, network.activations, strict=True):
        if isinstance(layer, LowRankLayer):
            z = x
            for factor in next(remaining):
                z = z @ factor
            z = z + layer.bias
        else:
            z = layer(x)
        x = activation.forward(z)
    return x
