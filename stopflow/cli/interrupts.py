"""Ctrl-C and a request to end: unfinished work is removed, and one line says so."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Final

INTERRUPTED: Final = 130
ENDED: Final = 143


@dataclass(slots=True)
class Interrupts:
    """Which of the two has come; a library that catches or rewords them does not hide it."""

    code: int = 0

    def said(self) -> str:
        """Return the line for the user; "" where nothing has come."""
        what = {INTERRUPTED: "interrupted", ENDED: "ended from outside"}.get(self.code)
        kept = "what was finished is kept whole, everything else is as it was"
        return f"{what}; {kept}" if what else ""


@contextmanager
def listening() -> Iterator[Interrupts]:
    """Yield what has arrived so far; within the block both end the program.

    Only the main thread of a process hears of them; elsewhere nothing is changed.
    """
    known = Interrupts()

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        known.code = INTERRUPTED
        sys.unraisablehook = lambda _unraisable: None  # generators that are cut off complain
        raise KeyboardInterrupt

    def end(_signal: int, _frame: FrameType | None) -> None:
        known.code = ENDED
        sys.unraisablehook = lambda _unraisable: None
        raise SystemExit(ENDED)

    if threading.current_thread() is not threading.main_thread():
        yield known
        return
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, interrupt),
        signal.SIGTERM: signal.signal(signal.SIGTERM, end),
    }
    hook = sys.unraisablehook
    try:
        yield known
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if not known.code:
            sys.unraisablehook = hook
