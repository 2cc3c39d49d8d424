"""The full-rank layer y = x W^T + b, the yardstick of all others."""

import math

import torch
from torch import Tensor, nn

from stopflow.lowrank.forward_cache import ForwardCache, Gradients
from stopflow.lowrank.layer.protocol import ColumnMap, Factors, Layer


class DenseLayer(Layer):
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

    @property
    def rank(self) -> None:
        """Return ``None``: W is a full matrix."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x W^T + b, shape (batch, outputs)."""
        return torch.addmm(self.bias, x, self.weight.T)

    def run(self, x: Tensor) -> tuple[Tensor, ForwardCache]:
        """Return the outputs and a forward cache."""
        return self.forward(x), ForwardCache(x=x)

    def complete(self, cache: ForwardCache) -> None:
        """Need nothing but delta and x."""

    def input_gradient(self, cache: ForwardCache) -> Tensor:
        """Return dx = delta W."""
        return cache.delta @ self.weight

    def gradients(self, cache: ForwardCache, out: Gradients) -> list[Tensor]:
        """Return dLoss/dW = delta^T x and dLoss/db, in `out` where there is something."""
        weight, bias = out
        return [torch.mm(cache.delta.T, cache.x, out=weight), torch.sum(cache.delta, 0, out=bias)]

    def factors(self) -> Factors:
        """Return W = left core right^T with the identity on the left."""
        return dense_factors(self.weight.data)

    def map_inputs(self, mapped: ColumnMap, *, orthonormal: bool) -> None:
        """Map the rows of W."""
        del orthonormal
        self.weight.data = mapped(self.weight.data.mT).mT.contiguous()

    def split_inputs(self) -> Tensor:
        """Return Q of the QR decomposition of W^T; R^T becomes the weight."""
        _, core, right = self.factors()
        dtype = self.weight.dtype
        self.weight.data, self.fan_in = core.contiguous().to(dtype), right.shape[1]
        return right.to(dtype)

    def add_product(self, left: Tensor, right: Tensor) -> None:
        """Add left right^T to W."""
        self.weight.data += left @ right.mT


def dense_factors(weight: Tensor) -> Factors:
    """Return W = I R^T Q^T from the QR decomposition of W^T, float64."""
    right, upper = torch.linalg.qr(weight.double().mT)
    identity = torch.eye(len(weight), dtype=upper.dtype, device=upper.device)
    return identity, upper.mT, right
