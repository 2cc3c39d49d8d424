"""What integrators and optimisers hand to each other: layers of equal rank and their update."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stopflow.lowrank.forward_cache import ForwardCache
from stopflow.lowrank.layer.lowrank import LowRankLayer

_NOTHING = torch.empty(0)

Bases = tuple[Tensor, Tensor]
"""U and V of a layer, or anything of their shapes."""

Moments = dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerGroup:
    """Layers of equal rank in one step: what one batch left in each, and the moments of each.

    Attributes
    ----------
    cores
        S of all layers, (g, r, r).
    count
        Steps taken, this one included.
    """

    layers: Sequence[LowRankLayer]
    caches: Sequence[ForwardCache]
    moments: Sequence[Moments]
    cores: Tensor
    count: int

    def stacked(self, *names: str) -> Tensor:
        """Return the moments of these names, each stacked over all layers."""
        return torch.stack([moments[name] for name in names for moments in self.moments])

    def store(self, names: Sequence[str], values: Tensor) -> None:
        """Put back what `stacked` returned, changed."""
        places = [(moments, name) for name in names for moments in self.moments]
        for (moments, name), value in zip(places, values.unbind(), strict=True):
            moments[name] = value


@dataclass(slots=True, kw_only=True, eq=False)
class BasisUpdate:
    """What the K = U T and L = V T^T of g layers of equal rank r are to be moved by.

    Attributes
    ----------
    bases
        U and V of each, which stay as they are.
    core
        T, (g, r, r).
    step
        b > 0, the factor of the directions, for all or one for each, (g, 1, 1).
    directions
        (A_K, A_L) of each, or ``None`` for the gradients delta^T P and x^T D.
    core_direction
        Returns A_S in the old bases, (g, r, r), where directions are formed.
    rescale_columns
        What rescales the columns of gradients: squared norms of those of all A_K, then all A_L,
        (2 g, r) -> factors.
    buffers
        Memory of the shapes of U and V that becomes U1 and V1.
    measure
        Whether the loss of orthogonality of U and V is to be measured and taken away.
    """

    bases: Sequence[Bases]
    caches: Sequence[ForwardCache]
    core: Tensor
    step: float | Tensor
    directions: Sequence[Bases] | None = None
    core_direction: Callable[[], Tensor] | None = None
    rescale_columns: Callable[[Tensor], Tensor] | None = None
    buffers: Sequence[Bases] = ()
    measure: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class UpdatedBases:
    """The new bases of g layers and the products of the batch with them.

    Attributes
    ----------
    u, v
        U1 (m, r) and V1 (n, r) of each.
    left, right
        M = U^T U1 and N = V^T V1, (g, r, r).
    core
        M^T T N, (g, r, r).
    xv, deltau
        x V1 and delta U1, (g, batch, r); empty until `with_products` where no retraction gave them.
    growth
        As in `Retraction`; 1 where Householder QR made the bases.
    """

    u: Sequence[Tensor]
    v: Sequence[Tensor]
    left: Tensor
    right: Tensor
    core: Tensor
    xv: Tensor = _NOTHING
    deltau: Tensor = _NOTHING
    growth: float = 1.0

    def with_products(self, caches: Sequence[ForwardCache]) -> "UpdatedBases":
        """Return it with the products of the batch, computed if they are not there."""
        if not self.xv.numel():
            on_v, on_u = zip(caches, self.v, strict=True), zip(caches, self.u, strict=True)
            self.xv = torch.stack([torch.mm(cache.x, v) for cache, v in on_v])
            self.deltau = torch.stack([torch.mm(cache.delta, u) for cache, u in on_u])
        return self
