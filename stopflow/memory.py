"""The memory of this process: how much it holds, and how seldom it is given back."""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

STATUS: Final = Path("/proc/self/status")
CLEAR: Final = Path("/proc/self/clear_refs")
HELD, PEAK = "VmRSS", "VmHWM"
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""What `mallopt` of the GNU C library calls so."""
MUCH: Final = 250_000
"""Objects that a dozen of pages leave; they are collected then."""
LARGEST_KEPT: Final = 32 * 1024 * 1024
"""Bytes of an array up to which its memory is kept; it is the most that `mallopt` takes."""


def reset_peak() -> bool:
    """Set the peak to what is held now; tell whether the system can."""
    try:
        CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def held_bytes() -> float:
    """Return the resident memory; NaN where the system does not say."""
    return _status_bytes(HELD)


def peak_bytes() -> float:
    """Return the most resident memory since the start or `reset_peak`; NaN where nobody says."""
    found = _status_bytes(PEAK)
    if found == found:
        return found
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024
    return float(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _status_bytes(key: str) -> float:
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return float("nan")
    kilobytes = [int(line.split()[1]) for line in lines if line.startswith(f"{key}:")]
    return 1024.0 * kilobytes[0] if kilobytes else float("nan")


def keep_freed_memory() -> None:
    """Let arrays be put where the last ones were, where the system's C library can be told so.

    Otherwise every array of more than 128 kB, as those of a trace are, is asked of the system and
    given back to it, and its pages are cleared each time: a twentieth of the time of an ingest.
    """
    if not sys.platform.startswith("linux"):
        return
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    if tell is not None:
        tell(MMAP_THRESHOLD, LARGEST_KEPT)
        tell(TRIM_THRESHOLD, 2 * LARGEST_KEPT)


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Let no garbage be collected but when asked, and then look at nothing older than this.

    Python's own collections go through all that was imported again and again, which takes a quarter
    of the time of drawing and a thirtieth of that of an ingest. Inside another such block it
    changes nothing.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.enable()


def collect_if_much() -> None:
    """Collect what drawing has left, where that is worth its time."""
    if gc.get_count()[0] > MUCH:
        gc.collect()
