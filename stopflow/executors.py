"""Where the work on folders is done: in this process, in processes beside it, or on a cluster.

Each place is a `concurrent.futures.Executor`, so that whatever offers one can do the work.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final, Generic, ParamSpec, TypeVar

from stopflow.cluster import cluster_workers
from stopflow.workers import one_blas_thread, worker_processes

AHEAD: Final = 4
"""Jobs that are handed out for each worker, so that none is idle while the oldest is done."""
TURN_S: Final = 5e-4
"""How long this process works on before the thread that takes in the results of another, a piece
of some 64 kB at a time, gets its turn; the other waits until all of its result is taken."""

Job = TypeVar("Job")
Result = TypeVar("Result")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """An executor, and how many jobs it is given at a time.

    Attributes
    ----------
    at_once
        Jobs that are begun, or wait with their results, at any time.
    beside
        Processes that this one works beside, doing a job itself while the next result is not there
        yet; 0: it waits.
    """

    executor: Executor
    at_once: int
    beside: int = 0

    def map_in_order(self, work: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
        """Yield the results in the order of the jobs; few of them wait in memory at any time."""
        waiting: deque[_Handed[Job, Result]] = deque()
        line = _Line(work, self.executor, room=self.beside or self.at_once)
        left = iter(jobs)
        first = True
        while True:
            handed: list[_Handed[Job, Result]] = [
                _Handed(job=job, future=Future())
                for job in islice(left, self.at_once - len(waiting))
            ]
            waiting.extend(handed)
            if not waiting:
                return
            # The first is done here, where nothing has to be started for it.
            line.add(handed, first_is_taken=first and self.beside > 0)
            own = handed[0] if first and self.beside else None
            first = False
            if own is None and self.beside and not waiting[0].future.done():
                own = line.take()
            if own is not None:
                _settle(own.future, ThisProcess().submit(work, own.job))
                continue
            yield waiting.popleft().future.result()

    def dismiss(self) -> None:
        """Let the workers end, for nothing more will be asked; they are waited for at the end."""
        self.executor.shutdown(wait=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Handed(Generic[Job, Result]):
    """A job, and its result to come."""

    job: Job
    future: Future[Result]


class _Line(Generic[Job, Result]):
    """Jobs that nobody has begun; the executor is given the next as soon as it is done with one.

    A job that it holds in a queue of its own could not be taken back, and at the end one process
    would wait for two jobs of another.
    """

    def __init__(self, work: Callable[[Job], Result], executor: Executor, *, room: int) -> None:
        self._work, self._executor = work, executor
        self._room = room
        self._jobs: deque[_Handed[Job, Result]] = deque()
        self._lock = threading.Lock()

    def add(self, handed: Sequence[_Handed[Job, Result]], *, first_is_taken: bool) -> None:
        """Add jobs; the first of them is left out where the caller does it."""
        self._jobs.extend(handed[int(first_is_taken) :])
        self._hand_out()

    def take(self) -> _Handed[Job, Result] | None:
        """Take the next job out of the line; None where there is none."""
        with self._lock:
            return self._jobs.popleft() if self._jobs else None

    def _hand_out(self) -> None:
        while (handed := self._next()) is not None:
            future = self._executor.submit(self._work, handed.job)
            future.add_done_callback(partial(self._done, handed))

    def _next(self) -> _Handed[Job, Result] | None:
        """Take the next job for the executor; None where it has as many as it is to have."""
        with self._lock:
            if not self._room or not self._jobs:
                return None
            self._room -= 1
            return self._jobs.popleft()

    def _done(self, handed: _Handed[Job, Result], future: Future[Result]) -> None:
        """Give the executor another job in the place of one that is done."""
        if not future.cancelled() and future.exception() is None:
            with self._lock:
                self._room += 1
            with suppress(RuntimeError):  # the executor was shut down in between
                self._hand_out()
        _settle(handed.future, future)


def _settle(promised: Future[Result], done: Future[Result]) -> None:
    """Let a promised result be that of a job that is done."""
    if done.cancelled():
        promised.cancel()
    elif (error := done.exception()) is not None:
        promised.set_exception(error)
    else:
        promised.set_result(done.result())


class ThisProcess(Executor):
    """Does each job at once, in the process that submits it."""

    def submit(
        self, fn: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[Result]:
        """Do the job; what it raises is raised when its result is asked for."""
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # handed on by the future
            future.set_exception(error)
        return future


def nothing() -> None:
    """Load nothing before the first job."""


def open_workers(
    *, processes: int, cluster: str | None = None, load: Callable[[], None] = nothing
) -> AbstractContextManager[Workers]:
    """Open the place of the work.

    Parameters
    ----------
    processes
        How many work on this machine, this one among them; 1: this one alone.
    cluster
        Address of a Dask scheduler, whose workers are used instead.
    load
        What processes of this machine do at once, so that the first job finds it done.

    Raises
    ------
    StopflowError
        When there is no such scheduler, and when the work is ended from outside.
    """
    if cluster is not None:
        return _on_cluster(cluster)
    if processes == 1:
        return nullcontext(Workers(executor=ThisProcess(), at_once=1))
    return _in_processes(processes, load)


@contextmanager
def _in_processes(count: int, load: Callable[[], None]) -> Iterator[Workers]:
    """Start all processes but one, which is this one: it works while the others still import."""
    with one_blas_thread(), worker_processes(count - 1) as pool, _turns(TURN_S):
        for _ in range(count - 1):
            pool.submit(load)
        yield Workers(executor=pool, at_once=AHEAD * count, beside=count - 1)


@contextmanager
def _turns(seconds: float) -> Iterator[None]:
    """Let the threads of this process take turns of so many seconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def _on_cluster(address: str) -> Iterator[Workers]:
    with cluster_workers(address) as (executor, count):
        yield Workers(executor=executor, at_once=AHEAD * count)
