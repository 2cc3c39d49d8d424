"""Vanilla low rank: U, S and V trained as if they were unrelated matrices."""

import torch
from torch import Tensor

from stopflow.lowrank.forward_cache import Gradients, Tape
from stopflow.lowrank.layer.lowrank import LowRankLayer


def vanilla_gradients(layer: LowRankLayer, tape: Tape, out: Gradients) -> list[Tensor]:
    """Return the plain partial derivatives of U, S, V and the bias, in `out` if it is there.

    dU = delta^T (P S^T), dS = D^T P, dV = x^T (D S); nothing keeps U and V orthonormal.
    """
    u, s, v, bias = out
    return [
        torch.mm(tape.delta.T, tape.xv @ layer.S.T, out=u),
        torch.mm(tape.deltau.T, tape.xv, out=s),
        torch.mm(tape.x.T, tape.deltau @ layer.S, out=v),
        torch.sum(tape.delta, 0, out=bias),
    ]
