"""Adam on K, L and S, its moments carried along when the bases turn.

In the form without a name of its own the bases turn along the gradient itself, each column of it
over the root of its mean square so far: A_K = delta^T P diag(c_K), A_L = x^T D diag(c_L). What
Adam remembers of the gradient moves S only. So no direction is ever formed, a step costs little
more than plain descent, and turning the input space turns the step (exact in row space).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from stopflow.lowrank.bases import Bases, Moved
from stopflow.lowrank.factors import LowRankLayer
from stopflow.lowrank.memory import stacked
from stopflow.lowrank.moments import Moments
from stopflow.lowrank.settings import StepSettings
from stopflow.lowrank.tape import Tape

CORE, TURNING = 2.0, 0.3
"""Parts of the learning rate by which S changes and by which U and V turn, beside the whole of it
for biases and dense layers; the best of ten pairs on held-out experiments of a lab made for that.
"""


class ElementAdam:
    """A second moment for every element of K, L and S.

    The directions of K = U S and L = V S^T carry the size of S, its root mean square singular
    value, so that a learning rate turns U and V by the same angle whatever that size is.
    """

    def __init__(self, settings: StepSettings) -> None:
        self._settings = settings

    def start(self, layer: LowRankLayer) -> Moments:
        """Return moments of zero."""
        like = {"k": layer.U, "l": layer.V, "s": layer.S}
        like |= {"kk": layer.U, "ll": layer.V, "ss": layer.S}
        return {name: torch.zeros_like(value).detach() for name, value in like.items()}

    def directions(
        self,
        layers: Sequence[LowRankLayer],
        tapes: Sequence[Tape],
        moments: Sequence[Moments],
        *,
        count: int,
    ) -> tuple[list[Bases], float | Tensor]:
        """Return Adam's directions for K and L."""
        of_k = [torch.mm(tape.delta.T, tape.xv) for tape in tapes]
        of_l = [torch.mm(tape.x.T, tape.deltau) for tape in tapes]
        along_k = self._average([(kept["k"], kept["kk"]) for kept in moments], of_k, count)
        along_l = self._average([(kept["l"], kept["ll"]) for kept in moments], of_l, count)
        factor = self._factor(count) * _sizes([layer.S.data for layer in layers])
        return list(zip(along_k, along_l, strict=True)), factor

    def core(
        self, layer: LowRankLayer, tape: Tape, along: Bases, moments: Moments, *, count: int
    ) -> Tensor:
        """Return Adam's direction for S from C = D^T P."""
        del layer, along
        gradient = torch.mm(tape.deltau.T, tape.xv)
        (found,) = self._average([(moments["s"], moments["ss"])], [gradient], count)
        return found.mul_(self._factor(count))

    def follow(
        self,
        old: Sequence[Bases],
        tapes: Sequence[Tape],
        moved: Moved,
        moments: Sequence[Moments],
    ) -> None:
        """Turn all moments with the bases."""
        del old, tapes
        for left, right, kept in zip(moved.left, moved.right, moments, strict=True):
            kept["k"], kept["kk"] = kept["k"] @ right, kept["kk"] @ right.square()
            kept["l"], kept["ll"] = kept["l"] @ left, kept["ll"] @ left.square()
            kept["s"] = left.mT @ kept["s"] @ right
            kept["ss"] = left.square().mT @ kept["ss"] @ right.square()

    def core_after(self, moved: Moved, moments: Sequence[Moments], *, count: int) -> Tensor:
        """Return Adam's direction for S from (delta U1)^T (x V1)."""
        gradients = list(torch.bmm(moved.deltau.mT, moved.xv).unbind())
        pairs = [(kept["s"], kept["ss"]) for kept in moments]
        return torch.stack(self._average(pairs, gradients, count)).mul_(self._factor(count))

    def _average(
        self, pairs: Sequence[tuple[Tensor, Tensor]], gradients: list[Tensor], count: int
    ) -> list[Tensor]:
        """Average gradients and squares into (first, second) moments; m / (sqrt(v) + epsilon_t).

        With `_factor` this is Adam's m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon).
        """
        decay = self._settings.second_decay
        firsts, seconds = [first for first, _ in pairs], [second for _, second in pairs]
        torch._foreach_lerp_(firsts, gradients, 1 - self._settings.momentum)
        torch._foreach_mul_(seconds, decay)
        torch._foreach_addcmul_(seconds, gradients, gradients, 1 - decay)
        roots = torch._foreach_sqrt(seconds)
        torch._foreach_add_(roots, self._epsilon(count))
        return list(torch._foreach_div(firsts, list(roots)))

    def _epsilon(self, count: int) -> float:
        return self._settings.epsilon * math.sqrt(1 - self._settings.second_decay**count)

    def _factor(self, count: int) -> float:
        settings = self._settings
        return math.sqrt(1 - settings.second_decay**count) / (1 - settings.momentum**count)


class ColumnAdam(ElementAdam):
    """A second moment for every column of K and L and one for S; a first moment of S alone.

    The direction of S carries its size too, so that a learning rate changes singular values by the
    same share whatever they are; no more than the size at the start, or noise in proportion to S
    would make S grow exponentially.
    """

    def start(self, layer: LowRankLayer) -> Moments:
        """Return moments of zero."""
        zeros, rank = layer.S.detach().new_zeros, layer.rank
        return {
            "s": zeros(rank, rank),
            "kk": zeros(rank),
            "ll": zeros(rank),
            "ss": zeros(()),
            "size": _sizes([layer.S.detach()]).view(()),
        }

    def turning(self, count: int) -> float:
        """Return what gradients with rescaled columns are to be multiplied by."""
        return TURNING * math.sqrt(1 - self._settings.second_decay**count)

    def columns(
        self,
        layers: Sequence[LowRankLayer],
        moments: Sequence[Moments],
        squares: Tensor,
        *,
        count: int,
    ) -> Tensor:
        """Return the factors c of the columns of every K, then of every L, (2 layers, r).

        A column larger than what is remembered of it counts as remembered, or one odd batch would
        turn the bases out of sight.

        Parameters
        ----------
        squares
            Squared norms of the columns of delta^T P and of x^T D, (2 layers, r).
        """
        rows = [layer.U.shape[0] for layer in layers] + [layer.fan_in for layer in layers]
        means = squares.clamp_min(0.0) / squares.new_tensor(rows).unsqueeze(1)
        before = stacked([kept[name] for name in ("kk", "ll") for kept in moments])
        after = before.lerp(means, 1 - self._settings.second_decay)
        _put(moments, ("kk", "ll"), after)
        known = 1 - self._settings.second_decay**count
        roots = torch.maximum(after, means.mul_(known)).sqrt_().add_(self._epsilon(count))
        sizes = _sizes_within([layer.S.data for layer in layers], moments).view(-1, 1)
        return torch.cat([sizes, sizes]) / roots

    def directions(
        self,
        layers: Sequence[LowRankLayer],
        tapes: Sequence[Tape],
        moments: Sequence[Moments],
        *,
        count: int,
    ) -> tuple[list[Bases], float | Tensor]:
        """Return the directions A_K and A_L themselves, and what they are to be multiplied by."""
        of_k = [torch.mm(tape.delta.T, tape.xv) for tape in tapes]
        of_l = [torch.mm(tape.x.T, tape.deltau) for tape in tapes]
        squares = torch.stack([gradient.square().sum(dim=0) for gradient in (*of_k, *of_l)])
        scales = self.columns(layers, moments, squares, count=count)
        along = [gradient.mul_(c) for gradient, c in zip((*of_k, *of_l), scales, strict=True)]
        pairs = list(zip(along[: len(layers)], along[len(layers) :], strict=True))
        return pairs, self.turning(count)

    def core(
        self, layer: LowRankLayer, tape: Tape, along: Bases, moments: Moments, *, count: int
    ) -> Tensor:
        """Return Adam's direction for S from C = D^T P."""
        del along
        gradients = torch.mm(tape.deltau.T, tape.xv).unsqueeze(0)
        sizes = _sizes_within([layer.S.data], [moments])
        return self._core(gradients, sizes, [moments], count)[0]

    def follow(
        self,
        old: Sequence[Bases],
        tapes: Sequence[Tape],
        moved: Moved,
        moments: Sequence[Moments],
    ) -> None:
        """Turn all moments with the bases."""
        del old, tapes
        firsts = stacked([kept["s"] for kept in moments])
        _put(moments, ("s",), torch.bmm(torch.bmm(moved.left.mT, firsts), moved.right))
        seconds = stacked([kept[name] for name in ("kk", "ll") for kept in moments]).unsqueeze(1)
        squares = torch.cat([moved.right, moved.left]).square_()
        _put(moments, ("kk", "ll"), torch.bmm(seconds, squares).squeeze(1))

    def core_after(self, moved: Moved, moments: Sequence[Moments], *, count: int) -> Tensor:
        """Return Adam's direction for S from (delta U1)^T (x V1)."""
        gradients = torch.bmm(moved.deltau.mT, moved.xv)
        sizes = _sizes_within(moved.core.unbind(), moments)
        return self._core(gradients, sizes, moments, count)

    def _core(
        self, gradients: Tensor, sizes: Tensor, moments: Sequence[Moments], count: int
    ) -> Tensor:
        """Average gradients of S and their mean squares; size m / (sqrt(v) + epsilon_t)."""
        settings = self._settings
        means = torch.linalg.vector_norm(gradients, dim=(1, 2)).square_().div_(gradients[0].numel())
        firsts = stacked([kept["s"] for kept in moments]).lerp(gradients, 1 - settings.momentum)
        seconds = stacked([kept["ss"] for kept in moments]).lerp(means, 1 - settings.second_decay)
        _put(moments, ("s",), firsts)
        _put(moments, ("ss",), seconds)
        roots = (seconds.sqrt() + self._epsilon(count)).view(-1, 1, 1)
        return firsts * (sizes * (CORE * self._factor(count)) / roots)


def _put(moments: Sequence[Moments], names: Sequence[str], values: Tensor) -> None:
    """Hand out stacked values, those of all layers for one name after the other."""
    places = [(kept, name) for name in names for kept in moments]
    for (kept, name), value in zip(places, values.unbind(), strict=True):
        kept[name] = value


def _sizes(cores: Sequence[Tensor]) -> Tensor:
    """Return the root mean square singular values of g matrices (r, r), (g, 1, 1)."""
    norms = torch.linalg.vector_norm(stacked(cores), dim=(1, 2), keepdim=True)
    return norms / math.sqrt(cores[0].shape[0])


def _sizes_within(cores: Sequence[Tensor], moments: Sequence[Moments]) -> Tensor:
    """Return the sizes, each at most what it was at the start, (g, 1, 1)."""
    first = torch.stack([kept["size"] for kept in moments]).view(-1, 1, 1)
    return torch.minimum(_sizes(cores), first)
