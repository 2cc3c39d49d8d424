"""Where the work on folders is done: in this process, in processes beside it, or on a cluster.

Each place is a `concurrent.futures.Executor`, so that whatever offers one can do the work.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
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
        """Return the results in the order of the jobs; few of them wait in memory at any time.

        What others do is begun at once, also before the first result is asked for.
        """
        line = _Line(work, jobs, self)
        if not isinstance(self.executor, ThisProcess):
            line.fill()
        return line.results()

    def dismiss(self) -> None:
        """Let the workers end, for nothing more will be asked; they are waited for at the end."""
        self.executor.shutdown(wait=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Handed(Generic[Job, Result]):
    """A job, and its result to come."""

    job: Job
    future: Future[Result]


class _Line(Generic[Job, Result]):
    """Jobs in the order of their results; who is done with one is given the next not begun.

    A job that an executor holds in a queue of its own could not be taken back, and at the end this
    process would wait for two jobs of another.
    """

    def __init__(
        self, work: Callable[[Job], Result], jobs: Iterable[Job], workers: Workers
    ) -> None:
        self._work, self._left, self._workers = work, iter(jobs), workers
        self._waiting: deque[_Handed[Job, Result]] = deque()
        self._jobs: deque[_Handed[Job, Result]] = deque()
        self._room = workers.beside or workers.at_once
        # The first is done here, where nothing has to be started for it.
        self._kept = int(workers.beside > 0)
        self._lock = threading.Lock()

    def fill(self) -> None:
        """Let as many jobs be begun as may wait with their results."""
        for job in islice(self._left, self._workers.at_once - len(self._waiting)):
            handed: _Handed[Job, Result] = _Handed(job=job, future=Future())
            self._waiting.append(handed)
            self._jobs.append(handed)
        self._hand_out()

    def results(self) -> Iterator[Result]:
        """Yield the results, and do a job here where the next is not there yet."""
        while True:
            self.fill()
            if not self._waiting:
                return
            own = None
            if self._workers.beside and not self._waiting[0].future.done():
                own = self._take()
            if own is None:
                yield self._waiting.popleft().future.result()
            else:
                _settle(own.future, ThisProcess().submit(self._work, own.job))

    def _take(self) -> _Handed[Job, Result] | None:
        """Take the next job to do it here; None where all are begun."""
        with self._lock:
            self._kept = 0
            return self._jobs.popleft() if self._jobs else None

    def _hand_out(self) -> None:
        while (handed := self._next()) is not None:
            future = self._workers.executor.submit(self._work, handed.job)
            future.add_done_callback(partial(self._done, handed))

    def _next(self) -> _Handed[Job, Result] | None:
        """Take the next job for the executor; None where it has as many as it is to have."""
        with self._lock:
            if not self._room or len(self._jobs) <= self._kept:
                return None
            self._room -= 1
            handed = self._jobs[self._kept]
            del self._jobs[self._kept]
            return handed

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


def open_workers(*, processes: int, cluster: str | None = None) -> AbstractContextManager[Workers]:
    """Open the place of the work.

    Parameters
    ----------
    processes
        How many work on this machine, this one among them; 1: this one alone.
    cluster
        Address of a Dask scheduler, whose workers are used instead.

    Raises
    ------
    StopflowError
        When there is no such scheduler, and when the work is ended from outside.
    """
    if cluster is not None:
        return _on_cluster(cluster)
    if processes == 1:
        return nullcontext(Workers(executor=ThisProcess(), at_once=1))
    return _in_processes(processes)


@contextmanager
def _in_processes(count: int) -> Iterator[Workers]:
    """Start all processes but one, which is this one: it works while the others still import."""
    with one_blas_thread(), worker_processes(count - 1) as pool, _turns(TURN_S):
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
