"""The table of layer families: how each is built, what is trained plainly, who moves the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from stopflow.errors import SettingsError
from stopflow.lowrank.forward_cache import Gradients, Tape
from stopflow.lowrank.integrators.adaptive import Adaptive
from stopflow.lowrank.integrators.fixed_rank import FixedRank
from stopflow.lowrank.integrators.oialr import Oialr, OialrLayer
from stopflow.lowrank.layer.adapter import AdaptedLayer
from stopflow.lowrank.layer.dense import DenseLayer
from stopflow.lowrank.layer.lowrank import InputBasis, LowRankLayer
from stopflow.lowrank.layer.vanilla import vanilla_gradients
from stopflow.lowrank.settings import require_count


class Integrator(Protocol):
    """Moves the factors of all layers of one family."""

    passes: int

    def turn_bases(self, tapes: Sequence[Tape], *, learning_rate: float) -> None:
        """Put the layers at their new bases."""

    def finish(self, tapes: Sequence[Tape], *, learning_rate: float) -> None:
        """Complete the step with the tapes of the last sweep."""

    def revert(self) -> None:
        """Undo `turn_bases`."""

    def stored(self) -> int:
        """Return the number of values kept besides the parameters."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that a resumed run needs."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state_dict` returned."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerStart:
    """What a layer is built from; `gain` is the variance that its initial weights are to keep."""

    n_inputs: int
    n_outputs: int
    rank: int | None
    gain: float
    fan_in: int
    generator: torch.Generator
    basis: InputBasis | None
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
    plain, decayed
        Names of the parameters moved one by one, and of those that weight decay shrinks.
    wide
        Name of the parameter with one value an input.
    turning
        Optimisers under which its step turns with the input space (exact in row space).
    gradients
        (layer, tape, what it returned a step before) -> the gradients of `plain`, in the same
        memory; ``None`` stands for each at first.
    integrate
        Makes the integrator of all layers of the family; ``None`` where all is plain.
    """

    ranked: bool
    build: Callable[[LayerStart], nn.Module]
    plain: tuple[str, ...]
    decayed: tuple[str, ...]
    wide: str
    turning: tuple[str, ...]
    gradients: Callable[..., list[Tensor]]
    integrate: Callable[..., Integrator] | None

    @property
    def dynamical(self) -> bool:
        """Whether it has orthonormal bases that turn."""
        return self.ranked and self.integrate is not None


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
    )


def _build_nothing(start: LayerStart) -> nn.Module:
    del start
    raise SettingsError("layer type", ADAPTED, valid=LAYERS)


def _bias_gradient(_layer: nn.Module, tape: Tape, out: Gradients) -> list[Tensor]:
    """Return dLoss/db."""
    return [torch.sum(tape.delta, 0, out=out[0])]


_PLAIN_TURNING = ("sgd", "momentum", "core-momentum", "adam-scalar")

_orthonormal = partial(
    LayerFamily,
    ranked=True,
    build=_build_low_rank,
    plain=("bias",),
    decayed=(),
    wide="V",
    turning=(*_PLAIN_TURNING, "adam", "muon"),
    gradients=_bias_gradient,
)

ADAPTED = "lora"

LAYERS: dict[str, LayerFamily] = {
    "dense": LayerFamily(
        ranked=False,
        build=_build_dense,
        plain=("weight", "bias"),
        decayed=("weight",),
        wide="weight",
        turning=_PLAIN_TURNING,
        gradients=DenseLayer.gradients,
        integrate=None,
    ),
    "vanilla": LayerFamily(
        ranked=True,
        build=_build_low_rank,
        plain=("U", "S", "V", "bias"),
        decayed=("S",),
        wide="V",
        turning=_PLAIN_TURNING,
        gradients=vanilla_gradients,
        integrate=None,
    ),
    "dlrt": _orthonormal(integrate=partial(FixedRank, passes=1)),
    "dlrt-two-pass": _orthonormal(integrate=partial(FixedRank, passes=2)),
    "adaptive": _orthonormal(integrate=Adaptive),
    "oialr": LayerFamily(
        ranked=False,
        build=_build_oialr,
        plain=("bias",),
        decayed=(),
        wide="",
        turning=_PLAIN_TURNING,
        gradients=_bias_gradient,
        integrate=Oialr,
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
        build=_build_nothing,
        plain=("A", "B"),
        decayed=("B",),
        wide="A",
        turning=_PLAIN_TURNING,
        gradients=AdaptedLayer.gradients,
        integrate=None,
    ),
}
"""All there are: those, and the frozen layer with a trained addition that `adapt` makes."""
