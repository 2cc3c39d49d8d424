"""A trained layer left untouched, with a trained low-rank addition (LoRA, arXiv:2106.09685)."""

import math

import torch
from torch import Tensor, nn

from stopflow.lowrank.forward_cache import Gradients, Layer, Tape


class AdaptedLayer(nn.Module):
    """y = base(x) + scale (x A^T) B^T with A (r, inputs), B (outputs, r).

    B starts at zero, so the outputs start as the base's; A is uniform with variance 1 / (3 inputs).
    """

    def __init__(
        self,
        base: nn.Module,
        n_inputs: int,
        n_outputs: int,
        rank: int,
        *,
        scale: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.base, self.scale = base.requires_grad_(requires_grad=False), scale
        self.fan_in = base.fan_in
        like = next(base.parameters())
        a = torch.rand(rank, n_inputs, generator=generator, dtype=torch.float64)
        self.A = nn.Parameter(((2 * a - 1) / math.sqrt(n_inputs)).to(like.device, like.dtype))
        self.B = nn.Parameter(torch.zeros(n_outputs, rank, device=like.device, dtype=like.dtype))

    @property
    def rank(self) -> int:
        """Rank of the addition."""
        return self.A.shape[0]

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs, shape (batch, outputs)."""
        return torch.addmm(self.base(x), x @ self.A.T, self.B.T, alpha=self.scale)

    def run(self, x: Tensor) -> tuple[Tensor, Tape]:
        """Return the outputs and a tape; `xv` holds x A^T."""
        xv = x @ self.A.T
        return torch.addmm(self.base(x), xv, self.B.T, alpha=self.scale), Tape(x=x, xv=xv)

    def complete(self, tape: Tape) -> None:
        """Put delta B on the tape."""
        tape.deltau = tape.delta @ self.B

    def input_gradient(self, tape: Tape) -> Tensor:
        """Return dLoss/dx through base and addition."""
        base: Layer = self.base  # type: ignore[assignment]
        through = Tape(x=tape.x, delta=tape.delta)
        base.complete(through)
        return torch.addmm(base.input_gradient(through), tape.deltau, self.A, alpha=self.scale)

    def gradients(self, tape: Tape, out: Gradients) -> list[Tensor]:
        """Return dA = scale (delta B)^T x and dB = scale delta^T (x A^T), in `out` if there."""
        a, b = out
        return [
            torch.mm(tape.deltau.T, tape.x, out=a).mul_(self.scale),
            torch.mm(tape.delta.T, tape.xv, out=b).mul_(self.scale),
        ]
