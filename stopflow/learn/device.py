"""Where tensors are computed: the processor, or a CUDA device when there is one."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from stopflow.errors import require_key


def available_devices() -> tuple[str, ...]:
    """Names that `require_device` takes here."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    more = ("cuda", *(f"cuda:{i}" for i in range(count))) if count else ()
    return ("cpu", *more)


def require_device(name: str) -> torch.device:
    """Look up a device; a `SettingsError` lists what this machine has."""
    valid = available_devices()
    require_key("device", name, valid)
    return torch.device(name)


def describe_devices() -> str:
    """One line for people: what there is to compute on."""
    threads = torch.get_num_threads()
    cpu = f"cpu ({threads} thread{'s' * (threads != 1)})"
    if not torch.cuda.is_available():
        return cpu
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return f"{cpu}, cuda: {', '.join(names)}"


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: beside much numpy work a second one only waits for the first."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
