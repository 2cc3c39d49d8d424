"""A trained layer left untouched, with a trained low-rank addition (LoRA, arXiv:2106.09685)."""

import copy
import math

import torch
from torch import Tensor, nn

from stopflow.errors import SettingsError
from stopflow.lowrank.forward_cache import ForwardCache, Gradients
from stopflow.lowrank.layer.protocol import ColumnMap, Factors, Layer


class AdaptedLayer(Layer):
    """y = base(x) + scale (x A^T) B^T with A (r, inputs), B (outputs, r).

    B starts at zero, so the outputs start as the base's; A is uniform with variance 1 / (3 inputs).
    """

    def __init__(
        self,
        base: Layer,
        n_inputs: int,
        n_outputs: int,
        rank: int,
        *,
        scale: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.base, self.scale, self.fan_in = base, scale, base.fan_in
        base.requires_grad_(requires_grad=False)
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

    def run(self, x: Tensor) -> tuple[Tensor, ForwardCache]:
        """Return the outputs and a forward cache; `xv` holds x A^T."""
        xv = x @ self.A.T
        return torch.addmm(self.base(x), xv, self.B.T, alpha=self.scale), ForwardCache(x=x, xv=xv)

    def complete(self, cache: ForwardCache) -> None:
        """Put delta B in the cache."""
        cache.deltau = cache.delta @ self.B

    def input_gradient(self, cache: ForwardCache) -> Tensor:
        """Return dLoss/dx through base and addition."""
        through = ForwardCache(x=cache.x, delta=cache.delta)
        self.base.complete(through)
        return torch.addmm(
            self.base.input_gradient(through), cache.deltau, self.A, alpha=self.scale
        )

    def gradients(self, cache: ForwardCache, out: Gradients) -> list[Tensor]:
        """Return dA = scale (delta B)^T x and dB = scale delta^T (x A^T), in `out` if there."""
        a, b = out
        return [
            torch.mm(cache.deltau.T, cache.x, out=a).mul_(self.scale),
            torch.mm(cache.delta.T, cache.xv, out=b).mul_(self.scale),
        ]

    def factors(self) -> Factors:
        """Return W = left core right^T of base and addition together."""
        merged = copy.deepcopy(self.base)
        self.merge_into(merged)
        return merged.factors()

    def map_inputs(self, mapped: ColumnMap, *, orthonormal: bool) -> None:
        """Map the rows of A and the inputs of the base."""
        self.A.data = mapped(self.A.data.mT).mT.contiguous()
        self.base.map_inputs(mapped, orthonormal=orthonormal)

    def split_inputs(self) -> Tensor:
        """Return A of base and addition; refused, since the base is not to be changed."""
        raise SettingsError("layer type", "lora", valid="a network not adapted; merge first")

    def add_product(self, left: Tensor, right: Tensor) -> None:
        """Add to the base."""
        self.base.add_product(left, right)

    def merge_into(self, base: Layer) -> None:
        """Add scale B A to another layer, which may be a copy of the base."""
        base.add_product(self.scale * self.B.data, self.A.data.mT)
