"""One forward and backward through a network, and the check that all of it is finite."""

from collections.abc import Sequence
from math import isfinite, nan, sqrt

import torch
from torch import Tensor

from stopflow.lowrank.activations import Activation
from stopflow.lowrank.forward_cache import ForwardCache
from stopflow.lowrank.layer.protocol import Layer
from stopflow.lowrank.losses import Loss, value_and_gradient
from stopflow.lowrank.status import StepFailure, StepStatus


def sweep(
    layers: Sequence[Layer],
    activations: Sequence[Activation],
    inputs: Tensor,
    targets: Tensor,
    *,
    loss: Loss,
    gram: Tensor | None,
    clip: float | None,
) -> tuple[float, list[ForwardCache]]:
    """Return the loss and the forward cache of each layer, its gradient shortened to `clip`.

    Outputs and gradients are looked at in every layer, since bounded activations hide what is not
    finite before them, and a `StepFailure` names the first layer where one is not finite or its
    square would not be. Therefore the moments of an optimiser stay finite.
    """
    caches: list[ForwardCache] = []
    kept: list[Tensor] = []
    sizes = [_size_of(inputs, gram)]
    x = inputs
    for layer, activation in zip(layers, activations, strict=True):
        z, cache = layer.run(x)
        sizes.append(torch.linalg.vector_norm(z))
        x, needed = activation.cached(z)
        caches.append(cache)
        kept.append(needed)
    caches[0].gram = gram
    largest = 1e-4 * sqrt(torch.finfo(inputs.dtype).max)
    norms = torch.stack(sizes).tolist()
    if gram is not None and norms[0] < largest and not norms[1] < largest:
        norms[0] = float(torch.linalg.vector_norm(inputs))  # to blame the inputs, if it is them
    _require_below(norms[:1], largest, StepStatus.INPUTS, nan)
    _require_below(norms[1:], largest, StepStatus.OUTPUTS, nan)
    value, grad = value_and_gradient(loss, x, targets)
    number = float(value)
    if not isfinite(number):
        raise StepFailure(StepStatus.LOSS, None, loss=number)
    for i in reversed(range(len(caches))):
        caches[i].delta = activations[i].backward(grad, kept[i])
        layers[i].complete(caches[i])
        if i > 0:
            grad = layers[i].input_gradient(caches[i])
    steep = torch.stack([torch.linalg.vector_norm(cache.delta) for cache in caches]).tolist()
    _require_below(steep, largest, StepStatus.GRADIENT, number)
    if clip is not None:
        _clip(caches, clip, number)
    else:
        least = [sqrt(cache.x.numel()) for cache in caches]  # a sigmoid's outputs may be larger
        products = [d * max(n, m) for d, n, m in zip(steep, norms[:-1], least, strict=True)]
        _require_below(products, largest, StepStatus.GRADIENT, number)
    return number, caches


def _size_of(inputs: Tensor, gram: Tensor | None) -> Tensor:
    """Return ||x||, or from x x^T a number that is not below it."""
    if gram is None:
        return torch.linalg.vector_norm(inputs)
    return torch.linalg.vector_norm(gram).mul_(sqrt(len(gram))).sqrt_()


def _require_below(
    values: Sequence[float], largest: float, status: StepStatus, loss: float
) -> None:
    for i, value in enumerate(values):
        if not value < largest:
            raise StepFailure(status, None if status is StepStatus.INPUTS else i, loss=loss)


def _clip(caches: Sequence[ForwardCache], clip: float, loss: float) -> None:
    """Shorten the gradient to `clip`."""
    squares = [cache.gradient_norm_squared() for cache in caches]
    squares += [cache.delta.sum(dim=0).double().square().sum() for cache in caches]
    parts = torch.stack(squares).tolist()
    norm = sqrt(sum(parts)) if all(map(isfinite, parts)) else nan
    if not isfinite(norm):
        worst = next((i for i, part in enumerate(parts) if not isfinite(part)), None)
        raise StepFailure(
            StepStatus.GRADIENT, None if worst is None else worst % len(caches), loss=loss
        )
    if norm > clip:
        for cache in caches:
            cache.delta = cache.delta * (clip / norm)
            cache.deltau = cache.deltau * (clip / norm)
