"""OIALR (arXiv:2401.08505): dense first, then U and V frozen and only the r x r core trained.

After `delay` dense steps W = U S V^T by a full SVD; U and V stay, S is trained by the optimiser.
Every `absorb_every` steps S = U' diag(sigma) V'^T is absorbed, U <- U U', V <- V V', singular
values below ``cutoff * sigma_max`` are dropped and the moments are turned along. At the u-th time
only the last u layers of the family take part, since later layers settle first.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from stopflow.lowrank.forward_cache import Tape
from stopflow.lowrank.layer.dense import DenseLayer
from stopflow.lowrank.layer.lowrank import replace_values, resize_for, stored_rank
from stopflow.lowrank.optimisers.plain import PlainOptimiser
from stopflow.lowrank.settings import StepSettings


class OialrLayer(nn.Module):
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

    def run(self, x: Tensor) -> tuple[Tensor, Tape]:
        """Return the outputs and a tape."""
        if not self.frozen:
            return torch.addmm(self.bias, x, self.weight.T), Tape(x=x)
        xv = x @ self.V
        return torch.addmm(self.bias, xv @ self.S.T, self.U.T), Tape(x=x, xv=xv)

    def complete(self, tape: Tape) -> None:
        """Put D = delta U on the tape."""
        if self.frozen:
            tape.deltau = tape.delta @ self.U

    def input_gradient(self, tape: Tape) -> Tensor:
        """Return dLoss/dx."""
        if not self.frozen:
            return tape.delta @ self.weight
        return tape.deltau @ self.S @ self.V.T

    def trained(self) -> dict[str, nn.Parameter]:
        """Return the matrix that is trained at present."""
        return {"S": self.S} if self.frozen else {"weight": self.weight}

    def gradient(self, tape: Tape, out: Tensor | None) -> Tensor:
        """Return the gradient of the trained matrix, in `out` if it is there."""
        if self.frozen:
            return torch.mm(tape.deltau.T, tape.xv, out=out)
        return torch.mm(tape.delta.T, tape.x, out=out)

    def freeze(self) -> None:
        """Replace W by its singular value decomposition."""
        u, sigma, vt = torch.linalg.svd(self.weight.data.double(), full_matrices=False)
        dtype = self.weight.dtype
        self.weight.data, self.weight.grad = self.weight.data.new_empty(0, 0), None
        self.U.data, self.V.data = u.contiguous().to(dtype), vt.mT.contiguous().to(dtype)
        self.S.data = torch.diag(sigma).to(dtype)

    def absorb(self, cutoff: float) -> tuple[Tensor, Tensor]:
        """Diagonalise and cut S; return the U' and V' that its moments turn with."""
        u, sigma, vt = torch.linalg.svd(self.S.data.double())
        rank = max(1, int((sigma >= cutoff * sigma[0]).sum()))
        left, right = u[:, :rank].to(self.S.dtype), vt[:rank].mT.to(self.S.dtype)
        self.U.data, self.V.data = self.U.data @ left, self.V.data @ right
        self.S.grad = None
        replace_values(self.S, torch.diag(sigma[:rank]).to(self.S.dtype))
        return left, right

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: object) -> None:
        """Take the phase and the rank of the stored layer before the values are copied in."""
        m, n = (len(self.U), len(self.V)) if self.frozen else self.weight.shape
        r = stored_rank(state_dict, prefix)
        factors = {"U": (m, r), "S": (r, r), "V": (n, r)} if r else dict.fromkeys("USV", (0, 0))
        resize_for(self, state_dict, prefix, factors | {"weight": (0, 0) if r else (m, n)})
        super()._load_from_state_dict(state_dict, prefix, *args)


class Oialr:
    """Integrator of OIALR layers."""

    passes = 1

    def __init__(self, layers: Sequence[OialrLayer], settings: StepSettings) -> None:
        self._layers, self._settings = list(layers), settings
        self._optimisers = [self._optimiser(layer) for layer in layers]
        self._count = 0

    def turn_bases(self, tapes: Sequence[Tape], *, learning_rate: float) -> None:
        """Bases do not turn within a step."""

    def finish(self, tapes: Sequence[Tape], *, learning_rate: float) -> None:
        """Move W or S; freeze or absorb when it is time."""
        for layer, optimiser, tape in zip(self._layers, self._optimisers, tapes, strict=True):
            optimiser.gradients = [layer.gradient(tape, *optimiser.gradients)]
            optimiser.step(learning_rate=learning_rate)
        self._count += 1
        after = self._count - self._settings.delay
        if after == 0:
            for i, layer in enumerate(self._layers):
                if not layer.frozen:
                    layer.freeze()
                    self._optimisers[i] = self._optimiser(layer)
        elif after > 0 and after % self._settings.absorb_every == 0:
            taking_part = after // self._settings.absorb_every
            for i in range(max(0, len(self._layers) - taking_part), len(self._layers)):
                self._absorb(i)

    def revert(self) -> None:
        """Never needed: there is one sweep."""

    def _optimiser(self, layer: OialrLayer) -> PlainOptimiser:
        trained = layer.trained()
        sizes = [
            layer.weight.shape[0] * layer.fan_in if name == "weight" else parameter.numel()
            for name, parameter in trained.items()
        ]
        return PlainOptimiser(trained, self._settings, sizes=sizes, decayed=set(trained))

    def _absorb(self, i: int) -> None:
        layer, state = self._layers[i], self._optimisers[i].state_dict()
        left, right = layer.absorb(self._settings.cutoff)
        for name, value in state.items():
            if value.ndim == 2:
                squared = name.endswith("_sq")
                p, q = (left.square(), right.square()) if squared else (left, right)
                state[name] = p.mT @ value @ q
        self._optimisers[i] = self._optimiser(layer)
        self._optimisers[i].load_state_dict(state)

    def stored(self) -> int:
        """Return the number of values kept besides the parameters."""
        return sum(optimiser.stored() for optimiser in self._optimisers)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the moments and the step count."""
        state = {
            f"{i}.{name}": value
            for i, optimiser in enumerate(self._optimisers)
            for name, value in optimiser.state_dict().items()
        }
        return state | {"count": torch.tensor(self._count)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state_dict` returned, once the layers have their own state."""
        self._count = int(state["count"])
        self._optimisers = [self._optimiser(layer) for layer in self._layers]
        for i, optimiser in enumerate(self._optimisers):
            prefix = f"{i}."
            own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            optimiser.load_state_dict(own)


def stability(first: Tensor, second: Tensor) -> float:
    """Return Tr(E1 E2^T) / min(rows, columns) with E = U V^T of each SVD; 1 for the same bases."""
    factors = [torch.linalg.svd(matrix.double(), full_matrices=False) for matrix in (first, second)]
    e1, e2 = (u @ vt for u, _, vt in factors)
    return float((e1 * e2).sum()) / min(first.shape)
