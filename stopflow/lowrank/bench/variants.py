"""The ways to take a training step that the benchmark compares."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from stopflow.lowrank.bench.reference import reference_augmented_step, reference_kls_step
from stopflow.lowrank.losses import MEAN_SQUARE
from stopflow.lowrank.network import LayerSpec, Network, build_network
from stopflow.lowrank.settings import StepSettings
from stopflow.lowrank.stepper import build_stepper

_RATE = 1e-6
_THETA = 0.01
BASELINE = "dense, Adam fused, tuned"
STEPS_A_VISIT = 5
Step = Callable[[Tensor, Tensor, Tensor | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSize:
    """What is trained in the benchmark; the default is the published network."""

    inputs: int = 28000
    dims: tuple[int, ...] = (512, 512, 256)
    rank: int = 50
    rows: int = 1300


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to take a step.

    Attributes
    ----------
    layer
        Key of `LAYERS` of the hidden layers.
    how
        ``stepper``, ``torch`` (stock autograd and `torch.optim`), or the name of a reference step.
    optimiser
        Of the stepper, or ``adam`` / ``adam-fused`` of torch.
    row_space
        Whether the inputs are the exact row-space coordinates.
    cadence
        Steps a visit, and between changes of the rank.
    """

    layer: str
    how: str = "stepper"
    optimiser: str = "sgd"
    row_space: bool = False
    cadence: int = 1


VARIANTS: dict[str, Variant] = {
    BASELINE: Variant(layer="dense", optimiser="adam"),
    "dense, Adam, torch default": Variant(layer="dense", how="torch", optimiser="adam"),
    "dense, Adam fused, torch": Variant(layer="dense", how="torch", optimiser="adam-fused"),
    "dense, SGD, tuned": Variant(layer="dense"),
    "reference three-tape KLS": Variant(layer="dlrt", how="reference-kls"),
    "reference three-tape adaptive": Variant(layer="adaptive", how="reference-augmented"),
    "vanilla, Adam": Variant(layer="vanilla", optimiser="adam"),
    "vanilla, SGD": Variant(layer="vanilla"),
    "dlrt two-pass, SGD": Variant(layer="dlrt-two-pass"),
    "dlrt, SGD": Variant(layer="dlrt"),
    "dlrt, core momentum": Variant(layer="dlrt", optimiser="core-momentum"),
    "dlrt, Adam": Variant(layer="dlrt", optimiser="adam"),
    "dlrt, Muon": Variant(layer="dlrt", optimiser="muon"),
    "adaptive, SGD": Variant(layer="adaptive"),
    "adaptive every 10, SGD": Variant(layer="adaptive", cadence=10),
    "row space: dense, SGD": Variant(layer="dense", row_space=True),
    "row space: vanilla, SGD": Variant(layer="vanilla", row_space=True),
    "row space: dlrt two-pass, SGD": Variant(layer="dlrt-two-pass", row_space=True),
    "row space: dlrt, SGD": Variant(layer="dlrt", row_space=True),
    "row space: dlrt, momentum": Variant(layer="dlrt", optimiser="momentum", row_space=True),
    "row space: dlrt, Adam": Variant(layer="dlrt", optimiser="adam", row_space=True),
    "row space: dlrt, Muon": Variant(layer="dlrt", optimiser="muon", row_space=True),
    "row space: adaptive, SGD": Variant(layer="adaptive", row_space=True),
    "row space: adaptive every 10, Adam": Variant(
        layer="adaptive", optimiser="adam", row_space=True, cadence=10
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BenchData:
    """Training rows and the Gram matrix of them, which a step may use."""

    inputs: Tensor
    targets: Tensor
    gram: Tensor
    fan_in: int


def data_for(size: BenchSize, *, row_space: bool, device: str) -> BenchData:
    """Return random rows, as long as their exact row-space coordinates would be if asked for."""
    columns = min(size.rows, size.inputs) if row_space else size.inputs
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(size.rows, columns, generator=generator).to(device)
    targets = torch.randn(size.rows, 1, generator=generator).to(device)
    return BenchData(inputs=inputs, targets=targets, gram=inputs @ inputs.T, fan_in=size.inputs)


def visit_of(variant: Variant, size: BenchSize, data: BenchData, batch: int) -> Callable[[], float]:
    """Return a function that takes some steps and returns the mean seconds of one.

    A step before them is not counted: the variant before has left the caches full of its own, which
    does not happen in training.
    """
    step = _step_of(variant, size, data)
    generator = torch.Generator().manual_seed(2)
    device = data.inputs.device
    count = max(STEPS_A_VISIT, variant.cadence)
    rows_of_all, columns = data.inputs.shape
    inputs = data.inputs.new_empty(batch, columns)

    def visit() -> float:
        chosen = [
            torch.randperm(len(data.inputs), generator=generator)[:batch].to(device)
            for _ in range(1 + count)
        ]
        start = 0.0
        for number, rows in enumerate(chosen):
            if number == 1:
                _synchronise(device)
                start = time.perf_counter()
            torch.index_select(data.inputs, 0, rows, out=inputs)
            gram = None
            if columns > rows_of_all:  # else a new product costs less than gathering the old one
                gram = data.gram.index_select(0, rows).index_select(1, rows)
            step(inputs, data.targets.index_select(0, rows), gram)
        _synchronise(device)
        return (time.perf_counter() - start) / count

    return visit


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _step_of(variant: Variant, size: BenchSize, data: BenchData) -> Step:
    specs = [LayerSpec(type=variant.layer, dim=dim, rank=size.rank) for dim in size.dims]
    specs.append(LayerSpec(type="dense", dim=1, activation="linear"))
    network = build_network(
        data.inputs.shape[1], specs, generator=torch.Generator().manual_seed(3), fan_in=data.fan_in
    ).to(data.inputs.device)
    if variant.how == "torch":
        return _torch_step(network, fused=variant.optimiser == "adam-fused")
    if variant.how == "reference-kls":
        return lambda x, y, _gram: reference_kls_step(network, x, y, loss=mse_loss, rate=_RATE)
    if variant.how == "reference-augmented":
        take = partial(reference_augmented_step, theta=_THETA, lowest=size.rank, highest=size.rank)
        return lambda x, y, _gram: take(network, x, y, loss=mse_loss, rate=_RATE)
    settings = StepSettings(
        optimiser=variant.optimiser,
        learning_rate=_RATE,
        cadence=variant.cadence,
        theta=_THETA,
        min_rank=size.rank,
        max_rank=size.rank,
    )
    stepper = build_stepper(network, settings)

    def step(x: Tensor, y: Tensor, gram: Tensor | None) -> None:
        stepper.step(x, y, loss=MEAN_SQUARE, gram=gram)

    return step


def _torch_step(network: Network, *, fused: bool) -> Step:
    """Return the step most people write: autograd and `torch.optim.Adam`."""
    optimiser = torch.optim.Adam(network.parameters(), lr=_RATE, fused=fused or None)

    def step(x: Tensor, y: Tensor, _gram: Tensor | None) -> None:
        optimiser.zero_grad()
        mse_loss(network(x), y).backward()
        optimiser.step()

    return step
