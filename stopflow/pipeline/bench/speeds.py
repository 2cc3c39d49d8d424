"""Speeds and accuracies measured in one run, as tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stopflow.io.folder import find_experiments, read_experiment
from stopflow.kinetics.bench import bench_fit
from stopflow.pipeline.find import find_model
from stopflow.pipeline.progress import Progress, silent


def measure_fit(*, traces: int | None = None) -> list[dict[str, object]]:
    """Compare the fit with scipy's curve_fit; `traces` is the size of the batch."""
    return bench_fit() if traces is None else bench_fit(traces=traces)


def measure_mechanism(
    *,
    rounds: int | None = None,
    points: int | None = None,
    quick: bool = False,
    progress: Progress = silent,
) -> list[dict[str, object]]:
    """Compare global fits with scipy's and, where it is installed, COPASI's."""
    from stopflow.mechanism.bench.cases import CASES, POINTS, QUICK
    from stopflow.mechanism.bench.compare import bench_mechanism

    names = QUICK if quick else tuple(CASES)
    return bench_mechanism(
        names=names,
        rounds=rounds or (1 if quick else 3),
        points=points or POINTS,
        progress=progress,
    )


def measure_ingest(
    *,
    folders: int | None = None,
    shots: int | None = None,
    points: int | None = None,
    workers: int = 0,
    rounds: int | None = None,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Compare a whole ingest of a simulated lab with a plain script; `shots` are of a folder."""
    from stopflow.pipeline.bench.ingest import LabSize, bench_ingest

    usual = LabSize()
    size = LabSize(
        folders=folders or usual.folders,
        traces=(shots, shots) if shots else usual.traces,
        points=points or usual.points,
    )
    return bench_ingest(size=size, workers=workers, rounds=rounds or 3, progress=progress)


def measure_page(
    *, points: int | None = None, steps: int | None = None, progress: Progress = silent
) -> list[dict[str, Any]]:
    """Time the frames in which the start of a fit is dragged in the page, in a headless browser."""
    from stopflow.pipeline.bench.page import bench_page

    return bench_page(points=points or 15_001, steps=steps or 100, progress=progress)


def measure_step(
    *,
    batch_sizes: Sequence[int],
    rank: int,
    hidden: Sequence[int] = (),
    inputs: int | None = None,
    variants: Sequence[str] = (),
    rounds: int | None = None,
    device: str | None = None,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Compare a training step of every layer, or of some, with tuned dense Adam."""
    from stopflow.learn.device import require_device
    from stopflow.lowrank.bench.bench import BenchSize, bench_step
    from stopflow.lowrank.bench.variants import VARIANTS

    place = "cpu" if device is None else device
    require_device(place)
    done = iter(range(1, 10_000))
    usual = BenchSize()
    size = BenchSize(inputs=inputs or usual.inputs, dims=tuple(hidden) or usual.dims, rank=rank)
    return bench_step(
        size=size,
        variants=tuple(variants or VARIANTS),
        batches=tuple(batch_sizes),
        device=place,
        progress=lambda what: progress(what, next(done), 0),
        rounds=rounds or 15,
    )


def measure_model(
    model: str | None,
    *,
    models: Path,
    seeds: int,
    folders: Sequence[Path] = (),
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Judge a model on simulated labs it never saw and on folders of real shots."""
    from stopflow.learn.compare.bench import bench_model, real_shots, simulated_shots
    from stopflow.learn.saved import load_model

    place = find_model(model, models)
    loaded = load_model(place)
    rows = []
    for number in range(seeds):
        progress("simulated labs", number, seeds)
        shots = simulated_shots(number)
        rows.append(bench_model(loaded, shots, name=f"{place.name}: simulated lab {number}"))
    for folder in folders:
        experiments = [read_experiment(found) for found in find_experiments(folder)]
        rows.append(
            bench_model(loaded, real_shots(experiments), name=f"{place.name}: {folder.name}")
        )
    return rows
