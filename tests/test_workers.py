"""Worker processes leave nothing running and nothing on the terminal that is not the program's."""

import gc
import os
import platform
import signal
import subprocess
import sys
import time

import pytest

from stopflow.errors import StopflowError
from stopflow.memory import collecting_seldom
from stopflow.workers import SMALL_BYTES, count_processes, worker_processes

pytestmark = pytest.mark.whole

KILLED = """
import os, time
from stopflow.workers import worker_processes

if __name__ == "__main__":
    with worker_processes(1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 120)
        time.sleep(0.2)
        os._exit(9)
"""


def end_a_worker():
    with worker_processes(1) as pool:
        pool.submit(os._exit, 3).result()


def test_a_worker_that_is_ended_from_outside_is_said_in_a_line():
    with pytest.raises(StopflowError, match="workers = 1"):
        end_a_worker()


def test_an_interruption_is_not_the_workers():
    with worker_processes(1) as pool:
        assert pool.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN


def test_an_error_beside_the_workers_does_not_wait_for_them():
    def interrupted():
        with worker_processes(1) as pool:
            pool.submit(os.getpid).result()
            pool.submit(time.sleep, 120)
            pool.submit(time.sleep, 120)
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - started < 60


@pytest.mark.skipif(sys.platform == "win32", reason="looks a process up by a signal")
def test_workers_end_with_a_killed_parent(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    killed = subprocess.run(
        [sys.executable, script], stdout=subprocess.PIPE, encoding="utf-8", timeout=60, check=False
    )
    assert killed.returncode == 9
    for _ in range(100):
        try:
            os.kill(int(killed.stdout), 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the worker is still there")


@pytest.mark.parametrize(
    ("jobs", "size", "wanted", "expected"),
    [(8, 10, 0, 1), (8, SMALL_BYTES, 0, 4), (3, SMALL_BYTES, 0, 3), (8, 10, 2, 2), (1, 10, 5, 1)],
)
def test_so_many_processes_work_as_are_worth_their_start(
    monkeypatch, jobs: int, size: int, wanted: int, expected: int
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert count_processes(jobs, size, wanted=wanted) == expected
    assert count_processes(0, size, wanted=wanted) == 1


FAULTS = """
import resource
import numpy as np
from stopflow.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        arrays = [np.ones(200_000) for _ in range(4)]
        del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

usual = faults()
keep_freed_memory()
faults()
print(usual, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only the GNU C library can be told")
def test_the_memory_of_arrays_is_not_given_back_and_cleared_again():
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, check=True)
    usual, kept = map(int, done.stdout.split())
    assert usual > 10_000
    assert kept < usual / 100


def test_garbage_is_collected_again_after_a_block_without():
    with collecting_seldom():
        assert not gc.isenabled()
        with collecting_seldom():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
