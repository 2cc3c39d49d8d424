"""Dynamical low-rank training at fixed rank: the step owns U, S and V of its layers.

With G = delta^T x at W0 = U S V^T and direction A (G, or what the optimiser makes of it):

    K1 = U S - eta A_K,  L1 = V S^T - eta A_L,  U1 = orth(K1),  V1 = orth(L1)
    one gradient:  S1 = (U1^T U) S (V^T V1) - eta A_S      with A_S from delta U1 and x V1
    two passes:    the same with delta and x of a second sweep at U1 (U1^T U) S (V^T V1) V1^T

The second is the KLS integrator of Schotthoefer et al. 2022 (arXiv:2205.13571); the first uses that
K and L of both sweeps belong to one network and equals the dense step at full rank.
"""

from collections.abc import Mapping, Sequence
from itertools import islice

import torch
from torch import Tensor

from stopflow.lowrank.forward_cache import Tape
from stopflow.lowrank.integrators.bases import Bases, Moved, Push, move, reorthonormalise
from stopflow.lowrank.integrators.orthogonality import Look, rounding_of_a_turn
from stopflow.lowrank.integrators.stacks import stacked
from stopflow.lowrank.layer.lowrank import LowRankLayer
from stopflow.lowrank.optimisers.moments import CoreRule, Group
from stopflow.lowrank.optimisers.table import choose_rule
from stopflow.lowrank.settings import StepSettings


class FixedRank:
    """Integrator of fixed-rank layers; `passes` is 1 (one gradient) or 2 (published)."""

    def __init__(
        self, layers: Sequence[LowRankLayer], settings: StepSettings, *, passes: int
    ) -> None:
        self.passes = passes
        self.layers, self.settings = list(layers), settings
        self.rule = choose_rule(settings)
        self.moments = [self.rule.start(layer) for layer in layers]
        self.spare: dict[int, Bases] = {}
        self.count, self.worn = 0, 0.0
        self.looks: dict[int, Look] = {}
        self._before: list[tuple[Tensor, Tensor, Tensor]] = []
        self._known: dict[str, Tensor] = {}
        self._turned: list[tuple[list[int], Group, Push, Moved]] = []

    def turn_bases(self, tapes: Sequence[Tape], *, learning_rate: float) -> None:
        """Put every layer at U1 (U1^T U) S (V^T V1) V1^T."""
        if self.passes == 2:
            self._before = [(*layer.bases(), layer.S.clone()) for layer in self.layers]
            self._known = self.state_dict()
        self.count += 1
        worn = self.worn > 1.0  # then this turn takes away what came before it
        self._turned, wears = [], []
        groups = equal_ranks(self.layers)
        for rank, members in groups.items():
            group = self.group(members, [tapes[i] for i in members])
            push = self.push(group, learning_rate)
            pairs = zip(members, push.bases, strict=True)
            push.spare = [self.spare_for(i, bases, rank) for i, bases in pairs]
            push.worn = worn
            if push.along is None:
                push.last = self.looks.pop(rank, None)
                push.strengths = [learning_rate * tape.strength for tape in group.tapes]
            moved = move(push)
            wears.append(moved.look.wear if moved.look else 1.0)
            if moved.look and push.along is None:
                self.looks[rank] = moved.look
            self._turned.append((members, group, push, moved))
        before = 0.0 if worn else self.worn
        added = rounding_of_a_turn(max(groups))
        self.worn = (before + added) * max(wears) ** 2  # turns magnify what is there already
        if self.passes == 2:
            for _, group, _, to in self._turned:
                self._set(group, to, to.core)

    def finish(self, tapes: Sequence[Tape], *, learning_rate: float) -> None:
        """Move S with the gradient in the new bases, from the first sweep or the second."""
        for members, group, push, to in self._turned:
            if self.passes == 2:
                group = self.group(members, [tapes[i] for i in members])
                to.xv = torch.stack([tape.xv for tape in group.tapes])
                to.deltau = torch.stack([tape.deltau for tape in group.tapes])
            if isinstance(self.rule, CoreRule):
                core = self.rule.moved_core(group, to, push.step)
            else:
                self.rule.follow(group, push.bases, to)
                away = self.rule.core_after(group, to)
                core = torch.sub(to.core, away, alpha=learning_rate)
            self._set(group, to, core)
            for i, bases in zip(members, push.bases, strict=True):
                self.spare[i] = bases
        self._turned, self._before, self._known = [], [], {}  # or the batch would stay in memory
        if self.worn > 1.25:  # not by one ordinary turn
            self.refresh()

    def _set(self, group: Group, to: Moved, cores: Tensor) -> None:
        for layer, u, v in zip(group.layers, to.u, to.v, strict=True):
            layer.set_bases(u, v)
        group.cores.copy_(cores)

    def refresh(self) -> None:
        """Re-orthonormalise all bases."""
        self.worn = 0.0
        for layer in self.layers:
            reorthonormalise(layer)

    def revert(self) -> None:
        """Undo `turn_bases`."""
        for layer, (u, v, s) in zip(self.layers, self._before, strict=True):
            layer.set_bases(u, v)
            layer.S.copy_(s)
        self.load_state_dict(self._known)
        self._turned = []

    def group(self, members: Sequence[int], tapes: Sequence[Tape]) -> Group:
        """Return what a rule needs to know of layers of equal rank in this step."""
        layers, moments = [self.layers[i] for i in members], [self.moments[i] for i in members]
        cores = _stack_of(layers)
        return Group(layers=layers, tapes=tapes, moments=moments, cores=cores, count=self.count)

    def push(self, group: Group, rate: float, *, formed: bool = False) -> Push:
        """Return where layers of equal rank are to be moved by this batch.

        With ``formed=True`` a rule that rescales gradients forms its directions all the same.
        """
        bases = [layer.bases() for layer in group.layers]
        push = Push(bases=bases, tapes=group.tapes, core=group.cores, step=rate)
        if self.settings.weight_decay:
            push.core = push.core * (1 - rate * self.settings.weight_decay)
        self.rule.aim(push, group, formed=formed)
        return push

    def spare_for(self, i: int, bases: Bases, rank: int) -> Bases:
        """Return buffers for new bases of layer `i`, which outlast the step."""
        spare = self.spare.get(i)
        if spare is None or spare[0].shape[1] != rank:
            with torch.inference_mode(mode=False):
                u, v = (basis.new_empty(len(basis), rank) for basis in bases)
            spare = self.spare[i] = u, v
        return spare

    def stored(self) -> int:
        """Return the number of values kept besides the parameters: moments and buffers."""
        kept = [value for moments in self.moments for value in moments.values()]
        kept += [buffer for pair in self.spare.values() for buffer in pair]
        return sum(value.numel() for value in kept if value.ndim)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the moments and counters as tensors."""
        state = {
            f"{i}.{name}": value.clone()
            for i, moments in enumerate(self.moments)
            for name, value in moments.items()
        }
        looks = [(len(numbers), *numbers) for numbers in (z.numbers() for z in self.looks.values())]
        counters = [self.count, self.worn, *(number for look in looks for number in look)]
        return state | {"counters": torch.tensor(counters, dtype=torch.float64)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state_dict` returned."""
        counters = iter(state["counters"].tolist())
        self.count, self.worn = int(next(counters)), next(counters)
        looks = [Look.of(list(islice(counters, int(length)))) for length in counters]
        self.looks = {look.rank: look for look in looks}
        for i, moments in enumerate(self.moments):
            for name, value in moments.items():
                moments[name] = state[f"{i}.{name}"].to(value.device, value.dtype, copy=True)


def equal_ranks(layers: Sequence[LowRankLayer]) -> dict[int, list[int]]:
    """Return the positions of the layers of each rank."""
    groups: dict[int, list[int]] = {}
    for i, layer in enumerate(layers):
        groups.setdefault(layer.rank, []).append(i)
    return groups


def _stack_of(layers: Sequence[LowRankLayer]) -> Tensor:
    """Return the memory that S of these layers lie in one after the other, or are put in."""
    cores = [layer.S.data for layer in layers]
    stack = stacked(cores)
    if stack.data_ptr() != cores[0].data_ptr():
        with torch.inference_mode(mode=False):
            stack = torch.stack(cores)
            for layer, core in zip(layers, stack.unbind(), strict=True):
                layer.S.data = core
    return stack
