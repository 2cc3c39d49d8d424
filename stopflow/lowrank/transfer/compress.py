"""Smaller networks from trained ones: truncation with a rank chosen for each layer (ARSVD).

The rank is given, or it follows from the singular values: the smallest that keeps a part of their
energy (sum of squares) or of their entropy (arXiv:2504.20078: H = -sum p log p,
p = sigma / sum sigma). The data-aware form takes the singular values of W X^T instead of those of
W, X being the layer's inputs: the truncation W <- P P^T W with P its leading left singular vectors
has the smallest error in the outputs of any matrix of that rank.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, cast

import torch
from torch import Tensor

from stopflow.errors import SettingsError, require_key
from stopflow.lowrank.arguments import describe, require_count, require_real
from stopflow.lowrank.decompositions import thin_svd
from stopflow.lowrank.integrators.truncate import rank_for_tail
from stopflow.lowrank.layer.lowrank import LowRankLayer
from stopflow.lowrank.layer.protocol import Layer
from stopflow.lowrank.network import LayerSpec, Network, count_parameters, require_finite
from stopflow.lowrank.transfer.lora import require_merged

Criterion = Literal["energy", "entropy"]

TRUNCATED = "dlrt"
"""What a layer without a rank becomes."""


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


RANK_RULES: dict[str, Callable[..., int]] = {"energy": rank_for_energy, "entropy": rank_for_entropy}


def compress(
    network: Network,
    part: float | None = None,
    *,
    criterion: Criterion = "energy",
    rank: int | None = None,
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
    rank
        One rank for all layers, in place of `part`; lower ones stay.
    inputs
        Rows (N, n) for the data-aware form; each layer is judged on what it sees in the
        network as it was.

    Returns
    -------
    Compressed
        Layers without a rank of their own become ``dlrt`` ones of the chosen rank where U, S and V
        hold fewer values; layers kept as they are say why.

    Raises
    ------
    SettingsError
        A `part`, `criterion` or `rank` that there is not, both of `part` and `rank` or neither, a
        network with additions (see `merge`), or `inputs` that are not finite rows of the network's
        width and dtype.
    """
    choose = _rank_choice(part, criterion, rank)
    require_merged(network)
    require_finite(network)
    if inputs is not None:
        _require_inputs(inputs, network)
    layers: list[Layer] = []
    specs: list[LayerSpec] = []
    lines: list[CompressedLayer] = []
    seen = inputs
    with torch.no_grad():
        for i, (layer, spec) in enumerate(zip(network.chain, network.specs, strict=True)):
            cut = _cut(layer, choose, seen)
            layers.append(cut.layer)
            if not cut.note:
                kind = spec.type if network.families[i].ranked else TRUNCATED
                spec = replace(spec, type=kind, rank=cut.layer.rank)
            specs.append(spec)
            lines.append(_line(i, network.specs[i].type, layer, cut))
            if seen is not None:
                seen = network.activations[i].forward(layer(seen))
    smaller = Network(network.n_inputs, layers, specs)
    return Compressed(network=smaller, layers=tuple(lines))


def _rank_choice(
    part: float | None, criterion: Criterion, rank: int | None
) -> Callable[[Tensor], int]:
    """Return what chooses a rank for singular values."""
    require_key("criterion", criterion, RANK_RULES)
    if rank is not None:
        if part is not None:
            raise SettingsError("rank", rank, valid=f"either a rank or a part of the {criterion}")
        fixed = require_count("rank", rank, low=1)
        return lambda sigma: min(fixed, len(sigma))
    require_real(criterion, part, low=0.0, high=1.0)
    return partial(RANK_RULES[criterion], part=cast(float, part))


def _require_inputs(inputs: Tensor, network: Network) -> None:
    width, dtype = network.n_inputs, next(network.parameters()).dtype
    fits = isinstance(inputs, Tensor) and inputs.shape[1:] == (width,)
    if not fits or inputs.dtype != dtype or not len(inputs) or not bool(inputs.isfinite().all()):
        valid = f"a tensor of finite rows (N, {width}), {dtype}"
        raise SettingsError("inputs", describe(inputs), valid=valid)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Cut:
    layer: Layer
    kept: float = 1.0
    note: str = ""


def _cut(layer: Layer, choose: Callable[[Tensor], int], seen: Tensor | None) -> _Cut:
    """Return a copy of the layer, truncated where that makes it smaller."""
    left, core, right = layer.factors()
    p, sigma, qt = thin_svd(core)
    if seen is not None:
        outputs = (seen.double() @ right) @ core.mT
        _, sigma, pt = thin_svd(outputs)
        p, qt = pt.mT, pt @ core
    rank = choose(sigma)
    kept, whole = (float(values.square().sum()) for values in (sigma[:rank], sigma))
    rows, columns = left.shape[0], right.shape[0]
    before = count_parameters(layer)
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
    bias: Tensor = layer.bias.data  # type: ignore[assignment]
    new.bias.data = bias.clone()
    new.set_factors(*(matrix.to(bias.dtype) for matrix in (u, s, v)))
    return _Cut(layer=new, kept=kept / whole if whole else 1.0)


def _line(i: int, kind: str, layer: Layer, cut: _Cut) -> CompressedLayer:
    return CompressedLayer(
        layer=i,
        type=kind,
        rank_before=_rank(layer),
        rank_after=_rank(cut.layer),
        parameters_before=count_parameters(layer),
        parameters_after=count_parameters(cut.layer),
        kept=cut.kept,
        note=cut.note,
    )


def _rank(layer: Layer) -> int:
    return min(layer.factors()[1].shape) if layer.rank is None else layer.rank
