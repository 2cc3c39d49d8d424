"""How much memory something took at its peak."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


@dataclass(slots=True)
class Peak:
    """Bytes above what was held at the start; NaN where the system does not tell."""

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
    if not sys.platform.startswith("linux") or not _reset_peak():
        yield peak
        return
    before_kb = _status_kb("VmRSS")
    yield peak
    peak.bytes = 1024.0 * max(_status_kb("VmHWM") - before_kb, 0)


def _reset_peak() -> bool:
    try:
        CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _status_kb(key: str) -> int:
    for line in STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    return 0
