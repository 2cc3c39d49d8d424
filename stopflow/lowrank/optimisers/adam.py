"""Adam, Muon and the optimisers of single elements on K, L and S, their moments transported.

First moments are transported with the bases, second moments, being diagonal covariances, with the
squared entries (v_K (N.N), ...), which keeps them non-negative.

The column rules move the bases along the gradient itself, each column of it over the root of its
mean square so far: A_K = delta^T P diag(c_K), A_L = x^T D diag(c_L). What they remember of the
gradient moves S only. So no direction is ever formed, a step costs little more than plain descent,
and a rotation of the input space rotates the step (exact in row space).
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import final

import torch
from torch import Tensor

from stopflow.lowrank.hyperparameters import Hyperparameters
from stopflow.lowrank.layer.lowrank import LowRankLayer
from stopflow.lowrank.optimisers.basis_update import (
    Bases,
    BasisUpdate,
    LayerGroup,
    Moments,
    UpdatedBases,
)
from stopflow.lowrank.optimisers.moments import MomentRule, directions_of_gradients
from stopflow.lowrank.optimisers.second_moment import SecondMoment


@final
class ElementRule(MomentRule):
    """A second moment for every element of K, L and S: Adam, RMSprop and AdaGrad.

    The directions of K = U S and L = V S^T carry the size of S, its root mean square singular
    value, so that a learning rate turns U and V by the same angle whatever that size is; at
    least the machine's epsilon.
    """

    def __init__(self, settings: Hyperparameters, *, second: SecondMoment, momentum: float) -> None:
        self._settings, self._second, self._momentum = settings, second, momentum

    def start(self, layer: LowRankLayer) -> Moments:
        """Return moments of zero."""
        like = {"kk": layer.U, "ll": layer.V, "ss": layer.S}
        if self._momentum:
            like |= {"k": layer.U, "l": layer.V, "s": layer.S}
        return {name: torch.zeros_like(value).detach() for name, value in like.items()}

    def set_direction(self, update: BasisUpdate, group: LayerGroup, *, formed: bool) -> None:
        """Set the directions for K and L and their step."""
        del formed
        of_k, of_l = directions_of_gradients(group.caches)
        pairs = self._averaged(group, "k", of_k), self._averaged(group, "l", of_l)
        update.directions = list(zip(*pairs, strict=True))
        update.core_direction = partial(self._core_before, group)
        least = torch.finfo(group.cores.dtype).eps
        sizes = _sizes(group.cores).clamp_min(least)
        update.step = sizes * (update.step * self._factor(group.count))

    def transport(self, group: LayerGroup, old: Sequence[Bases], updated: UpdatedBases) -> None:
        """Transport all moments with the bases."""
        del old
        for left, right, stored in zip(updated.left, updated.right, group.moments, strict=True):
            stored["kk"] = stored["kk"] @ right.square()
            stored["ll"] = stored["ll"] @ left.square()
            stored["ss"] = left.square().mT @ stored["ss"] @ right.square()
            if self._momentum:
                stored["k"], stored["l"] = stored["k"] @ right, stored["l"] @ left
                stored["s"] = left.mT @ stored["s"] @ right

    def core_after(self, group: LayerGroup, updated: UpdatedBases) -> Tensor:
        """Return the direction for S from (delta U1)^T (x V1)."""
        return self._core(group, list(torch.bmm(updated.deltau.mT, updated.xv).unbind()))

    def _core_before(self, group: LayerGroup) -> Tensor:
        """Return the direction for S from C = D^T P."""
        return self._core(group, list(_core_gradients(group).unbind()))

    def _core(self, group: LayerGroup, gradients: list[Tensor]) -> Tensor:
        found = torch.stack(self._averaged(group, "s", gradients))
        return found.mul_(self._factor(group.count))

    def _averaged(self, group: LayerGroup, name: str, gradients: list[Tensor]) -> list[Tensor]:
        """Average gradients and their squares, in place; return m / (sqrt(v) + epsilon_t)."""
        epsilon = self._second.epsilon(self._settings, group.count)
        found = []
        for stored, gradient in zip(group.moments, gradients, strict=True):
            squares = stored[2 * name]
            self._second.average(squares, gradient, self._settings)
            first = gradient
            if self._momentum:
                first = stored[name].lerp_(gradient, 1 - self._momentum)
            found.append(first / squares.sqrt().add_(epsilon))
        return found

    def _factor(self, count: int) -> float:
        return self._second.factor(self._settings, count) / (1 - self._momentum**count)


class ColumnRule(MomentRule):
    """A second moment for every column of K and L; a first moment of S alone.

    All directions carry the size of S, its root mean square singular value, so that a learning
    rate means the same angle, and the same share of singular values, whatever that size is; no
    more than the size at the start, or noise in proportion to S would make S grow exponentially.
    S = 0 stays 0.

    Parameters
    ----------
    core_share, basis_share
        Parts of the learning rate by which S changes and by which U and V are rotated, beside the
        whole of it for biases and dense layers; the best of ten pairs on held-out experiments of a
        lab made for that.
    """

    def __init__(
        self,
        settings: Hyperparameters,
        *,
        second: SecondMoment,
        core_share: float,
        basis_share: float,
    ) -> None:
        self._settings, self._second = settings, second
        self._core_share, self._basis_share = core_share, basis_share

    @abstractmethod
    def _core_moments(self, layer: LowRankLayer) -> Moments:
        """Return the moments of S beside the first, zero."""

    @abstractmethod
    def _unit(self, group: LayerGroup, firsts: Tensor, gradients: Tensor) -> Tensor:
        """Return the direction of S from its first moments, of unit size."""

    @final
    def start(self, layer: LowRankLayer) -> Moments:
        """Return moments of zero."""
        zeros, rank = layer.S.detach().new_zeros, layer.rank
        return {
            "s": zeros(rank, rank),
            "kk": zeros(rank),
            "ll": zeros(rank),
            "size": _sizes(layer.S.detach().unsqueeze(0)).view(()),
        } | self._core_moments(layer)

    @final
    def set_direction(self, update: BasisUpdate, group: LayerGroup, *, formed: bool) -> None:
        """Set what rescales the columns of gradients, or the rescaled gradients; and their step."""
        rescale = partial(self._columns, group)
        if formed:
            of_k, of_l = directions_of_gradients(group.caches)
            squares = torch.stack([gradient.square().sum(dim=0) for gradient in (*of_k, *of_l)])
            scales = rescale(squares)
            scaled = [a * scale for a, scale in zip((*of_k, *of_l), scales, strict=True)]
            update.directions = list(zip(scaled[: len(of_k)], scaled[len(of_k) :], strict=True))
            update.core_direction = partial(self._core_before, group)
        else:
            update.rescale_columns = rescale
        known = self._second.factor(self._settings, group.count)
        update.step = update.step * (self._basis_share * known)

    def _columns(self, group: LayerGroup, squares: Tensor) -> Tensor:
        """Return the factors c of the columns of every K, then of every L, (2 layers, r).

        A column larger than what is remembered of it counts as remembered, or one odd batch would
        rotate the bases out of sight.

        Parameters
        ----------
        squares
            Squared norms of the columns of delta^T P and of x^T D, (2 layers, r), not negative.
        """
        rows = [layer.U.shape[0] for layer in group.layers]
        rows += [layer.fan_in for layer in group.layers]
        means = squares / squares.new_tensor(rows).unsqueeze(1)
        after = group.stacked("kk", "ll").lerp_(means, 1 - self._settings.second_decay)
        group.store(["kk", "ll"], after)
        known = self._second.factor(self._settings, group.count) ** 2
        roots = torch.maximum(after, means.mul_(known)).sqrt_()
        sizes = _sizes_within(group.cores, group).squeeze(1)
        epsilon = self._second.epsilon(self._settings, group.count)
        return torch.cat([sizes, sizes]) / roots.add_(epsilon)

    @final
    def transport(self, group: LayerGroup, old: Sequence[Bases], updated: UpdatedBases) -> None:
        """Transport all moments with the bases."""
        del old
        firsts = torch.bmm(torch.bmm(updated.left.mT, group.stacked("s")), updated.right)
        group.store(["s"], firsts)
        squares = torch.cat([updated.right, updated.left]).square_()
        seconds = torch.bmm(group.stacked("kk", "ll").unsqueeze(1), squares)
        group.store(["kk", "ll"], seconds.squeeze(1))

    @final
    def core_after(self, group: LayerGroup, updated: UpdatedBases) -> Tensor:
        """Return the direction for S from (delta U1)^T (x V1)."""
        return self._core(group, updated.core, torch.bmm(updated.deltau.mT, updated.xv))

    def _core_before(self, group: LayerGroup) -> Tensor:
        """Return the direction for S from C = D^T P."""
        return self._core(group, group.cores, _core_gradients(group))

    def _core(self, group: LayerGroup, cores: Tensor, gradients: Tensor) -> Tensor:
        """Average gradients of S; return the direction of its size."""
        firsts = group.stacked("s").lerp_(gradients, 1 - self._settings.momentum)
        group.store(["s"], firsts)
        unit = self._unit(group, firsts, gradients)
        return unit * (_sizes_within(cores, group) * self._core_share)


@final
class ColumnAdam(ColumnRule):
    """Adam for S with one second moment, the mean square of its gradient."""

    def _core_moments(self, layer: LowRankLayer) -> Moments:
        return {"ss": layer.S.detach().new_zeros(())}

    def _unit(self, group: LayerGroup, firsts: Tensor, gradients: Tensor) -> Tensor:
        """Return m / (sqrt(v) + epsilon_t), v an average of the mean squares of S's gradients."""
        means = torch.linalg.vector_norm(gradients, dim=(1, 2)).square_().div_(gradients[0].numel())
        seconds = group.stacked("ss").lerp_(means, 1 - self._settings.second_decay)
        group.store(["ss"], seconds)
        epsilon = self._second.epsilon(self._settings, group.count)
        roots = (seconds.sqrt() + epsilon).view(-1, 1, 1)
        factor = self._second.factor(self._settings, group.count)
        return firsts * (factor / (1 - self._settings.momentum**group.count) / roots)


def _core_gradients(group: LayerGroup) -> Tensor:
    """Return C = D^T P of each layer."""
    return torch.stack([torch.mm(cache.deltau.T, cache.xv) for cache in group.caches])


def _sizes(cores: Tensor) -> Tensor:
    """Return the root mean square singular values of g matrices (g, r, r), (g, 1, 1)."""
    norms = torch.linalg.vector_norm(cores, dim=(1, 2), keepdim=True)
    return norms / math.sqrt(cores.shape[1])


def _sizes_within(cores: Tensor, group: LayerGroup) -> Tensor:
    """Return the sizes, each at most what it was at the start, (g, 1, 1)."""
    return torch.minimum(_sizes(cores), group.stacked("size").view(-1, 1, 1))
