"""The work on folders goes to any executor and comes back in order, few results at a time."""

import os
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


def test_several_processes_are_others_than_this_one():
    with open_workers(processes=2) as workers:
        found = set(workers.map_in_order(process_of, range(4)))
    assert os.getpid() not in found


def process_of(_job):
    return os.getpid()
