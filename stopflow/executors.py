"""Where the work on folders is done: in this process, in processes beside it, or on a cluster.

Each place is a `concurrent.futures.Executor`, so that whatever offers one can do the work.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
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
    helped
        Whether this process does a job itself while the next result is not there yet.
    """

    executor: Executor
    at_once: int
    helped: bool = False

    def map_in_order(self, work: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
        """Yield the results in the order of the jobs; few of them wait in memory at any time."""
        waiting: deque[_Handed[Job, Result]] = deque()
        left = iter(jobs)
        # The first is done here, where nothing has to be started for it.
        kept = list(islice(left, 1 if self.helped else 0))
        while True:
            for job in islice(left, self.at_once - len(waiting) - len(kept)):
                waiting.append(_Handed(job=job, future=self.executor.submit(work, job)))
            for job in kept:
                waiting.appendleft(_Handed(job=job, future=ThisProcess().submit(work, job)))
            kept.clear()
            if not waiting:
                return
            if self.helped and not waiting[0].future.done() and self._help(work, waiting):
                continue
            yield waiting.popleft().future.result()

    def dismiss(self) -> None:
        """Let the workers end, for nothing more will be asked; they are waited for at the end."""
        self.executor.shutdown(wait=False)

    @staticmethod
    def _help(work: Callable[[Job], Result], waiting: "deque[_Handed[Job, Result]]") -> bool:
        """Do the first job that no other process has begun; False where there is none."""
        for place, handed in enumerate(waiting):
            if handed.future.cancel():
                done = ThisProcess().submit(work, handed.job)
                waiting[place] = _Handed(job=handed.job, future=done)
                return True
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Handed(Generic[Job, Result]):
    """A job that was handed out, and its result to come."""

    job: Job
    future: Future[Result]


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
        yield Workers(executor=pool, at_once=AHEAD * count, helped=True)


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
