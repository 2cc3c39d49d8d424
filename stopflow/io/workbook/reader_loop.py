"""What the process that reads workbooks runs; see `reader_process`."""

import faulthandler
import gc
import json
import math
import os
import signal
import sys
import time
from dataclasses import fields
from pathlib import Path

sys.modules.setdefault("numpy", None)  # type: ignore[arg-type]
sys.modules.setdefault("PIL", None)  # type: ignore[arg-type]
# openpyxl takes both where it finds them, and neither is needed to read cells; without them the
# process starts in half the time.

from stopflow.errors import FormatError, describe_error  # noqa: E402
from stopflow.io.guard import unreadable  # noqa: E402
from stopflow.io.workbook.formats import read_grids  # noqa: E402
from stopflow.io.workbook.reader_process import (  # noqa: E402
    EXPECTED,
    WAITING,
    receive_frame,
    send_frame,
)

_READY = b"ready"
_GRACE_SECONDS = 5.0
"""After this the process ends itself, should the one that started it have died."""


def serve(*, seconds: float, memory_bytes: int) -> None:
    """Answer requests until there are no more.

    Parameters
    ----------
    seconds
        Processor time for one workbook, after which the system ends the process.
    memory_bytes
        Memory for workbooks, in addition to what the process has now.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source = sys.stdin.buffer
    target = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    nowhere = Path(os.devnull).open("w")
    os.dup2(nowhere.fileno(), sys.stdout.fileno())
    _limit_memory(memory_bytes)
    gc.freeze()
    send_frame(target, _READY)
    while (data := receive_frame(source)) is not None:
        _limit_time(seconds)
        longest = WAITING * seconds + _GRACE_SECONDS
        faulthandler.dump_traceback_later(longest, exit=True, file=nowhere)
        answer, is_sound = _answer(data)
        faulthandler.cancel_dump_traceback_later()
        send_frame(target, answer)
        if not is_sound:
            return
        del data, answer


def _answer(data: bytes) -> tuple[bytes, bool]:
    """Return the sheets or the error of a workbook, and whether the process can go on.

    This is the barrier of one workbook. A panic of native code, which derives from BaseException,
    leaves the process sound; want of memory may not.
    """
    try:
        sheets = [
            {item.name: getattr(grid, item.name) for item in fields(grid)}
            for grid in read_grids(data, book="")
        ]
        return json.dumps({"sheets": sheets}).encode(), True
    except FormatError as error:
        return _error(error), True
    except MemoryError:
        return _error(unreadable("", "it needs too much memory", expected=EXPECTED)), False
    except BaseException as error:
        return _error(unreadable("", describe_error(error), expected=EXPECTED)), True


def _error(error: FormatError) -> bytes:
    return json.dumps(
        {"where": error.where, "found": error.found, "expected": error.expected}
    ).encode()


def _limit_time(seconds: float) -> None:
    """Limit the processor time from now on, where the system can; to whole seconds, rounded up."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = (
        math.ceil(time.process_time() + seconds),
        resource.getrlimit(resource.RLIMIT_CPU)[1],
    )
    soft = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _limit_memory(memory_bytes: int) -> None:
    """Limit the memory of the process, where the system can."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (ImportError, OSError, ValueError):
        return
