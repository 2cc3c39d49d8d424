"""The results of a run are one set: runs at once never mix, a kill leaves one set or the other."""

import os
import signal
import subprocess
import sys
import time

import pytest
from cli_lab import exit_code, own_environment

from stopflow.errors import StoreError
from stopflow.pipeline.reports import open_data
from stopflow.store import load_dataset

pytestmark = pytest.mark.whole

PROGRAM = (sys.executable, "-m", "stopflow")
FILES = ("rates.csv", "rates.xlsx", "kinetics.pdf")
SHOTS = 2


@pytest.fixture(scope="module")
def experiments(request):
    """In full, enough that a second process draws the last pages of the report."""
    return 17 if request.config.getoption("--full") else 2


@pytest.fixture(scope="module")
def labs(tmp_path_factory, experiments):
    """Two labs with the same names of folders and files and other traces."""
    folder = tmp_path_factory.mktemp("labs")
    for seed, name in enumerate("xy"):
        words = ("--folders", experiments, "--points", 300, "--seed", seed, "--quiet")
        assert exit_code("simulate", folder / name, *words) == 0
        for experiment in (folder / name).iterdir():
            if experiment.is_dir():
                for book in experiment.glob("*.XLSX"):
                    book.unlink()
                for number, path in enumerate(sorted(experiment.glob("*.bka"))):
                    if number < SHOTS:
                        path.rename(experiment / f"shot{number}.bka")
                    else:
                        path.unlink()
    return folder


def start(labs, name, place):
    place.mkdir(exist_ok=True)
    link = place / name
    if not link.exists():
        link.symlink_to(labs / name)
    words = ("ingest", name, "--out", "out", "--reports", "reports", "--quiet")
    return subprocess.Popen(
        [*PROGRAM, *words], cwd=place, env=own_environment(), start_new_session=True
    )


def results(place):
    files = [place / "reports" / name for name in FILES]
    files += sorted((place / "out").iterdir())
    return {str(path.relative_to(place)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def alone(labs, tmp_path_factory):
    """What each lab gives when no other run is about, and how long that takes."""
    found = {}
    begin = time.monotonic()
    for name in "xy":
        place = tmp_path_factory.mktemp("alone") / name
        assert start(labs, name, place).wait() == 0
        found[name] = results(place)
    return found, (time.monotonic() - begin) / 2


@pytest.fixture(scope="module")
def place(labs, alone, tmp_path_factory):
    """A folder with the results of lab x, which the tests go on working in."""
    folder = tmp_path_factory.mktemp("place") / "work"
    assert start(labs, "x", folder).wait() == 0
    return folder


def set_of(found, alone):
    """Name the run that the results are of; where they are of none, say which file is whose."""
    whose = {
        file: "".join(name for name in alone if alone[name].get(file) == found[file])
        for file in found
    }
    common = set("xy").intersection(*whose.values())
    return common.pop() if common else whose


def left_over(place):
    return sorted(path.name for path in place.rglob(".*"))


@pytest.mark.slow
def test_two_runs_at_once_leave_the_results_of_one_of_them(labs, alone, place, full_proof):
    for _ in range(5 if full_proof else 1):
        running = [start(labs, name, place) for name in "xy"]
        assert [process.wait() for process in running] == [0, 0]
        assert set_of(results(place), alone[0]) in ("x", "y")
        assert left_over(place) == []


@pytest.mark.skipif(sys.platform == "win32", reason="kills as Unix does")
@pytest.mark.slow
def test_a_run_that_is_killed_leaves_the_results_of_before_or_its_own(
    labs, alone, place, rng, full_proof
):
    for share in rng.uniform(0.3, 1.1, size=40 if full_proof else 2):
        process = start(labs, "y", place)
        time.sleep(share * alone[1])
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        load_dataset(place / "out")
        assert set_of(results(place), alone[0]) in ("x", "y")
    assert start(labs, "x", place).wait() == 0
    assert set_of(results(place), alone[0]) == "x"
    assert left_over(place) == []


def test_a_second_process_never_draws_the_traces_of_another_dataset(labs, tmp_path):
    out = tmp_path / "out"
    words = ("--out", out, "--reports", tmp_path / "reports", "--quiet")
    assert exit_code("ingest", labs / "x", *words) == 0
    dataset = load_dataset(out)
    assert open_data(out, dataset.digest).trace(0) is not None
    first = dataset.trace(0)[1].copy()
    assert exit_code("ingest", labs / "y", *words) == 0
    with pytest.raises(StoreError, match="replaced by another run"):
        open_data(out, dataset.digest)
    assert (dataset.trace(0)[1] == first).all(), "what was opened stays what it was"


@pytest.mark.skipif(sys.platform == "win32", reason="sets a limit that is Unix's")
def test_a_full_disk_leaves_the_results_of_before(labs, alone, place):
    before = results(place)
    (place / "y").unlink(missing_ok=True)
    (place / "y").symlink_to(labs / "y")
    words = "ingest y --out out --reports reports --quiet"
    ended = subprocess.run(
        ["bash", "-c", f"ulimit -f 40; exec {' '.join(PROGRAM)} {words}"],
        cwd=place,
        env=own_environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert results(place) == before
    assert left_over(place) == []
