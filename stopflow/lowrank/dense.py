"""The full-rank layer y = x W^T + b, the yardstick of all others."""

import math

import torch
from torch import Tensor, nn

from stopflow.lowrank.tape import Tape


class DenseLayer(nn.Module):
    """y = x W^T + b with W of shape (outputs, inputs).

    Initial weights are normal with variance gain / fan_in (He et al. 2015,
    doi:10.1109/ICCV.2015.123), biases zero.
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        *,
        gain: float,
        fan_in: int,
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.fan_in = fan_in
        weight = torch.randn(n_outputs, n_inputs, generator=generator, dtype=dtype)
        self.weight = nn.Parameter(weight.mul_(math.sqrt(gain / fan_in)))
        self.bias = nn.Parameter(torch.zeros(n_outputs, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Return x W^T + b, shape (batch, outputs)."""
        return torch.addmm(self.bias, x, self.weight.T)

    def run(self, x: Tensor) -> tuple[Tensor, Tape]:
        """Return the outputs and a tape."""
        return self.forward(x), Tape(x=x)

    def complete(self, tape: Tape) -> None:
        """Need nothing but delta and x."""

    def input_gradient(self, tape: Tape) -> Tensor:
        """Return dx = delta W."""
        return tape.delta @ self.weight

    def fill_gradients(self, tape: Tape) -> None:
        """Write dLoss/dW = delta^T x and dLoss/db into preallocated `.grad` buffers."""
        self.weight.grad = _buffer(self.weight)
        torch.mm(tape.delta.T, tape.x, out=self.weight.grad)
        self.bias.grad = tape.delta.sum(0)


def _buffer(parameter: nn.Parameter) -> Tensor:
    return torch.empty_like(parameter) if parameter.grad is None else parameter.grad
