"""Shots side by side in arrays, and the parameters that enter linearly, projected out.

The signal of a shot is ``sum_o r_o [o](t) + offset + drift t``: responses r_o of the observed
species, an offset and, if wanted, a drift for every shot. All of these enter linearly and are
projected out (Golub and Pereyra, SIAM J. Numer. Anal. 10, 413 (1973), 10.1137/0710036). Shots that
share responses make a group. Shorter shots are filled up with points of weight 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stopflow.trace import FloatArray

SEEN = 1e-9
"""A column that is less than this share of the largest one, or of what a concentration that changed
from all to nothing would give, is none: it may be rounding.
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Windows:
    """J shots with at most n points.

    Attributes
    ----------
    mixture
        (J,) number of each shot's mixture.
    rows
        (J, n) place of each point among the common times.
    weight
        (J, n) 1 / noise; 0 where a shot has no further point.
    basis, taken
        (J, n, q) orthonormal, of offset and drift and of what scatters between shots, and the same
        times the share of each that is taken out: 1 of offset and drift.
    signal
        (J, n) weighted, these shares taken out.
    groups
        Numbers of the shots that share responses, group by group.
    whole
        Length of a column of the largest concentration changing from all to nothing.
    full, aligned
        Whether all shots are of the same length, and whether each is its mixture at all times.
    """

    mixture: NDArray[np.intp]
    rows: NDArray[np.intp]
    weight: FloatArray
    basis: FloatArray
    taken: FloatArray
    signal: FloatArray
    groups: tuple[NDArray[np.intp], ...]
    whole: float
    full: bool
    aligned: bool

    @property
    def lengths(self) -> NDArray[np.intp]:
        """Points of each shot: (J,)."""
        return np.asarray((self.weight > 0).sum(axis=1))

    @property
    def bounds(self) -> NDArray[np.intp]:
        """Where each shot begins among all points, and where the last one ends: (J + 1,)."""
        return np.concatenate(([0], np.cumsum(self.lengths)))

    @property
    def members(self) -> list[Any]:
        """What takes each group out of all shots."""
        return [slice(None)] if len(self.groups) == 1 else list(self.groups)

    def spread(self, responses: FloatArray) -> FloatArray:
        """Give each shot the responses (G, o) of its group: (J, o), or (1, o) for all of them."""
        if len(self.groups) == 1:
            return responses
        found = np.zeros((len(self.mixture), responses.shape[1]))
        for row, members in zip(responses, self.groups, strict=True):
            found[members] = row
        return found

    def pick(self, values: FloatArray) -> FloatArray:
        """Give each shot its points of (..., M, times, o): (..., J, n, o)."""
        if self.aligned:
            return values
        return np.asarray(values[..., self.mixture[:, None], self.rows, :])

    def project(self, columns: FloatArray) -> FloatArray:
        """Weight columns (..., J, n, o) and take offset, drift and scatter out of them."""
        weighted = columns * self.weight[..., None]
        return np.asarray(weighted - self.taken @ (self.basis.transpose(0, 2, 1) @ weighted))

    def allow(self, scatter: FloatArray) -> "Windows":
        """Count what shots hold along their scatter as its covariance says, beside the noise.

        Parameters
        ----------
        scatter
            (J, n, m) changes by one standard deviation, without offset and drift.
        """
        left, sizes, _ = np.linalg.svd(scatter, full_matrices=False)
        taken = left * (1 - 1 / np.sqrt(1 + sizes**2))[:, None]
        along = left.transpose(0, 2, 1) @ self.signal[..., None]
        return replace(
            self,
            basis=np.concatenate((self.basis, left), axis=2),
            taken=np.concatenate((self.taken, taken), axis=2),
            signal=self.signal - (taken @ along)[..., 0],
        )

    def flatten(self, values: FloatArray) -> FloatArray:
        """Put the points of (J, n, ...) behind each other: (N, ...)."""
        if self.full:
            return values.reshape(-1, *values.shape[2:])
        return values[self.weight > 0]

    def restore(self, values: FloatArray) -> FloatArray:
        """Put points (N, ...) back side by side: (J, n, ...), 0 where a shot has no further one."""
        found = np.zeros((*self.weight.shape, *values.shape[1:]))
        found[self.weight > 0] = values
        return found


def build_windows(
    *,
    times_s: Sequence[FloatArray],
    signals: Sequence[FloatArray],
    noise_sd: Sequence[float],
    mixture: Sequence[int],
    common_s: FloatArray,
    groups: Sequence[Sequence[int]],
    drift: bool,
    largest_M: float,
) -> Windows:
    """Put shots side by side; `common_s` holds the times of all of them."""
    shape = (len(signals), max(len(signal) for signal in signals))
    rows, weight = np.zeros(shape, dtype=np.intp), np.zeros(shape)
    basis, weighted = np.zeros((*shape, 1 + drift)), np.zeros(shape)
    for number, (own_s, signal, sd) in enumerate(zip(times_s, signals, noise_sd, strict=True)):
        count = len(signal)
        columns = [np.ones(count)]
        if drift:
            columns.append(own_s - own_s.mean())
        rows[number, :count] = np.searchsorted(common_s, own_s)
        weight[number, :count] = 1 / sd
        basis[number, :count] = np.linalg.qr(np.stack(columns, axis=1))[0]
        weighted[number, :count] = signal / sd
    inside = (basis.transpose(0, 2, 1) @ weighted[..., None])[..., 0]
    return Windows(
        mixture=np.array(mixture, dtype=np.intp),
        rows=rows,
        weight=weight,
        basis=basis,
        taken=basis,
        signal=weighted - (basis @ inside[..., None])[..., 0],
        groups=tuple(np.array(members, dtype=np.intp) for members in groups),
        whole=largest_M * float(np.sqrt((weight**2).sum())),
        full=bool((weight > 0).all()),
        aligned=list(mixture) == list(range(len(mixture)))
        and rows.shape[1] == len(common_s)
        and bool((weight > 0).all()),
    )


def solve_columns(
    columns: FloatArray, signal: FloatArray, *, whole: float
) -> tuple[FloatArray, FloatArray]:
    """Orthonormal basis (..., N, o) of the columns that differ, and the signal's coefficients.

    Parameters
    ----------
    columns, signal
        (..., N, o) and (..., N).
    whole
        Length of a column whose concentration changed from all to nothing.
    """
    least = max(SEEN * whole, 1e-300)
    if columns.shape[-1] == 1:
        size = np.sqrt((columns * columns).sum(axis=-2, keepdims=True))
        size = np.where(size > least, size, np.inf)
        left = columns / size
        return left, (left.swapaxes(-1, -2) @ signal[..., None])[..., 0] / size[..., 0]
    left, sizes, right = np.linalg.svd(columns, full_matrices=False)
    kept = sizes > np.maximum(SEEN * sizes.max(axis=-1, initial=0.0), least)[..., None]
    left = left * kept[..., None, :]
    along = (left.swapaxes(-1, -2) @ signal[..., None])[..., 0]
    found = along / np.where(kept, sizes, 1.0)
    return left, np.asarray((right.swapaxes(-1, -2) @ found[..., None])[..., 0])
