"""What an optimiser remembers of the factors, and how it is transported to the new bases.

Two kinds. A *core rule* keeps only an r x r moment in the coordinates of (U, V); its K and L
directions are gradients, so a step touches the long matrices as rarely as plain descent does. A
*moment rule* keeps moments of K, L and S. When the bases are retracted by M = U^T U1 and
N = V^T V1, first moments are transported along: m_K N, m_L M, M^T m_S N.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import final

import torch
from torch import Tensor

from stopflow.lowrank.forward_cache import ForwardCache
from stopflow.lowrank.hyperparameters import Hyperparameters
from stopflow.lowrank.layer.lowrank import LowRankLayer
from stopflow.lowrank.optimisers.basis_update import (
    Bases,
    BasisUpdate,
    LayerGroup,
    Moments,
    UpdatedBases,
)


class FactorRule(ABC):
    """How an optimiser moves the factors of layers of equal rank."""

    @abstractmethod
    def start(self, layer: LowRankLayer) -> Moments:
        """Return moments of zero."""

    @abstractmethod
    def set_direction(self, update: BasisUpdate, group: LayerGroup, *, formed: bool) -> None:
        """Set the directions of an update along gradients, and turn its learning rate into a step.

        With ``formed=True`` directions are formed even where rescaled gradients would do.
        """

    @abstractmethod
    def core_step(
        self, group: LayerGroup, update: BasisUpdate, updated: UpdatedBases, rate: float
    ) -> Tensor:
        """Transport the moments into the new bases; return S after its step there, (g, r, r)."""

    @abstractmethod
    def augment(
        self,
        group: LayerGroup,
        update: BasisUpdate,
        updated: UpdatedBases,
        p: Tensor,
        q: Tensor,
        gradient: Tensor,
    ) -> None:
        """Transport the moments of one layer through an augmented step.

        Its new bases are [U, Q_u] p and [V, Q_v] q, the gradient of the augmented core `gradient`.
        """


@final
class CoreRule(FactorRule):
    """W moves along ``kept m + taken G`` with a remembered core m (W-space: U m V^T).

    Plain descent has kept = 0, taken = 1; heavy ball kept = momentum, taken = 1; the scalar form of
    Adam kept = momentum, taken = 1 - momentum, both over the root of the mean of ||G||_F^2.
    """

    def __init__(
        self, settings: Hyperparameters, *, kept: float, taken: float, scalar: bool = False
    ) -> None:
        self._settings, self._kept, self._taken, self._scalar = settings, kept, taken, scalar

    def start(self, layer: LowRankLayer) -> Moments:
        """Return moments of zero."""
        moments = {"m": torch.zeros_like(layer.S)} if self._kept else {}
        if self._scalar:
            moments["v"] = layer.S.new_zeros(())
        return {name: value.detach() for name, value in moments.items()}

    def set_direction(self, update: BasisUpdate, group: LayerGroup, *, formed: bool) -> None:
        """Take ``kept m`` off the core, and set the step of the gradients."""
        del formed
        rate = update.step
        if self._scalar:
            rate = rate * self._scales(group)
        update.step = rate * self._taken
        if self._kept:
            update.core = update.core - group.stacked("m") * (rate * self._kept)

    def _scales(self, group: LayerGroup) -> Tensor:
        """Return what the scalar form multiplies the learning rate of each layer by, (g, 1, 1)."""
        decay, scales = self._settings.second_decay, []
        for layer, cache, stored in zip(group.layers, group.caches, group.moments, strict=True):
            stored["v"].lerp_(cache.gradient_norm_squared().to(stored["v"].dtype), 1 - decay)
            root = math.sqrt(float(stored["v"]) / (1 - decay**group.count)) + self._settings.epsilon
            scales.append(_scalar_scale(layer) / root / (1 - self._kept**group.count))
        return group.cores.new_tensor(scales).view(-1, 1, 1)

    def core_step(
        self, group: LayerGroup, update: BasisUpdate, updated: UpdatedBases, rate: float
    ) -> Tensor:
        """Transport m; return S after a step along the gradient in the new bases."""
        del rate
        if not self._kept and isinstance(update.step, float):
            return torch.baddbmm(updated.core, updated.deltau.mT, updated.xv, alpha=-update.step)
        gradients = torch.bmm(updated.deltau.mT, updated.xv)
        if self._kept:
            carried = torch.bmm(torch.bmm(updated.left.mT, group.stacked("m")), updated.right)
            group.store(["m"], self._mix(carried, gradients))
        return updated.core - gradients * update.step

    def augment(
        self,
        group: LayerGroup,
        update: BasisUpdate,
        updated: UpdatedBases,
        p: Tensor,
        q: Tensor,
        gradient: Tensor,
    ) -> None:
        """Mix m and the gradient in the augmented bases, and project on the new ones."""
        del update, updated
        if self._kept:
            (stored,) = group.moments
            ambient = self._mix(padded(stored["m"].double(), gradient), gradient)
            stored["m"] = (p.mT @ ambient @ q).to(stored["m"].dtype)

    def _mix(self, carried: Tensor, gradient: Tensor) -> Tensor:
        """Return kept m + taken C for a moment and a core gradient in the same bases."""
        return self._kept * carried + self._taken * gradient


def padded(core: Tensor, like: Tensor) -> Tensor:
    """Return a matrix of the shape of `like` with `core` in its upper left corner, else zero."""
    wide = torch.zeros_like(like)
    wide[: core.shape[0], : core.shape[1]] = core
    return wide


def _scalar_scale(layer: LowRankLayer) -> float:
    """Return the Frobenius norm that the scalar form gives to a step of learning rate 1."""
    return math.sqrt(layer.U.shape[0] * layer.fan_in)


class MomentRule(FactorRule):
    """Directions for K, L and S from remembered moments of each."""

    @abstractmethod
    def transport(self, group: LayerGroup, old: Sequence[Bases], updated: UpdatedBases) -> None:
        """Transport the moments into the new bases."""

    @abstractmethod
    def core_after(self, group: LayerGroup, updated: UpdatedBases) -> Tensor:
        """Return A_S in the new bases, (g, r, r), to move S after the retraction."""

    @final
    def core_step(
        self, group: LayerGroup, update: BasisUpdate, updated: UpdatedBases, rate: float
    ) -> Tensor:
        """Transport the moments; return S after a step along A_S in the new bases."""
        self.transport(group, update.bases, updated)
        return torch.sub(updated.core, self.core_after(group, updated), alpha=rate)

    @final
    def augment(
        self,
        group: LayerGroup,
        update: BasisUpdate,
        updated: UpdatedBases,
        p: Tensor,
        q: Tensor,
        gradient: Tensor,
    ) -> None:
        """Transport the moments through what the new bases have in common with the old."""
        del p, q, gradient
        self.transport(group, update.bases, updated)


def directions_of_gradients(caches: Sequence[ForwardCache]) -> tuple[list[Tensor], list[Tensor]]:
    """Return G V = delta^T P and G^T U = x^T D of each layer."""
    of_k = [torch.mm(cache.delta.T, cache.xv) for cache in caches]
    return of_k, [torch.mm(cache.x.T, cache.deltau) for cache in caches]


@final
class TangentMomentum(MomentRule):
    """Heavy ball on the tangent space: M <- momentum P(M) + P(G), P the projection on it.

    The tangent vector M = m_K V^T + U m_L^T - U (U^T m_K) V^T is kept by m_K = M V, m_L = M^T U.
    """

    def __init__(self, settings: Hyperparameters) -> None:
        self._momentum = settings.momentum

    def start(self, layer: LowRankLayer) -> Moments:
        """Return moments of zero."""
        return {"k": torch.zeros_like(layer.U).detach(), "l": torch.zeros_like(layer.V).detach()}

    def set_direction(self, update: BasisUpdate, group: LayerGroup, *, formed: bool) -> None:
        """Set momentum M V + G V and its counterpart for L."""
        del formed
        beta = self._momentum
        update.directions = [
            (
                torch.addmm(stored["k"], cache.delta.T, cache.xv, beta=beta),
                torch.addmm(stored["l"], cache.x.T, cache.deltau, beta=beta),
            )
            for cache, stored in zip(group.caches, group.moments, strict=True)
        ]
        update.core_direction = partial(_projected, update.bases, update.directions)

    def transport(self, group: LayerGroup, old: Sequence[Bases], updated: UpdatedBases) -> None:
        """Project momentum M + G on the new tangent space."""
        updated.with_products(group.caches)
        parts = zip(old, group.caches, group.moments, strict=True)
        for i, ((u, v), cache, stored) in enumerate(parts):
            k, ell, left, right = stored["k"], stored["l"], updated.left[i], updated.right[i]
            core = u.mT @ k
            new_k = k @ right + u @ (ell.mT @ updated.v[i] - core @ right)
            new_l = ell @ left + v @ (k.mT @ updated.u[i] - core.mT @ left)
            stored["k"] = torch.addmm(new_k, cache.delta.mT, updated.xv[i], beta=self._momentum)
            stored["l"] = torch.addmm(new_l, cache.x.mT, updated.deltau[i], beta=self._momentum)

    def core_after(self, group: LayerGroup, updated: UpdatedBases) -> Tensor:
        """Return U1^T (momentum M + G) V1."""
        pairs = zip(updated.u, group.moments, strict=True)
        return torch.stack([u.mT @ stored["k"] for u, stored in pairs])


def _projected(bases: Sequence[Bases], directions: Sequence[Bases]) -> Tensor:
    """Return U^T A_K."""
    pairs = zip(bases, directions, strict=True)
    return torch.stack([u.T @ of_k for (u, _), (of_k, _) in pairs])
