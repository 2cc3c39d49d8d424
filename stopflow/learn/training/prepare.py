"""From a lab and a split to what the training loop runs on, nothing learned from held-out rows."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stopflow.features import FEATURES, decode_target
from stopflow.learn.data import LabData, Numbers
from stopflow.learn.model import TargetScale
from stopflow.learn.settings import TrainSettings
from stopflow.learn.split import Split
from stopflow.learn.training.augment import Drift, TraceOf, training_rows
from stopflow.learn.training.coordinates import Coordinates, choose_coordinates
from stopflow.lowrank import Network
from stopflow.trace import FloatArray

ROWS_AT_ONCE = 2048


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Rows of one side of the split in coordinates, to be judged each epoch."""

    inputs: Tensor
    window_s: FloatArray
    k_actual_per_s: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """Tensors on the device.

    Attributes
    ----------
    inputs, targets, tilt
        (V, N, q), (V, N, 1), (V, N): versions of the training shots, the first as recorded.
    parts
        ``"train"``, ``"test"`` and, if there is one, ``"validation"``.
    drift
        Adds slopes; None where the settings or the features have none.
    seconds
        That the preparation took.
    """

    inputs: Tensor
    targets: Tensor
    tilt: Tensor
    parts: dict[str, Part]
    drift: Drift | None
    coordinates: Coordinates
    target: TargetScale
    seconds: float

    @property
    def shots(self) -> int:
        """N, the training shots."""
        return self.inputs.shape[1]


def prepare(
    data: LabData,
    split: Split,
    settings: TrainSettings,
    *,
    trace: TraceOf | None,
    generator: np.random.Generator,
    device: torch.device,
    coordinates: Coordinates | None = None,
    target: TargetScale | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Standardise, choose coordinates, cut views; all from the training rows alone.

    `coordinates` and `target` are those of a trained model that is trained further.
    """
    started = time.perf_counter()
    if coordinates is None:
        as_recorded = _encode(data, split.train, np.log(data.window_s[split.train]))
        coordinates = choose_coordinates(data, split.train, as_recorded, settings)
    drawn = training_rows(
        data,
        split.train,
        coordinates,
        views=settings.views if FEATURES[data.features.kind].dimensionless else 0,
        trace=trace,
        generator=generator,
        progress=progress,
    )
    encoded = _encode(data, split.train, drawn.log_window)
    target = target or _target(encoded, settings)
    targets = torch.from_numpy((encoded - target.mean) / target.scale).float()[..., None]
    drift = None
    if settings.drift and settings.standardise and data.features.kind == "shape":
        found = Drift.of(coordinates, data)
        drift = Drift(slope=found.slope.to(device), origin=found.origin.to(device))
    inputs = drawn.inputs.to(device)
    parts = {"train": _part(data, split.train, inputs[0])}
    for name in ("validation", "test"):
        members: Numbers = getattr(split, name)
        if members.size:
            held_out = coordinates.project(data.inputs[members]).to(device)
            parts[name] = _part(data, members, held_out)
    return Prepared(
        inputs=inputs,
        targets=targets.to(device),
        tilt=drawn.tilt.to(device),
        parts=parts,
        drift=drift,
        coordinates=coordinates,
        target=target,
        seconds=time.perf_counter() - started,
    )


@torch.no_grad()
def part_rates(network: Network, part: Part, target: TargetScale, data: LabData) -> FloatArray:
    """Rates (M,) that a network in coordinates gives for a part."""
    outputs = [network(rows)[:, 0] for rows in part.inputs.split(ROWS_AT_ONCE)]
    encoded = target.mean + target.scale * torch.cat(outputs).double().cpu().numpy()
    with np.errstate(over="ignore"):
        return decode_target(encoded, part.window_s, spec=data.features)


def _target(encoded: FloatArray, settings: TrainSettings) -> TargetScale:
    if not settings.standardise:
        return TargetScale()
    return TargetScale(mean=float(encoded.mean()), scale=float(encoded.std()) or 1.0)


def _encode(data: LabData, rows: Numbers, log_window: FloatArray) -> FloatArray:
    rates = np.broadcast_to(data.k_label_per_s[rows], log_window.shape)
    if not FEATURES[data.features.kind].dimensionless:
        return np.array(rates)
    return np.log(rates) + log_window


def _part(data: LabData, members: Numbers, inputs: Tensor) -> Part:
    return Part(
        inputs=inputs,
        window_s=data.window_s[members],
        k_actual_per_s=data.k_actual_per_s[members],
    )
