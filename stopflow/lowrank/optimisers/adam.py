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

from stopflow.lowrank.integrators.bases import Bases, Moved, Push
from stopflow.lowrank.layer.lowrank import LowRankLayer
from stopflow.lowrank.optimisers.moments import Group, Moments, directions_of_gradients
from stopflow.lowrank.settings import StepSettings


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
    value, so that a learning rate turns U and V by the same angle whatever that size is; at
    least the machine's epsilon.
    """

    def start(self, layer: LowRankLayer) -> Moments:
        """Return moments of zero."""
        like = {"k": layer.U, "l": layer.V, "s": layer.S}
        like |= {"kk": layer.U, "ll": layer.V, "ss": layer.S}
        return {name: torch.zeros_like(value).detach() for name, value in like.items()}

    def aim(self, push: Push, group: Group, *, formed: bool) -> None:
        """Set Adam's directions for K and L and their step."""
        del formed
        of_k, of_l = directions_of_gradients(group.tapes)
        along = self._average(group, "k", of_k), self._average(group, "l", of_l)
        push.along = list(zip(*along, strict=True))
        least = torch.finfo(group.layers[0].S.dtype).eps
        sizes = _sizes(group.cores).clamp_min(least)
        push.step = sizes * (push.step * self._factor(group.count))

    def core(self, group: Group, along: Sequence[Bases]) -> Tensor:
        """Return Adam's direction for S from C = D^T P."""
        del along
        return self._core(group, [torch.mm(tape.deltau.T, tape.xv) for tape in group.tapes])

    def follow(self, group: Group, old: Sequence[Bases], moved: Moved) -> None:
        """Turn all moments with the bases."""
        del old
        for left, right, kept in zip(moved.left, moved.right, group.moments, strict=True):
            kept["k"], kept["kk"] = kept["k"] @ right, kept["kk"] @ right.square()
            kept["l"], kept["ll"] = kept["l"] @ left, kept["ll"] @ left.square()
            kept["s"] = left.mT @ kept["s"] @ right
            kept["ss"] = left.square().mT @ kept["ss"] @ right.square()

    def core_after(self, group: Group, moved: Moved) -> Tensor:
        """Return Adam's direction for S from (delta U1)^T (x V1)."""
        return self._core(group, list(torch.bmm(moved.deltau.mT, moved.xv).unbind()))

    def _core(self, group: Group, gradients: list[Tensor]) -> Tensor:
        found = torch.stack(self._average(group, "s", gradients))
        return found.mul_(self._factor(group.count))

    def _average(self, group: Group, name: str, gradients: list[Tensor]) -> list[Tensor]:
        """Average gradients and their squares, in place; return m / (sqrt(v) + epsilon_t)."""
        decay = self._settings.second_decay
        firsts = [kept[name] for kept in group.moments]
        seconds = [kept[2 * name] for kept in group.moments]
        torch._foreach_lerp_(firsts, gradients, 1 - self._settings.momentum)
        torch._foreach_mul_(seconds, decay)
        torch._foreach_addcmul_(seconds, gradients, gradients, 1 - decay)
        roots = torch._foreach_sqrt(seconds)
        torch._foreach_add_(roots, self._epsilon(group.count))
        return list(torch._foreach_div(firsts, list(roots)))


class ColumnAdam(_Adam):
    """A second moment for every column of K and L and one for S; a first moment of S alone.

    All directions carry the size of S, its root mean square singular value, so that a learning
    rate means the same angle, and the same share of singular values, whatever that size is; no
    more than the size at the start, or noise in proportion to S would make S grow exponentially.
    S = 0 stays 0.

    Attributes
    ----------
    core_share, turning_share
        Parts of the learning rate by which S changes and by which U and V turn, beside the whole of
        it for biases and dense layers; the best of ten pairs on held-out experiments of a lab made
        for that.
    """

    core_share, turning_share = 2.0, 0.3

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

    def aim(self, push: Push, group: Group, *, formed: bool) -> None:
        """Set what rescales the columns of gradients, or the rescaled gradients; and their step."""
        rescale = partial(self._columns, group)
        if formed:
            of_k, of_l = directions_of_gradients(group.tapes)
            squares = torch.stack([gradient.square().sum(dim=0) for gradient in (*of_k, *of_l)])
            scaled = torch._foreach_mul((*of_k, *of_l), list(rescale(squares).unbind()))
            push.along = list(zip(scaled[: len(of_k)], scaled[len(of_k) :], strict=True))
        else:
            push.columns = rescale
        push.step = push.step * (self.turning_share * math.sqrt(self._known(group.count)))

    def _columns(self, group: Group, squares: Tensor) -> Tensor:
        """Return the factors c of the columns of every K, then of every L, (2 layers, r).

        A column larger than what is remembered of it counts as remembered, or one odd batch would
        turn the bases out of sight.

        Parameters
        ----------
        squares
            Squared norms of the columns of delta^T P and of x^T D, (2 layers, r).
        """
        rows = [layer.U.shape[0] for layer in group.layers]
        rows += [layer.fan_in for layer in group.layers]
        means = squares / squares.new_tensor(rows).unsqueeze(1)
        after = group.kept("kk", "ll").lerp(means, 1 - self._settings.second_decay)
        group.keep(["kk", "ll"], after)
        roots = torch.maximum(after, means.mul_(self._known(group.count))).sqrt_()
        sizes = _sizes_within(group.cores, group).squeeze(1)
        return torch.cat([sizes, sizes]) / roots.add_(self._epsilon(group.count))

    def core(self, group: Group, along: Sequence[Bases]) -> Tensor:
        """Return Adam's direction for S from C = D^T P."""
        del along
        gradients = torch.stack([torch.mm(tape.deltau.T, tape.xv) for tape in group.tapes])
        return self._core(group, group.cores, gradients)

    def follow(self, group: Group, old: Sequence[Bases], moved: Moved) -> None:
        """Turn all moments with the bases."""
        del old
        firsts = torch.bmm(torch.bmm(moved.left.mT, group.kept("s")), moved.right)
        group.keep(["s"], firsts)
        squares = torch.cat([moved.right, moved.left]).square_()
        seconds = torch.bmm(group.kept("kk", "ll").unsqueeze(1), squares)
        group.keep(["kk", "ll"], seconds.squeeze(1))

    def core_after(self, group: Group, moved: Moved) -> Tensor:
        """Return Adam's direction for S from (delta U1)^T (x V1)."""
        return self._core(group, moved.core, torch.bmm(moved.deltau.mT, moved.xv))

    def _core(self, group: Group, cores: Tensor, gradients: Tensor) -> Tensor:
        """Average gradients of S; return the direction of its size."""
        firsts = group.kept("s").lerp(gradients, 1 - self._settings.momentum)
        group.keep(["s"], firsts)
        unit = self._unit(group, firsts, gradients)
        return unit * (_sizes_within(cores, group) * self.core_share)

    def _unit(self, group: Group, firsts: Tensor, gradients: Tensor) -> Tensor:
        """Return m / (sqrt(v) + epsilon_t), v an average of the mean squares of S's gradients."""
        means = torch.linalg.vector_norm(gradients, dim=(1, 2)).square_().div_(gradients[0].numel())
        seconds = group.kept("ss").lerp(means, 1 - self._settings.second_decay)
        group.keep(["ss"], seconds)
        roots = (seconds.sqrt() + self._epsilon(group.count)).view(-1, 1, 1)
        return firsts * (self._factor(group.count) / roots)


def _sizes(cores: Tensor) -> Tensor:
    """Return the root mean square singular values of g matrices (g, r, r), (g, 1, 1)."""
    norms = torch.linalg.vector_norm(cores, dim=(1, 2), keepdim=True)
    return norms / math.sqrt(cores.shape[1])


def _sizes_within(cores: Tensor, group: Group) -> Tensor:
    """Return the sizes, each at most what it was at the start, (g, 1, 1)."""
    return torch.minimum(_sizes(cores), group.kept("size").view(-1, 1, 1))
