"""Dynamical low-rank training with a rank that follows the data (augmented BUG), one gradient.

The bases are augmented by what the directions have outside them, U^ = [U, Q_u] with
Q_u R_u = A_K - U (U^T A_K), V^ likewise, the core is moved, and its SVD is cut:

    S^ = [[S - eta A_S, -eta R_v^T], [-eta R_u, -eta (delta Q_u)^T (x Q_v)]] = P diag(sigma) Q^T
    U1 = U^ P_r,  V1 = V^ Q_r,  S1 = diag(sigma_1..r),  r by the theta rule.

For gradient directions this is the integrator of Ceruti, Kusch, Lubich 2022
(doi:10.1007/s10543-021-00907-7) for explicit Euler, whose three gradients are one: the augmented
bases contain the old ones. For directions out of moments the last block is zero, which makes it
the step along the tangent vector followed by truncation. Between the steps that change the rank
(`cadence`) the fixed-rank step is taken.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stopflow.lowrank.forward_cache import Tape
from stopflow.lowrank.integrators.bases import Moved, Push
from stopflow.lowrank.integrators.fixed_rank import FixedRank
from stopflow.lowrank.integrators.orthogonality import rounding_of_a_turn
from stopflow.lowrank.integrators.truncate import truncated_core
from stopflow.lowrank.layer.lowrank import LowRankLayer
from stopflow.lowrank.optimisers.moments import CoreRule, Group
from stopflow.lowrank.settings import StepSettings


class Adaptive(FixedRank):
    """Integrator of rank-adaptive layers."""

    def __init__(self, layers: Sequence[LowRankLayer], settings: StepSettings) -> None:
        super().__init__(layers, settings, passes=1)
        self._augments = False

    def turn_bases(self, tapes: Sequence[Tape], *, learning_rate: float) -> None:
        """Take the step; every `cadence` steps the augmented one."""
        self._augments = (self.count + 1) % self.settings.cadence == 0
        if not self._augments:
            super().turn_bases(tapes, learning_rate=learning_rate)
            return
        self.count += 1
        self.looks.clear()
        for i, tape in enumerate(tapes):
            group = self.group([i], [tape])
            push = self.push(group, learning_rate, formed=True)
            self._augmented_step(i, group, push, learning_rate)
        if self.worn > 1.0:
            self.refresh()

    def finish(self, tapes: Sequence[Tape], *, learning_rate: float) -> None:
        """Complete a fixed-rank step."""
        if not self._augments:
            super().finish(tapes, learning_rate=learning_rate)

    def _augmented_step(self, i: int, group: Group, push: Push, rate: float) -> None:
        (layer,), (tape,), (moments,) = group.layers, group.tapes, group.moments
        rule, dtype = self.rule, layer.U.dtype
        step = float(push.step)
        if isinstance(rule, CoreRule) or push.along is None:
            on_u, on_v, gradient = _gradient_complements(tape)
        else:
            (core,) = rule.core(group, push.along).double()
            pairs = zip(push.bases[0], push.along[0], strict=True)
            on_u, on_v, gradient = _direction_complements(pairs, core * (rate / step))
        core = _padded(push.core[0].double(), gradient) - step * gradient
        p, s, q = truncated_core(
            core,
            theta=self.settings.theta,
            lowest=self.settings.min_rank,
            highest=self.settings.max_rank or layer.full_rank,
        )
        r = layer.rank
        (old,) = push.bases
        spare = self.spare_for(i, old, len(s))
        u, wear_u = on_u.turned(old[0], p, out=spare[0])
        v, wear_v = on_v.turned(old[1], q, out=spare[1])
        self.worn += rounding_of_a_turn(layer.rank) * max(wear_u, wear_v)
        if isinstance(rule, CoreRule):
            if "m" in moments:
                ambient = rule.blend(_padded(moments["m"].double(), gradient), gradient)
                moments["m"] = (p.mT @ ambient @ q).to(dtype)
        else:
            left, right = p[None, :r].to(dtype), q[None, :r].to(dtype)
            moved = Moved(u=[u], v=[v], left=left, right=right, core=s[None])
            rule.follow(group, push.bases, moved)
        layer.set_factors(u, s.to(dtype), v)
        self.spare[i] = old


@dataclass(slots=True, kw_only=True, eq=False)
class _Complement:
    """Q R = A - U gamma with orthonormal Q = (A - U gamma) inverse of the kept directions.

    `direction` is (A, None) or (left, right) with A = left^T right; `wear` is by how much more
    than U each column of Q suffers from rounding.
    """

    gamma: Tensor
    inverse: Tensor
    triangle: Tensor
    wear: Tensor
    direction: tuple[Tensor, Tensor | None]

    @property
    def size(self) -> int:
        return len(self.triangle)

    def turned(self, basis: Tensor, coefficient: Tensor, *, out: Tensor) -> tuple[Tensor, float]:
        """Return [U, Q] coefficient and its wear in units of rounding."""
        rank = basis.shape[1]
        old, new = coefficient[:rank], coefficient[rank:]
        taken = self.inverse @ new
        turned = torch.mm(basis, (old - self.gamma @ taken).to(basis.dtype), out=out)
        first, second = self.direction
        if second is None:
            turned.addmm_(first, taken.to(basis.dtype))
        else:
            turned.addmm_(first.mT, second @ taken.to(basis.dtype))
        weight = (self.wear * torch.linalg.vector_norm(new, dim=1)).sum() if self.size else 0.0
        return turned, 1.0 + float(weight)


def _complement(
    gamma: Tensor, energy: Tensor, terms: Tensor, direction: tuple[Tensor, Tensor | None]
) -> _Complement:
    """Orthonormalise A - U gamma through its Gram matrix energy - gamma^T gamma.

    `terms` is the sum of squares of the terms that A was summed from. It is never negative and
    measures the rounding in `energy`, which may be negative where the terms cancel. Directions
    whose energy is below 1e-10 of it (or ten units of rounding) are left out, because their columns
    of Q would be noise. The step is exact up to 1e-5 of the root of `terms`.
    """
    values, vectors = torch.linalg.eigh(energy - gamma.mT @ gamma)
    total = torch.maximum(terms, torch.diagonal(energy).sum())
    noise = max(1e-10, 10 * torch.finfo(direction[0].dtype).eps)
    kept = values > noise * total
    values, vectors = values[kept], vectors[:, kept]
    root = values.sqrt()
    return _Complement(
        gamma=gamma,
        inverse=vectors / root,
        triangle=root.unsqueeze(1) * vectors.mT,
        wear=total / values,
        direction=direction,
    )


def _gradient_complements(tape: Tape) -> tuple[_Complement, _Complement, Tensor]:
    """Return the complements of delta^T P and x^T D and the core gradient in both bases."""
    core = (tape.deltau.mT @ tape.xv).double()
    kernels = tape.delta_gram(), tape.input_gram()
    delta_p, x_d = kernels[0] @ tape.xv, kernels[1] @ tape.deltau
    terms = [
        (torch.diagonal(kernel).double() * factor.double().square().sum(dim=1)).sum()
        for kernel, factor in zip(kernels, (tape.xv, tape.deltau), strict=True)
    ]
    on_u = _complement(core, (tape.xv.mT @ delta_p).double(), terms[0], (tape.delta, tape.xv))
    on_v = _complement(core.mT, (tape.deltau.mT @ x_d).double(), terms[1], (tape.x, tape.deltau))
    delta_q = (delta_p.double() - tape.deltau.double() @ core) @ on_u.inverse
    x_q = (x_d.double() - tape.xv.double() @ core.mT) @ on_v.inverse
    return on_u, on_v, _blocks(core, on_u, on_v, delta_q.mT @ x_q)


def _direction_complements(
    pairs: Iterable[tuple[Tensor, Tensor]], core: Tensor
) -> tuple[_Complement, _Complement, Tensor]:
    """Return the complements of A_K beside U and A_L beside V; A_S with nothing outside both."""
    on_u, on_v = (
        _complement(
            (basis.mT @ a).double(), (a.mT @ a).double(), a.double().square().sum(), (a, None)
        )
        for basis, a in pairs
    )
    return on_u, on_v, _blocks(core, on_u, on_v, core.new_zeros(on_u.size, on_v.size))


def _blocks(core: Tensor, on_u: _Complement, on_v: _Complement, corner: Tensor) -> Tensor:
    upper = torch.cat([core, on_v.triangle.mT], dim=1)
    return torch.cat([upper, torch.cat([on_u.triangle, corner], dim=1)])


def _padded(core: Tensor, like: Tensor) -> Tensor:
    padded = torch.zeros_like(like)
    padded[: core.shape[0], : core.shape[1]] = core
    return padded
