"""Moving orthonormal bases without a QR of the long side: everything through r x r Gram matrices.

A step moves K = U T to K1 = U T - b A with a direction A, and L = V T^T likewise; `retract` needs
only C = U^T A and A^T A. For the gradient direction A = delta^T P both, C = D^T P and
A^T A = P^T (delta delta^T) P, come from batch-sized products; where the batch is large beside the
rank, it costs less to form A. All of it is batched over layers of equal rank.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stopflow.lowrank.forward_cache import ForwardCache
from stopflow.lowrank.integrators.retraction import Retraction, retract
from stopflow.lowrank.layer.orthonormal import by_rows, gram_matrix, positive_qr
from stopflow.lowrank.optimisers.basis_update import Bases, BasisUpdate, UpdatedBases
from stopflow.lowrank.status import StepFailure, StepStatus

_NOTHING = torch.empty(0)


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
    """Move along A_K = delta^T P and A_L = x^T D."""
    caches, count = update.caches, len(update.caches)
    on_u, on_v = [cache.deltau for cache in caches], [cache.xv for cache in caches]
    lined = torch.stack([*on_u, *on_v, *on_u])
    own, other = lined[: 2 * count], lined[count:]
    batches = [cache.delta for cache in caches] + [cache.x for cache in caches]
    find = _formed if _forming_pays(*other.shape[1:]) else _unformed
    found = find(caches, batches, other)
    gamma, energy = torch.bmm(own.mT, other), found.energy
    terms = torch.bmm(found.sizes.unsqueeze(1), other.square()).squeeze(1)
    scale = terms.new_ones(1, 1)
    if update.rescale_columns is not None:
        rounding = torch.finfo(other.dtype).eps * terms
        squares = torch.maximum(torch.diagonal(energy, dim1=-2, dim2=-1), rounding)
        scale = update.rescale_columns(squares)
        gamma.mul_(scale.unsqueeze(1))
        energy.mul_(scale.unsqueeze(1)).mul_(scale.unsqueeze(2))
        terms.mul_(scale.square())
    retraction, left, right, core = _retract_both(update, gamma, energy, terms)
    if not retraction.sound:
        parts = zip(batches, (other * scale.unsqueeze(1)).unbind(), strict=True)
        moved = [torch.mm(batch.T, part) for batch, part in parts]
        return _by_householder(update, list(zip(moved[:count], moved[count:], strict=True)))
    inverse = retraction.inverse * scale.unsqueeze(2)
    if found.sides:
        u, v = _new_bases(update, retraction, found.sides, inverse)
    else:
        u, v = _new_bases(update, retraction, batches, torch.bmm(other, inverse))
    updated = UpdatedBases(u=u, v=v, left=left, right=right, core=core, growth=retraction.growth)
    if not found.sides:
        seen = torch.bmm(own, retraction.coefficient)
        seen.baddbmm_(found.through, inverse, alpha=-retraction.step)
        updated.xv, updated.deltau = seen[count:], seen[:count]
    return updated.with_products(caches)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Gradients:
    """What a retraction needs of A_K = delta^T P, or A_L = x^T D, of all layers.

    Attributes
    ----------
    energy
        A^T A, (2 g, r, r).
    sizes
        Squared norms of the rows of delta or x, (2 g, batch).
    sides
        A^T of each, where they were formed.
    through
        delta A_K, x A_L, (2 g, batch, r), where they were not.
    """

    energy: Tensor
    sizes: Tensor
    sides: Sequence[Tensor] = ()
    through: Tensor = _NOTHING


def _forming_pays(batch: int, rank: int) -> bool:
    """Whether x^T D, and what it is multiplied by, costs less than x x^T.

    Of 2 m multiplications each they take batch^2 + batch rank, and twice batch rank + rank^2; x x^T
    is the quicker product of the two.
    """
    return batch > 2 * rank


def _formed(caches: Sequence[ForwardCache], batches: Sequence[Tensor], other: Tensor) -> _Gradients:
    del caches
    sides = [torch.mm(p.T, batch) for p, batch in zip(other.unbind(), batches, strict=True)]
    sizes = torch.stack([torch.linalg.vector_norm(batch, dim=1) for batch in batches])
    energy = torch.stack([torch.mm(a, a.T) for a in sides])
    return _Gradients(energy=energy, sizes=sizes.square_(), sides=sides)


def _unformed(
    caches: Sequence[ForwardCache], batches: Sequence[Tensor], other: Tensor
) -> _Gradients:
    """Return all of it from delta delta^T and x x^T."""
    del batches
    kernel = _kernels(caches)
    through = torch.bmm(kernel, other)
    sizes = torch.diagonal(kernel, dim1=-2, dim2=-1)
    return _Gradients(energy=torch.bmm(other.mT, through), sizes=sizes, through=through)


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
            new[side].append(by_rows(q, dtype))
            overlaps[side].append(basis.mT @ q)
    left, right = (torch.stack(found) for found in overlaps)
    core = (left.mT @ cores @ right).to(dtype)
    updated = UpdatedBases(
        u=new[0], v=new[1], left=left.to(dtype), right=right.to(dtype), core=core
    )
    return updated.with_products(update.caches)
