"""The table of layer families: how each is built, and who moves its parameters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from stopflow.errors import SettingsError
from stopflow.lowrank.arguments import require_count
from stopflow.lowrank.forward_cache import ForwardCache, Gradients
from stopflow.lowrank.integrators.adaptive import Adaptive
from stopflow.lowrank.integrators.fixed_rank import FixedRank
from stopflow.lowrank.integrators.oialr import Oialr
from stopflow.lowrank.layer.adapter import AdaptedLayer
from stopflow.lowrank.layer.dense import DenseLayer
from stopflow.lowrank.layer.lowrank import InputBasis, LowRankLayer
from stopflow.lowrank.layer.oialr import OialrLayer
from stopflow.lowrank.layer.protocol import Layer
from stopflow.lowrank.layer.vanilla import vanilla_gradients
from stopflow.lowrank.optimisers.table import OPTIMISERS


class Integrator(Protocol):
    """Moves the factors of all layers of one family."""

    passes: int

    def update_bases(self, caches: Sequence[ForwardCache], *, learning_rate: float) -> None:
        """Find the new bases; with two passes also put the layers at them."""

    def finish(self, caches: Sequence[ForwardCache], *, learning_rate: float) -> None:
        """Find the rest of the step with the forward caches of the last sweep.

        A `StepFailure` where something is not finite.
        """

    def commit(self) -> None:
        """Put in place what has been found."""

    def revert(self) -> None:
        """Forget what has been found, and undo `update_bases`."""

    def stored(self) -> int:
        """Return the number of values kept besides the parameters."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that a resumed run needs."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state_dict` returned."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerStart:
    """What a layer is built from.

    `gain` is the variance that its initial weights are to keep; `decay` is the factor by which each
    of the initial singular values of a layer with a rank lies below the one before it.
    """

    n_inputs: int
    n_outputs: int
    rank: int | None
    gain: float
    fan_in: int
    generator: torch.Generator
    basis: InputBasis | None
    decay: float
    dtype: torch.dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFamily:
    """One kind of layer.

    Attributes
    ----------
    ranked
        Whether it needs a rank.
    build
        Makes the module.
    euclidean, decayed
        Names of the parameters moved as Euclidean tensors, and of those that weight decay shrinks.
    wide
        Name of the parameter with one value an input.
    frozen
        Names of parameters that are never trained.
    gradients
        (layer, cache, what it returned a step before) -> the gradients of `euclidean`, in the same
        memory; ``None`` stands for each at first.
    integrate
        Makes the integrator of all layers of the family; ``None`` where all is Euclidean.
    """

    ranked: bool
    build: Callable[[LayerStart], Layer]
    euclidean: tuple[str, ...]
    decayed: tuple[str, ...]
    wide: str
    gradients: Callable[..., list[Tensor]]
    integrate: Callable[..., Integrator] | None
    frozen: tuple[str, ...] = ()

    @property
    def dynamical(self) -> bool:
        """Whether it has orthonormal bases that the step moves."""
        return self.ranked and self.integrate is not None

    @property
    def optimisers(self) -> tuple[str, ...]:
        """Optimisers that a network of such layers alone can be trained by."""
        return tuple(
            name
            for name, optimiser in OPTIMISERS.items()
            if self.dynamical or not optimiser.dynamical_only
        )

    @property
    def rotation_equivariant(self) -> tuple[str, ...]:
        """Those of `optimisers` whose step rotates with the inputs (exact in row space)."""
        return tuple(
            name
            for name in self.optimisers
            if (
                OPTIMISERS[name].equivariant_factors
                if self.dynamical
                else OPTIMISERS[name].equivariant_tensors
            )
        )


def _build_dense(start: LayerStart) -> DenseLayer:
    return DenseLayer(
        start.n_inputs,
        start.n_outputs,
        gain=start.gain,
        fan_in=start.fan_in,
        generator=start.generator,
        dtype=start.dtype,
    )


def _build_oialr(start: LayerStart) -> OialrLayer:
    return OialrLayer(_build_dense(start))


def _build_low_rank(start: LayerStart) -> LowRankLayer:
    highest = min(start.n_inputs, start.n_outputs)
    return LowRankLayer(
        start.n_inputs,
        start.n_outputs,
        require_count("rank", start.rank, low=1, high=highest),
        gain=start.gain,
        fan_in=start.fan_in,
        generator=start.generator,
        dtype=start.dtype,
        basis=start.basis,
        decay=start.decay,
    )


def _refuse_to_build(start: LayerStart) -> Layer:
    del start
    raise SettingsError("layer type", ADAPTED, valid=LAYERS)


def _bias_gradient(_layer: Layer, cache: ForwardCache, out: Gradients) -> list[Tensor]:
    """Return dLoss/db."""
    return [torch.sum(cache.delta, 0, out=out[0])]


_orthonormal = partial(
    LayerFamily,
    ranked=True,
    build=_build_low_rank,
    euclidean=("bias",),
    decayed=(),
    wide="V",
    gradients=_bias_gradient,
)

ADAPTED = "lora"

LAYERS: dict[str, LayerFamily] = {
    "dense": LayerFamily(
        ranked=False,
        build=_build_dense,
        euclidean=("weight", "bias"),
        decayed=("weight",),
        wide="weight",
        gradients=DenseLayer.gradients,
        integrate=None,
    ),
    "vanilla": LayerFamily(
        ranked=True,
        build=_build_low_rank,
        euclidean=("U", "S", "V", "bias"),
        decayed=("S",),
        wide="V",
        gradients=vanilla_gradients,
        integrate=None,
    ),
    "dlrt": _orthonormal(integrate=partial(FixedRank, passes=1)),
    "dlrt-two-pass": _orthonormal(integrate=partial(FixedRank, passes=2)),
    "adaptive": _orthonormal(integrate=Adaptive),
    "oialr": LayerFamily(
        ranked=False,
        build=_build_oialr,
        euclidean=("bias",),
        decayed=(),
        wide="",
        gradients=_bias_gradient,
        integrate=Oialr,
        frozen=("U", "V"),
    ),
}
"""Layers to build networks from.

``dense``: a full weight matrix. ``vanilla``: U S V^T, all three factors trained freely. ``dlrt``:
dynamical low rank, one gradient a step; ``dlrt-two-pass``: the published two sweeps a step;
``adaptive``: the rank by the theta rule. ``oialr``: dense at first, then a trained core between
frozen bases.
"""

FAMILIES: dict[str, LayerFamily] = LAYERS | {
    ADAPTED: LayerFamily(
        ranked=True,
        build=_refuse_to_build,
        euclidean=("A", "B"),
        decayed=("B",),
        wide="A",
        gradients=AdaptedLayer.gradients,
        integrate=None,
    )
}
"""All there are: those, and the frozen layer with a trained addition that `adapt` makes."""
