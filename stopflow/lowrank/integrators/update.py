"""Moving orthonormal bases without a QR of the long side: everything through r x r Gram matrices.

A step moves K = U T to K1 = U T - b A with a direction A, and L = V T^T likewise; `retract` needs
only C = U^T A and A^T A. For the gradient direction A = delta^T P both, C = D^T P and
A^T A = P^T (delta delta^T) P, come from batch-sized products; all of it is batched over layers of
equal rank.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from stopflow.lowrank.forward_cache import ForwardCache
from stopflow.lowrank.integrators.retraction import Retraction, retract
from stopflow.lowrank.layer.orthonormal import gram_matrix, positive_qr
from stopflow.lowrank.optimisers.basis_update import Bases, BasisUpdate, UpdatedBases
from stopflow.lowrank.status import StepFailure, StepStatus


def update_bases(update: BasisUpdate) -> UpdatedBases:
    """Move the bases of layers of equal rank.

    Where the Gram form would lose more than a third of the digits (K1 nearly rank-deficient)
    Householder QR takes over, which always succeeds. A `StepFailure` names the position of a layer
    whose K1 or L1 is not finite.
    """
    if update.directions is None:
        return _along_gradients(update)
    return _along_directions(update, update.directions)


def _along_gradients(update: BasisUpdate) -> UpdatedBases:
    """Move along A_K = delta^T P and A_L = x^T D, never forming either."""
    caches, count = update.caches, len(update.caches)
    on_u, on_v = [cache.deltau for cache in caches], [cache.xv for cache in caches]
    lined = torch.stack([*on_u, *on_v, *on_u])
    own, other = lined[: 2 * count], lined[count:]
    kernel = _kernels(caches)
    through = torch.bmm(kernel, other)
    sizes = torch.diagonal(kernel, dim1=-2, dim2=-1).unsqueeze(1)
    terms = torch.bmm(sizes, other.square()).squeeze(1)
    if update.rescale_columns is not None:
        rounding = torch.finfo(other.dtype).eps * terms
        squares = torch.maximum((other * through).sum(dim=1), rounding)
        scale = update.rescale_columns(squares)
        other = other * scale.unsqueeze(1)
        through.mul_(scale.unsqueeze(1))
        terms.mul_(scale.square_())
    gamma, energy = torch.bmm(own.mT, other), torch.bmm(other.mT, through)
    found, left, right, core = _retract_both(update, gamma, energy, terms)
    if not found.sound:
        directions = [
            (cache.delta.T @ other[i], cache.x.T @ other[i + count])
            for i, cache in enumerate(caches)
        ]
        return _by_householder(update, directions)
    taken = torch.bmm(other, found.inverse)
    seen = torch.bmm(own, found.coefficient).baddbmm_(through, found.inverse, alpha=-found.step)
    batches = [cache.delta for cache in caches] + [cache.x for cache in caches]
    u, v = _new_bases(update, found, batches, taken)
    return UpdatedBases(
        u=u,
        v=v,
        left=left,
        right=right,
        core=core,
        xv=seen[count:],
        deltau=seen[:count],
        growth=found.growth,
    )


def _kernels(caches: Sequence[ForwardCache]) -> Tensor:
    """Return delta delta^T of all layers, then x x^T, (2 g, batch, batch)."""
    count, batch = len(caches), len(caches[0].x)
    kernels = caches[0].x.new_empty(2 * count, batch, batch)
    places = kernels.unbind()
    for i, cache in enumerate(caches):
        cache.delta_gram(out=places[i])
        cache.input_gram(out=places[i + count])
    return kernels


def _along_directions(update: BasisUpdate, directions: Sequence[Bases]) -> UpdatedBases:
    """Move along given A_K and A_L."""
    sides, bases = _by_side(directions), _by_side(update.bases)
    gamma = torch.stack([torch.mm(b.T, a) for b, a in zip(bases, sides, strict=True)])
    energy = torch.stack([torch.mm(a.T, a) for a in sides])
    terms = torch.diagonal(energy, dim1=-2, dim2=-1)
    found, left, right, core = _retract_both(update, gamma, energy, terms)
    if not found.sound:
        return _by_householder(update, directions)
    u, v = _new_bases(update, found, [a.T for a in sides], found.inverse)
    updated = UpdatedBases(u=u, v=v, left=left, right=right, core=core, growth=found.growth)
    return updated.with_products(update.caches)


def _by_side(pairs: Sequence[Bases]) -> list[Tensor]:
    """Return all that belongs to U, then all that belongs to V."""
    return [pair[side] for side in (0, 1) for pair in pairs]


def _retract_both(
    update: BasisUpdate, gamma: Tensor, energy: Tensor, terms: Tensor
) -> tuple[Retraction, Tensor, Tensor, Tensor]:
    """Return the retractions of all U, then all V, and the layers' M, N and M^T T N.

    Where every layer has a step of its own, U1 is that of K1 / b: T is divided, so that directions
    need not be multiplied.
    """
    own, step = update.core, update.step
    if isinstance(step, Tensor):
        own, step = own / step, 1.0
    grams = None
    if update.measure:
        grams = torch.stack([gram_matrix(basis) for basis in _by_side(update.bases)])
    cores = torch.cat([own, own.mT])
    found = retract(cores, gamma, energy, step=step, terms=terms, grams=grams)
    left, right = found.overlap[: len(own)], found.overlap[len(own) :]
    return found, left, right, torch.bmm(torch.bmm(left.mT, update.core), right)


def _new_bases(
    update: BasisUpdate, found: Retraction, batches: Sequence[Tensor], taken: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """Return U1 = U coefficient - step X^T taken of all layers, and the V1."""
    parts = zip(
        _by_side(update.bases),
        found.coefficient.unbind(),
        _by_side(update.buffers),
        batches,
        taken.unbind(),
        strict=True,
    )
    new = [
        torch.mm(basis, coefficient, out=buffer).addmm_(batch.T, away, alpha=-found.step)
        for basis, coefficient, buffer, batch, away in parts
    ]
    return new[: len(update.bases)], new[len(update.bases) :]


def _by_householder(update: BasisUpdate, directions: Sequence[Bases]) -> UpdatedBases:
    """Move along given A_K and A_L through float64 Householder QR of the explicit K1 and L1."""
    dtype, cores = update.core.dtype, update.core.double()
    scaled = cores / update.step
    new: list[list[Tensor]] = [[], []]
    overlaps: list[list[Tensor]] = [[], []]
    for i, (bases, pair) in enumerate(zip(update.bases, directions, strict=True)):
        for side, core in enumerate((scaled[i], scaled[i].mT)):
            basis = bases[side].double()
            moved = basis @ core - pair[side].double()
            if not bool(moved.isfinite().all()):
                raise StepFailure(StepStatus.UPDATE, i)
            q, _ = positive_qr(moved)
            new[side].append(q.to(dtype))
            overlaps[side].append(basis.mT @ q)
    left, right = (torch.stack(found) for found in overlaps)
    core = (left.mT @ cores @ right).to(dtype)
    updated = UpdatedBases(
        u=new[0], v=new[1], left=left.to(dtype), right=right.to(dtype), core=core
    )
    return updated.with_products(update.caches)
