"""Singular values of weights and of their full gradients, whatever the layers are made of.

In training low-rank structure appears by itself: the singular values of a deep linear network
grow one after another, the largest first (Saxe et al. 2014, arXiv:1312.6120; Arora et al. 2019,
arXiv:1905.13655), and the stable rank ||W||_F^2 / ||W||_2^2 tells how many count.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stopflow.lowrank.forward_cache import ForwardCache
from stopflow.lowrank.losses import Loss
from stopflow.lowrank.network import Network
from stopflow.lowrank.status import StepFailure
from stopflow.lowrank.sweep import sweep


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerSpectra:
    """Singular values of a layer, largest first, float64.

    Attributes
    ----------
    weight
        Of W, as many as the layer's factors have.
    gradient
        Of dLoss/dW as if W were a full matrix, at most as many as the batch has rows.
    """

    weight: Tensor
    gradient: Tensor


def stable_rank(sigma: Tensor) -> float:
    """Return sum sigma^2 / max sigma^2; NaN of zeros."""
    squares = sigma.double().square()
    return float(squares.sum() / squares.max()) if float(squares.sum()) > 0 else float("nan")


@torch.no_grad()
def measure_spectra(
    network: Network, inputs: Tensor, targets: Tensor, *, loss: Loss
) -> tuple[LayerSpectra, ...]:
    """Return the spectra of every layer, the gradient being that of the loss on these rows.

    Nothing is returned where outputs or gradients are not finite. The network stays as it is.
    """
    try:
        _, caches = sweep(
            network.chain, network.activations, inputs, targets, loss=loss, gram=None, clip=None
        )
    except StepFailure:
        return ()
    return tuple(
        LayerSpectra(
            weight=torch.linalg.svdvals(layer.factors()[1]), gradient=_gradient_values(cache)
        )
        for layer, cache in zip(network.chain, caches, strict=True)
    )


def _gradient_values(cache: ForwardCache) -> Tensor:
    """Singular values of delta^T x; with x^T = Q R those of delta^T R^T where that is smaller."""
    x, delta = cache.x.double(), cache.delta.double()
    rows, width = x.shape
    right = x if width <= rows else torch.linalg.qr(x.mT, mode="r").R.mT
    return torch.linalg.svdvals(delta.mT @ right)
