"""What an optimiser remembers of the factors, and how it is carried to the new bases.

Two kinds. A *core rule* keeps only an r x r moment in the coordinates of (U, V); its K and L
directions are gradients, so a step touches the long matrices as rarely as plain descent does. A
*factor rule* keeps moments of K, L and S. When the bases turn by M = U^T U1 and N = V^T V1, first
moments turn along (m_K N, m_L M, M^T m_S N); second moments, being diagonal covariances, turn with
the squared entries (v_K (N.N), ...), which keeps them non-negative.
"""

import math
from typing import Protocol

import torch
from torch import Tensor

from stopflow.lowrank.bases import Moved
from stopflow.lowrank.factors import LowRankLayer
from stopflow.lowrank.settings import StepSettings
from stopflow.lowrank.tape import Tape

Moments = dict[str, Tensor]
Bases = tuple[Tensor, Tensor]


class CoreRule:
    """W moves along ``keep m + take G`` with a remembered core m (W-space: U m V^T).

    Plain descent has keep = 0, take = 1; heavy ball keep = momentum, take = 1; the scalar form of
    Adam keep = momentum, take = 1 - momentum, both over the root of the mean of ||G||_F^2.
    """

    def __init__(self, settings: StepSettings, *, keep: float, take: float, scalar: bool) -> None:
        self._settings, self._keep, self._take, self._scalar = settings, keep, take, scalar

    def start(self, layer: LowRankLayer) -> Moments:
        """Return moments of zero."""
        moments = {"m": torch.zeros_like(layer.S)} if self._keep else {}
        if self._scalar:
            moments["v"] = layer.S.new_zeros(())
        return {name: value.detach() for name, value in moments.items()}

    def weights(
        self, layer: LowRankLayer, tape: Tape, moments: Moments, *, count: int
    ) -> tuple[float, float]:
        """Return the factors of m and of G, to be multiplied by the learning rate."""
        if not self._scalar:
            return self._keep, self._take
        decay = self._settings.second_decay
        moments["v"].lerp_(tape.gradient_norm_squared(), 1 - decay)
        root = math.sqrt(float(moments["v"]) / (1 - decay**count)) + self._settings.epsilon
        scale = scalar_scale(layer) / root / (1 - self._keep**count)
        return self._keep * scale, self._take * scale

    def blend(self, carried: Tensor, gradient: Tensor) -> Tensor:
        """Return keep m + take C for a moment and a core gradient in the same bases."""
        return self._keep * carried + self._take * gradient


def scalar_scale(layer: LowRankLayer) -> float:
    """Return the Frobenius norm that the scalar form gives to a step of learning rate 1."""
    return math.sqrt(layer.U.shape[0] * layer.fan_in)


class FactorRule(Protocol):
    """Directions for K, L and S from remembered moments of each."""

    def start(self, layer: LowRankLayer) -> Moments:
        """Return moments of zero."""

    def directions(
        self, layer: LowRankLayer, tape: Tape, moments: Moments, *, count: int
    ) -> tuple[Tensor, Tensor]:
        """Return A_K and A_L."""

    def core(
        self, layer: LowRankLayer, tape: Tape, along: Bases, moments: Moments, *, count: int
    ) -> Tensor:
        """Return A_S in the old bases, for a step that moves S before the bases turn."""

    def follow(self, old: Bases, tape: Tape, moved: Moved, moments: Moments) -> None:
        """Carry the moments into the new bases."""

    def core_after(self, moved: Moved, moments: Moments, *, count: int) -> Tensor:
        """Return A_S in the new bases, for a step that moves S after the bases turned."""


class TangentMomentum:
    """Heavy ball on the tangent space: M <- momentum P(M) + P(G), P the projection on it.

    The tangent vector M = m_K V^T + U m_L^T - U (U^T m_K) V^T is kept by m_K = M V, m_L = M^T U.
    """

    def __init__(self, settings: StepSettings) -> None:
        self._momentum = settings.momentum

    def start(self, layer: LowRankLayer) -> Moments:
        """Return moments of zero."""
        return {
            "k": torch.zeros_like(layer.U).detach(),
            "l": torch.zeros_like(layer.V).detach(),
        }

    def directions(
        self, layer: LowRankLayer, tape: Tape, moments: Moments, *, count: int
    ) -> tuple[Tensor, Tensor]:
        """Return momentum M V + G V and its counterpart for L."""
        del layer, count
        return (
            torch.addmm(moments["k"], tape.delta.mT, tape.xv, beta=self._momentum),
            torch.addmm(moments["l"], tape.x.mT, tape.deltau, beta=self._momentum),
        )

    def core(
        self, layer: LowRankLayer, tape: Tape, along: Bases, moments: Moments, *, count: int
    ) -> Tensor:
        """Return U^T (momentum M + G) V."""
        del tape, moments, count
        return layer.U.data.mT @ along[0]

    def follow(self, old: Bases, tape: Tape, moved: Moved, moments: Moments) -> None:
        """Project momentum M + G on the new tangent space."""
        (u, v), k, ell = old, moments["k"], moments["l"]
        left, right = moved.left.to(u.dtype), moved.right.to(u.dtype)
        core = u.mT @ k
        new_k = k @ right + u @ (ell.mT @ moved.v - core @ right)
        new_l = ell @ left + v @ (k.mT @ moved.u - core.mT @ left)
        moments["k"] = torch.addmm(new_k, tape.delta.mT, moved.xv, beta=self._momentum)
        moments["l"] = torch.addmm(new_l, tape.x.mT, moved.deltau, beta=self._momentum)

    def core_after(self, moved: Moved, moments: Moments, *, count: int) -> Tensor:
        """Return U1^T (momentum M + G) V1."""
        del count
        return moved.u.mT @ moments["k"]


class FactorAdam:
    """Adam on K, L and S with carried moments.

    The directions of K = U S and L = V S^T carry the size of S, its root mean square singular
    value, so that a learning rate turns U and V by the same angle whatever that size is. With
    `columnwise` the second moment of L is one number a column (the mean square of the
    column), so that turning the input space turns the step: exact in row space.
    """

    def __init__(self, settings: StepSettings, *, columnwise: bool) -> None:
        self._settings, self._columnwise = settings, columnwise

    def start(self, layer: LowRankLayer) -> Moments:
        """Return moments of zero."""
        moments = {"k": layer.U, "l": layer.V, "s": layer.S, "kk": layer.U, "ss": layer.S}
        zeros = {name: torch.zeros_like(value).detach() for name, value in moments.items()}
        column = layer.S.detach().new_zeros(layer.rank)
        return zeros | {"ll": column if self._columnwise else torch.zeros_like(zeros["l"])}

    def directions(
        self, layer: LowRankLayer, tape: Tape, moments: Moments, *, count: int
    ) -> tuple[Tensor, Tensor]:
        """Return Adam's directions for K and L."""
        settings = self._settings
        gradient_l = tape.x.mT @ tape.deltau
        square_l = gradient_l.square()
        if self._columnwise:
            square_l = square_l.sum(0) / layer.fan_in
        moments["l"].lerp_(gradient_l, 1 - settings.momentum)
        moments["ll"].lerp_(square_l, 1 - settings.second_decay)
        gradient_k = tape.delta.mT @ tape.xv
        _blend(moments, "k", gradient_k, settings)
        size = torch.linalg.matrix_norm(layer.S.data) / math.sqrt(layer.rank)
        return (
            _normalised(moments["k"], moments["kk"], settings, count=count) * size,
            _normalised(moments["l"], moments["ll"], settings, count=count) * size,
        )

    def core(
        self, layer: LowRankLayer, tape: Tape, along: Bases, moments: Moments, *, count: int
    ) -> Tensor:
        """Return Adam's direction for S from C = D^T P."""
        del layer, along
        return self._core(tape.deltau.mT @ tape.xv, moments, count)

    def follow(self, old: Bases, tape: Tape, moved: Moved, moments: Moments) -> None:
        """Turn all moments with the bases."""
        del old, tape
        left, right = moved.left.to(moved.u.dtype), moved.right.to(moved.u.dtype)
        left2, right2 = left.square(), right.square()
        moments["k"], moments["kk"] = moments["k"] @ right, moments["kk"] @ right2
        moments["l"], moments["ll"] = moments["l"] @ left, moments["ll"] @ left2
        moments["s"] = left.mT @ moments["s"] @ right
        moments["ss"] = left2.mT @ moments["ss"] @ right2

    def core_after(self, moved: Moved, moments: Moments, *, count: int) -> Tensor:
        """Return Adam's direction for S from (delta U1)^T (x V1)."""
        return self._core(moved.deltau.mT @ moved.xv, moments, count)

    def _core(self, gradient: Tensor, moments: Moments, count: int) -> Tensor:
        _blend(moments, "s", gradient, self._settings)
        return _normalised(moments["s"], moments["ss"], self._settings, count=count)


def _blend(moments: Moments, name: str, gradient: Tensor, settings: StepSettings) -> None:
    moments[name].lerp_(gradient, 1 - settings.momentum)
    moments[name * 2].mul_(settings.second_decay).addcmul_(
        gradient, gradient, value=1 - settings.second_decay
    )


def _normalised(first: Tensor, second: Tensor, settings: StepSettings, *, count: int) -> Tensor:
    """Return m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)."""
    root = second.div(1 - settings.second_decay**count).sqrt_().add_(settings.epsilon)
    return first / root.mul_(1 - settings.momentum**count)


def choose_rule(settings: StepSettings) -> CoreRule | FactorRule:
    """Return the rule of `settings.optimiser` for orthonormal factors."""
    beta = settings.momentum
    match settings.optimiser:
        case "sgd":
            return CoreRule(settings, keep=0.0, take=1.0, scalar=False)
        case "core-momentum":
            return CoreRule(settings, keep=beta, take=1.0, scalar=False)
        case "adam-scalar":
            return CoreRule(settings, keep=beta, take=1.0 - beta, scalar=True)
        case "momentum":
            return TangentMomentum(settings)
        case "adam-elementwise":
            return FactorAdam(settings, columnwise=False)
        case _:
            return FactorAdam(settings, columnwise=True)
