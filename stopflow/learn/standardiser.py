"""Columns of rows brought to mean 0 and scale 1."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stopflow.features import Rows
from stopflow.trace import FloatArray, frozen_array

ROWS_AT_ONCE: Final = 8
"""Rows whose differences from the mean are in memory together, in float64."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standardiser:
    """Column mean and scale of the training rows; a column that never changes becomes 0."""

    mean: FloatArray
    scale: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", frozen_array(self.mean))
        object.__setattr__(self, "scale", frozen_array(self.scale))
        if self.mean.shape != self.scale.shape or self.mean.ndim != 1:
            raise ValueError(f"mean {self.mean.shape} and scale {self.scale.shape} must match")

    @classmethod
    def fit(cls, rows: ArrayLike, *, chosen: NDArray[np.intp] | None = None) -> Self:
        """Learn from (N, n) training rows, and from these alone; from the `chosen` of them."""
        values = np.asarray(rows)
        places = np.arange(len(values)) if chosen is None else chosen
        parts = [places[i : i + ROWS_AT_ONCE] for i in range(0, len(places), ROWS_AT_ONCE)]
        mean, squares = np.zeros((2, values.shape[1]))
        for part in parts:
            mean += values[part].sum(axis=0, dtype=np.float64)
        mean /= len(places)
        for part in parts:
            away = values[part] - mean
            squares += np.einsum("ij,ij->j", away, away)
        spread = np.sqrt(squares / len(places))
        rounding = 1e-6 * np.maximum(np.abs(mean), 1e-12)
        return cls(mean=mean, scale=np.where(spread > rounding, spread, np.inf))

    @classmethod
    def identity(cls, n_inputs: int) -> Self:
        """Leave rows as they are."""
        return cls(mean=np.zeros(n_inputs), scale=np.ones(n_inputs))

    def apply(self, rows: ArrayLike) -> Rows:
        """(N, n) rows -> standardised float32 rows; constant columns are exactly 0."""
        values = np.asarray(rows, dtype=np.float32)
        shifted = values - self.mean.astype(np.float32)
        shifted *= (1.0 / self.scale).astype(np.float32)
        return shifted

    def to_dict(self) -> dict[str, FloatArray]:
        """Arrays to save: mean and scale (infinite for a constant column)."""
        return {"mean": self.mean, "scale": self.scale}
