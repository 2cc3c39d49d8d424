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

from stopflow.lowrank.adam import ColumnAdam
from stopflow.lowrank.bases import Columns, Moved, Push, move, reorthonormalise
from stopflow.lowrank.factors import LowRankLayer
from stopflow.lowrank.memory import stacked
from stopflow.lowrank.moments import Bases, CoreRule, FactorRule
from stopflow.lowrank.rules import choose_rule
from stopflow.lowrank.settings import StepSettings
from stopflow.lowrank.tape import Tape


class FixedRank:
    """Integrator of fixed-rank layers; `passes` is 1 (one gradient) or 2 (published)."""

    def __init__(
        self, layers: Sequence[LowRankLayer], settings: StepSettings, *, passes: int
    ) -> None:
        self.passes = passes
        self.layers, self.settings = list(layers), settings
        self.rule = choose_rule(settings)
        self.moments = [self.rule.start(layer) for layer in layers]
        self.spare = [(layer.U.data.clone(), layer.V.data.clone()) for layer in layers]
        self.count, self.worn = 0, 0.0
        self._before: list[tuple[Tensor, Tensor, Tensor]] = []
        self._turned: dict[int, tuple[Push, Moved]] = {}

    def turn_bases(self, tapes: Sequence[Tape], *, learning_rate: float) -> None:
        """Put every layer at U1 (U1^T U) S (V^T V1) V1^T."""
        self.count += 1
        self._before = [(y.U.data, y.S.data, y.V.data) for y in self.layers]
        self._turned = {}
        for members in equal_ranks(self.layers):
            own, columns = [tapes[i] for i in members], self._columns(members)
            pushes = self.pushes(members, own, learning_rate, formed=columns is None)
            found, cost = move(pushes, columns=columns)
            self.worn += cost
            self._turned |= dict(zip(members, zip(pushes, found, strict=True), strict=True))
        for i, (_, to) in self._turned.items():
            self.layers[i].set_factors(to.u, to.core, to.v)

    def finish(self, tapes: Sequence[Tape], *, learning_rate: float) -> None:
        """Move S with the gradient in the new bases, from the first sweep or the second."""
        for i, (u, _, v) in enumerate(self._before):
            self.spare[i] = u, v
        if self.passes == 2:
            for i, (_, to) in self._turned.items():
                to.xv, to.deltau = tapes[i].xv, tapes[i].deltau
        if isinstance(self.rule, CoreRule):
            self._finish_by_core(self.rule)
        else:
            self._finish_by_factors(self.rule, tapes, learning_rate)
        self.refresh()

    def _columns(self, members: Sequence[int]) -> Columns | None:
        """Return what rescales the columns of gradients, if the rule does that."""
        rule, count = self.rule, self.count
        if not isinstance(rule, ColumnAdam):
            return None
        layers, moments = [self.layers[i] for i in members], [self.moments[i] for i in members]
        return lambda squares: rule.columns(layers, moments, squares, count=count)

    def _finish_by_core(self, rule: CoreRule) -> None:
        for members in equal_ranks(self.layers):
            pushes, moved = zip(*(self._turned[i] for i in members), strict=True)
            seen = stacked([to.deltau for to in moved]), stacked([to.xv for to in moved])
            gradients = list(torch.bmm(seen[0].mT, seen[1]).unbind())
            for i, to, gradient in zip(members, moved, gradients, strict=True):
                moments = self.moments[i]
                if "m" in moments:
                    moments["m"] = rule.blend(to.left.T @ moments["m"] @ to.right, gradient)
            torch._foreach_mul_(gradients, [push.step for push in pushes])
            torch._foreach_sub_([self.layers[i].S.data for i in members], gradients)

    def _finish_by_factors(self, rule: FactorRule, tapes: Sequence[Tape], rate: float) -> None:
        for members in equal_ranks(self.layers):
            moved, moments = (
                [self._turned[i][1] for i in members],
                [self.moments[i] for i in members],
            )
            rule.follow(
                [self.spare[i] for i in members], [tapes[i] for i in members], moved, moments
            )
            along, factors = rule.core_after(moved, moments, count=self.count)
            for i, direction, factor in zip(members, along, factors, strict=True):
                self.layers[i].S.data.sub_(direction, alpha=rate * factor)

    def refresh(self) -> None:
        """Re-orthonormalise all bases once rounding may have grown to 50 units."""
        if self.worn > 50:
            self.worn = 0.0
            for layer in self.layers:
                reorthonormalise(layer)

    def revert(self) -> None:
        """Undo `turn_bases`."""
        for layer, before in zip(self.layers, self._before, strict=True):
            layer.set_factors(*before)

    def pushes(
        self, members: Sequence[int], tapes: Sequence[Tape], rate: float, *, formed: bool = True
    ) -> list[Push]:
        """Return where layers of equal rank are to be moved by this batch.

        With ``formed=False`` the directions of a rule that rescales gradients are left out.
        """
        layers, moments = [self.layers[i] for i in members], [self.moments[i] for i in members]
        cores, rule, count = [layer.S.data for layer in layers], self.rule, self.count
        if self.settings.weight_decay:
            cores = list(torch._foreach_mul(cores, 1 - rate * self.settings.weight_decay))
        along: Sequence[Bases | None] = [None] * len(layers)
        if isinstance(rule, CoreRule):
            weights = [
                rule.weights(layer, tape, kept, count=count)
                for layer, tape, kept in zip(layers, tapes, moments, strict=True)
            ]
            factors = [factor for _, factor in weights]
            cores = [
                core.sub(kept["m"], alpha=rate * keep) if keep else core
                for core, kept, (keep, _) in zip(cores, moments, weights, strict=True)
            ]
        elif formed or not isinstance(rule, ColumnAdam):
            along, factors = rule.directions(layers, tapes, moments, count=count)
        else:
            factors = rule.factors(layers, count=count)
        return [
            Push(
                layer=layer,
                tape=tapes[j],
                core=cores[j],
                step=rate * factors[j],
                spare=self._spare_for(members[j]),
                along=along[j],
            )
            for j, layer in enumerate(layers)
        ]

    def _spare_for(self, i: int) -> Bases:
        """Return buffers of the shapes that the bases of layer `i` have now."""
        layer = self.layers[i]
        if self.spare[i][0].shape != layer.U.shape:
            self.spare[i] = torch.empty_like(layer.U.data), torch.empty_like(layer.V.data)
        return self.spare[i]

    def stored(self) -> int:
        """Return the number of values kept besides the parameters: moments and buffers."""
        kept = [value for moments in self.moments for value in moments.values()]
        kept += [buffer for pair in self.spare for buffer in pair]
        return sum(value.numel() for value in kept if value.ndim)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the moments and counters as tensors."""
        state = {
            f"{i}.{name}": value.clone()
            for i, moments in enumerate(self.moments)
            for name, value in moments.items()
        }
        return state | {"counters": torch.tensor([self.count, self.worn], dtype=torch.float64)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state_dict` returned."""
        count, self.worn = state["counters"].tolist()
        self.count = int(count)
        for i, moments in enumerate(self.moments):
            for name, value in moments.items():
                moments[name] = state[f"{i}.{name}"].to(value.device, value.dtype, copy=True)


def equal_ranks(layers: Sequence[LowRankLayer]) -> list[list[int]]:
    """Group the positions of layers of equal rank."""
    ranks = [layer.rank for layer in layers]
    order = sorted(range(len(ranks)), key=ranks.__getitem__)
    return [list(group) for _, group in groupby(order, ranks.__getitem__)]
