"""Worker processes that leave interruptions to the main process and end when it ends."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from stopflow.errors import StopflowError

OPENBLAS = "OPENBLAS_NUM_THREADS"
BLAS_THREADS = ("OMP_NUM_THREADS", OPENBLAS, "MKL_NUM_THREADS")
"""Environment variables that set the number of threads of the linear-algebra libraries."""
DROPPING_S = 0.2
"""Time that a pool gets to drop queued work; a worker that ended sooner would count as broken."""


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let each child process use one BLAS thread, since there is already one process per core."""
    before = {name: os.environ.get(name) for name in BLAS_THREADS}
    os.environ.update(dict.fromkeys(BLAS_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def worker_processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of `count` processes; leaving by an exception does not wait for their work.

    Raises
    ------
    StopflowError
        When one of them is ended from outside, e.g. for want of memory.
    """
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(count, mp_context=context, initializer=_follow_parent) as pool:
            try:
                yield pool
            except BaseException:
                _end_at_once(pool)
                raise
    except BrokenProcessPool as error:
        raise StopflowError(
            "a process that shared the work was ended from outside (too little memory?); try "
            "again, or with workers = 1 under [ingest] of a --config file"
        ) from error


def _end_at_once(pool: ProcessPoolExecutor) -> None:
    """Drop what is queued, and end the processes in the midst of what they do."""
    pool.shutdown(wait=False, cancel_futures=True)
    time.sleep(DROPPING_S)
    for process in multiprocessing.active_children():
        process.terminate()


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, and die with it however it dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
