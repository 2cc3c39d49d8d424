"""OIALR (arXiv:2401.08505): dense first, then U and V frozen and only the r x r core trained.

After `delay` dense steps W = U S V^T by a full SVD; U and V stay, S is trained by the optimiser.
Every `absorb_every` steps S = U' diag(sigma) V'^T is absorbed, U <- U U', V <- V V', singular
values below ``cutoff * sigma_max`` are dropped and the moments are transported along. At the u-th
time only the last ceil(u alpha L) of the L layers take part, alpha being `absorb_share`, since
later layers settle first.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stopflow.lowrank.decompositions import thin_svd
from stopflow.lowrank.forward_cache import ForwardCache
from stopflow.lowrank.layer.oialr import OialrLayer
from stopflow.lowrank.optimisers.euclidean import EuclideanOptimiser
from stopflow.lowrank.optimisers.table import OPTIMISERS
from stopflow.lowrank.settings import StepSettings
from stopflow.lowrank.status import StepFailure, StepStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """How much the bases of a layer have kept their directions.

    Attributes
    ----------
    step
        When it was measured.
    layer
        Position among the layers of the family.
    value
        Tr(E1 E2^T) / r with E = U V^T before and after an absorption; 1 where nothing turned.
    """

    step: int
    layer: int
    value: float


class Oialr:
    """Integrator of OIALR layers."""

    passes = 1

    def __init__(self, layers: Sequence[OialrLayer], settings: StepSettings) -> None:
        self._layers, self._settings = list(layers), settings
        self._count = 0
        self.stabilities: list[Stability] = []
        if settings.delay == 0:
            self._freeze()
        self._optimisers = [self._optimiser(layer) for layer in layers]

    def update_bases(self, caches: Sequence[ForwardCache], *, learning_rate: float) -> None:
        """Leave the bases: they stay within a step."""

    def finish(self, caches: Sequence[ForwardCache], *, learning_rate: float) -> None:
        """Find the gradients of W or S."""
        self._rate = learning_rate
        for layer, optimiser, cache in zip(self._layers, self._optimisers, caches, strict=True):
            optimiser.gradients = [layer.gradient(cache, *optimiser.gradients)]

    def commit(self) -> None:
        """Move W or S; freeze or absorb when it is time."""
        for optimiser in self._optimisers:
            optimiser.step(learning_rate=self._rate)
        self._count += 1
        after = self._count - self._settings.delay
        if after == 0:
            self._freeze()
            self._optimisers = [self._optimiser(layer) for layer in self._layers]
        elif after > 0 and after % self._settings.absorb_every == 0:
            self._absorb(after // self._settings.absorb_every)

    def revert(self) -> None:
        """Leave everything: nothing is moved before `commit`."""

    def _freeze(self) -> None:
        for i, layer in enumerate(self._layers):
            if not layer.frozen:
                try:
                    layer.freeze()
                except torch.linalg.LinAlgError:
                    raise StepFailure(StepStatus.UPDATE, i) from None

    def _optimiser(self, layer: OialrLayer) -> EuclideanOptimiser:
        trained = layer.trained()
        sizes = [
            layer.weight.shape[0] * layer.fan_in if name == "weight" else parameter.numel()
            for name, parameter in trained.items()
        ]
        rule = OPTIMISERS[self._settings.optimiser].tensors
        return EuclideanOptimiser(trained, rule, self._settings, sizes=sizes, decayed=set(trained))

    def _absorb(self, time: int) -> None:
        """Record the stability of all layers, and absorb the cores of those that take part."""
        count, share = len(self._layers), self._settings.absorb_share
        taking_part = time if share is None else math.ceil(time * share * count)
        for i, layer in enumerate(self._layers):
            try:
                value = layer.stability()
                self.stabilities.append(Stability(step=self._count, layer=i, value=value))
                if i >= count - taking_part:
                    self._absorb_one(i)
            except torch.linalg.LinAlgError:
                raise StepFailure(StepStatus.UPDATE, i) from None

    def _absorb_one(self, i: int) -> None:
        layer, state = self._layers[i], self._optimisers[i].state_dict()
        left, right = layer.absorb(self._settings.cutoff)
        for name, value in state.items():
            if value.ndim == 2:
                squared = name.endswith(("_sq", "squares"))
                p, q = (left.square(), right.square()) if squared else (left, right)
                state[name] = p.mT @ value @ q
        self._optimisers[i] = self._optimiser(layer)
        self._optimisers[i].load_state_dict(state)

    def stored(self) -> int:
        """Return the number of values kept besides the parameters."""
        return sum(optimiser.stored() for optimiser in self._optimisers)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the moments, the step count and the stabilities found so far."""
        state = {
            f"{i}.{name}": value
            for i, optimiser in enumerate(self._optimisers)
            for name, value in optimiser.state_dict().items()
        }
        found = [(float(s.step), float(s.layer), s.value) for s in self.stabilities]
        stabilities = torch.tensor(found, dtype=torch.float64).reshape(-1, 3)
        return state | {"count": torch.tensor(self._count), "stabilities": stabilities}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state_dict` returned, once the layers have their own state."""
        self._count = int(state["count"])
        self.stabilities = [
            Stability(step=int(step), layer=int(layer), value=value)
            for step, layer, value in state["stabilities"].tolist()
        ]
        self._optimisers = [self._optimiser(layer) for layer in self._layers]
        for i, optimiser in enumerate(self._optimisers):
            prefix = f"{i}."
            own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            optimiser.load_state_dict(own)


def stability(first: Tensor, second: Tensor) -> float:
    """Return Tr(E1 E2^T) / min(rows, columns) with E = U V^T of each SVD; 1 for the same bases."""
    factors = [thin_svd(matrix.double()) for matrix in (first, second)]
    e1, e2 = (u @ vt for u, _, vt in factors)
    return float((e1 * e2).sum()) / min(first.shape)
