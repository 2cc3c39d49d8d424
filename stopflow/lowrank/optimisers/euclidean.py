"""Optimisers of tensors without a manifold: biases, dense weights, vanilla factors, adapters."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from stopflow.lowrank.hyperparameters import Hyperparameters
from stopflow.lowrank.optimisers.second_moment import SecondMoment

State = dict[str, list[Tensor]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tensors:
    """Tensors, their gradients and sizes, and what a rule needs to know."""

    values: list[Tensor]
    gradients: list[Tensor]
    sizes: list[int]
    rate: float
    settings: Hyperparameters


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EuclideanRule:
    """How tensors are moved along their gradients.

    Attributes
    ----------
    move
        Moves them and their state.
    state
        Names of what is remembered: ``step`` is a count, the others are of a tensor's shape.
    scalars
        Those of `state` that are one number a tensor.
    """

    move: Callable[[Tensors, State], None]
    state: tuple[str, ...] = ()
    scalars: tuple[str, ...] = ()


def _descend(tensors: Tensors, state: State) -> None:
    """Descend along the gradient, without the checks of `torch.optim.SGD`."""
    del state
    for value, gradient in zip(tensors.values, tensors.gradients, strict=True):
        value.sub_(gradient, alpha=tensors.rate)


def _heavy_ball(tensors: Tensors, state: State) -> None:
    sgd(
        tensors.values,
        tensors.gradients,
        state["momentum_buffer"],  # type: ignore[arg-type]
        fused=True,
        weight_decay=0.0,
        momentum=tensors.settings.momentum,
        lr=tensors.rate,
        dampening=0.0,
        nesterov=False,
        maximize=False,
    )


def _adam(tensors: Tensors, state: State) -> None:
    settings = tensors.settings
    adam(
        tensors.values,
        tensors.gradients,
        state["exp_avg"],
        state["exp_avg_sq"],
        [],
        state["step"],
        fused=True,
        amsgrad=False,
        beta1=settings.momentum,
        beta2=settings.second_decay,
        lr=tensors.rate,
        weight_decay=0.0,
        eps=settings.epsilon,
        maximize=False,
    )


def _scalar_adam(tensors: Tensors, state: State) -> None:
    """Adam with one second moment a tensor, the mean square of its gradient."""
    beta1, beta2 = tensors.settings.momentum, tensors.settings.second_decay
    parts = zip(tensors.values, tensors.gradients, tensors.sizes, *state.values(), strict=True)
    for value, gradient, size, first, second, step in parts:
        step += 1
        count = int(step)
        first.lerp_(gradient, 1 - beta1)
        second.lerp_(gradient.square().sum() / size, 1 - beta2)
        root = math.sqrt(float(second) / (1 - beta2**count)) + tensors.settings.epsilon
        value.sub_(first, alpha=tensors.rate / (root * (1 - beta1**count)))


def squares_only(second: SecondMoment) -> EuclideanRule:
    """Return RMSprop or AdaGrad, whose step is g / (sqrt(v) + epsilon)."""

    def move(tensors: Tensors, state: State) -> None:
        parts = zip(tensors.values, tensors.gradients, state["squares"], strict=True)
        for value, gradient, squares in parts:
            second.average(squares, gradient, tensors.settings)
            roots = squares.sqrt().add_(tensors.settings.epsilon)
            value.addcdiv_(gradient, roots, value=-tensors.rate)

    return EuclideanRule(move=move, state=("squares",))


_MOMENTS = ("exp_avg", "exp_avg_sq", "step")

DESCENT = EuclideanRule(move=_descend)
HEAVY_BALL = EuclideanRule(move=_heavy_ball, state=("momentum_buffer",))
ADAM = EuclideanRule(move=_adam, state=_MOMENTS)
SCALAR_ADAM = EuclideanRule(move=_scalar_adam, state=_MOMENTS, scalars=("exp_avg_sq",))


class EuclideanOptimiser:
    """One optimiser for named tensors, with a flat state and decoupled weight decay.

    Parameters
    ----------
    parameters
        Tensors to train, by name.
    rule
        How they are moved.
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
        rule: EuclideanRule,
        settings: Hyperparameters,
        *,
        sizes: Sequence[int],
        decayed: set[str],
    ) -> None:
        self._names, self._parameters = list(parameters), list(parameters.values())
        self._rule, self._settings, self._sizes = rule, settings, list(sizes)
        self.gradients: list[Tensor | None] = [None] * len(self._parameters)
        self._decayed = [parameters[name] for name in decayed if settings.weight_decay]
        for parameter in self._parameters:
            parameter.data = parameter.data.contiguous()  # the fused kernels look at no strides
        self._state: State = {
            key: [self._zeros(key, p) for p in self._parameters] for key in rule.state
        }

    def _zeros(self, key: str, parameter: nn.Parameter) -> Tensor:
        """Return a moment at the start; the fused kernels count steps in float32."""
        if key == "step":
            return parameter.new_zeros((), dtype=torch.float32)
        return parameter.new_zeros(() if key in self._rule.scalars else parameter.shape)

    def step(self, *, learning_rate: float) -> None:
        """Move every tensor along its gradient; to be called without autograd."""
        if not self._parameters:
            return
        for parameter in self._decayed:
            parameter.mul_(1 - learning_rate * self._settings.weight_decay)
        tensors = Tensors(
            values=list[Tensor](self._parameters),
            gradients=cast(list[Tensor], self.gradients),
            sizes=self._sizes,
            rate=learning_rate,
            settings=self._settings,
        )
        self._rule.move(tensors, self._state)

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
