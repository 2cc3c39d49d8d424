"""Dynamical low-rank training with a rank that follows the data (augmented BUG), one gradient.

The bases are augmented by what the directions have outside them, U^ = [U, Q_u] with
Q_u R_u = A_K - U (U^T A_K), V^ likewise, the core is moved, and its SVD is truncated:

    S^ = [[S - eta A_S, -eta R_v^T], [-eta R_u, -eta (delta Q_u)^T (x Q_v)]] = P diag(sigma) Q^T
    U1 = U^ P_r,  V1 = V^ Q_r,  S1 = diag(sigma_1..r),  r by the theta rule.

For gradient directions this is the integrator of Ceruti, Kusch, Lubich 2022
(doi:10.1007/s10543-021-00907-7) for explicit Euler, whose three gradients are one: the augmented
bases contain the old ones. For directions out of moments the last block is zero, which makes it
the step along the tangent vector followed by truncation. Between the steps that change the rank
(`cadence`) the fixed-rank step is taken.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from stopflow.lowrank.forward_cache import ForwardCache
from stopflow.lowrank.integrators.complement import direction_complements, gradient_complements
from stopflow.lowrank.integrators.fixed_rank import FixedRank
from stopflow.lowrank.integrators.state import FactorIntegrator
from stopflow.lowrank.integrators.truncate import truncated_core
from stopflow.lowrank.layer.lowrank import LowRankLayer
from stopflow.lowrank.optimisers.basis_update import Bases, UpdatedBases
from stopflow.lowrank.optimisers.moments import padded
from stopflow.lowrank.settings import StepSettings
from stopflow.lowrank.status import StepFailure, StepStatus


class Adaptive(FactorIntegrator):
    """Integrator of rank-adaptive layers."""

    passes = 1

    def __init__(self, layers: Sequence[LowRankLayer], settings: StepSettings) -> None:
        self._fixed = FixedRank(layers, settings, passes=1)
        self.state, self._settings = self._fixed.state, settings
        self._pending: list[tuple[Tensor, Tensor, Tensor, Bases]] = []
        self._growth = 1.0

    def update_bases(self, caches: Sequence[ForwardCache], *, learning_rate: float) -> None:
        """Find the new bases; every `cadence` steps those of the augmented step, with S."""
        state = self.state
        if (state.count + 1) % self._settings.cadence:
            self._fixed.update_bases(caches, learning_rate=learning_rate)
            return
        state.count += 1
        self._growth = 1.0
        for i, cache in enumerate(caches):
            try:
                self._pending.append(self._augmented(i, cache, learning_rate))
            except torch.linalg.LinAlgError:
                raise StepFailure(StepStatus.UPDATE, i) from None

    def finish(self, caches: Sequence[ForwardCache], *, learning_rate: float) -> None:
        """Complete a fixed-rank step."""
        if not self._pending:
            self._fixed.finish(caches, learning_rate=learning_rate)

    def commit(self) -> None:
        """Put the new factors in place."""
        if not self._pending:
            self._fixed.commit()
            return
        for i, (u, s, v, old) in enumerate(self._pending):
            self.state.layers[i].set_factors(u, s, v)
            self.state.buffers[i] = old
        self._pending = []
        self.state.lose(self._growth)
        if self.state.loss.due:
            self.state.repair()

    def revert(self) -> None:
        """Undo `update_bases`."""
        self._pending = []
        self._fixed.revert()

    def _augmented(
        self, i: int, cache: ForwardCache, rate: float
    ) -> tuple[Tensor, Tensor, Tensor, Bases]:
        """Return U, S and V of a layer after the augmented step, and its bases before it."""
        state, settings = self.state, self._settings
        group = state.group([i], [cache])
        update = state.update(group, rate, formed=True)
        (layer,), (old,), dtype = group.layers, update.bases, group.cores.dtype
        step = float(update.step)
        if update.directions is None or update.core_direction is None:
            on_u, on_v, gradient = gradient_complements(cache)
        else:
            (core,) = update.core_direction().double()
            pairs = zip(old, update.directions[0], strict=True)
            on_u, on_v, gradient = direction_complements(pairs, core * (rate / step))
        p, s, q = truncated_core(
            padded(update.core[0].double(), gradient) - step * gradient,
            theta=settings.theta,
            lowest=settings.min_rank,
            highest=settings.max_rank or layer.full_rank,
        )
        buffers = state.buffers_for(i, old, len(s))
        u, on_left = on_u.combine(old[0], p, out=buffers[0])
        v, on_right = on_v.combine(old[1], q, out=buffers[1])
        self._growth = max(self._growth, on_left, on_right)
        r = layer.rank
        updated = UpdatedBases(
            u=[u], v=[v], left=p[None, :r].to(dtype), right=q[None, :r].to(dtype), core=s[None]
        )
        state.rule.augment(group, update, updated, p, q, gradient)
        return u, s.to(dtype), v, old
