"""What a caller hands over: tensors of the right shape and type, or an error that names them."""

import math
from numbers import Integral, Real

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


def require_count(name: str, value: object, *, low: int, high: int | None = None) -> int:
    """Return `value`; raise a `SettingsError` unless it is a whole number in [low, high]."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    number = int(value) if whole else low - 1  # type: ignore[call-overload]
    if number < low or (high is not None and number > high):
        valid = f"a whole number from {low}" + ("" if high is None else f" to {high}")
        raise SettingsError(name, value, valid=valid)
    return number


def require_real(
    name: str, value: object, *, low: float, high: float = math.inf, closed_low: bool = False
) -> None:
    """Raise a `SettingsError` unless `value` is a number between `low` and `high`."""
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    inside = low <= number if closed_low else low < number
    if not inside or not number < high:
        valid = f"a number {'from' if closed_low else 'above'} {low:g}"
        valid += "" if high == math.inf else f" and below {high:g}"
        raise SettingsError(name, value, valid=valid)
