"""What an optimiser remembers of the factors, and how it is carried to the new bases.

Two kinds. A *core rule* keeps only an r x r moment in the coordinates of (U, V); its K and L
directions are gradients, so a step touches the long matrices as rarely as plain descent does. A
*factor rule* keeps moments of K, L and S. When the bases turn by M = U^T U1 and N = V^T V1, first
moments turn along: m_K N, m_L M, M^T m_S N.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from stopflow.lowrank.forward_cache import Tape
from stopflow.lowrank.integrators.bases import Bases, Moved, Push
from stopflow.lowrank.integrators.stacks import stacked
from stopflow.lowrank.layer.lowrank import LowRankLayer
from stopflow.lowrank.settings import StepSettings

Moments = dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Layers of equal rank in one step: what one batch left in each, and what is remembered.

    Attributes
    ----------
    cores
        S of all layers, (g, r, r), the memory that they lie in.
    count
        Steps taken, this one included.
    """

    layers: Sequence[LowRankLayer]
    tapes: Sequence[Tape]
    moments: Sequence[Moments]
    cores: Tensor
    count: int

    def kept(self, *names: str) -> Tensor:
        """Return what is kept by these names, those of all layers for one after the other."""
        return stacked([moments[name] for name in names for moments in self.moments])

    def keep(self, names: Sequence[str], values: Tensor) -> None:
        """Put back what `kept` returned, changed."""
        places = [(moments, name) for name in names for moments in self.moments]
        for (moments, name), value in zip(places, values.unbind(), strict=True):
            moments[name] = value


class CoreRule:
    """W moves along ``keep m + take G`` with a remembered core m (W-space: U m V^T).

    Plain descent has keep = 0, take = 1; heavy ball keep = momentum, take = 1; the scalar form of
    Adam keep = momentum, take = 1 - momentum, both over the root of the mean of ||G||_F^2.
    """

    def __init__(self, settings: StepSettings, *, keep: float, take: float, scalar: bool) -> None:
        self._settings, self._keep, self._take, self._scalar = settings, keep, take, scalar

    def start(self, layer: LowRankLayer) -> Moments:
        """Return moments of zero."""
        moments = {"m": torch.zeros_like(layer.S)} if self._keep else {}
        if self._scalar:
            moments["v"] = layer.S.new_zeros(())
        return {name: value.detach() for name, value in moments.items()}

    def aim(self, push: Push, group: Group, *, formed: bool) -> None:
        """Take ``keep m`` off the core, and set the step of the gradients."""
        del formed
        rate, keep = push.step, self._keep
        if self._scalar:
            rate = rate * self._scales(group)
        push.step = rate * self._take
        if keep:
            push.core = push.core - group.kept("m") * (rate * keep)

    def _scales(self, group: Group) -> Tensor:
        """Return what the scalar form multiplies the learning rate of each layer by, (g, 1, 1)."""
        decay, scales = self._settings.second_decay, []
        for layer, tape, kept in zip(group.layers, group.tapes, group.moments, strict=True):
            kept["v"].lerp_(tape.gradient_norm_squared().to(kept["v"].dtype), 1 - decay)
            root = math.sqrt(float(kept["v"]) / (1 - decay**group.count)) + self._settings.epsilon
            scales.append(scalar_scale(layer) / root / (1 - self._keep**group.count))
        return group.layers[0].S.data.new_tensor(scales).view(-1, 1, 1)

    def moved_core(self, group: Group, moved: Moved, step: float | Tensor) -> Tensor:
        """Carry the moments into the new bases; return S after its step there, (g, r, r)."""
        if not self._keep and isinstance(step, float):
            return torch.baddbmm(moved.core, moved.deltau.mT, moved.xv, alpha=-step)
        gradients = torch.bmm(moved.deltau.mT, moved.xv)
        if self._keep:
            carried = torch.bmm(torch.bmm(moved.left.mT, group.kept("m")), moved.right)
            group.keep(["m"], self.blend(carried, gradients))
        return moved.core - gradients * step

    def blend(self, carried: Tensor, gradient: Tensor) -> Tensor:
        """Return keep m + take C for a moment and a core gradient in the same bases."""
        return self._keep * carried + self._take * gradient


def scalar_scale(layer: LowRankLayer) -> float:
    """Return the Frobenius norm that the scalar form gives to a step of learning rate 1."""
    return math.sqrt(layer.U.shape[0] * layer.fan_in)


class FactorRule(Protocol):
    """Directions for K, L and S from remembered moments of each, for layers of equal rank."""

    def start(self, layer: LowRankLayer) -> Moments:
        """Return moments of zero."""

    def aim(self, push: Push, group: Group, *, formed: bool) -> None:
        """Set the directions of a push along gradients, and turn its learning rate into a step.

        With ``formed=True`` directions are formed even where rescaled gradients would do.
        """

    def core(self, group: Group, along: Sequence[Bases]) -> Tensor:
        """Return A_S in the old bases, (g, r, r), to move S before the bases turn."""

    def follow(self, group: Group, old: Sequence[Bases], moved: Moved) -> None:
        """Carry the moments into the new bases."""

    def core_after(self, group: Group, moved: Moved) -> Tensor:
        """Return A_S in the new bases, (g, r, r), to move S after the bases turned."""


def directions_of_gradients(tapes: Sequence[Tape]) -> tuple[list[Tensor], list[Tensor]]:
    """Return G V = delta^T P and G^T U = x^T D of each layer."""
    of_k = [torch.mm(tape.delta.T, tape.xv) for tape in tapes]
    return of_k, [torch.mm(tape.x.T, tape.deltau) for tape in tapes]


class TangentMomentum:
    """Heavy ball on the tangent space: M <- momentum P(M) + P(G), P the projection on it.

    The tangent vector M = m_K V^T + U m_L^T - U (U^T m_K) V^T is kept by m_K = M V, m_L = M^T U.
    """

    def __init__(self, settings: StepSettings) -> None:
        self._momentum = settings.momentum

    def start(self, layer: LowRankLayer) -> Moments:
        """Return moments of zero."""
        return {
            "k": torch.zeros_like(layer.U).detach(),
            "l": torch.zeros_like(layer.V).detach(),
        }

    def aim(self, push: Push, group: Group, *, formed: bool) -> None:
        """Set momentum M V + G V and its counterpart for L."""
        del formed
        beta = self._momentum
        push.along = [
            (
                torch.addmm(kept["k"], tape.delta.T, tape.xv, beta=beta),
                torch.addmm(kept["l"], tape.x.T, tape.deltau, beta=beta),
            )
            for tape, kept in zip(group.tapes, group.moments, strict=True)
        ]

    def core(self, group: Group, along: Sequence[Bases]) -> Tensor:
        """Return U^T (momentum M + G) V."""
        pairs = zip(group.layers, along, strict=True)
        return torch.stack([layer.U.data.T @ of_k for layer, (of_k, _) in pairs])

    def follow(self, group: Group, old: Sequence[Bases], moved: Moved) -> None:
        """Project momentum M + G on the new tangent space."""
        moved.seen_by(group.tapes)
        for i, ((u, v), tape, kept) in enumerate(zip(old, group.tapes, group.moments, strict=True)):
            k, ell, left, right = kept["k"], kept["l"], moved.left[i], moved.right[i]
            core = u.mT @ k
            new_k = k @ right + u @ (ell.mT @ moved.v[i] - core @ right)
            new_l = ell @ left + v @ (k.mT @ moved.u[i] - core.mT @ left)
            kept["k"] = torch.addmm(new_k, tape.delta.mT, moved.xv[i], beta=self._momentum)
            kept["l"] = torch.addmm(new_l, tape.x.mT, moved.deltau[i], beta=self._momentum)

    def core_after(self, group: Group, moved: Moved) -> Tensor:
        """Return U1^T (momentum M + G) V1."""
        return torch.stack([u.mT @ own["k"] for u, own in zip(moved.u, group.moments, strict=True)])
