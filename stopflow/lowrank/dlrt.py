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
        self.layers, self.settings = list(layers), settings
        self.rule = choose_rule(settings)
        self.moments = [self.rule.start(layer) for layer in layers]
        self.spare = [(layer.U.data.clone(), layer.V.data.clone()) for layer in layers]
        self.count, self.worn = 0, 0.0
        self._before: list[tuple[Tensor, Tensor, Tensor]] = []
        self._turned: list[tuple[Push, Moved]] = []

    def turn_bases(self, tapes: Sequence[Tape], *, learning_rate: float) -> None:
        """Put every layer at U1 (U1^T U) S (V^T V1) V1^T."""
        self.count += 1
        self._before = [(y.U.data, y.S.data, y.V.data) for y in self.layers]
        pushes = [self.push(i, tapes[i], learning_rate) for i in range(len(self.layers))]
        moved = dict[int, Moved]()
        for members in equal_ranks(self.layers):
            found, cost = move([pushes[i] for i in members])
            self.worn += cost
            moved |= dict(zip(members, found, strict=True))
        self._turned = [(push, moved[i]) for i, push in enumerate(pushes)]
        for layer, (_, to) in zip(self.layers, self._turned, strict=True):
            layer.set_factors(to.u, to.core, to.v)

    def finish(self, tapes: Sequence[Tape], *, learning_rate: float) -> None:
        """Move S with the gradient in the new bases, from the first sweep or the second."""
        for i, (layer, tape) in enumerate(zip(self.layers, tapes, strict=True)):
            (push, to), moments = self._turned[i], self.moments[i]
            u, _, v = self._before[i]
            self.spare[i] = u, v
            if self.passes == 2:
                to.xv, to.deltau = tape.xv, tape.deltau
            if isinstance(self.rule, CoreRule):
                gradient = torch.mm(to.deltau.T, to.xv)
                if "m" in moments:
                    carried = to.left.T @ moments["m"] @ to.right
                    moments["m"] = self.rule.blend(carried, gradient)
                layer.S.sub_(gradient, alpha=push.step)
            else:
                self.rule.follow((u, v), tape, to, moments)
                along, factor = self.rule.core_after(to, moments, count=self.count)
                layer.S.sub_(along, alpha=learning_rate * factor)
        self.refresh()

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

    def push(self, i: int, tape: Tape, rate: float) -> Push:
        """Return where layer `i` is to be moved by this batch."""
        layer, moments, rule = self.layers[i], self.moments[i], self.rule
        core = layer.S.data
        if self.settings.weight_decay:
            core = core * (1 - rate * self.settings.weight_decay)
        if self.spare[i][0].shape != layer.U.shape:
            self.spare[i] = torch.empty_like(layer.U.data), torch.empty_like(layer.V.data)
        along = None
        if isinstance(rule, CoreRule):
            keep, factor = rule.weights(layer, tape, moments, count=self.count)
            if keep:
                core = core.sub(moments["m"], alpha=rate * keep)
        else:
            along, factor = rule.directions(layer, tape, moments, count=self.count)
        step, spare = rate * factor, self.spare[i]
        return Push(layer=layer, tape=tape, core=core, step=step, spare=spare, along=along)

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
