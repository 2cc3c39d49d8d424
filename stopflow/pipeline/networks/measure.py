"""How good a model is beside the fit, on labs that it never saw."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stopflow.io.folder import find_experiments, read_experiment
from stopflow.pipeline.find import find_model
from stopflow.pipeline.progress import Progress, silent


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
