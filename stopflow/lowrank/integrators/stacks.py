"""Stacks of small tensors that are views where the parts lie one after another already.

A step on 50 x 50 matrices spends more on gathering them than on multiplying them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def stacked(parts: Sequence[Tensor]) -> Tensor:
    """Return the parts, of one shape, along a new first dimension; a view of them if it can be."""
    first = parts[0]
    start, size = first.data_ptr(), first.numel() * first.element_size()
    memory = first.untyped_storage().data_ptr()
    if all(
        part.is_contiguous()
        and part.data_ptr() - start == i * size
        and part.untyped_storage().data_ptr() == memory
        for i, part in enumerate(parts)
    ):
        return first.as_strided((len(parts), *first.shape), (first.numel(), *first.stride()))
    return torch.stack(list(parts))
