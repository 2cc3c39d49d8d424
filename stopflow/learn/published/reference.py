"""The published implementations, rewritten with their peculiarities: for `stopflow reproduce` only.

Nothing else uses this module. Each switch of `AsPublished` is a way in which the published code
differs from the method that it names; what the project recommends has none of them:

init
    ``"normal"``: weights and biases of dense layers, S and biases of low-rank ones start from
    N(0, 1), whatever the number of inputs.
momentum
    m <- momentum m + (1 - momentum) g for each tensor; when a basis turns or grows, its m stays
    where it was.
clip_each
    The gradient of each tensor is shortened by itself.
tolerance
    Rank-adaptive layers drop each singular value below this share of the largest, instead of a
    tail by its norm.
wrong_turn
    After the truncation S^ = P diag(d) Q^T the right basis is multiplied with the first rows of
    Q instead of its first columns.
projected_k
    The K-step takes dU S (U trained by itself) instead of the gradient G V of the integrator.

Sources: the thesis *Low-Rank Methods in Julia* (2024) for the momentum form; Schotthoefer et al.
2022 (arXiv:2205.13571) and its public code for the Adam form (``optimiser = "adam"``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import nan
from typing import Final, Literal

import torch
from torch import Tensor

from stopflow.errors import require_key
from stopflow.lowrank import published_count
from stopflow.lowrank.decompositions import thin_svd

KINDS: Final = ("dense", "vanilla", "dynamical", "adaptive")
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class AsPublished:
    """A published training run; the switches are those of the module's docstring.

    Attributes
    ----------
    kind
        Of all hidden layers, one of `KINDS`; the output layer is dense.
    rank
        Of low-rank layers; for adaptive ones the largest, and they start at half of it.
    theta
        Rank-adaptive layers drop a tail of this part of the norm; used without `tolerance`.
    frozen_after
        Epochs after which ranks stay as they are; 0: they never freeze.
    """

    kind: str
    hidden: tuple[int, ...]
    learning_rate: float
    epochs: int
    batch_size: int = 64
    rank: int = 20
    optimiser: Literal["sgd", "adam"] = "sgd"
    init: Literal["normal", "scaled"] = "normal"
    momentum: float = 0.0
    clip_each: float | None = None
    tolerance: float | None = None
    theta: float = 0.1
    wrong_turn: bool = True
    projected_k: bool = True
    frozen_after: int = 0
    validation_count: int = 0

    def __post_init__(self) -> None:
        require_key("kind", self.kind, KINDS)


Layer = dict[str, Tensor]
"""W, b of a dense layer; U, S, V, b of a low-rank one."""


class Reference:
    """A network with ReLU between its layers, trained by hand-written gradients.

    Parameters
    ----------
    sizes
        Inputs, hidden widths, classes.
    """

    def __init__(
        self, settings: AsPublished, sizes: Sequence[int], *, generator: torch.Generator
    ) -> None:
        self._settings = settings
        last = len(sizes) - 2
        self.layers = [
            _start_layer(
                "dense" if number == last else settings.kind, (inputs, outputs), settings, generator
            )
            for number, (inputs, outputs) in enumerate(pairwise(sizes))
        ]
        self._moments: list[dict[str, list[Tensor]]] = [{} for _ in self.layers]
        self._steps = 0
        self.frozen = False

    def ranks(self) -> tuple[int, ...]:
        """Return the ranks of the low-rank layers."""
        return tuple(len(layer["S"]) for layer in self.layers if "S" in layer)

    def parameters(self) -> int:
        """Return the values of the model."""
        return sum(value.numel() for layer in self.layers for value in layer.values())

    @torch.inference_mode()
    def outputs(self, rows: Tensor) -> Tensor:
        """Return the logits."""
        return self._forward(rows)[0]

    @torch.inference_mode()
    def step(self, rows: Tensor, labels: Tensor) -> float:
        """Take one step of the published algorithm; returns the loss before it.

        The loss is NaN where a factor could not be decomposed: the training has diverged, and the
        network is not to be stepped again.
        """
        try:
            return self._step(rows, labels)
        except torch.linalg.LinAlgError:
            return nan

    def _step(self, rows: Tensor, labels: Tensor) -> float:
        self._steps += 1
        loss, gradients = self._gradients(rows, labels)
        turned = [self._turn(i, gradient) for i, gradient in enumerate(gradients)]
        if any(turned):
            _, gradients = self._gradients(rows, labels)
        for i, (layer, gradient) in enumerate(zip(self.layers, gradients, strict=True)):
            if turned[i]:
                layer["S"] -= self._moved(i, "S", gradient["S"])
                self._truncate(i)
        return loss

    def _forward(self, rows: Tensor) -> tuple[Tensor, list[Tensor]]:
        seen = [rows]
        for layer in self.layers:
            x = seen[-1] if len(seen) == 1 else seen[-1].relu()
            w = (x @ layer["V"]) @ layer["S"].T @ layer["U"].T if "S" in layer else x @ layer["W"].T
            seen.append(w + layer["b"])
        return seen[-1], seen

    def _gradients(self, rows: Tensor, labels: Tensor) -> tuple[float, list[Layer]]:
        """Return the mean cross-entropy and its derivatives by every tensor."""
        logits, seen = self._forward(rows)
        log_p = torch.log_softmax(logits, dim=1)
        loss = float(-log_p.gather(1, labels[:, None]).mean())
        delta = log_p.exp()
        delta[torch.arange(len(labels)), labels] -= 1.0
        delta /= len(labels)
        found: list[Layer] = []
        for i in reversed(range(len(self.layers))):
            layer = self.layers[i]
            x = seen[i].relu() if i else rows
            if "S" in layer:
                xv, delta_u = x @ layer["V"], delta @ layer["U"]
                gradient = {
                    "U": delta.T @ (xv @ layer["S"].T),
                    "S": delta_u.T @ xv,
                    "V": x.T @ (delta_u @ layer["S"]),
                    "K": delta.T @ xv,
                    "L": x.T @ delta_u,
                }
                back = delta_u @ layer["S"] @ layer["V"].T if i else delta
            else:
                gradient = {"W": delta.T @ x}
                back = delta @ layer["W"] if i else delta
            found.append(gradient | {"b": delta.sum(dim=0)})
            delta = back * (seen[i] > 0) if i else delta
        return loss, found[::-1]

    def _turn(self, i: int, gradient: Layer) -> bool:
        """Move all of a layer; of a dynamical one the bases alone, telling that S is to follow."""
        layer, settings = self.layers[i], self._settings
        layer["b"] -= self._moved(i, "b", gradient["b"])
        if "S" not in layer:
            layer["W"] -= self._moved(i, "W", gradient["W"])
            return False
        if settings.kind == "vanilla":
            for name in ("U", "S", "V"):
                layer[name] -= self._moved(i, name, gradient[name])
            return False
        u, s, v = layer["U"], layer["S"], layer["V"]
        if settings.projected_k:
            k = (u - self._moved(i, "U", gradient["U"])) @ s
            l = (v - self._moved(i, "V", gradient["V"])) @ s.T  # noqa: E741
        else:
            k = u @ s - self._moved(i, "K", gradient["K"])
            l = v @ s.T - self._moved(i, "L", gradient["L"])  # noqa: E741
        if settings.kind == "adaptive" and not self.frozen:
            k, l = torch.cat([k, u], dim=1), torch.cat([l, v], dim=1)  # noqa: E741
        layer["U"], layer["V"] = torch.linalg.qr(k)[0], torch.linalg.qr(l)[0]
        layer["S"] = (layer["U"].T @ u) @ s @ (v.T @ layer["V"])
        return True

    def _truncate(self, i: int) -> None:
        settings, layer = self._settings, self.layers[i]
        if settings.kind != "adaptive" or self.frozen:
            return
        p, d, qt = (part.to(layer["S"].dtype) for part in thin_svd(layer["S"].double()))
        rank = max(2, min(self._kept(d), settings.rank))
        turn = qt[:, :rank] if settings.wrong_turn else qt[:rank].T
        layer["U"], layer["V"] = layer["U"] @ p[:, :rank], layer["V"] @ turn
        layer["S"] = torch.diag(d[:rank])

    def _kept(self, d: Tensor) -> int:
        settings = self._settings
        if settings.tolerance is not None:
            return int((d >= settings.tolerance * d[0]).sum())
        tails = d.square().flip(0).cumsum(0).sqrt().flip(0)
        return int((tails > settings.theta * tails[0]).sum())

    def _moved(self, i: int, name: str, gradient: Tensor) -> Tensor:
        """Return by how much a tensor is moved, with moments that stay where they are."""
        settings = self._settings
        if settings.clip_each is not None:
            norm = float(torch.linalg.vector_norm(gradient))
            gradient = gradient * min(1.0, settings.clip_each / max(norm, 1e-30))
        if settings.optimiser == "sgd" and not settings.momentum:
            return settings.learning_rate * gradient
        kept = self._moments[i].setdefault(name, [])
        kept[:] = [_resized(value, gradient) for value in kept] or [
            torch.zeros_like(gradient) for _ in range(2)
        ]
        first, second = kept
        if settings.optimiser == "sgd":
            first.lerp_(gradient, 1.0 - settings.momentum)
            return settings.learning_rate * first
        first.lerp_(gradient, 1.0 - BETA1)
        second.lerp_(gradient.square(), 1.0 - BETA2)
        root = (second / (1.0 - BETA2**self._steps)).sqrt_().add_(EPSILON)
        return settings.learning_rate * (first / (1.0 - BETA1**self._steps)) / root


def _start_layer(
    kind: str, size: tuple[int, int], settings: AsPublished, generator: torch.Generator
) -> Layer:
    inputs, outputs = size

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    scale = 1.0 if settings.init == "normal" else (2.0 / inputs) ** 0.5
    bias = normal(outputs) if settings.init == "normal" else torch.zeros(outputs)
    if kind == "dense":
        return {"W": scale * normal(outputs, inputs), "b": bias}
    rank = settings.rank // 2 if kind == "adaptive" else settings.rank
    rank = min(rank, inputs, outputs)
    core = normal(rank, rank)
    if settings.init == "scaled":
        core *= (2.0 * outputs / rank**2) ** 0.5
    bases: Callable[[int], Tensor] = lambda n: torch.linalg.qr(normal(n, rank))[0]  # noqa: E731
    return {"U": bases(outputs), "S": core, "V": bases(inputs), "b": bias}


def _resized(value: Tensor, like: Tensor) -> Tensor:
    """Cut a moment, or fill it up with zeros, as the published arrays of fixed size do."""
    if value.shape == like.shape:
        return value
    found = torch.zeros_like(like)
    rows, columns = (min(a, b) for a, b in zip(value.shape, like.shape, strict=True))
    found[:rows, :columns] = value[:rows, :columns]
    return found


def published_values(settings: AsPublished, sizes: Sequence[int]) -> int:
    """Return what the published code stores for the hidden layers.

    With plain descent momenta and old bases have their places whether they are used or not; Adam
    keeps two moments of each value.
    """
    kinds = {"dense": "dense", "vanilla": "vanilla", "dynamical": "dlrt", "adaptive": "dlrt"}
    total = 0
    for inputs, outputs in pairwise(sizes[:-1]):
        rank = settings.rank
        if settings.optimiser == "sgd":
            total += published_count(
                kinds[settings.kind], n_inputs=inputs, n_outputs=outputs, rank=rank
            )
        elif settings.kind == "dense":
            total += 3 * outputs * (inputs + 1)
        else:
            total += 3 * (rank * (inputs + outputs + rank) + outputs)
    return total
