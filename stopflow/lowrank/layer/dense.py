"""The full-rank layer y = x W^T + b, the yardstick of all others."""

import math

import torch
from torch import Tensor, nn

from stopflow.lowrank.forward_cache import Gradients, Tape


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

    def gradients(self, tape: Tape, out: Gradients) -> list[Tensor]:
        """Return dLoss/dW = delta^T x and dLoss/db, in `out` where there is something."""
        weight, bias = out
        return [
            torch.mm(tape.delta.T, tape.x, out=weight),
            torch.sum(tape.delta, 0, out=bias),
        ]
