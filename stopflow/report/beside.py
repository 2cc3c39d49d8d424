"""Another process that works on a report beside this one; what it cannot do is done here."""

import gc
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

from stopflow.errors import StopflowError
from stopflow.workers import worker_processes

if TYPE_CHECKING:  # whoever finds nothing changed does without
    from stopflow.report.data import KineticsReportData

MANY_EXPERIMENTS: Final = 12
"""From how many experiments on another process is worth its start."""
LOST: Final = (BrokenProcessPool, StopflowError)
"""The other process was ended, or the dataset replaced since: this process has it open."""
Made = TypeVar("Made")
Work = Callable[["KineticsReportData"], Made]
Source = Callable[[], "KineticsReportData"]


class Beside:
    """The other process; made by `working_beside`.

    It is started with the first thing that it is given to do.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    @cached_property
    def _pool(self) -> ProcessPoolExecutor:
        return self._stack.enter_context(worker_processes(1))

    def load(self, load: Callable[[], None]) -> None:
        """Let it load what it will need, before there is anything to do."""
        self._pool.submit(load)

    def open(self, source: Source) -> None:
        """Let it open the data that all later work is done with."""
        self._pool.submit(_open, source)

    def begin(self, work: Work[Made]) -> Future[Made]:
        """Let it do a work after what it was given before."""
        return self._pool.submit(_do, work)

    def promise(self, work: Work[Made], data: "KineticsReportData") -> Callable[[], Made]:
        """Let it do a work; return what waits for the result, and does it here if it is lost."""
        future = self.begin(work)

        def settle() -> Made:
            try:
                return future.result()
            except LOST:
                return work(data)

        return settle

    def dismiss(self) -> None:
        """Let it end when it has done what it was given; its end is waited for elsewhere."""
        self._pool.shutdown(wait=False)


@contextmanager
def working_beside() -> Iterator[Beside | None]:
    """Yield another process, and at the end wait for it; None on a machine with one core."""
    if (os.cpu_count() or 1) < 2:
        yield None
        return
    with ExitStack() as stack:
        yield Beside(stack)


_held: list["KineticsReportData"] = []
"""In the other process: what it works with."""


def _open(source: Source) -> None:
    _held[:] = [source()]
    gc.disable()
    gc.freeze()


def _do(work: Work[Made]) -> Made:
    if not _held:
        raise StopflowError("the data of the report could not be opened")
    return work(_held[0])
