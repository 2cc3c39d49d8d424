"""Optimisers of unrelated tensors: biases, dense weights, vanilla factors, adapters."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from stopflow.lowrank.settings import StepSettings

State = dict[str, list[Tensor]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Group:
    """Tensors, their gradients and sizes, and what a rule needs to know."""

    tensors: list[Tensor]
    gradients: list[Tensor]
    sizes: list[int]
    rate: float
    settings: StepSettings


def _descend(group: _Group, state: State) -> None:
    """Plain descent, without the checks of `torch.optim.SGD`, which take longer than the sum."""
    del state
    torch._foreach_add_(group.tensors, group.gradients, alpha=-group.rate)


def _heavy_ball(group: _Group, state: State) -> None:
    sgd(
        group.tensors,
        group.gradients,
        state["momentum_buffer"],  # type: ignore[arg-type]
        fused=True,
        weight_decay=0.0,
        momentum=group.settings.momentum,
        lr=group.rate,
        dampening=0.0,
        nesterov=False,
        maximize=False,
    )


def _adam(group: _Group, state: State) -> None:
    settings = group.settings
    adam(
        group.tensors,
        group.gradients,
        state["exp_avg"],
        state["exp_avg_sq"],
        [],
        state["step"],
        fused=True,
        amsgrad=False,
        beta1=settings.momentum,
        beta2=settings.second_decay,
        lr=group.rate,
        weight_decay=0.0,
        eps=settings.epsilon,
        maximize=False,
    )


def _scalar_adam(group: _Group, state: State) -> None:
    """Adam with one second moment a tensor, the mean square of its gradient."""
    beta1, beta2 = group.settings.momentum, group.settings.second_decay
    parts = zip(group.tensors, group.gradients, group.sizes, *state.values(), strict=True)
    for tensor, gradient, size, first, second, step in parts:
        step += 1
        count = int(step)
        first.lerp_(gradient, 1 - beta1)
        second.lerp_(gradient.square().sum() / size, 1 - beta2)
        root = math.sqrt(float(second) / (1 - beta2**count)) + group.settings.epsilon
        tensor.sub_(first, alpha=group.rate / (root * (1 - beta1**count)))


_MOMENTS = ("exp_avg", "exp_avg_sq", "step")

_RULES: dict[str, tuple[Callable[[_Group, State], None], tuple[str, ...]]] = {
    "sgd": (_descend, ()),
    "momentum": (_heavy_ball, ("momentum_buffer",)),
    "core-momentum": (_heavy_ball, ("momentum_buffer",)),
    "adam": (_adam, _MOMENTS),
    "muon": (_adam, _MOMENTS),
    "adam-elementwise": (_adam, _MOMENTS),
    "adam-scalar": (_scalar_adam, _MOMENTS),
}


class PlainOptimiser:
    """One optimiser for named tensors, with a flat state and decoupled weight decay.

    Parameters
    ----------
    parameters
        Tensors to train, by name.
    sizes
        Number of elements of each before any exact reduction of the inputs.
    decayed
        Names of those that weight decay shrinks.

    Attributes
    ----------
    gradients
        To be filled before every step, whose memory they keep for the next.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        settings: StepSettings,
        *,
        sizes: Sequence[int],
        decayed: set[str],
    ) -> None:
        self._names, self._parameters = list(parameters), list(parameters.values())
        self._settings, self._sizes = settings, list(sizes)
        self.gradients: list[Tensor | None] = [None] * len(self._parameters)
        self._decayed = [parameters[name] for name in decayed if settings.weight_decay]
        for parameter in self._parameters:
            parameter.data = parameter.data.contiguous()  # the fused kernels look at no strides
        self._rule, keys = _RULES[settings.optimiser]
        self._state: State = {key: [self._zeros(key, p) for p in self._parameters] for key in keys}

    def _zeros(self, key: str, parameter: nn.Parameter) -> Tensor:
        """Return a moment at the start; the fused kernels count steps in float32."""
        if key == "step":
            return parameter.new_zeros((), dtype=torch.float32)
        scalar = key == "exp_avg_sq" and self._settings.optimiser == "adam-scalar"
        return parameter.new_zeros(() if scalar else parameter.shape)

    def step(self, *, learning_rate: float) -> None:
        """Move every tensor along its gradient; to be called without autograd."""
        if not self._parameters:
            return
        for parameter in self._decayed:
            parameter.mul_(1 - learning_rate * self._settings.weight_decay)
        group = _Group(
            tensors=list[Tensor](self._parameters),
            gradients=cast(list[Tensor], self.gradients),
            sizes=self._sizes,
            rate=learning_rate,
            settings=self._settings,
        )
        self._rule(group, self._state)

    def stored(self) -> int:
        """Return the number of values kept besides the parameters and their gradients."""
        kept = [value for values in self._state.values() for value in values]
        return sum(value.numel() for value in kept if value.ndim)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the moments as a flat mapping of tensors."""
        return {
            f"{name}.{key}": value.clone()
            for key, values in self._state.items()
            for name, value in zip(self._names, values, strict=True)
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state_dict` returned."""
        for key, values in self._state.items():
            for i, name in enumerate(self._names):
                stored = state[f"{name}.{key}"]
                values[i] = stored.to(values[i].device, values[i].dtype, copy=True)
