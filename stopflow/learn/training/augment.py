"""Augmentation: further rows made of the same traces, whose rates stay known.

A trace that is cut to a later start or an earlier end keeps its k, but is another row with another
k T. A slope that is added to a row does not change its k either. Both are exact for the rate law
that the labels come from, and both are applied to training traces only.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import torch
from torch import Tensor

from stopflow.bins import EDGES
from stopflow.features import MINIMUM_POINTS, build_features, window_of
from stopflow.learn.data import LabData, Numbers, Rows
from stopflow.learn.training.coordinates import Coordinates
from stopflow.trace import FloatArray

TraceOf = Callable[[int], tuple[FloatArray, FloatArray] | None]
LATEST_START: Final = 0.7
"""Latest start of a cut trace in units of 1/k: half of the amplitude is left."""
SHORTEST_KT: Final = 1.2
LONGEST_CUT: Final = 6.0
"""A cut trace keeps at least 1/6 of the window."""
FEWEST_POINTS: Final = 20 * MINIMUM_POINTS
SHOTS_AT_ONCE: Final = 16
"""Shots whose copies are brought into coordinates together: all are read for a product."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Augmentation:
    """A re-cut trace as a row (n,), with its own window."""

    row: Rows
    window_s: float


def draw_augmentations(
    data: LabData, index: int, *, count: int, trace: TraceOf, generator: np.random.Generator
) -> Iterator[Augmentation]:
    """Yield `count` cut copies of a trimmed trace; where it is too short to cut, its own row.

    The end is drawn log-uniformly between 1/`LONGEST_CUT` of the window (k T is at least
    `SHORTEST_KT`) and the whole window. In two thirds of the copies the start is drawn uniformly
    from 0 to `LATEST_START` / k.
    """
    found = trace(int(data.row[index]))
    k_per_s = float(data.k_label_per_s[index])
    for _ in range(count):
        chance = generator.random(3)
        cut = None if found is None else _cut(*found, k_per_s=k_per_s, chance=chance)
        if cut is None:
            yield Augmentation(row=data.inputs[index], window_s=float(data.window_s[index]))
            continue
        time_s, signal = cut
        row = build_features(time_s, signal, spec=data.features)
        yield Augmentation(row=row, window_s=window_of(time_s))


def _cut(
    time_s: FloatArray, signal: FloatArray, *, k_per_s: float, chance: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    window_s = window_of(time_s)
    shortest_s = min(max(SHORTEST_KT / k_per_s, window_s / LONGEST_CUT), window_s)
    length_s = shortest_s * (window_s / shortest_s) ** chance[0]
    start_s = 0.0
    if chance[1] < 2 / 3:
        start_s = chance[2] * min(LATEST_START / k_per_s, 0.2 * length_s)
    since_s = time_s - time_s[0]
    first, last = np.searchsorted(since_s, (start_s, length_s))
    if last - first < FEWEST_POINTS or np.ptp(signal[first:last]) == 0:
        return None
    return time_s[first:last], signal[first:last]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drift:
    """Adds slopes to rows in coordinates.

    A row x of mean 0 and SD 1 becomes (x + a u) / |x + a u|, where u is a slope of SD 1. All of
    this is linear except the norm, sqrt(1 + 2 a <x, u> + a^2).

    Attributes
    ----------
    slope, origin
        (q,) coordinates of u, and the negative of those of the zero row.
    """

    slope: Tensor
    origin: Tensor

    @classmethod
    def of(cls, coordinates: Coordinates, data: LabData) -> Self:
        """Compute both for ``shape`` rows, which all have the same times."""
        row = np.zeros((2, data.features.n_inputs), dtype=np.float32)
        row[:, 0::2] = data.inputs[0, 0::2]
        row[1, 1::2] = slope_row(data)
        zero, slope = coordinates.project(row)
        return cls(slope=slope - zero, origin=-zero)

    def apply(self, inputs: Tensor, tilt: Tensor, size: Tensor) -> Tensor:
        """Add slopes `size` (B,) to rows (B, q) whose product with the slope is `tilt` (B,)."""
        norm = (1.0 + 2.0 * size * tilt + size.square()).sqrt()[:, None]
        return (inputs + self.origin + size[:, None] * self.slope) / norm - self.origin


def slope_row(data: LabData) -> FloatArray:
    """Return u (pairs,), the relative time of the bins, centred and scaled to SD 1."""
    edges = EDGES[data.features.kind](data.features.pairs)
    middle = 0.5 * (edges[1:] + edges[:-1])
    centred = middle - middle.mean()
    return centred / np.sqrt(np.mean(centred**2))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingRows:
    """What an epoch draws from: V versions of each of N training shots, the first unchanged.

    Attributes
    ----------
    inputs
        (V, N, q).
    log_window
        (V, N) float64, log of the window in s.
    tilt
        (V, N) mean product of a row with the slope; zeros where no drift is added.
    """

    inputs: Tensor
    log_window: FloatArray
    tilt: Tensor


def training_rows(
    data: LabData,
    rows: Numbers,
    coordinates: Coordinates,
    *,
    augmentations: int,
    trace: TraceOf | None,
    generator: np.random.Generator,
    progress: Callable[[int, int], None] | None = None,
) -> TrainingRows:
    """Build the rows of `data` and, with `trace`, cut copies of each, in coordinates."""
    augmentations = augmentations if trace is not None else 0
    shape = (augmentations + 1, len(rows))
    inputs = torch.empty(*shape, coordinates.dimension)
    log_window, tilt = np.empty(shape), torch.zeros(shape)
    slope = slope_row(data) if data.features.kind == "shape" else None
    inputs[0] = coordinates.project(data.inputs, chosen=rows)
    log_window[0] = np.log(data.window_s[rows])
    if slope is not None:
        tilt[0] = torch.tensor([data.inputs[row, 1::2] @ slope / len(slope) for row in rows])
    for first in range(0, len(rows), SHOTS_AT_ONCE):
        if trace is None or not augmentations:
            break
        part = rows[first : first + SHOTS_AT_ONCE]
        places = slice(first, first + len(part))
        drawn = [
            augmentation
            for index in part
            for augmentation in draw_augmentations(
                data, index, count=augmentations, trace=trace, generator=generator
            )
        ]
        block = np.stack([augmentation.row for augmentation in drawn])
        windows = np.log([augmentation.window_s for augmentation in drawn])
        inputs[1:, places] = (
            coordinates.project(block).unflatten(0, (len(part), -1)).transpose(0, 1)
        )
        log_window[1:, places] = windows.reshape(len(part), -1).T
        if slope is not None:
            tilts = torch.from_numpy(block[:, 1::2] @ slope / len(slope))
            tilt[1:, places] = tilts.unflatten(0, (len(part), -1)).T
        if progress is not None:
            progress(places.stop, len(rows))
    return TrainingRows(inputs=inputs, log_window=log_window, tilt=tilt)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RandomDrift:
    """Adds a slope of random size to each row of a batch.

    Attributes
    ----------
    tilt
        (V, N) of all rows.
    size
        Largest slope, in units of a row's SD over its window.
    """

    drift: Drift
    tilt: Tensor
    size: float

    def __call__(
        self, rows: Tensor, chosen: tuple[Tensor, Tensor], generator: torch.Generator
    ) -> Tensor:
        """Return the rows with slopes added: a normal number times a uniform one from 0 to 1."""
        normal = torch.randn(len(rows), generator=generator)
        size = self.size * normal * torch.rand(len(rows), generator=generator)
        return self.drift.apply(rows, self.tilt[chosen], size.to(rows.device))
