"""Dynamical low-rank training at fixed rank: the step owns U, S and V of its layers.

With G = delta^T x at W0 = U S V^T and direction A (G, or what the optimiser makes of it):

    K1 = U S - eta A_K,  L1 = V S^T - eta A_L,  U1 = orth(K1),  V1 = orth(L1)
    one gradient:  S1 = (U1^T U) S (V^T V1) - eta A_S      with A_S from delta U1 and x V1
    two passes:    the same with delta and x of a second sweep at U1 (U1^T U) S (V^T V1) V1^T

The second is the KLS integrator of Schotthoefer et al. 2022 (arXiv:2205.13571); the first uses that
K and L of both sweeps belong to one network and equals the dense step at full rank.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stopflow.lowrank.forward_cache import ForwardCache
from stopflow.lowrank.integrators.orthogonality import OrthogonalityLoss
from stopflow.lowrank.integrators.state import FactorIntegrator, FactorState
from stopflow.lowrank.integrators.update import update_bases
from stopflow.lowrank.layer.lowrank import LowRankLayer
from stopflow.lowrank.optimisers.basis_update import BasisUpdate, LayerGroup, UpdatedBases
from stopflow.lowrank.settings import StepSettings
from stopflow.lowrank.status import StepFailure, StepStatus


@dataclass(slots=True, kw_only=True, eq=False)
class _Pending:
    """Layers of equal rank whose new factors have been found and not yet put in place."""

    members: list[int]
    group: LayerGroup
    update: BasisUpdate
    updated: UpdatedBases


class FixedRank(FactorIntegrator):
    """Integrator of fixed-rank layers; `passes` is 1 (one gradient) or 2 (published)."""

    def __init__(
        self, layers: Sequence[LowRankLayer], settings: StepSettings, *, passes: int
    ) -> None:
        self.passes = passes
        self.state = FactorState(layers, settings)
        self._pending: list[_Pending] = []
        self._before: list[tuple[Tensor, Tensor, Tensor]] = []
        self._known: dict[str, Tensor] = {}

    def update_bases(self, caches: Sequence[ForwardCache], *, learning_rate: float) -> None:
        """Find U1 and V1; with two passes also put every layer at U1 (U1^T U) S (V^T V1) V1^T."""
        state = self.state
        if self.passes == 2:
            self._before = [(*layer.bases(), layer.S.data.clone()) for layer in state.layers]
            self._known = state.state_dict()
        state.count += 1
        measure = state.loss.due
        self._pending = [
            self._found(members, [caches[i] for i in members], learning_rate, measure=measure)
            for members in _equal_ranks(state.layers).values()
        ]
        if measure:
            state.loss = OrthogonalityLoss()
        state.lose(max(pending.updated.growth for pending in self._pending))
        if self.passes == 2:
            for pending in self._pending:
                _put(pending.group, pending.updated, pending.updated.core)

    def _found(
        self, members: list[int], caches: Sequence[ForwardCache], rate: float, *, measure: bool
    ) -> _Pending:
        """Return the new bases of layers of equal rank."""
        group = self.state.group(members, caches)
        update = self.state.update(group, rate)
        rank = group.cores.shape[1]
        pairs = zip(members, update.bases, strict=True)
        update.buffers = [self.state.buffers_for(i, bases, rank) for i, bases in pairs]
        update.measure = measure
        try:
            updated = update_bases(update)
        except StepFailure as failure:
            raise failure.at(members) from None
        return _Pending(members=members, group=group, update=update, updated=updated)

    def finish(self, caches: Sequence[ForwardCache], *, learning_rate: float) -> None:
        """Find S1 with the gradient in the new bases, from the first sweep or the second."""
        for pending in self._pending:
            members, updated = pending.members, pending.updated
            if self.passes == 2:
                pending.group = self.state.group(members, [caches[i] for i in members])
                updated.xv = torch.stack([cache.xv for cache in pending.group.caches])
                updated.deltau = torch.stack([cache.deltau for cache in pending.group.caches])
            updated.core = self.state.rule.core_step(
                pending.group, pending.update, updated, learning_rate
            )
            for i, norm in zip(members, _norms(updated.core), strict=True):
                if not math.isfinite(norm):
                    raise StepFailure(StepStatus.UPDATE, i)

    def commit(self) -> None:
        """Put the new factors in place."""
        for pending in self._pending:
            _put(pending.group, pending.updated, pending.updated.core)
            for i, bases in zip(pending.members, pending.update.bases, strict=True):
                self.state.buffers[i] = bases
        self._forget()
        if self.state.loss.urgent:
            self.state.repair()

    def revert(self) -> None:
        """Undo `update_bases`."""
        for layer, (u, v, s) in zip(self.state.layers, self._before, strict=False):
            layer.set_bases(u, v)
            layer.S.data.copy_(s)
        if self._known:
            self.state.load_state_dict(self._known)
        self._forget()

    def _forget(self) -> None:
        """Let go of the batch, which would stay in memory."""
        self._pending, self._before, self._known = [], [], {}


def _norms(cores: Tensor) -> list[float]:
    found: list[float] = torch.linalg.vector_norm(cores, dim=(1, 2)).tolist()
    return found


def _put(group: LayerGroup, updated: UpdatedBases, cores: Tensor) -> None:
    for layer, u, s, v in zip(group.layers, updated.u, cores.unbind(), updated.v, strict=True):
        layer.set_factors(u, s, v)


def _equal_ranks(layers: Sequence[LowRankLayer]) -> dict[int, list[int]]:
    """Return the positions of the layers of each rank."""
    groups: dict[int, list[int]] = {}
    for i, layer in enumerate(layers):
        groups.setdefault(layer.rank, []).append(i)
    return groups
