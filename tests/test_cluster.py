"""A Dask cluster does the work of an ingest: the same bytes, also when a worker dies amid it.

The scheduler and its workers are real ones on this machine's loopback; where the package
distributed is not installed (it is an extra), only the refusals are tested.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec

import pytest
from cli_lab import exit_code, own_environment

from stopflow.simulate.plan import LabSpec
from stopflow.simulate.writer import write_lab

pytestmark = pytest.mark.whole
needs_distributed = pytest.mark.skipif(
    find_spec("distributed") is None, reason="needs the package distributed: stopflow[cluster]"
)
PATIENCE_S = 120
WAIT_UNTIL_BUSY = """
import sys, time
from distributed import Client
with Client(sys.argv[1]) as client:
    while not dict(client.processing()).get(sys.argv[2]):
        time.sleep(0.1)
"""
WORKER_OF = """
import sys, time
from distributed import Client
with Client(sys.argv[1]) as client:
    while len(found := client.run(__import__("os").getpid)) < int(sys.argv[2]):
        time.sleep(0.1)
    import json
    print(json.dumps(found))
"""


@pytest.fixture
def lab(tmp_path):
    write_lab(tmp_path / "lab", spec=LabSpec(folders=6, traces=(4, 4), points=400), seed=1)
    return tmp_path / "lab"


@contextmanager
def started(*words):
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        env=own_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE_S)


@pytest.fixture
def scheduler(tmp_path):
    """Yield the address of a scheduler without workers."""
    file = tmp_path / "scheduler.json"
    place = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show")
    with started(
        "distributed.cli.dask_scheduler", *place, "--scheduler-file", str(file)
    ) as process:
        until = time.monotonic() + PATIENCE_S
        while not file.exists() or not file.read_text():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        yield json.loads(file.read_text())["address"]


def worker(address):
    return started(
        "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"
    )


def script(text, *words):
    done = subprocess.run(
        [sys.executable, "-c", text, *words],
        env=own_environment(),
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=True,
    )
    return done.stdout


def command(lab, out, *further):
    words = ["ingest", lab, "--out", out, "--reports", f"{out}-reports", "--quiet", *further]
    return [sys.executable, "-m", "stopflow", *map(str, words)]


def run(lab, out, *further):
    return subprocess.run(
        command(lab, out, *further),
        env=own_environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )


def content(out):
    """All files of a dataset, without the parts of reports that are kept for another time.

    Of its description all but the command and what follows from it, which these parts hold.
    """
    files = {path.name: path.read_bytes() for path in out.iterdir() if path.name != "drawn.zip"}
    described = json.loads(files.pop("ingest.json"))
    return files, {
        name: value for name, value in described.items() if name not in ("command", "digest")
    }


@needs_distributed
@pytest.mark.skipif(sys.platform == "win32", reason="stops a process by a signal")
def test_a_worker_that_dies_is_replaced_and_the_bytes_are_the_same(lab, tmp_path, scheduler):
    here, there = tmp_path / "here", tmp_path / "there"
    assert run(lab, here).returncode == 0
    with worker(scheduler), worker(scheduler) as second:
        pids = json.loads(script(WORKER_OF, scheduler, "2"))
        address = next(name for name, pid in pids.items() if pid == second.pid)
        os.kill(second.pid, signal.SIGSTOP)  # it takes work and never ends it
        ingest = subprocess.Popen(
            command(lab, there, "--cluster", scheduler),
            env=own_environment(),
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        script(WAIT_UNTIL_BUSY, scheduler, address)
        assert ingest.poll() is None
        second.kill()
        _, said = ingest.communicate(timeout=PATIENCE_S)
    assert (ingest.returncode, said) == (0, "")
    assert content(there) == content(here)


@needs_distributed
def test_a_scheduler_without_workers_is_a_line(lab, tmp_path, scheduler):
    done = run(lab, tmp_path / "out", "--cluster", scheduler)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "has no workers" in done.stderr
    assert not (tmp_path / "out").exists()


@needs_distributed
def test_an_unreachable_scheduler_is_a_line(lab, tmp_path):
    done = run(lab, tmp_path / "out", "--cluster", "tcp://127.0.0.1:9")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "no Dask scheduler answers" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.essential
@pytest.mark.parametrize("address", ["127.0.0.1", "nonsense://x:1", "", "tcp://host", "tcp://:1"])
def test_what_is_no_address_is_refused(lab, tmp_path, address, capsys):
    out = tmp_path / "out"
    assert exit_code("ingest", lab, "--out", out, "--reports", out, "--cluster", address) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "tcp://HOST:PORT" in said


@needs_distributed
def test_a_scheduler_that_is_lost_is_a_line(lab, tmp_path, scheduler):
    with worker(scheduler) as only:
        pids = json.loads(script(WORKER_OF, scheduler, "1"))
        os.kill(only.pid, signal.SIGSTOP)
        ingest = subprocess.Popen(
            command(lab, tmp_path / "out", "--cluster", scheduler),
            env=own_environment(),
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        script(WAIT_UNTIL_BUSY, scheduler, next(iter(pids)))
        os.kill(scheduler_pid(scheduler), signal.SIGKILL)
        _, said = ingest.communicate(timeout=PATIENCE_S)
    assert ingest.returncode == 2
    assert len(said.splitlines()) == 1
    assert "scheduler was lost" in said
    assert not (tmp_path / "out").exists()


def scheduler_pid(address):
    text = """
import os, sys
from distributed import Client
with Client(sys.argv[1]) as client:
    print(client.run_on_scheduler(os.getpid))
"""
    return int(script(text, address))


@pytest.mark.essential
def test_without_the_extra_the_refusal_names_it(lab, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    out = tmp_path / "out"
    words = ("ingest", lab, "--out", out, "--reports", out, "--cluster", "tcp://127.0.0.1:9")
    assert exit_code(*words) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "pip install 'stopflow[cluster]'" in said
