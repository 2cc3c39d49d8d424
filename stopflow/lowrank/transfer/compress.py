"""Smaller networks from trained ones: truncation with a rank chosen for each layer (ARSVD).

The rank follows from the singular values: the smallest that keeps a part of their energy (sum of
squares) or of their entropy (arXiv:2504.20078: H = -sum p log p, p = sigma / sum sigma). The
data-aware form takes the singular values of W X^T instead of W's, X being the layer's inputs: the
truncation W <- P P^T W with P its leading left singular vectors has the smallest error in the
outputs of any matrix of that rank.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, cast

import torch
from torch import Tensor, nn

from stopflow.errors import SettingsError
from stopflow.lowrank.arguments import describe
from stopflow.lowrank.integrators.truncate import rank_for_tail
from stopflow.lowrank.layer.dense import DenseLayer
from stopflow.lowrank.layer.lowrank import LowRankLayer
from stopflow.lowrank.network import LayerSpec, Network
from stopflow.lowrank.settings import require_real
from stopflow.lowrank.transfer.lora import require_merged

Criterion = Literal["energy", "entropy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressedLayer:
    """One line of the table: what became of a layer, and why if nothing did."""

    layer: int
    type: str
    rank_before: int
    rank_after: int
    parameters_before: int
    parameters_after: int
    kept: float
    note: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compressed:
    """The smaller network and the table of its layers."""

    network: Network
    layers: tuple[CompressedLayer, ...]


def rank_for_energy(sigma: Tensor, part: float) -> int:
    """Return the smallest rank whose sum of squares is at least `part` of the whole."""
    require_real("energy", part, low=0.0, high=1.0)
    return rank_for_tail(sigma, math.sqrt(1.0 - part))


def rank_for_entropy(sigma: Tensor, part: float) -> int:
    """Return the smallest rank k with -sum_{i<=k} p_i log p_i >= part H, p = sigma / sum sigma."""
    require_real("entropy", part, low=0.0, high=1.0)
    p = sigma.double() / sigma.double().sum()
    entropy = torch.special.entr(p).cumsum(0)
    return 1 + int((entropy < part * entropy[-1]).sum())


RANK_RULES = {"energy": rank_for_energy, "entropy": rank_for_entropy}


def compress(
    network: Network,
    part: float,
    *,
    criterion: Criterion = "energy",
    inputs: Tensor | None = None,
) -> Compressed:
    """Truncate every layer that becomes smaller by it.

    Parameters
    ----------
    network
        Trained network; not changed.
    part
        What to keep of energy or entropy, between 0 and 1.
    criterion
        A key of `RANK_RULES`.
    inputs
        Rows (N, n) for the data-aware form; each layer is judged on what it sees in the
        network as it was.

    Returns
    -------
    Compressed
        Dense layers become ``dlrt`` ones of the chosen rank where U, S and V hold fewer values;
        layers kept as they are say why.

    Raises
    ------
    SettingsError
        A `part` or `criterion` that there is not, a network with additions (see `merge`), or
        `inputs` that are not finite rows of the network's width and dtype.
    """
    if criterion not in RANK_RULES:
        raise SettingsError("criterion", criterion, valid=RANK_RULES)
    require_real(criterion, part, low=0.0, high=1.0)
    require_merged(network)
    if inputs is not None:
        _require_inputs(inputs, network)
    layers: list[nn.Module] = []
    specs: list[LayerSpec] = []
    lines: list[CompressedLayer] = []
    seen = inputs
    with torch.no_grad():
        for i, (layer, spec) in enumerate(zip(network.layers, network.specs, strict=True)):
            cut = _cut(layer, part, RANK_RULES[criterion], seen)
            layers.append(cut.layer)
            after = cut.layer.rank if isinstance(cut.layer, LowRankLayer) else None
            kind = "dlrt" if isinstance(layer, DenseLayer) and after else spec.type
            specs.append(replace(spec, type=kind, rank=after))
            lines.append(_line(i, spec.type, layer, cut))
            if seen is not None:
                seen = network.activations[i].forward(layer(seen))
    smaller = Network(network.n_inputs, layers, specs)
    return Compressed(network=smaller, layers=tuple(lines))


def _require_inputs(inputs: Tensor, network: Network) -> None:
    width, dtype = network.n_inputs, next(network.parameters()).dtype
    fits = isinstance(inputs, Tensor) and inputs.shape[1:] == (width,)
    if not fits or inputs.dtype != dtype or not len(inputs) or not bool(inputs.isfinite().all()):
        valid = f"a tensor of finite rows (N, {width}), {dtype}"
        raise SettingsError("inputs", describe(inputs), valid=valid)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Cut:
    layer: nn.Module
    kept: float = 1.0
    note: str = ""


def _cut(
    layer: nn.Module, part: float, choose: Callable[[Tensor, float], int], seen: Tensor | None
) -> _Cut:
    """Return a copy of the layer, truncated where that makes it smaller."""
    if not isinstance(layer, DenseLayer | LowRankLayer):
        return _Cut(layer=copy.deepcopy(layer), note="kept: no matrix to truncate")
    left, core, right = _factors(layer)
    p, sigma, qt = torch.linalg.svd(core, full_matrices=False)
    if seen is not None:
        outputs = (seen.double() @ right) @ core.mT
        _, sigma, pt = torch.linalg.svd(outputs, full_matrices=False)
        p, qt = pt.mT, pt @ core
    rank = choose(sigma, part)
    kept, whole = (float(values.square().sum()) for values in (sigma[:rank], sigma))
    rows, columns = left.shape[0], right.shape[0]
    before = sum(parameter.numel() for parameter in layer.parameters())
    after = rank * (rows + columns + rank) + rows
    if after >= before:
        note = f"kept: rank {rank} would hold {after} values, not fewer than {before}"
        return _Cut(layer=copy.deepcopy(layer), note=note)
    if seen is None:
        u, s, v = left @ p[:, :rank], torch.diag(sigma[:rank]), right @ qt[:rank].mT
    else:
        q, r = torch.linalg.qr(qt[:rank].mT)
        u, s, v = left @ p[:, :rank], r.mT, right @ q
    new = LowRankLayer(columns, rows, 1, gain=1.0, fan_in=layer.fan_in, generator=torch.Generator())
    new.bias.data = layer.bias.data.clone()
    new.set_factors(*(matrix.to(layer.bias.dtype) for matrix in (u, s, v)))
    return _Cut(layer=new, kept=kept / whole if whole else 1.0)


def _factors(layer: DenseLayer | LowRankLayer) -> tuple[Tensor, Tensor, Tensor]:
    """Return W = left core right^T with orthonormal left and right, float64."""
    if isinstance(layer, DenseLayer):
        right, r = torch.linalg.qr(layer.weight.double().mT)
        identity = torch.eye(layer.weight.shape[0], dtype=r.dtype, device=r.device)
        return identity, r.mT, right
    left, left_r = torch.linalg.qr(layer.U.double())
    right, right_r = torch.linalg.qr(layer.V.double())
    return left, left_r @ layer.S.double() @ right_r.mT, right


def _rank(layer: nn.Module) -> int:
    if isinstance(layer, DenseLayer):
        return min(layer.weight.shape)
    return cast(int, layer.rank)


def _line(i: int, kind: str, layer: nn.Module, cut: _Cut) -> CompressedLayer:
    return CompressedLayer(
        layer=i,
        type=kind,
        rank_before=_rank(layer),
        rank_after=_rank(cut.layer),
        parameters_before=sum(parameter.numel() for parameter in layer.parameters()),
        parameters_after=sum(parameter.numel() for parameter in cut.layer.parameters()),
        kept=cut.kept,
        note=cut.note,
    )
