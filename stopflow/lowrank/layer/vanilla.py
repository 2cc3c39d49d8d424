"""Vanilla low rank: U, S and V trained as if they were unrelated matrices."""

import torch
from torch import Tensor

from stopflow.lowrank.forward_cache import ForwardCache, Gradients
from stopflow.lowrank.layer.lowrank import LowRankLayer


def vanilla_gradients(layer: LowRankLayer, cache: ForwardCache, out: Gradients) -> list[Tensor]:
    """Return the partial derivatives of U, S, V and the bias, in `out` if it is there.

    dU = delta^T (P S^T), dS = D^T P, dV = x^T (D S); nothing keeps U and V orthonormal.
    """
    u, s, v, bias = out
    return [
        torch.mm(cache.delta.T, cache.xv @ layer.S.T, out=u),
        torch.mm(cache.deltau.T, cache.xv, out=s),
        torch.mm(cache.x.T, cache.deltau @ layer.S, out=v),
        torch.sum(cache.delta, 0, out=bias),
    ]
