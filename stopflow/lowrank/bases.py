"""Turning orthonormal bases without a QR of the long side: everything through r x r Grams.

A step moves K = U T to K1 = U T - b A with a direction A, and L = V T^T likewise. Its new basis
U1 = K1 R^-1 needs only R^T R = K1^T K1, which is a formula in small matrices:

    H = (T - b C)^T (T - b C) + b^2 (A^T A - C^T C),    C = U^T A.

For the gradient direction A = delta^T P, both C = D^T P and A^T A = P^T (delta delta^T) P come
from batch-sized products. All of it is float64 and batched over layers of equal rank.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stopflow.lowrank.factors import LowRankLayer, positive_qr
from stopflow.lowrank.tape import Tape


@dataclass(slots=True, kw_only=True, eq=False)
class Turn:
    """New bases in terms of the old, one entry a basis.

    Attributes
    ----------
    coefficient, inverse
        U1 = U coefficient - b A inverse.
    overlap
        U^T U1.
    weakest
        Smallest pivot of the equilibrated Cholesky factors: 1 when the columns of every K1 are
        orthogonal, 0 when one of them has lost rank (nothing else is to be used then).
    """

    coefficient: Tensor
    inverse: Tensor
    overlap: Tensor
    weakest: float


def turn(core: Tensor, gamma: Tensor, energy: Tensor, step: Tensor) -> Turn:
    """Orthonormalise K1 = U T - b A for a batch of bases, all float64.

    Parameters
    ----------
    core, gamma, energy
        T, C = U^T A and A^T A, each (g, r, r).
    step
        b, (g, 1, 1).
    """
    moved = core - step * gamma
    gram = moved.mT @ moved + step.square() * (energy - gamma.mT @ gamma)
    scale = torch.diagonal(gram, dim1=-2, dim2=-1).clamp_min(1e-300).rsqrt().unsqueeze(-1)
    lower, info = torch.linalg.cholesky_ex(scale * gram * scale.mT)
    pivots = torch.diagonal(lower, dim1=-2, dim2=-1)
    weakest = torch.where(info.unsqueeze(-1) == 0, pivots, 0.0).nan_to_num(0.0).amin()
    identity = torch.eye(core.shape[-1], dtype=core.dtype, device=core.device)
    inverse = scale * torch.linalg.solve_triangular(lower.mT, identity.expand_as(core), upper=True)
    return Turn(
        coefficient=core @ inverse,
        inverse=inverse,
        overlap=moved @ inverse,
        weakest=float(weakest),
    )


@dataclass(slots=True, kw_only=True, eq=False)
class Moved:
    """One layer's new bases and what the batch looks like in them.

    Attributes
    ----------
    u, v
        U1 (m, r) and V1 (n, r).
    left, right
        M = U^T U1 and N = V^T V1, (r, r) float64.
    xv, deltau
        x V1 and delta U1, (batch, r).
    """

    u: Tensor
    v: Tensor
    left: Tensor
    right: Tensor
    xv: Tensor
    deltau: Tensor


@dataclass(slots=True, kw_only=True, eq=False)
class Push:
    """What one layer's K = U T and L = V T^T are to be moved by.

    Attributes
    ----------
    core
        T, (r, r) float64.
    step
        b, the factor of the directions.
    along
        (A_K, A_L), or ``None`` for the gradients delta^T P and x^T D.
    spare
        Buffers of the shapes of U and V that become U1 and V1.
    """

    layer: LowRankLayer
    tape: Tape
    core: Tensor
    step: float
    spare: tuple[Tensor, Tensor]
    along: tuple[Tensor, Tensor] | None = None


def move(pushes: Sequence[Push]) -> tuple[list[Moved], float]:
    """Move the bases of layers of equal rank; also return the smallest pivot met.

    All of `pushes` have gradient directions, or none. Where the Gram form would lose more than
    half the digits (K1 nearly rank-deficient) Householder QR takes over, which always succeeds.
    """
    move_all = _move_along_gradients if pushes[0].along is None else _move_along_directions
    moved, weakest = move_all(pushes)
    if moved is None:
        return [_move_by_qr(push) for push in pushes], 1.0
    return moved, weakest


def _turn_all(pushes: Sequence[Push], gamma: Tensor, energy: Tensor) -> tuple[Turn, bool]:
    core = torch.stack([push.core for push in pushes])
    steps = core.new_tensor([push.step for push in pushes] * 2).view(-1, 1, 1)
    turned = turn(torch.cat([core, core.mT]), gamma.double(), energy.double(), steps)
    turned.inverse *= steps
    return turned, turned.weakest**2 > 1e4 * torch.finfo(pushes[0].layer.U.dtype).eps


def _move_along_gradients(pushes: Sequence[Push]) -> tuple[list[Moved] | None, float]:
    """Move along A_K = delta^T P and A_L = x^T D, never forming either."""
    count, tapes = len(pushes), [push.tape for push in pushes]
    xv, deltau = torch.stack([t.xv for t in tapes]), torch.stack([t.deltau for t in tapes])
    right = torch.cat([xv, deltau])
    kernel = torch.stack([t.delta_gram() for t in tapes] + [t.input_gram() for t in tapes])
    gamma = deltau.mT @ xv
    turned, sound = _turn_all(pushes, torch.cat([gamma, gamma.mT]), right.mT @ (kernel @ right))
    if not sound:
        return None, 0.0
    coefficient = turned.coefficient.to(right.dtype)
    taken = right @ turned.inverse.to(right.dtype)
    seen = torch.cat([deltau, xv]) @ coefficient - kernel @ taken
    moved = []
    for i, push in enumerate(pushes):
        layer, tape, j = push.layer, push.tape, i + count
        u = torch.mm(layer.U.data, coefficient[i], out=push.spare[0])
        v = torch.mm(layer.V.data, coefficient[j], out=push.spare[1])
        moved.append(
            Moved(
                u=u.addmm_(tape.delta.mT, taken[i], alpha=-1),
                v=v.addmm_(tape.x.mT, taken[j], alpha=-1),
                left=turned.overlap[i],
                right=turned.overlap[j],
                xv=seen[j],
                deltau=seen[i],
            )
        )
    return moved, turned.weakest


def directions_of(push: Push) -> tuple[Tensor, Tensor]:
    """Return A_K and A_L themselves, the gradients formed if need be."""
    if push.along is not None:
        return push.along
    tape = push.tape
    return tape.delta.mT @ tape.xv, tape.x.mT @ tape.deltau


def _move_along_directions(pushes: Sequence[Push]) -> tuple[list[Moved] | None, float]:
    """Move along given A_K and A_L."""
    pairs = [(push.layer.U.data, directions_of(push)[0]) for push in pushes]
    pairs += [(push.layer.V.data, directions_of(push)[1]) for push in pushes]
    gamma = torch.stack([basis.mT @ along for basis, along in pairs])
    energy = torch.stack([along.mT @ along for _, along in pairs])
    turned, sound = _turn_all(pushes, gamma, energy)
    if not sound:
        return None, 0.0
    spares = [push.spare[0] for push in pushes] + [push.spare[1] for push in pushes]
    coefficient = turned.coefficient.to(gamma.dtype)
    taken = turned.inverse.to(gamma.dtype)
    new = [
        torch.mm(basis, coefficient[i], out=spares[i]).addmm_(along, taken[i], alpha=-1)
        for i, (basis, along) in enumerate(pairs)
    ]
    count = len(pushes)
    moved = [
        moved_to(push.tape, new[i], new[i + count], turned.overlap[i], turned.overlap[i + count])
        for i, push in enumerate(pushes)
    ]
    return moved, turned.weakest


def _move_by_qr(push: Push) -> Moved:
    """Move one layer by float64 Householder QR of the explicit K1 and L1."""
    new, overlaps = [], []
    parameters = (push.layer.U, push.layer.V)
    for basis, along, core in zip(
        parameters, directions_of(push), (push.core, push.core.mT), strict=True
    ):
        old = basis.data.double()
        q, _ = positive_qr(old @ core - push.step * along.double())
        new.append(q.to(basis.dtype))
        overlaps.append(old.mT @ q)
    return moved_to(push.tape, new[0], new[1], overlaps[0], overlaps[1])


def moved_to(tape: Tape, u: Tensor, v: Tensor, left: Tensor, right: Tensor) -> Moved:
    """Return `Moved` with the batch's products computed afresh."""
    return Moved(u=u, v=v, left=left, right=right, xv=tape.x @ v, deltau=tape.delta @ u)


def orthonormality_defect(basis: Tensor) -> float:
    """Return the Frobenius norm of U^T U - I."""
    gram = (basis.mT @ basis).double()
    gram.diagonal().sub_(1.0)
    return float(torch.linalg.matrix_norm(gram))


def reorthonormalise(layer: LowRankLayer) -> None:
    """Make U and V orthonormal to rounding by Cholesky QR; S absorbs the triangular factors."""
    s = layer.S.data.double()
    for basis, left in ((layer.U, True), (layer.V, False)):
        gram = (basis.data.mT @ basis.data).double()
        lower, info = torch.linalg.cholesky_ex(gram)
        if int(info) == 0:
            identity = torch.eye(gram.shape[0], dtype=gram.dtype, device=gram.device)
            inverse = torch.linalg.solve_triangular(lower.mT, identity, upper=True)
            basis.data = basis.data @ inverse.to(basis.dtype)
            upper = lower.mT
        else:
            basis.data, upper = positive_qr(basis.data)
            upper = upper.double()
        s = upper @ s if left else s @ upper.mT
    layer.S.data = s.to(layer.S.dtype)
