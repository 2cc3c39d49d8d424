"""How much memory this process holds, and held at most, as far as the system tells."""

import sys
from pathlib import Path
from typing import Final

STATUS: Final = Path("/proc/self/status")
CLEAR: Final = Path("/proc/self/clear_refs")
HELD, PEAK = "VmRSS", "VmHWM"


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
