"""The OIALR layer (arXiv:2401.08505): dense at first, then a trained core between frozen bases."""

import torch
from torch import Tensor, nn

from stopflow.lowrank.decompositions import thin_svd
from stopflow.lowrank.forward_cache import ForwardCache
from stopflow.lowrank.layer.dense import DenseLayer, dense_factors
from stopflow.lowrank.layer.lowrank import replace_values, resize_for, stored_rank, sum_of_factors
from stopflow.lowrank.layer.orthonormal import orthonormalised
from stopflow.lowrank.layer.protocol import ColumnMap, Factors, Layer


class OialrLayer(Layer):
    """y = x W^T + b while `weight` holds values, y = x V S^T U^T + b afterwards."""

    def __init__(self, dense: DenseLayer) -> None:
        super().__init__()
        self.fan_in, self.weight, self.bias = dense.fan_in, dense.weight, dense.bias
        empty = dense.weight.data.new_empty(0, 0)
        self.S = nn.Parameter(empty.clone())
        self.U, self.V = (nn.Parameter(empty.clone(), requires_grad=False) for _ in range(2))

    @property
    def frozen(self) -> bool:
        """Whether the bases have been fixed."""
        return self.S.numel() > 0

    @property
    def rank(self) -> int:
        """Rank in use; min(inputs, outputs) while dense."""
        return self.S.shape[0] if self.frozen else min(self.weight.shape)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs, shape (batch, outputs)."""
        return self.run(x)[0]

    def run(self, x: Tensor) -> tuple[Tensor, ForwardCache]:
        """Return the outputs and a forward cache."""
        if not self.frozen:
            return torch.addmm(self.bias, x, self.weight.T), ForwardCache(x=x)
        xv = x @ self.V
        return torch.addmm(self.bias, xv @ self.S.T, self.U.T), ForwardCache(x=x, xv=xv)

    def complete(self, cache: ForwardCache) -> None:
        """Put D = delta U in the cache."""
        if self.frozen:
            cache.deltau = cache.delta @ self.U

    def input_gradient(self, cache: ForwardCache) -> Tensor:
        """Return dLoss/dx."""
        if not self.frozen:
            return cache.delta @ self.weight
        return cache.deltau @ self.S @ self.V.T

    def trained(self) -> dict[str, nn.Parameter]:
        """Return the matrix that is trained at present."""
        return {"S": self.S} if self.frozen else {"weight": self.weight}

    def gradient(self, cache: ForwardCache, out: Tensor | None) -> Tensor:
        """Return the gradient of the trained matrix, in `out` if it is there."""
        if self.frozen:
            return torch.mm(cache.deltau.T, cache.xv, out=out)
        return torch.mm(cache.delta.T, cache.x, out=out)

    def freeze(self) -> None:
        """Replace W by its singular value decomposition."""
        u, sigma, vt = thin_svd(self.weight.data.double())
        dtype = self.weight.dtype
        self.weight.data, self.weight.grad = self.weight.data.new_empty(0, 0), None
        self.U.data, self.V.data = u.contiguous().to(dtype), vt.mT.contiguous().to(dtype)
        self.S.data = torch.diag(sigma).to(dtype)

    def absorb(self, cutoff: float) -> tuple[Tensor, Tensor]:
        """Diagonalise and truncate S; return the U' and V' that its moments are transported by."""
        u, sigma, vt = thin_svd(self.S.data.double())
        rank = max(1, int((sigma >= cutoff * sigma[0]).sum()))
        left, right = u[:, :rank].to(self.S.dtype), vt[:rank].mT.to(self.S.dtype)
        self.U.data, self.V.data = self.U.data @ left, self.V.data @ right
        self.S.grad = None
        replace_values(self.S, torch.diag(sigma[:rank]).to(self.S.dtype))
        return left, right

    def stability(self) -> float:
        """Return Tr(E1 E2^T) / r of the bases and of those that `absorb` would put in place.

        With S = U' diag(sigma) V'^T it is the trace of U'^T V' over r: 1 where S is diagonal.
        """
        u, _, vt = thin_svd(self.S.data.double())
        return float((u * vt.mT).sum()) / self.rank

    def factors(self) -> Factors:
        """Return W = left core right^T."""
        if not self.frozen:
            return dense_factors(self.weight.data)
        left, left_r = torch.linalg.qr(self.U.data.double())
        right, right_r = torch.linalg.qr(self.V.data.double())
        return left, left_r @ self.S.data.double() @ right_r.mT, right

    def map_inputs(self, mapped: ColumnMap, *, orthonormal: bool) -> None:
        """Map the rows of W, or V; S absorbs what keeps V orthonormal."""
        del orthonormal
        if not self.frozen:
            self.weight.data = mapped(self.weight.data.mT).mT.contiguous()
            return
        self.V.data, upper = orthonormalised(mapped(self.V.data).contiguous())
        self.S.data = (self.S.data.double() @ upper.mT).to(self.S.dtype)

    def split_inputs(self) -> Tensor:
        """Return V with the identity in its place, or Q of the QR decomposition of W^T."""
        if self.frozen:
            matrix = self.V.data.clone()
            self.V.data = torch.eye(self.rank, dtype=matrix.dtype, device=matrix.device)
        else:
            _, core, right = self.factors()
            matrix = right.to(self.weight.dtype)
            self.weight.data = core.contiguous().to(self.weight.dtype)
        self.fan_in = matrix.shape[1]
        return matrix

    def add_product(self, left: Tensor, right: Tensor) -> None:
        """Add left right^T to W, or to U S V^T with the rank raised."""
        if not self.frozen:
            self.weight.data += left @ right.mT
            return
        u, s, v = sum_of_factors(self.U.data, self.S.data, self.V.data, left, right)
        for parameter, value in ((self.U, u), (self.S, s), (self.V, v)):
            replace_values(parameter, value)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: object) -> None:
        """Take the phase and the rank of the stored layer before the values are copied in."""
        m, n = (len(self.U), len(self.V)) if self.frozen else self.weight.shape
        r = stored_rank(state_dict, prefix)
        factors = {"U": (m, r), "S": (r, r), "V": (n, r)} if r else dict.fromkeys("USV", (0, 0))
        resize_for(self, state_dict, prefix, factors | {"weight": (0, 0) if r else (m, n)})
        super()._load_from_state_dict(state_dict, prefix, *args)
