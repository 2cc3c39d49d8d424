"""What a caller hands over: tensors of the right shape and type, or an error that names them."""

import torch
from torch import Tensor

from stopflow.errors import SettingsError


def describe(value: object) -> str:
    """Say what something is: its type, with shape and dtype where it has them."""
    words = [type(value).__name__]
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        words += [str(tuple(value.shape)), str(value.dtype)]
    return " ".join(words)


def require_rows(rows: Tensor, *, width: int, dtype: torch.dtype) -> Tensor:
    """Return input rows (N, width), N at least 1; raise a `SettingsError` for anything else."""
    fits = isinstance(rows, Tensor) and rows.ndim == 2 and rows.shape[1] == width
    if not fits or rows.dtype != dtype:
        valid = f"a tensor of shape (batch, {width}), {dtype}"
        raise SettingsError("inputs", describe(rows), valid=valid)
    if not len(rows):
        raise SettingsError("inputs", "0 rows", valid="at least one row")
    return rows


def require_generator(generator: torch.Generator) -> None:
    """Raise a `SettingsError` unless it is a torch generator."""
    if not isinstance(generator, torch.Generator):
        raise SettingsError("generator", generator, valid="torch.Generator().manual_seed(SEED)")
