"""What an optimiser remembers of the factors, and how it is carried to the new bases.

Two kinds. A *core rule* keeps only an r x r moment in the coordinates of (U, V); its K and L
directions are gradients, so a step touches the long matrices as rarely as plain descent does. A
*factor rule* keeps moments of K, L and S. When the bases turn by M = U^T U1 and N = V^T V1, first
moments turn along (m_K N, m_L M, M^T m_S N); second moments, being diagonal covariances, turn with
the squared entries (v_K (N.N), ...), which keeps them non-negative.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from stopflow.lowrank.bases import Moved
from stopflow.lowrank.factors import LowRankLayer
from stopflow.lowrank.settings import StepSettings
from stopflow.lowrank.tape import Tape

Moments = dict[str, Tensor]
Bases = tuple[Tensor, Tensor]
SIDES = ("left", "right")
TURNING = 0.5
"""Of the three from 1/4 to 1 the best on held-out experiments of a lab made for that alone."""


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
    """Directions for K, L and S from remembered moments of each, for layers of equal rank."""

    def start(self, layer: LowRankLayer) -> Moments:
        """Return moments of zero."""

    def directions(
        self,
        layers: Sequence[LowRankLayer],
        tapes: Sequence[Tape],
        moments: Sequence[Moments],
        *,
        count: int,
    ) -> tuple[list[Bases], list[float]]:
        """Return directions A_K and A_L and the factor that both are still to be multiplied by."""

    def core(
        self, layer: LowRankLayer, tape: Tape, along: Bases, moments: Moments, *, count: int
    ) -> tuple[Tensor, float]:
        """Return A_S and its factor in the old bases, to move S before the bases turn."""

    def follow(
        self,
        old: Sequence[Bases],
        tapes: Sequence[Tape],
        moved: Sequence[Moved],
        moments: Sequence[Moments],
    ) -> None:
        """Carry the moments into the new bases."""

    def core_after(
        self, moved: Sequence[Moved], moments: Sequence[Moments], *, count: int
    ) -> tuple[list[Tensor], list[float]]:
        """Return A_S and its factors in the new bases, to move S after the bases turned."""


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
        self,
        layers: Sequence[LowRankLayer],
        tapes: Sequence[Tape],
        moments: Sequence[Moments],
        *,
        count: int,
    ) -> tuple[list[Bases], list[float]]:
        """Return momentum M V + G V and its counterpart for L."""
        del count
        beta = self._momentum
        along = [
            (
                torch.addmm(kept["k"], tape.delta.T, tape.xv, beta=beta),
                torch.addmm(kept["l"], tape.x.T, tape.deltau, beta=beta),
            )
            for tape, kept in zip(tapes, moments, strict=True)
        ]
        return along, [1.0] * len(layers)

    def core(
        self, layer: LowRankLayer, tape: Tape, along: Bases, moments: Moments, *, count: int
    ) -> tuple[Tensor, float]:
        """Return U^T (momentum M + G) V."""
        del tape, moments, count
        return layer.U.T @ along[0], 1.0

    def follow(
        self,
        old: Sequence[Bases],
        tapes: Sequence[Tape],
        moved: Sequence[Moved],
        moments: Sequence[Moments],
    ) -> None:
        """Project momentum M + G on the new tangent space."""
        for (u, v), tape, to, kept in zip(old, tapes, moved, moments, strict=True):
            k, ell = kept["k"], kept["l"]
            core = u.mT @ k
            new_k = k @ to.right + u @ (ell.mT @ to.v - core @ to.right)
            new_l = ell @ to.left + v @ (k.mT @ to.u - core.mT @ to.left)
            kept["k"] = torch.addmm(new_k, tape.delta.mT, to.xv, beta=self._momentum)
            kept["l"] = torch.addmm(new_l, tape.x.mT, to.deltau, beta=self._momentum)

    def core_after(
        self, moved: Sequence[Moved], moments: Sequence[Moments], *, count: int
    ) -> tuple[list[Tensor], list[float]]:
        """Return U1^T (momentum M + G) V1."""
        del count
        cores = [torch.mm(to.u.T, kept["k"]) for to, kept in zip(moved, moments, strict=True)]
        return cores, [1.0] * len(cores)


class FactorAdam:
    """Adam on K, L and S with carried moments.

    The directions of K = U S and L = V S^T carry the size of S, its root mean square singular
    value, so that a learning rate turns U and V by the same angle whatever that size is.

    Parameters
    ----------
    columnwise
        The second moment of L is one number a column (the mean square of the column), so that
        turning the input space turns the step: exact in row space.
    turning
        Part of the learning rate by which the bases turn.
    sized
        Whether the direction of S carries its size too; then a learning rate changes singular
        values by the same share whatever they are.
    """

    def __init__(
        self, settings: StepSettings, *, columnwise: bool, turning: float, sized: bool
    ) -> None:
        self._settings, self._columnwise = settings, columnwise
        self._turning, self._sized = turning, sized

    def start(self, layer: LowRankLayer) -> Moments:
        """Return moments of zero."""
        moments = {"k": layer.U, "l": layer.V, "s": layer.S, "kk": layer.U, "ss": layer.S}
        zeros = {name: torch.zeros_like(value).detach() for name, value in moments.items()}
        column = layer.S.detach().new_zeros(layer.rank)
        return zeros | {"ll": column if self._columnwise else torch.zeros_like(zeros["l"])}

    def directions(
        self,
        layers: Sequence[LowRankLayer],
        tapes: Sequence[Tape],
        moments: Sequence[Moments],
        *,
        count: int,
    ) -> tuple[list[Bases], list[float]]:
        """Return Adam's directions for K and L."""
        of_k = [torch.mm(tape.delta.T, tape.xv) for tape in tapes]
        of_l = [torch.mm(tape.x.T, tape.deltau) for tape in tapes]
        along_k = self._blend([(kept["k"], kept["kk"]) for kept in moments], of_k, count)
        pairs_l = [(kept["l"], kept["ll"]) for kept in moments]
        if self._columnwise:
            means = [
                gradient.square().sum(dim=0).div_(layer.fan_in)
                for layer, gradient in zip(layers, of_l, strict=True)
            ]
            along_l = self._blend(pairs_l, of_l, count, squares=means)
        else:
            along_l = self._blend(pairs_l, of_l, count)
        along = list(zip(along_k, along_l, strict=True))
        factor = self._turning * self._factor(count)
        return along, [size * factor for size in _sizes([layer.S.data for layer in layers])]

    def core(
        self, layer: LowRankLayer, tape: Tape, along: Bases, moments: Moments, *, count: int
    ) -> tuple[Tensor, float]:
        """Return Adam's direction for S from C = D^T P."""
        del along
        gradient = torch.mm(tape.deltau.T, tape.xv)
        (found,) = self._blend([(moments["s"], moments["ss"])], [gradient], count)
        (factor,) = self._core_factors([layer.S.data], count)
        return found, factor

    def follow(
        self,
        old: Sequence[Bases],
        tapes: Sequence[Tape],
        moved: Sequence[Moved],
        moments: Sequence[Moments],
    ) -> None:
        """Turn all moments with the bases."""
        del old, tapes
        left, right = (torch.stack([getattr(to, side) for to in moved]) for side in SIDES)
        left, right = torch.cat([left, left.square()]), torch.cat([right, right.square()])
        cores = torch.stack([kept[name] for name in ("s", "ss") for kept in moments])
        cores = torch.bmm(torch.bmm(left.mT, cores), right)
        lefts, rights, turned, count = left.unbind(), right.unbind(), cores.unbind(), len(moved)
        for i, kept in enumerate(moments):
            kept["k"], kept["kk"] = kept["k"] @ rights[i], kept["kk"] @ rights[i + count]
            kept["l"], kept["ll"] = kept["l"] @ lefts[i], kept["ll"] @ lefts[i + count]
            kept["s"], kept["ss"] = turned[i], turned[i + count]

    def core_after(
        self, moved: Sequence[Moved], moments: Sequence[Moments], *, count: int
    ) -> tuple[list[Tensor], list[float]]:
        """Return Adam's direction for S from (delta U1)^T (x V1)."""
        gradients = [torch.mm(to.deltau.T, to.xv) for to in moved]
        pairs = [(kept["s"], kept["ss"]) for kept in moments]
        factors = self._core_factors([to.core for to in moved], count)
        return self._blend(pairs, gradients, count), factors

    def _core_factors(self, cores: list[Tensor], count: int) -> list[float]:
        factor = self._factor(count)
        if not self._sized:
            return [factor] * len(cores)
        return [size * factor for size in _sizes(cores)]

    def _blend(
        self,
        pairs: Sequence[tuple[Tensor, Tensor]],
        gradients: list[Tensor],
        count: int,
        *,
        squares: list[Tensor] | None = None,
    ) -> list[Tensor]:
        """Average gradients and squares into (first, second) moments; m / (sqrt(v) + epsilon_t).

        With `_factor` this is Adam's m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon).
        """
        settings, rate = self._settings, 1 - self._settings.second_decay
        firsts, seconds = [first for first, _ in pairs], [second for _, second in pairs]
        torch._foreach_lerp_(firsts, gradients, 1 - settings.momentum)
        if squares is None:
            torch._foreach_mul_(seconds, settings.second_decay)
            torch._foreach_addcmul_(seconds, gradients, gradients, rate)
        else:
            torch._foreach_lerp_(seconds, squares, rate)
        roots = torch._foreach_sqrt(seconds)
        torch._foreach_add_(roots, settings.epsilon * math.sqrt(1 - settings.second_decay**count))
        return list(torch._foreach_div(firsts, list(roots)))

    def _factor(self, count: int) -> float:
        settings = self._settings
        return math.sqrt(1 - settings.second_decay**count) / (1 - settings.momentum**count)


def _sizes(cores: list[Tensor]) -> list[float]:
    """Return the root mean square singular values of (r, r) matrices."""
    norms = torch.stack(torch._foreach_norm(cores)).tolist()
    return [norm / math.sqrt(len(core)) for norm, core in zip(norms, cores, strict=True)]


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
            return FactorAdam(settings, columnwise=False, turning=1.0, sized=False)
        case _:
            return FactorAdam(settings, columnwise=True, turning=TURNING, sized=True)
