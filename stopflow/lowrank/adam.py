"""Adam on K, L and S, its moments carried along when the bases turn.

First moments turn along with the bases, second moments, being diagonal covariances, with the
squared entries (v_K (N.N), ...), which keeps them non-negative.

`ColumnAdam` turns the bases along the gradient itself, each column of it over the root of its mean
square so far: A_K = delta^T P diag(c_K), A_L = x^T D diag(c_L). What it remembers of the gradient
moves S only. So no direction is ever formed, a step costs little more than plain descent, and
turning the input space turns the step (exact in row space).
"""

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from stopflow.lowrank.bases import Bases, Moved, Push
from stopflow.lowrank.factors import LowRankLayer
from stopflow.lowrank.moments import Moments, directions_of_gradients
from stopflow.lowrank.settings import StepSettings
from stopflow.lowrank.stacks import stacked
from stopflow.lowrank.tape import Tape

CORE, TURNING = 2.0, 0.3
"""Parts of the learning rate by which S changes and by which U and V turn, beside the whole of it
for biases and dense layers; the best of ten pairs on held-out experiments of a lab made for that.
"""


class _Adam:
    """What both forms share: the corrections for a short past."""

    def __init__(self, settings: StepSettings) -> None:
        self._settings = settings

    def _known(self, count: int) -> float:
        """Return the part of a second moment that is not the zero it started from."""
        return 1 - self._settings.second_decay**count

    def _epsilon(self, count: int) -> float:
        return self._settings.epsilon * math.sqrt(self._known(count))

    def _factor(self, count: int) -> float:
        """Return what makes m / (sqrt(v) + epsilon_t) the step of Adam.

        That is m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon).
        """
        return math.sqrt(self._known(count)) / (1 - self._settings.momentum**count)


class ElementAdam(_Adam):
    """A second moment for every element of K, L and S.

    The directions of K = U S and L = V S^T carry the size of S, its root mean square singular
    value, so that a learning rate turns U and V by the same angle whatever that size is.
    """

    def start(self, layer: LowRankLayer) -> Moments:
        """Return moments of zero."""
        like = {"k": layer.U, "l": layer.V, "s": layer.S}
        like |= {"kk": layer.U, "ll": layer.V, "ss": layer.S}
        return {name: torch.zeros_like(value).detach() for name, value in like.items()}

    def aim(
        self,
        push: Push,
        layers: Sequence[LowRankLayer],
        moments: Sequence[Moments],
        *,
        count: int,
        formed: bool,
    ) -> None:
        """Set Adam's directions for K and L and their step."""
        del formed
        of_k, of_l = directions_of_gradients(push.tapes)
        along_k = self._average([(kept["k"], kept["kk"]) for kept in moments], of_k, count)
        along_l = self._average([(kept["l"], kept["ll"]) for kept in moments], of_l, count)
        push.along = list(zip(along_k, along_l, strict=True))
        sizes = _sizes(stacked([layer.S.data for layer in layers]))
        push.step = sizes * (push.step * self._factor(count))

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
        """Average gradients and squares into (first, second) moments; m / (sqrt(v) + epsilon_t)."""
        decay = self._settings.second_decay
        firsts, seconds = [first for first, _ in pairs], [second for _, second in pairs]
        torch._foreach_lerp_(firsts, gradients, 1 - self._settings.momentum)
        torch._foreach_mul_(seconds, decay)
        torch._foreach_addcmul_(seconds, gradients, gradients, 1 - decay)
        roots = torch._foreach_sqrt(seconds)
        torch._foreach_add_(roots, self._epsilon(count))
        return list(torch._foreach_div(firsts, list(roots)))


class ColumnAdam(_Adam):
    """A second moment for every column of K and L and one for S; a first moment of S alone.

    All directions carry the size of S, its root mean square singular value, so that a learning
    rate means the same angle, and the same share of singular values, whatever that size is; no
    more than the size at the start, or noise in proportion to S would make S grow exponentially.
    """

    def start(self, layer: LowRankLayer) -> Moments:
        """Return moments of zero."""
        zeros, rank = layer.S.detach().new_zeros, layer.rank
        return {
            "s": zeros(rank, rank),
            "kk": zeros(rank),
            "ll": zeros(rank),
            "ss": zeros(()),
            "size": _sizes(layer.S.detach().unsqueeze(0)).view(()),
        }

    def aim(
        self,
        push: Push,
        layers: Sequence[LowRankLayer],
        moments: Sequence[Moments],
        *,
        count: int,
        formed: bool,
    ) -> None:
        """Set what rescales the columns of gradients, or the rescaled gradients; and their step."""
        rescale = partial(self._columns, layers, moments, count=count)
        if formed:
            of_k, of_l = directions_of_gradients(push.tapes)
            squares = torch.stack([gradient.square().sum(dim=0) for gradient in (*of_k, *of_l)])
            scaled = torch._foreach_mul((*of_k, *of_l), list(rescale(squares).unbind()))
            push.along = list(zip(scaled[: len(of_k)], scaled[len(of_k) :], strict=True))
        else:
            push.columns = rescale
        push.step = push.step * (TURNING * math.sqrt(self._known(count)))

    def _columns(
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
        roots = torch.maximum(after, means.mul_(self._known(count))).sqrt_()
        sizes = _sizes_within(stacked([layer.S.data for layer in layers]), moments).squeeze(1)
        return torch.cat([sizes, sizes]) / roots.add_(self._epsilon(count))

    def core(
        self, layer: LowRankLayer, tape: Tape, along: Bases, moments: Moments, *, count: int
    ) -> Tensor:
        """Return Adam's direction for S from C = D^T P."""
        del along
        gradient = torch.mm(tape.deltau.T, tape.xv)
        return self._core(layer.S.data[None], gradient[None], [moments], count)[0]

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
        return self._core(moved.core, torch.bmm(moved.deltau.mT, moved.xv), moments, count)

    def _core(
        self, cores: Tensor, gradients: Tensor, moments: Sequence[Moments], count: int
    ) -> Tensor:
        """Average gradients of S and their mean squares; size m / (sqrt(v) + epsilon_t)."""
        settings = self._settings
        means = torch.linalg.vector_norm(gradients, dim=(1, 2)).square_().div_(gradients[0].numel())
        firsts = stacked([kept["s"] for kept in moments]).lerp(gradients, 1 - settings.momentum)
        seconds = stacked([kept["ss"] for kept in moments]).lerp(means, 1 - settings.second_decay)
        _put(moments, ("s",), firsts)
        _put(moments, ("ss",), seconds)
        roots = (seconds.sqrt() + self._epsilon(count)).view(-1, 1, 1)
        return firsts * (_sizes_within(cores, moments) * (CORE * self._factor(count)) / roots)


def _put(moments: Sequence[Moments], names: Sequence[str], values: Tensor) -> None:
    """Hand out stacked values, those of all layers for one name after the other."""
    places = [(kept, name) for name in names for kept in moments]
    for (kept, name), value in zip(places, values.unbind(), strict=True):
        kept[name] = value


def _sizes(cores: Tensor) -> Tensor:
    """Return the root mean square singular values of g matrices (g, r, r), (g, 1, 1)."""
    norms = torch.linalg.vector_norm(cores, dim=(1, 2), keepdim=True)
    return norms / math.sqrt(cores.shape[1])


def _sizes_within(cores: Tensor, moments: Sequence[Moments]) -> Tensor:
    """Return the sizes, each at most what it was at the start, (g, 1, 1)."""
    first = torch.stack([kept["size"] for kept in moments]).view(-1, 1, 1)
    return torch.minimum(_sizes(cores), first)
