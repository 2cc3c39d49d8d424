"""Optimisers of unrelated tensors: biases, dense weights, vanilla factors, adapters."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from stopflow.lowrank.settings import StepSettings


class ScalarAdam(torch.optim.Optimizer):
    """Adam with one second moment a tensor, the mean square of its gradient."""

    def __init__(
        self, parameters: Sequence[nn.Parameter], settings: StepSettings, *, sizes: Sequence[int]
    ) -> None:
        super().__init__(parameters, {"lr": settings.learning_rate})
        self._settings, self._sizes = settings, list(sizes)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter along its averaged gradient over the root of its mean square."""
        del closure
        beta1, beta2 = self._settings.momentum, self._settings.second_decay
        for group in self.param_groups:
            for parameter, size in zip(group["params"], self._sizes, strict=True):
                state, gradient = self.state[parameter], parameter.grad
                if not state:
                    state["step"] = torch.zeros(())
                    state["exp_avg"] = torch.zeros_like(parameter)
                    state["exp_avg_sq"] = parameter.new_zeros(())
                state["step"] += 1
                count = int(state["step"])
                state["exp_avg"].lerp_(gradient, 1 - beta1)
                state["exp_avg_sq"].lerp_(gradient.square().sum() / size, 1 - beta2)
                root = math.sqrt(float(state["exp_avg_sq"]) / (1 - beta2**count))
                root = (root + self._settings.epsilon) * (1 - beta1**count)
                parameter.sub_(state["exp_avg"], alpha=group["lr"] / root)


class PlainOptimiser:
    """One optimiser for named tensors, with a flat state and decoupled weight decay.

    Parameters
    ----------
    parameters
        Tensors to train, by name; their `.grad` is to be filled before every `step`.
    sizes
        Number of elements of each before any exact reduction of the inputs.
    decayed
        Names of those that weight decay shrinks.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        settings: StepSettings,
        *,
        sizes: Sequence[int],
        decayed: set[str],
    ) -> None:
        self._parameters, self._settings = dict(parameters), settings
        self._decayed = [self._parameters[name] for name in decayed if settings.weight_decay]
        for parameter in self._parameters.values():
            parameter.data = parameter.data.contiguous()  # the fused kernels look at no strides
        self._optimiser = _choose(list(self._parameters.values()), settings, sizes)

    @torch.no_grad()
    def step(self, *, learning_rate: float) -> None:
        """Move every tensor by its `.grad`."""
        for parameter in self._decayed:
            parameter.mul_(1 - learning_rate * self._settings.weight_decay)
        self._optimiser.param_groups[0]["lr"] = learning_rate
        self._optimiser.step()

    def stored(self) -> int:
        """Return the number of values kept besides the parameters and their gradients."""
        return sum(value.numel() for value in self.state_dict().values() if value.ndim)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the moments as a flat mapping of tensors."""
        return {
            f"{name}.{key}": value.clone()
            for name, parameter in self._parameters.items()
            for key, value in self._optimiser.state[parameter].items()
            if value is not None
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state_dict` returned."""
        self._optimiser.state.clear()
        for entry, value in state.items():
            name, _, key = entry.rpartition(".")
            self._optimiser.state[self._parameters[name]][key] = value.clone()


def _choose(
    parameters: list[nn.Parameter], settings: StepSettings, sizes: Sequence[int]
) -> torch.optim.Optimizer:
    rate, momentum = settings.learning_rate, settings.momentum
    match settings.optimiser:
        case "sgd":
            return torch.optim.SGD(parameters, lr=rate, fused=True)
        case "momentum" | "core-momentum":
            return torch.optim.SGD(parameters, lr=rate, momentum=momentum, fused=True)
        case "adam-scalar":
            return ScalarAdam(parameters, settings, sizes=sizes)
        case _:
            betas = (momentum, settings.second_decay)
            return torch.optim.Adam(
                parameters, lr=rate, betas=betas, eps=settings.epsilon, fused=True
            )
