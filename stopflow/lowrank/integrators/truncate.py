"""How many singular values to keep, and the truncated factors."""

import torch
from torch import Tensor

from stopflow.lowrank.arguments import require_real
from stopflow.lowrank.decompositions import thin_svd


def rank_for_tail(sigma: Tensor, theta: float) -> int:
    """Return min{ j : ||sigma_j+1..||_2 <= theta ||sigma||_2 }, at least 1.

    `sigma` is descending; the tail includes the last value.
    """
    require_real("theta", theta, low=0.0, high=1.0)
    tails = sigma.double().square().flip(0).cumsum(0).sqrt().flip(0)
    return max(1, int((tails > theta * tails[0]).sum()))


def truncated_core(
    core: Tensor, *, theta: float, lowest: int, highest: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return P, diag(sigma), Q of the truncated SVD, so that core = P diag(sigma) Q^T up to it.

    The bases turn as U <- U P and V <- V Q, columns of Q (torch returns their transpose).
    """
    left, sigma, right_t = thin_svd(core)
    rank = min(max(rank_for_tail(sigma, theta), lowest), highest, len(sigma))
    return left[:, :rank], torch.diag(sigma[:rank]), right_t[:rank].mT
