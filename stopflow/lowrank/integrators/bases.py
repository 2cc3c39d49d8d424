"""Moving orthonormal bases without a QR of the long side: everything through r x r Grams.

A step moves K = U T to K1 = U T - b A with a direction A, and L = V T^T likewise; `turn` needs only
C = U^T A and A^T A. For the gradient direction A = delta^T P both, C = D^T P and
A^T A = P^T (delta delta^T) P, come from batch-sized products; all of it is batched over layers of
equal rank.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stopflow.lowrank.forward_cache import Tape
from stopflow.lowrank.integrators.orthogonality import Look
from stopflow.lowrank.integrators.retraction import Turn, diagonal, turn
from stopflow.lowrank.layer.lowrank import LowRankLayer, positive_qr

_NOTHING = torch.empty(0)

Bases = tuple[Tensor, Tensor]
"""U and V of a layer, or anything of their shapes."""


@dataclass(slots=True, kw_only=True, eq=False)
class Push:
    """What the K = U T and L = V T^T of g layers of equal rank r are to be moved by.

    Attributes
    ----------
    bases
        U and V of each, which stay as they are.
    core
        T, (g, r, r).
    step
        b > 0, the factor of the directions, for all or one for each, (g, 1, 1).
    along
        (A_K, A_L) of each, or ``None`` for the gradients delta^T P and x^T D.
    columns
        What rescales the columns of gradients: squared norms of those of all A_K, then all A_L,
        (2 g, r) -> factors.
    spare
        Buffers of the shapes of U and V that become U1 and V1.
    worn
        Whether rounding in U and V is to be looked for and taken away.
    last, strengths
        As in `turn`; for gradients only.
    """

    bases: Sequence[Bases]
    tapes: Sequence[Tape]
    core: Tensor
    step: float | Tensor
    spare: Sequence[Bases] = ()
    along: Sequence[Bases] | None = None
    columns: Callable[[Tensor], Tensor] | None = None
    worn: bool = False
    last: Look | None = None
    strengths: Sequence[float] = ()


@dataclass(slots=True, kw_only=True, eq=False)
class Moved:
    """The new bases of g layers and what the batch looks like in them.

    Attributes
    ----------
    u, v
        U1 (m, r) and V1 (n, r) of each.
    left, right
        M = U^T U1 and N = V^T V1, (g, r, r).
    core
        M^T T N, (g, r, r).
    xv, deltau
        x V1 and delta U1, (g, batch, r); empty until `seen_by` where no turn gave them.
    look
        The wear of the turn; ``None`` where Householder QR made the bases, to rounding.
    """

    u: Sequence[Tensor]
    v: Sequence[Tensor]
    left: Tensor
    right: Tensor
    core: Tensor
    xv: Tensor = _NOTHING
    deltau: Tensor = _NOTHING
    look: Look | None = None

    def seen_by(self, tapes: Sequence[Tape]) -> "Moved":
        """Return it with the batch's products, computed if they are not there."""
        if not self.xv.numel():
            on_v, on_u = zip(tapes, self.v, strict=True), zip(tapes, self.u, strict=True)
            self.xv = torch.stack([torch.mm(tape.x, v) for tape, v in on_v])
            self.deltau = torch.stack([torch.mm(tape.delta, u) for tape, u in on_u])
        return self


def move(push: Push) -> Moved:
    """Move the bases of layers of equal rank.

    Where the Gram form would lose more than a third of the digits (K1 nearly rank-deficient)
    Householder QR takes over, which always succeeds.
    """
    if push.along is None:
        return _move_along_gradients(push)
    return _move_along(push, push.along)


def _move_along_gradients(push: Push) -> Moved:
    """Move along A_K = delta^T P and A_L = x^T D, never forming either."""
    tapes, count = push.tapes, len(push.tapes)
    on_u, on_v = [tape.deltau for tape in tapes], [tape.xv for tape in tapes]
    lined = torch.stack([*on_u, *on_v, *on_u])
    own, other = lined[: 2 * count], lined[count:]
    kernel = _kernels(tapes)
    through = torch.bmm(kernel, other)
    if push.columns is not None:
        rounding = torch.finfo(other.dtype).eps * _summed(other, kernel)
        squares = torch.maximum((other * through).sum(dim=1), rounding)
        scale = push.columns(squares).unsqueeze(1)
        other = other * scale
        through.mul_(scale)
    gamma, energy = torch.bmm(own.mT, other), torch.bmm(other.mT, through)

    turned, left, right, core = _turn_both(push, gamma, energy, lambda: _summed(other, kernel))
    if not turned.sound:
        along = [
            (tape.delta.T @ other[i], tape.x.T @ other[i + count]) for i, tape in enumerate(tapes)
        ]
        return _move_by_qr(push, along)
    taken = torch.bmm(other, turned.inverse)
    seen = torch.bmm(own, turned.coefficient).baddbmm_(through, turned.inverse, alpha=-turned.step)
    batches = [tape.delta for tape in tapes] + [tape.x for tape in tapes]
    u, v = _new_bases(push, turned, batches, taken)
    deltau, xv = seen[:count], seen[count:]
    return Moved(
        u=u,
        v=v,
        left=left,
        right=right,
        core=core,
        xv=xv,
        deltau=deltau,
        look=turned.look,
    )


def _summed(other: Tensor, kernel: Tensor) -> Tensor:
    """Return the squared sizes of the terms that each column of A was summed from, (2 g, r)."""
    return other.square().mul_(diagonal(kernel).unsqueeze(2)).sum(dim=1)


def _kernels(tapes: Sequence[Tape]) -> Tensor:
    """Return delta delta^T of all layers, then x x^T, (2 g, batch, batch)."""
    count, batch = len(tapes), len(tapes[0].x)
    kernels = tapes[0].x.new_empty(2 * count, batch, batch)
    places = kernels.unbind()
    for i, tape in enumerate(tapes):
        tape.delta_gram(out=places[i])
        tape.input_gram(out=places[i + count])
    return kernels


def _move_along(push: Push, along: Sequence[Bases]) -> Moved:
    """Move along given A_K and A_L."""
    sides, bases = _by_side(along), _by_side(push.bases)
    gamma = torch.stack([torch.mm(b.T, a) for b, a in zip(bases, sides, strict=True)])
    energy = torch.stack([torch.mm(a.T, a) for a in sides])
    turned, left, right, core = _turn_both(push, gamma, energy)
    if not turned.sound:
        return _move_by_qr(push, along)
    u, v = _new_bases(push, turned, [a.T for a in sides], turned.inverse)
    moved = Moved(u=u, v=v, left=left, right=right, core=core, look=turned.look)
    return moved.seen_by(push.tapes)


def _by_side(pairs: Sequence[Bases]) -> list[Tensor]:
    """Return all that belongs to U, then all that belongs to V."""
    return [pair[side] for side in (0, 1) for pair in pairs]


def _turn_both(
    push: Push, gamma: Tensor, energy: Tensor, summed: Callable[[], Tensor] | None = None
) -> tuple[Turn, Tensor, Tensor, Tensor]:
    """Return the turns of all U, then all V, and the layers' M, N and M^T T N.

    Where every layer has a step of its own, U1 is that of K1 / b: T is divided, so that directions
    need not be multiplied.
    """
    own, step = push.core, push.step
    if isinstance(step, Tensor):
        own, step = own / step, 1.0
    grams = None
    if push.worn:
        grams = torch.stack([torch.mm(basis.T, basis) for basis in _by_side(push.bases)])
    cores = torch.cat([own, own.mT])
    turned = turn(
        cores,
        gamma,
        energy,
        step=step,
        summed=summed,
        grams=grams,
        last=push.last,
        strengths=push.strengths,
    )
    left, right = turned.overlap[: len(own)], turned.overlap[len(own) :]
    return turned, left, right, torch.bmm(torch.bmm(left.mT, push.core), right)


def _new_bases(
    push: Push, turned: Turn, batches: Sequence[Tensor], taken: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """Return U1 = U coefficient - step X^T taken of all layers, and the V1."""
    parts = zip(
        _by_side(push.bases),
        turned.coefficient.unbind(),
        _by_side(push.spare),
        batches,
        taken.unbind(),
        strict=True,
    )
    new = [
        torch.mm(basis, coefficient, out=buffer).addmm_(batch.T, away, alpha=-turned.step)
        for basis, coefficient, buffer, batch, away in parts
    ]
    return new[: len(push.bases)], new[len(push.bases) :]


def _move_by_qr(push: Push, along: Sequence[Bases]) -> Moved:
    """Move along given A_K and A_L through float64 Householder QR of the explicit K1 and L1."""
    dtype, cores = push.core.dtype, push.core.double()
    u: list[Tensor] = []
    v: list[Tensor] = []
    left: list[Tensor] = []
    right: list[Tensor] = []
    for bases, core, pair in zip(push.bases, cores / push.step, along, strict=True):
        for basis, own, direction, new, overlaps in (
            (bases[0].double(), core, pair[0], u, left),
            (bases[1].double(), core.mT, pair[1], v, right),
        ):
            q, _ = positive_qr(basis @ own - direction.double())
            new.append(q.to(dtype))
            overlaps.append(basis.mT @ q)
    lefts, rights = torch.stack(left), torch.stack(right)
    turned = (lefts.mT @ cores @ rights).to(dtype)
    moved = Moved(u=u, v=v, left=lefts.to(dtype), right=rights.to(dtype), core=turned)
    return moved.seen_by(push.tapes)


def orthonormality_defect(basis: Tensor) -> float:
    """Return the Frobenius norm of U^T U - I."""
    return float(torch.linalg.matrix_norm(_excess(basis).double()))


def _excess(basis: Tensor) -> Tensor:
    """Return U^T U - I."""
    excess = torch.mm(basis.mT, basis)
    diagonal(excess).sub_(1.0)
    return excess


def reorthonormalise(layer: LowRankLayer) -> None:
    """Make U and V orthonormal to rounding; S absorbs the factors.

    Where U^T U = I + E with E^2 below rounding, U - U E / 2 is orthonormal and S becomes
    S + E S / 2; else Householder QR does it.
    """
    s = layer.S.data
    for parameter in (layer.U, layer.V):
        basis = parameter.data
        excess = _excess(basis)
        if float(torch.linalg.vector_norm(excess)) ** 2 < torch.finfo(basis.dtype).eps:
            parameter.data = torch.addmm(basis, basis, excess, alpha=-0.5)
            s = torch.addmm(s, excess, s, alpha=0.5)
        else:
            parameter.data, upper = positive_qr(basis)
            s = upper @ s
        s = s.mT
    layer.S.data = s.contiguous()
