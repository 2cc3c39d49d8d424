"""Vanilla low rank: U, S and V trained as if they were unrelated matrices."""

from stopflow.lowrank.factors import LowRankLayer
from stopflow.lowrank.tape import Tape


def fill_vanilla_gradients(layer: LowRankLayer, tape: Tape) -> None:
    """Write the plain partial derivatives of U, S, V and the bias into `.grad`.

    dU = delta^T (P S^T), dS = D^T P, dV = x^T (D S); nothing keeps U and V orthonormal.
    """
    layer.U.grad = tape.delta.T @ (tape.xv @ layer.S.T)
    layer.S.grad = tape.deltau.T @ tape.xv
    layer.V.grad = tape.x.T @ (tape.deltau @ layer.S)
    layer.bias.grad = tape.delta.sum(0)
