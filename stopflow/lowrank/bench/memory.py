"""Peak memory of a training step, in a process of its own.

``python -m stopflow.lowrank.bench.memory`` is that process: it reads what to measure as JSON from
standard input and writes one number.
"""

import json
import subprocess
import sys
from dataclasses import asdict

import torch

from stopflow.lowrank.bench.variants import VARIANTS, BenchSize, data_for, visit_of
from stopflow.memory import peak_bytes, reset_peak


def peak_megabytes(name: str, *, size: BenchSize, batch: int, device: str = "cpu") -> float:
    """Return the peak memory of building and four steps, above the loaded data."""
    if device != "cpu":
        return _cuda_peak(name, size, batch, device)
    task = {"name": name, "batch": batch, "threads": torch.get_num_threads(), **asdict(size)}
    done = subprocess.run(
        [sys.executable, "-m", "stopflow.lowrank.bench.memory"],
        input=json.dumps(task),
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    return float(done.stdout)


def _resident_peak(name: str, size: BenchSize, batch: int, threads: int) -> float:
    torch.set_num_threads(threads)
    variant = VARIANTS[name]
    tiny = BenchSize(inputs=2 * size.rank, dims=(size.rank,), rank=size.rank, rows=2 * size.rank)
    few = data_for(tiny, row_space=variant.row_space, device="cpu")
    visit_of(variant, tiny, few, 8)()  # the libraries' own pages are not the step's
    data = data_for(size, row_space=variant.row_space, device="cpu")
    reset_peak()
    before = peak_bytes()
    visit = visit_of(variant, size, data, batch)
    visit()
    visit()
    return (peak_bytes() - before) / 2**20


def _cuda_peak(name: str, size: BenchSize, batch: int, device: str) -> float:
    variant = VARIANTS[name]
    data = data_for(size, row_space=variant.row_space, device=device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    visit = visit_of(variant, size, data, batch)
    visit()
    visit()
    return (torch.cuda.max_memory_allocated(device) - before) / 2**20


def _main() -> None:
    task = json.load(sys.stdin)
    name, batch, threads = (task.pop(key) for key in ("name", "batch", "threads"))
    size = BenchSize(**(task | {"dims": tuple(task["dims"])}))
    sys.stdout.write(f"{_resident_peak(name, size, batch, threads)}\n")


if __name__ == "__main__":
    _main()
