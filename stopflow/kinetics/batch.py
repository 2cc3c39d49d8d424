"""Fit many traces recorded on one time grid."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.fit_result import Fit
from stopflow.kinetics.models import RateLaw, Tie
from stopflow.trace import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchFit:
    """Fits of a batch; ``batch[i]`` is the `Fit` of trace i."""

    fits: tuple[Fit, ...]

    def __len__(self) -> int:
        return len(self.fits)

    def __getitem__(self, index: int) -> Fit:
        return self.fits[index]

    def __iter__(self) -> Iterator[Fit]:
        return iter(self.fits)

    @property
    def k_per_s(self) -> FloatArray:
        """(B,) rate constants, NaN where refused."""
        return np.array([fit.k_per_s for fit in self.fits])

    @property
    def ok(self) -> FloatArray:
        """(B,) True where there are numbers."""
        return np.array([fit.ok for fit in self.fits])


def fit_batch(
    time_s: ArrayLike,
    signals: ArrayLike,
    *,
    law: str | RateLaw = "single-slope",
    start_s: float | None = None,
    fixed: Mapping[str, float | Tie] | None = None,
) -> BatchFit:
    """Fit every row of `signals` (B, N) on the times (N,)."""
    return BatchFit(
        fits=tuple(
            fit_trace(time_s, row, law=law, start_s=start_s, fixed=fixed)
            for row in np.asarray(signals)
        )
    )
