"""Dynamical low-rank training at fixed rank: the step owns U, S and V of its layers.

With G = delta^T x at W0 = U S V^T and direction A (G, or what the optimiser makes of it):

    K1 = U S - eta A_K,  L1 = V S^T - eta A_L,  U1 = orth(K1),  V1 = orth(L1)
    one gradient:  S1 = (U1^T U) S (V^T V1) - eta A_S      with A_S from delta U1 and x V1
    two passes:    the same with delta and x of a second sweep at U1 (U1^T U) S (V^T V1) V1^T

The second is the KLS integrator of Schotthoefer et al. 2022 (arXiv:2205.13571); the first uses that
K and L of both sweeps belong to one network and equals the dense step at full rank.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby

import torch
from torch import Tensor

from stopflow.lowrank.bases import Moved, Push, move, reorthonormalise
from stopflow.lowrank.factors import LowRankLayer
from stopflow.lowrank.moments import CoreRule, choose_rule
from stopflow.lowrank.settings import StepSettings
from stopflow.lowrank.tape import Tape


class FixedRank:
    """Integrator of fixed-rank layers; `passes` is 1 (one gradient) or 2 (published)."""

    def __init__(
        self, layers: Sequence[LowRankLayer], settings: StepSettings, *, passes: int
    ) -> None:
        self.passes = passes
        self.layers, self._settings = list(layers), settings
        self._rule = choose_rule(settings)
        self._moments = [self._rule.start(layer) for layer in layers]
        self._spare = [
            (torch.empty_like(layer.U.data), torch.empty_like(layer.V.data)) for layer in layers
        ]
        self._before: list[tuple[Tensor, Tensor, Tensor]] = []
        self._turned: list[tuple[Push, Moved]] = []
        self._count, self._worn = 0, 0.0

    def turn_bases(self, tapes: Sequence[Tape], *, learning_rate: float) -> None:
        """Put every layer at U1 (U1^T U) S (V^T V1) V1^T."""
        self._count += 1
        self._before = [(y.U.data, y.S.data, y.V.data) for y in self.layers]
        pushes = [self._push(i, tapes[i], learning_rate) for i in range(len(self.layers))]
        moved = dict[int, Moved]()
        for members in equal_ranks(self.layers):
            found, weakest = move([pushes[i] for i in members])
            self._worn += weakest**-2
            moved |= dict(zip(members, found, strict=True))
        self._turned = [(push, moved[i]) for i, push in enumerate(pushes)]
        for layer, (push, to) in zip(self.layers, self._turned, strict=True):
            core = to.left.mT @ push.core @ to.right
            layer.set_factors(to.u, core.to(to.u.dtype), to.v)

    def finish(self, tapes: Sequence[Tape], *, learning_rate: float) -> None:
        """Move S with the gradient in the new bases, from the first sweep or the second."""
        for i, (layer, tape) in enumerate(zip(self.layers, tapes, strict=True)):
            push, to = self._turned[i]
            if self.passes == 2:
                to.xv, to.deltau = tape.xv, tape.deltau
            u, _, v = self._before[i]
            rule, moments = self._rule, self._moments[i]
            if isinstance(rule, CoreRule):
                gradient = to.deltau.mT @ to.xv
                rule.remember(to, gradient, moments)
                layer.S.data.sub_(gradient, alpha=push.step)
            else:
                along = rule.carry((u, v), tape, to, moments, count=self._count)
                layer.S.data.sub_(along, alpha=learning_rate)
            self._spare[i] = (u, v)
        if self._worn > 50:
            self._worn = 0.0
            for layer in self.layers:
                reorthonormalise(layer)

    def revert(self) -> None:
        """Undo `turn_bases`."""
        for layer, before in zip(self.layers, self._before, strict=True):
            layer.set_factors(*before)

    def _push(self, i: int, tape: Tape, rate: float) -> Push:
        layer, moments, rule = self.layers[i], self._moments[i], self._rule
        core = layer.S.data.double() * (1 - rate * self._settings.weight_decay)
        if not isinstance(rule, CoreRule):
            along = rule.directions(layer, tape, moments, count=self._count)
            return Push(
                layer=layer, tape=tape, core=core, step=rate, spare=self._spare[i], along=along
            )
        keep, take = rule.weights(layer, tape, moments, count=self._count)
        if keep:
            core -= rate * keep * moments["m"].double()
        return Push(layer=layer, tape=tape, core=core, step=rate * take, spare=self._spare[i])

    def state_dict(self) -> dict[str, Tensor]:
        """Return the moments and counters as tensors."""
        state = {
            f"{i}.{name}": value.clone()
            for i, moments in enumerate(self._moments)
            for name, value in moments.items()
        }
        return state | {"counters": torch.tensor([self._count, self._worn], dtype=torch.float64)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state_dict` returned."""
        count, self._worn = state["counters"].tolist()
        self._count = int(count)
        for i, moments in enumerate(self._moments):
            for name, value in moments.items():
                moments[name] = state[f"{i}.{name}"].to(value.device, value.dtype, copy=True)


def equal_ranks(layers: Sequence[LowRankLayer]) -> list[list[int]]:
    """Group the positions of layers of equal rank."""
    ranks = [layer.rank for layer in layers]
    order = sorted(range(len(ranks)), key=ranks.__getitem__)
    return [list(group) for _, group in groupby(order, ranks.__getitem__)]
