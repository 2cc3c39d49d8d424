"""The work on folders goes to any executor and comes back in order, few results at a time."""

import multiprocessing
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from stopflow.executors import ThisProcess, Workers, open_workers


def slow_first(number):
    time.sleep(0.2 if number == 0 else 0)
    return number


def refuse(number):
    raise ValueError(f"job {number}")


def test_results_come_in_the_order_of_the_jobs():
    with ThreadPoolExecutor(4) as pool:
        workers = Workers(executor=pool, at_once=8)
        assert list(workers.map_in_order(slow_first, range(20))) == list(range(20))


def test_no_more_jobs_are_handed_out_than_are_wanted_at_once():
    drawn = []

    def jobs():
        for number in range(20):
            drawn.append(number)
            yield number

    with ThreadPoolExecutor(2) as pool:
        results = Workers(executor=pool, at_once=3).map_in_order(abs, jobs())
        for done, _ in enumerate(results, start=1):
            assert len(drawn) <= done + 2


def test_one_process_does_a_job_only_when_its_result_is_wanted():
    done = []
    with open_workers(processes=1) as workers:
        results = workers.map_in_order(done.append, range(5))
        assert done == []
        next(results)
        assert done == [0]


def test_an_error_of_a_job_is_raised_with_its_result():
    future = ThisProcess().submit(refuse, 3)
    with pytest.raises(ValueError, match="job 3"):
        future.result()


def test_this_process_works_while_the_next_result_is_not_there():
    others_done = threading.Event()

    def work(number):
        if number == 0:
            assert others_done.wait(60)
        if number == 5:
            others_done.set()
        return number, threading.current_thread() is threading.main_thread()

    with ThreadPoolExecutor(1) as pool:
        # The one thread is busy before the first job is asked for, and waits for the last.
        started = threading.Event()
        first = pool.submit(lambda: (started.set(), work(0))[1])
        assert started.wait(60)
        workers = Workers(executor=pool, at_once=5, beside=1)
        found = list(workers.map_in_order(work, range(1, 6)))
        assert first.result() == (0, False)
    # The second is the one job that the thread is given while it is busy.
    assert found == [(number, number != 2) for number in range(1, 6)]


def test_an_error_of_a_job_done_here_is_raised_in_its_place():
    with ThreadPoolExecutor(1) as pool:
        release, started = threading.Event(), threading.Event()
        pool.submit(lambda: (started.set(), release.wait(60)))
        assert started.wait(60)
        results = Workers(executor=pool, at_once=2, beside=1).map_in_order(refuse, range(2))
        with pytest.raises(ValueError, match="job 0"):
            next(results)
        release.set()


def test_of_several_processes_this_is_one(tmp_path):
    with open_workers(processes=2) as workers:
        found = list(workers.map_in_order(process_of, [tmp_path] * 8))
    assert len(set(found)) == 2
    assert os.getpid() in found


def test_workers_that_are_dismissed_end_before_they_are_waited_for():
    with open_workers(processes=2) as workers:
        assert list(workers.map_in_order(abs, range(-3, 0))) == [3, 2, 1]
        workers.dismiss()
        for _ in range(2000):
            if not multiprocessing.active_children():
                break
            time.sleep(0.05)
        assert not multiprocessing.active_children()


def process_of(folder):
    """Wait until two processes have begun a job."""
    (folder / str(os.getpid())).touch()
    for _ in range(2000):
        if len(list(folder.iterdir())) == 2:
            return os.getpid()
        time.sleep(0.05)
    raise TimeoutError
