"""Time and memory of one training step: dense, published and own, alternately in one run."""

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from stopflow.errors import SettingsError
from stopflow.lowrank.naive import naive_augmented_step, naive_kls_step
from stopflow.lowrank.network import LayerSpec, Network, build_network
from stopflow.lowrank.settings import StepSettings
from stopflow.lowrank.stepper import build_stepper

BASELINE = "dense, Adam fused, tuned"
Step = Callable[[Tensor, Tensor, Tensor], None]


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
        ``stepper``, ``torch`` (stock autograd and `torch.optim`), or a naive step's name.
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
    "naive three-tape KLS": Variant(layer="dlrt", how="naive-kls"),
    "naive three-tape adaptive": Variant(layer="adaptive", how="naive-augmented"),
    "vanilla, Adam": Variant(layer="vanilla", optimiser="adam"),
    "vanilla, SGD": Variant(layer="vanilla"),
    "dlrt two-pass, SGD": Variant(layer="dlrt-two-pass"),
    "dlrt, SGD": Variant(layer="dlrt"),
    "dlrt, core momentum": Variant(layer="dlrt", optimiser="core-momentum"),
    "dlrt, Adam": Variant(layer="dlrt", optimiser="adam"),
    "adaptive, SGD": Variant(layer="adaptive"),
    "adaptive every 10, SGD": Variant(layer="adaptive", cadence=10),
    "row space: dense, SGD": Variant(layer="dense", row_space=True),
    "row space: vanilla, SGD": Variant(layer="vanilla", row_space=True),
    "row space: dlrt two-pass, SGD": Variant(layer="dlrt-two-pass", row_space=True),
    "row space: dlrt, SGD": Variant(layer="dlrt", row_space=True),
    "row space: dlrt, momentum": Variant(layer="dlrt", optimiser="momentum", row_space=True),
    "row space: dlrt, Adam": Variant(layer="dlrt", optimiser="adam", row_space=True),
    "row space: adaptive, SGD": Variant(layer="adaptive", row_space=True),
    "row space: adaptive every 10, Adam": Variant(
        layer="adaptive", optimiser="adam", row_space=True, cadence=10
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Data:
    inputs: Tensor
    targets: Tensor
    gram: Tensor
    fan_in: int


def bench_step(
    *,
    size: BenchSize | None = None,
    batches: Sequence[int] = (32, 64),
    rounds: int = 15,
    device: str = "cpu",
    variants: Sequence[str] = tuple(VARIANTS),
    memory: bool = True,
    progress: Callable[[str], None] = lambda _message: None,
) -> list[dict[str, float | int | str]]:
    """Measure the step of each variant.

    Parameters
    ----------
    size
        Network and number of training rows.
    batches
        Rows a step.
    rounds
        Visits to each variant; a visit takes two steps (or one cadence) in turn with all others.
    device
        ``cpu`` or ``cuda``.
    variants
        Keys of `VARIANTS`; the baseline is always measured.
    memory
        Whether to measure peak memory too, on the CPU in a fresh process each.
    progress
        Told what is being measured.

    Returns
    -------
    list of dict
        ``variant, batch, median_ms, times_dense`` (how often faster than the tuned dense Adam
        step), and ``peak_mb`` (above the loaded data), ``dense_memory_ratio``.
    """
    size = size or BenchSize()
    for name in variants:
        if name not in VARIANTS:
            raise SettingsError("variant", name, valid=VARIANTS)
    names = list(dict.fromkeys([BASELINE, *variants]))
    plain, reduced = _make_data(size, device)
    rows: list[dict[str, float | int | str]] = []
    for batch in batches:
        progress(f"timing, batch {batch}")
        visits = {
            name: _visit(
                VARIANTS[name], size, reduced if VARIANTS[name].row_space else plain, batch
            )
            for name in names
        }
        times: dict[str, list[float]] = {name: [] for name in names}
        for turn in range(rounds + 1):
            for name, visit in visits.items():
                took = visit()
                if turn:
                    times[name].append(took)
        medians = {name: statistics.median(values) for name, values in times.items()}
        peaks = {}
        if memory:
            for name in names:
                progress(f"memory, batch {batch}: {name}")
                peaks[name] = peak_megabytes(name, size=size, batch=batch, device=device)
        for name in names:
            row: dict[str, float | int | str] = {
                "variant": name,
                "batch": batch,
                "median_ms": 1e3 * medians[name],
                "times_dense": medians[BASELINE] / medians[name],
            }
            if memory:
                row |= {
                    "peak_mb": peaks[name],
                    "dense_memory_ratio": peaks[BASELINE] / max(peaks[name], 1e-3),
                }
            rows.append(row)
    return rows


def _make_data(size: BenchSize, device: str) -> tuple[_Data, _Data]:
    """Return random inputs and their exact row-space coordinates, with Gram matrices."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(size.rows, size.inputs, generator=generator).to(device)
    targets = torch.randn(size.rows, 1, generator=generator).to(device)
    gram = inputs @ inputs.T
    lower = torch.linalg.cholesky(gram.double()).to(inputs.dtype)
    plain = _Data(inputs=inputs, targets=targets, gram=gram, fan_in=size.inputs)
    return plain, _Data(inputs=lower, targets=targets, gram=gram, fan_in=size.inputs)


def _visit(variant: Variant, size: BenchSize, data: _Data, batch: int) -> Callable[[], float]:
    """Return a function that takes some steps and returns the mean seconds of one."""
    step = _step_of(variant, size, data)
    generator = torch.Generator().manual_seed(2)
    device = data.inputs.device
    count = max(2, variant.cadence)

    def visit() -> float:
        chosen = [
            torch.randperm(len(data.inputs), generator=generator)[:batch].to(device)
            for _ in range(count)
        ]
        _synchronise(device)
        start = time.perf_counter()
        for rows in chosen:
            gram = data.gram.index_select(0, rows).index_select(1, rows)
            step(data.inputs.index_select(0, rows), data.targets.index_select(0, rows), gram)
        _synchronise(device)
        return (time.perf_counter() - start) / count

    return visit


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _step_of(variant: Variant, size: BenchSize, data: _Data) -> Step:
    specs = [LayerSpec(type=variant.layer, dim=dim, rank=size.rank) for dim in size.dims]
    specs.append(LayerSpec(type="dense", dim=1, activation="linear"))
    network = build_network(
        data.inputs.shape[1],
        specs,
        generator=torch.Generator().manual_seed(3),
        fan_in=data.fan_in,
    ).to(data.inputs.device)
    if variant.how == "torch":
        return _torch_step(network, fused=variant.optimiser == "adam-fused")
    if variant.how == "naive-kls":
        return lambda x, y, _gram: naive_kls_step(network, x, y, loss=mse_loss, rate=_RATE)
    if variant.how == "naive-augmented":
        take = partial(naive_augmented_step, theta=_THETA, lowest=size.rank, highest=size.rank)
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

    def step(x: Tensor, y: Tensor, gram: Tensor) -> None:
        stepper.step(x, y, loss=mse_loss, gram=gram)

    return step


_RATE = 1e-6
_THETA = 0.01


def _torch_step(network: Network, *, fused: bool) -> Step:
    """Return the step most people write: autograd and `torch.optim.Adam`."""
    optimiser = torch.optim.Adam(network.parameters(), lr=_RATE, fused=fused or None)

    def step(x: Tensor, y: Tensor, _gram: Tensor) -> None:
        optimiser.zero_grad()
        mse_loss(network(x), y).backward()
        optimiser.step()

    return step


def peak_megabytes(name: str, *, size: BenchSize, batch: int, device: str = "cpu") -> float:
    """Return the peak memory of building and four steps, above the loaded data."""
    if device != "cpu":
        return _cuda_peak(name, size, batch, device)
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_resident_peak, (name, size, batch, torch.get_num_threads()))


def _data_for(variant: Variant, size: BenchSize, device: str) -> _Data:
    """Return data of the right shape without the work of a reduction."""
    columns = min(size.rows, size.inputs) if variant.row_space else size.inputs
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(size.rows, columns, generator=generator).to(device)
    gram = inputs @ inputs.T
    return _Data(inputs=inputs, targets=inputs[:, :1].clone(), gram=gram, fan_in=size.inputs)


def _resident_peak(name: str, size: BenchSize, batch: int, threads: int) -> float:
    torch.set_num_threads(threads)
    variant = VARIANTS[name]
    tiny = BenchSize(inputs=2 * size.rank, dims=(size.rank,), rank=size.rank, rows=2 * size.rank)
    _visit(variant, tiny, _data_for(variant, tiny, "cpu"), 8)()  # pages in the libraries
    data = _data_for(variant, size, "cpu")
    before = _reset_peak()
    visit = _visit(variant, size, data, batch)
    visit()
    visit()
    return _peak() - before


def _cuda_peak(name: str, size: BenchSize, batch: int, device: str) -> float:
    variant = VARIANTS[name]
    data = _data_for(variant, size, device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    visit = _visit(variant, size, data, batch)
    visit()
    visit()
    return (torch.cuda.max_memory_allocated(device) - before) / 2**20


_STATUS = Path("/proc/self/status")


def _reset_peak() -> float:
    """Set the high-water mark to the present use where the system can, and return it in MB."""
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")
    return _peak()


def _peak() -> float:
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
