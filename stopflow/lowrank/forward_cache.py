"""What one forward and backward leaves behind in each layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_NOTHING = torch.empty(0)

Gradients = Sequence[Tensor | None]
"""Gradients of some tensors, ``None`` where there has been no step."""


@dataclass(slots=True, kw_only=True, eq=False)
class ForwardCache:
    """Quantities of one batch in one layer, W = U S V^T in the low-rank case.

    Attributes
    ----------
    x
        Inputs, (batch, n).
    xv
        P = x V, (batch, r); low-rank layers only.
    delta
        dLoss/dy, (batch, m); set by the backward sweep.
    deltau
        D = delta U, (batch, r); low-rank layers only.
    gram
        x x^T, (batch, batch), where it was given or has been needed.
    """

    x: Tensor
    xv: Tensor = _NOTHING
    delta: Tensor = _NOTHING
    deltau: Tensor = _NOTHING
    gram: Tensor | None = None

    def input_gram(self, out: Tensor | None = None) -> Tensor:
        """Return x x^T, computed at most once; also put it into `out`."""
        if self.gram is None:
            self.gram = torch.mm(self.x, self.x.mT, out=out)
        elif out is not None:
            out.copy_(self.gram)
        return self.gram

    def delta_gram(self, out: Tensor | None = None) -> Tensor:
        """Return delta delta^T, in `out` if there is one."""
        return torch.mm(self.delta, self.delta.mT, out=out)

    def gradient_norm_squared(self) -> Tensor:
        """Return ||dW||_F^2 in float64 without forming dW = delta^T x.

        It is tr(x^T delta delta^T x) = sum over (i, j) of (x x^T)_ij (delta delta^T)_ij. Where the
        rows cancel, the sum is rounding and may be negative; the value returned is never below the
        rounding of the sum, so that nothing is divided by less than what is known.
        """
        product = self.input_gram().double() * self.delta_gram().double()
        rounding = torch.finfo(self.x.dtype).eps * torch.linalg.vector_norm(product)
        return torch.maximum(product.sum(), rounding)
