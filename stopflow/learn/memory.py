"""Peak memory of a block of code."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from stopflow.memory import held_bytes, peak_bytes, reset_peak


@dataclass(slots=True)
class Peak:
    """Peak in bytes above the memory held at the start; NaN where the system does not report it."""

    bytes: float = float("nan")


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Peak]:
    """Measure the block: the device's own count on CUDA, resident memory on Linux, else NaN."""
    peak = Peak()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield peak
        peak.bytes = float(torch.cuda.max_memory_allocated(device) - before)
        return
    if not reset_peak():
        yield peak
        return
    held = held_bytes()
    yield peak
    peak.bytes = max(peak_bytes() - held, 0.0)
