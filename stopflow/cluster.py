"""The workers of a Dask cluster that runs already, as an executor.

Whoever has SLURM, PBS, SGE or Kubernetes starts a scheduler there with dask-jobqueue or
dask-kubernetes; this module needs nothing but its address. A job whose worker dies is done again
by another one; the scheduler sees to that.
"""

import logging
import re
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from stopflow.errors import SettingsError, StopflowError

if TYPE_CHECKING:
    from distributed import Client

EXTRA: Final = "stopflow[cluster]"
PATIENCE_S: Final = 5.0
"""Time in which a scheduler has to answer."""
ADDRESS: Final = re.compile(r"(tcp|tls|ws|wss)://(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):[0-9]{1,5}")


@contextmanager
def cluster_workers(address: str) -> Iterator[tuple[Executor, int]]:
    """Yield an executor on the cluster, and how many jobs its workers do at a time.

    Parameters
    ----------
    address
        Of the scheduler, ``tcp://HOST:PORT``.

    Raises
    ------
    SettingsError
        When the address is none.
    StopflowError
        When `distributed` is not installed, when no scheduler answers or it has no workers, when
        a job ended too many workers, and when the scheduler is lost.
    """
    if not ADDRESS.fullmatch(address):
        raise SettingsError("--cluster", address, valid="tcp://HOST:PORT of a Dask scheduler")
    with _without_its_log(), _connected(address) as client:
        at_once = sum(client.nthreads().values())
        if at_once == 0:
            raise StopflowError(
                f"--cluster {address}: the scheduler has no workers; start some with: "
                f"dask worker {address}"
            )
        executor = client.get_executor(pure=False)
        try:
            with _own_errors(address):
                yield executor, at_once
        finally:
            executor.shutdown(wait=False)


def _connected(address: str) -> "Client":
    try:
        from distributed import Client
    except ImportError as error:
        raise StopflowError(
            f"--cluster needs the package distributed, which is not installed ({error}); install "
            f"it with: pip install '{EXTRA}'"
        ) from error
    try:
        return Client(address, timeout=PATIENCE_S, set_as_default=False)
    except OSError as error:
        raise StopflowError(
            f"--cluster {address}: no Dask scheduler answers there ({_line(error)}); start one "
            "with: dask scheduler, and give its address as tcp://HOST:PORT"
        ) from error


@contextmanager
def _own_errors(address: str) -> Iterator[None]:
    """Say what happened to the cluster in the midst of the work."""
    from distributed import KilledWorker

    try:
        yield
    except KilledWorker as error:
        raise StopflowError(
            f"--cluster {address}: a folder ended one worker after the other (too little memory?): "
            f"{_line(error)}"
        ) from error
    except CancelledError as error:
        raise StopflowError(
            f"--cluster {address}: the scheduler was lost in the midst of the work; nothing was "
            "written; start it again and repeat the command"
        ) from error
    except ImportError as error:
        raise StopflowError(
            f"--cluster {address}: a worker cannot do the work ({_line(error)}); install the same "
            "version of stopflow on every worker"
        ) from error


@contextmanager
def _without_its_log() -> Iterator[None]:
    """Keep the log of the library off the terminal; what went wrong is said by our errors."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
