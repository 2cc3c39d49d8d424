"""Turning orthonormal bases without a QR of the long side: everything through r x r Grams.

A step moves K = U T to K1 = U T - A with a direction A, and L = V T^T likewise. Its new basis
U1 = K1 R^-1 needs only R^T R = K1^T K1, which is a formula in small matrices:

    H = Y + Y^T + A^T A,    Y = T^T (T / 2 - C),    C = U^T A.

For the gradient direction A = b delta^T P, both C = b D^T P and A^T A = b^2 P^T (delta delta^T) P
come from batch-sized products. All of it is float64 and batched over layers of equal rank.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stopflow.lowrank.factors import LowRankLayer, positive_qr
from stopflow.lowrank.memory import stacked
from stopflow.lowrank.tape import Tape

Columns = Callable[[Tensor], Tensor]
"""Squared norms of the columns of all A_K, then all A_L, (g, r) -> what to multiply them by."""


@dataclass(slots=True, kw_only=True, eq=False)
class Turn:
    """New bases in terms of the old, one entry a basis.

    Attributes
    ----------
    coefficient, inverse
        U1 = U coefficient - A inverse, the step included.
    overlap
        U^T U1.
    weakest
        Smallest squared pivot of the Cholesky factors over the squared norm of its column of K1:
        1 when the columns of every K1 are orthogonal, 0 when one of them has lost rank (nothing
        else is to be used then).
    """

    coefficient: Tensor
    overlap: Tensor
    inverse: Tensor
    weakest: float

    @property
    def sound(self) -> bool:
        """Whether at least half of the digits are left."""
        return self.weakest > 1e4 * torch.finfo(self.coefficient.dtype).eps


def turn(core: Tensor, gamma: Tensor, energy: Tensor) -> Turn:
    """Orthonormalise K1 = U T - A for a batch of bases, in float64.

    Parameters
    ----------
    core
        T, (g, r, r), float64.
    gamma, energy
        C = U^T A and A^T A, each (g, r, r), of the dtype that the result shall have.
    """
    negative = torch.bmm(core.mT, torch.add(gamma, core, alpha=-0.5))  # -Y
    gram = (energy - negative).sub_(negative.mT)
    upper, info = torch.linalg.cholesky_ex(gram, upper=True)
    weakest = float((_diagonal(upper).square() / _diagonal(gram)).amin())
    if info.any() or math.isnan(weakest):
        weakest = 0.0
    inverse = torch.linalg.solve_triangular(upper.mT, _identity(gram), upper=False).mT
    coefficient = torch.bmm(core, inverse).to(gamma.dtype)
    inverse = inverse.to(gamma.dtype)
    overlap = torch.baddbmm(coefficient, gamma, inverse, alpha=-1)
    return Turn(coefficient=coefficient, overlap=overlap, inverse=inverse, weakest=weakest)


def _diagonal(matrices: Tensor) -> Tensor:
    return torch.diagonal(matrices, dim1=-2, dim2=-1)


def _identity(like: Tensor) -> Tensor:
    return torch.eye(like.shape[-1], dtype=like.dtype, device=like.device).expand_as(like)


@dataclass(slots=True, kw_only=True, eq=False)
class Moved:
    """One layer's new bases and what the batch looks like in them.

    Attributes
    ----------
    u, v
        U1 (m, r) and V1 (n, r).
    left, right
        M = U^T U1 and N = V^T V1, (r, r).
    core
        M^T T N, (r, r).
    xv, deltau
        x V1 and delta U1, (batch, r).
    """

    u: Tensor
    v: Tensor
    left: Tensor
    right: Tensor
    core: Tensor
    xv: Tensor
    deltau: Tensor


@dataclass(slots=True, kw_only=True, eq=False)
class Push:
    """What one layer's K = U T and L = V T^T are to be moved by.

    Attributes
    ----------
    core
        T, (r, r).
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


def move(pushes: Sequence[Push], *, columns: Columns | None = None) -> tuple[list[Moved], float]:
    """Move the bases of layers of equal rank; also return how much rounding it costs.

    All of `pushes` have gradient directions, or none; `columns` may rescale those of gradients. The
    cost is 1 for bases that hardly change and grows with the condition of K1. Where the Gram form
    would lose more than half the digits (K1 nearly rank-deficient) Householder QR takes over, which
    always succeeds.
    """
    if pushes[0].along is None:
        return _move_along_gradients(pushes, columns)
    return _move_along_directions(pushes)


def _steps(pushes: Sequence[Push], *, like: Tensor) -> Tensor:
    """Return b of every layer twice, (2 layers, 1, 1)."""
    return like.new_tensor([push.step for push in pushes] * 2).view(-1, 1, 1)


def _turn_all(
    pushes: Sequence[Push], gamma: Tensor, energy: Tensor
) -> tuple[Turn, tuple[Tensor, ...]]:
    """Return the turn in the layers' dtype and the cores M^T T N."""
    own = stacked([push.core for push in pushes])
    turned = turn(torch.cat([own, own.mT]).double(), gamma, energy)
    left, right = turned.overlap.split(len(pushes))
    return turned, torch.bmm(torch.bmm(left.mT, own), right).unbind()


def _move_along_gradients(
    pushes: Sequence[Push], columns: Columns | None
) -> tuple[list[Moved], float]:
    """Move along A_K = delta^T P and A_L = x^T D, never forming either."""
    count, tapes = len(pushes), [push.tape for push in pushes]
    xv = [tape.xv for tape in tapes]
    again = torch.stack([*xv, *(tape.deltau for tape in tapes), *xv])
    right, swapped = again[: 2 * count], again[count:]
    kernel = torch.stack([t.delta_gram() for t in tapes] + [t.input_gram() for t in tapes])
    energy = torch.bmm(right.mT, torch.bmm(kernel, right))
    scale = _steps(pushes, like=energy)
    if columns is not None:
        scale = scale * columns(_diagonal(energy)).unsqueeze(1)
    right = right * scale
    gamma = torch.bmm(swapped.mT, right)
    energy = (energy * scale).mul_(scale.mT)
    turned, cores = _turn_all(pushes, gamma, energy)
    if not turned.sound:
        rights = right.unbind()
        return [
            _move_by_qr(push, (t.delta.T @ rights[i], t.x.T @ rights[i + count]))
            for i, (push, t) in enumerate(zip(pushes, tapes, strict=True))
        ], 1.0
    taken = torch.bmm(right, turned.inverse)
    seen = torch.baddbmm(torch.bmm(swapped, turned.coefficient), kernel, taken, alpha=-1).unbind()
    takens, overlaps = taken.unbind(), turned.overlap.unbind()
    coefficients = turned.coefficient.unbind()
    moved = []
    for i, push in enumerate(pushes):
        layer, tape, j = push.layer, push.tape, i + count
        u = torch.mm(layer.U, coefficients[i], out=push.spare[0])
        v = torch.mm(layer.V, coefficients[j], out=push.spare[1])
        moved.append(
            Moved(
                u=u.addmm_(tape.delta.T, takens[i], alpha=-1),
                v=v.addmm_(tape.x.T, takens[j], alpha=-1),
                left=overlaps[i],
                right=overlaps[j],
                core=cores[i],
                xv=seen[j],
                deltau=seen[i],
            )
        )
    return moved, 1.0 / turned.weakest


def _move_along_directions(pushes: Sequence[Push]) -> tuple[list[Moved], float]:
    """Move along given A_K and A_L."""
    count = len(pushes)
    pairs = [push.along for push in pushes if push.along is not None]
    along = [pair[k] for k in (0, 1) for pair in pairs]
    bases = [push.layer.U for push in pushes] + [push.layer.V for push in pushes]
    gamma = torch.stack([torch.mm(b.T, a) for b, a in zip(bases, along, strict=True)])
    energy = torch.stack([torch.mm(a.T, a) for a in along])
    steps = _steps(pushes, like=gamma)
    gamma, energy = gamma * steps, energy * steps.square()
    turned, cores = _turn_all(pushes, gamma, energy)
    if not turned.sound:
        return [
            _move_by_qr(push, (push.step * a_k, push.step * a_l))
            for push, (a_k, a_l) in zip(pushes, pairs, strict=True)
        ], 1.0
    spares = [push.spare[k] for k in (0, 1) for push in pushes]
    coefficients, overlaps = turned.coefficient.unbind(), turned.overlap.unbind()
    takens = (turned.inverse * steps).unbind()
    new = [
        torch.mm(basis, coefficients[i], out=spares[i]).addmm_(along[i], takens[i], alpha=-1)
        for i, basis in enumerate(bases)
    ]
    moved = [
        moved_to(push.tape, (new[i], new[i + count]), (overlaps[i], overlaps[i + count]), cores[i])
        for i, push in enumerate(pushes)
    ]
    return moved, 1.0 / turned.weakest


def _move_by_qr(push: Push, away: tuple[Tensor, Tensor]) -> Moved:
    """Move one layer by `away` by float64 Householder QR of the explicit K1 and L1."""
    core, dtype = push.core.double(), push.core.dtype
    new, overlaps = [], []
    bases = (push.layer.U, push.layer.V)
    for basis, along, own in zip(bases, away, (core, core.mT), strict=True):
        old = basis.double()
        q, _ = positive_qr(old @ own - along.double())
        new.append(q.to(dtype))
        overlaps.append(old.mT @ q)
    turned = (overlaps[0].mT @ core @ overlaps[1]).to(dtype)
    left, right = (overlap.to(dtype) for overlap in overlaps)
    return moved_to(push.tape, (new[0], new[1]), (left, right), turned)


def moved_to(
    tape: Tape, bases: tuple[Tensor, Tensor], overlaps: tuple[Tensor, Tensor], core: Tensor
) -> Moved:
    """Return `Moved` with the batch's products computed afresh."""
    (u, v), (left, right) = bases, overlaps
    xv, deltau = torch.mm(tape.x, v), torch.mm(tape.delta, u)
    return Moved(u=u, v=v, left=left, right=right, core=core, xv=xv, deltau=deltau)


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
