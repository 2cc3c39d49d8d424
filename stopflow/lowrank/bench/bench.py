"""Time and memory of one training step: dense, published and own, alternately in one run."""

import statistics
from collections.abc import Callable, Sequence

from stopflow.errors import SettingsError
from stopflow.lowrank.bench.memory import peak_megabytes
from stopflow.lowrank.bench.variants import BASELINE, VARIANTS, BenchSize, data_for, visit_of


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
        Visits to each variant in turn with all others; a visit takes a step that does not count
        and then five (or one cadence).
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
            raise SettingsError("variant", name, valid="; ".join(VARIANTS))
    names = list(dict.fromkeys([BASELINE, *variants]))
    rows: list[dict[str, float | int | str]] = []
    for batch in batches:
        progress(f"timing, batch {batch}")
        medians = _medians(names, size, batch=batch, rounds=rounds, device=device)
        peaks: dict[str, float] = {}
        for name in names if memory else ():
            progress(f"memory, batch {batch}: {name}")
            peaks[name] = peak_megabytes(name, size=size, batch=batch, device=device)
        for name in names:
            row: dict[str, float | int | str] = {"variant": name, "batch": batch}
            row["median_ms"] = 1e3 * medians[name]
            row["times_dense"] = medians[BASELINE] / medians[name]
            if memory:
                row["peak_mb"] = peaks[name]
                row["dense_memory_ratio"] = peaks[BASELINE] / max(peaks[name], 1e-3)
            rows.append(row)
    return rows


def _medians(
    names: Sequence[str], size: BenchSize, *, batch: int, rounds: int, device: str
) -> dict[str, float]:
    """Return the median seconds of a step, all variants in turn; the first round only warms up."""
    data = {inside: data_for(size, row_space=inside, device=device) for inside in (False, True)}
    visits = {
        name: visit_of(VARIANTS[name], size, data[VARIANTS[name].row_space], batch)
        for name in names
    }
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        for name, visit in visits.items():
            took = visit()
            if turn:
                times[name].append(took)
    return {name: statistics.median(values) for name, values in times.items()}
