"""What the integrators of orthonormal factors remember between steps."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stopflow.lowrank.forward_cache import ForwardCache
from stopflow.lowrank.integrators.orthogonality import OrthogonalityLoss
from stopflow.lowrank.layer.lowrank import LowRankLayer
from stopflow.lowrank.optimisers.basis_update import Bases, BasisUpdate, LayerGroup
from stopflow.lowrank.optimisers.table import OPTIMISERS
from stopflow.lowrank.settings import StepSettings


class FactorState:
    """Layers, the moments of each, buffers for their next bases, and the loss of orthogonality."""

    def __init__(self, layers: Sequence[LowRankLayer], settings: StepSettings) -> None:
        self.layers, self.settings = list(layers), settings
        self.rule = OPTIMISERS[settings.optimiser].factors(settings)
        self.moments = [self.rule.start(layer) for layer in layers]
        self.buffers: dict[int, Bases] = {}
        self.loss = OrthogonalityLoss()
        self.count = 0
        self._rows = min(len(basis) for layer in layers for basis in layer.bases())

    def group(self, members: Sequence[int], caches: Sequence[ForwardCache]) -> LayerGroup:
        """Return what a rule needs to know of layers of equal rank in this step."""
        layers = [self.layers[i] for i in members]
        return LayerGroup(
            layers=layers,
            caches=caches,
            moments=[self.moments[i] for i in members],
            cores=torch.stack([layer.S.data for layer in layers]),
            count=self.count,
        )

    def update(self, group: LayerGroup, rate: float, *, formed: bool = False) -> BasisUpdate:
        """Return what the bases of layers of equal rank are to be moved by.

        With ``formed=True`` a rule that rescales gradients forms its directions all the same.
        """
        bases = [layer.bases() for layer in group.layers]
        update = BasisUpdate(bases=bases, caches=group.caches, core=group.cores, step=rate)
        if self.settings.weight_decay:
            update.core = update.core * (1 - rate * self.settings.weight_decay)
        self.rule.set_direction(update, group, formed=formed)
        return update

    def buffers_for(self, i: int, bases: Bases, rank: int) -> Bases:
        """Return buffers for new bases of layer `i`, which outlast the step."""
        buffers = self.buffers.get(i)
        if buffers is None or buffers[0].shape[1] != rank:
            with torch.inference_mode(mode=False):
                u, v = (basis.new_empty(len(basis), rank) for basis in bases)
            buffers = self.buffers[i] = u, v
        return buffers

    def lose(self, growth: float) -> None:
        """Take into the loss of orthogonality what a step adds."""
        rank = max(layer.rank for layer in self.layers)
        self.loss.grow(growth, rank=rank, rows=self._rows)

    def repair(self) -> None:
        """Re-orthonormalise all bases."""
        self.loss = OrthogonalityLoss()
        for layer in self.layers:
            layer.orthonormalise()

    def stored(self) -> int:
        """Return the number of values kept besides the parameters: moments and buffers."""
        kept = [value for moments in self.moments for value in moments.values()]
        kept += [buffer for pair in self.buffers.values() for buffer in pair]
        return sum(value.numel() for value in kept if value.ndim)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the moments and counters as tensors."""
        state = {
            f"{i}.{name}": value.clone()
            for i, moments in enumerate(self.moments)
            for name, value in moments.items()
        }
        counters = [float(self.count), self.loss.squared]
        return state | {"counters": torch.tensor(counters, dtype=torch.float64)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state_dict` returned."""
        count, squared = state["counters"].tolist()
        self.count, self.loss = int(count), OrthogonalityLoss(squared)
        for i, moments in enumerate(self.moments):
            for name, value in moments.items():
                moments[name] = state[f"{i}.{name}"].to(value.device, value.dtype, copy=True)


class FactorIntegrator:
    """What integrators whose memory is a `FactorState` have in common."""

    state: FactorState

    def stored(self) -> int:
        """Return the number of values kept besides the parameters: moments and buffers."""
        return self.state.stored()

    def state_dict(self) -> dict[str, Tensor]:
        """Return the moments and counters as tensors."""
        return self.state.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state_dict` returned."""
        self.state.load_state_dict(state)
