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
    ) -> tuple[Bases, float]:
        """Return directions A_K and A_L and the factor that both are still to be multiplied by."""

    def core(
        self, layer: LowRankLayer, tape: Tape, along: Bases, moments: Moments, *, count: int
    ) -> tuple[Tensor, float]:
        """Return A_S and its factor in the old bases, to move S before the bases turn."""

    def follow(self, old: Bases, tape: Tape, moved: Moved, moments: Moments) -> None:
        """Carry the moments into the new bases."""

    def core_after(self, moved: Moved, moments: Moments, *, count: int) -> tuple[Tensor, float]:
        """Return A_S and its factor in the new bases, to move S after the bases turned."""


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
    ) -> tuple[Bases, float]:
        """Return momentum M V + G V and its counterpart for L."""
        del layer, count
        along_k = torch.addmm(moments["k"], tape.delta.T, tape.xv, beta=self._momentum)
        along_l = torch.addmm(moments["l"], tape.x.T, tape.deltau, beta=self._momentum)
        return (along_k, along_l), 1.0

    def core(
        self, layer: LowRankLayer, tape: Tape, along: Bases, moments: Moments, *, count: int
    ) -> tuple[Tensor, float]:
        """Return U^T (momentum M + G) V."""
        del tape, moments, count
        return layer.U.T @ along[0], 1.0

    def follow(self, old: Bases, tape: Tape, moved: Moved, moments: Moments) -> None:
        """Project momentum M + G on the new tangent space."""
        (u, v), k, ell = old, moments["k"], moments["l"]
        left, right = moved.left, moved.right
        core = u.mT @ k
        new_k = k @ right + u @ (ell.mT @ moved.v - core @ right)
        new_l = ell @ left + v @ (k.mT @ moved.u - core.mT @ left)
        moments["k"] = torch.addmm(new_k, tape.delta.mT, moved.xv, beta=self._momentum)
        moments["l"] = torch.addmm(new_l, tape.x.mT, moved.deltau, beta=self._momentum)

    def core_after(self, moved: Moved, moments: Moments, *, count: int) -> tuple[Tensor, float]:
        """Return U1^T (momentum M + G) V1."""
        del count
        return moved.u.T @ moments["k"], 1.0


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
    ) -> tuple[Bases, float]:
        """Return Adam's directions for K and L."""
        gradient_k = torch.mm(tape.delta.T, tape.xv)
        gradient_l = torch.mm(tape.x.T, tape.deltau)
        if self._columnwise:
            square_l = torch.linalg.vector_norm(gradient_l, dim=0).square_().div_(layer.fan_in)
        else:
            square_l = gradient_l.square()
        along_k = self._blend(moments, "k", gradient_k, gradient_k.square(), count)
        along_l = self._blend(moments, "l", gradient_l, square_l, count)
        size = float(torch.linalg.matrix_norm(layer.S)) / math.sqrt(layer.rank)
        return (along_k, along_l), size * self._factor(count)

    def core(
        self, layer: LowRankLayer, tape: Tape, along: Bases, moments: Moments, *, count: int
    ) -> tuple[Tensor, float]:
        """Return Adam's direction for S from C = D^T P."""
        del layer, along
        gradient = torch.mm(tape.deltau.T, tape.xv)
        return self._blend(moments, "s", gradient, gradient.square(), count), self._factor(count)

    def follow(self, old: Bases, tape: Tape, moved: Moved, moments: Moments) -> None:
        """Turn all moments with the bases."""
        del old, tape
        left, right = moved.left, moved.right
        left2, right2 = left.square(), right.square()
        moments["k"], moments["kk"] = moments["k"] @ right, moments["kk"] @ right2
        moments["l"], moments["ll"] = moments["l"] @ left, moments["ll"] @ left2
        moments["s"] = torch.linalg.multi_dot([left.T, moments["s"], right])
        moments["ss"] = torch.linalg.multi_dot([left2.T, moments["ss"], right2])

    def core_after(self, moved: Moved, moments: Moments, *, count: int) -> tuple[Tensor, float]:
        """Return Adam's direction for S from (delta U1)^T (x V1)."""
        gradient = torch.mm(moved.deltau.T, moved.xv)
        return self._blend(moments, "s", gradient, gradient.square(), count), self._factor(count)

    def _blend(
        self, moments: Moments, name: str, gradient: Tensor, square: Tensor, count: int
    ) -> Tensor:
        """Average gradient and square into the moments; return m / (sqrt(v) + epsilon_t).

        With `_factor` this is Adam's m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon).
        """
        settings = self._settings
        first = moments[name].lerp_(gradient, 1 - settings.momentum)
        second = moments[name * 2].lerp_(square, 1 - settings.second_decay)
        epsilon = settings.epsilon * math.sqrt(1 - settings.second_decay**count)
        return first / second.sqrt().add_(epsilon)

    def _factor(self, count: int) -> float:
        settings = self._settings
        return math.sqrt(1 - settings.second_decay**count) / (1 - settings.momentum**count)


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
