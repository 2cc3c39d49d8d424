"""A second ingest does only the folders that changed, and leaves the bytes of a full one."""

import hashlib
import os
import pickle
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from again import ALONE, CHANGES, first, nothing, process, written
from cli_lab import own_environment

from stopflow.cli.console import announcer, warn
from stopflow.errors import StoreError
from stopflow.io.folder import ReadOptions
from stopflow.kinetics.laws import find_law
from stopflow.kinetics.settings import AnalysisSettings
from stopflow.pipeline.lab import gather
from stopflow.pipeline.lab import ingest as ingesting
from stopflow.pipeline.lab.ingest import Execution, IngestSettings, ingest
from stopflow.pipeline.lab.jobs import FolderJob
from stopflow.pipeline.lab.packing import pack, unpack
from stopflow.pipeline.lab.reading import do_folder
from stopflow.pipeline.lab.unchanged import SETTINGS
from stopflow.pipeline.progress import unannounced
from stopflow.store import DRAWN, KEPT, load_dataset

pytestmark = pytest.mark.whole


@pytest.fixture
def lab(lab_again):
    return lab_again


@pytest.fixture
def done(monkeypatch):
    """Names of the folders that are read and fitted."""
    names = []

    def counting(job):
        names.append(job.name)
        return do_folder(job)

    monkeypatch.setattr(ingesting, "do_job", counting)
    return names


def ingested(lab, *, settings=ALONE, fresh=False):
    out = lab.parent / "out"
    ingest(lab, out=out, settings=settings, execution=Execution(fresh=fresh))
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.mark.parametrize("change", [nothing, *CHANGES])
def test_only_what_changed_is_done(lab, done, change):
    ingested(lab)
    done.clear()
    change(lab)
    ingested(lab)
    assert len(done) == (change is not nothing)


def change_the_truth(lab):
    path = lab / "truth.csv"
    *lines, last = path.read_text().splitlines()
    path.write_text("\n".join([*lines, last.replace(last.split(",")[2], "12.5"), ""]))


def leave_a_file_beside_the_folders(lab):
    (lab / "notes.txt").write_text("cleaned the cell\n")


@pytest.mark.parametrize("change", [nothing, change_the_truth, leave_a_file_beside_the_folders])
def test_a_dataset_is_kept_only_when_all_that_it_depends_on_is_the_same(lab, change, monkeypatch):
    compared = []
    compare = gather.compare_folders

    def counting(*of, **how):
        compared.append(of)
        return compare(*of, **how)

    monkeypatch.setattr(gather, "compare_folders", counting)
    ingested(lab)
    compared.clear()
    change(lab)
    again = ingested(lab)
    assert len(compared) == (change is not nothing)
    again.pop(DRAWN)
    assert again == ingested(lab, fresh=True)


HEAVY = ("scipy", "pandas", "matplotlib", "openpyxl", "pypdf", "torch", "stopflow.kinetics.fit")


def test_an_unchanged_lab_loads_nothing_that_reads_fits_or_draws(lab):
    script = (
        "import sys; from pathlib import Path; from again import process\n"
        f"process(Path({str(lab)!r}), exports=())\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    environment = own_environment()
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    before = process(lab, exports=())
    run = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert run.stdout.strip() == "[]"
    assert written(lab.parent) == before


@pytest.mark.parametrize(
    "settings",
    [
        IngestSettings(workers=1, time_unit="ms"),
        IngestSettings(workers=1, analysis=AnalysisSettings(law="single")),
        IngestSettings(workers=1, analysis=AnalysisSettings(dead_time_s=2e-3)),
    ],
)
def test_other_settings_do_everything_again(lab, done, settings):
    ingested(lab)
    done.clear()
    ingested(lab, settings=settings)
    assert len(done) == 3


@pytest.mark.essential
def test_another_program_does_everything_again(lab, done, monkeypatch):
    ingested(lab)
    done.clear()
    monkeypatch.setattr("stopflow.pipeline.lab.jobs.library_versions", lambda: {"numpy": "0"})
    ingested(lab)
    assert len(done) == 3


def test_a_folder_in_which_something_failed_is_done_again(lab, done):
    first(lab).write_bytes(first(lab).read_bytes()[:200] + b"\n1\tx\n")
    ingested(lab)
    done.clear()
    ingested(lab)
    assert done == [first(lab).parent.name]


@pytest.mark.parametrize("name", [KEPT, "signal.f64", "shots.parquet", "ingest.json"])
def test_a_damaged_dataset_is_made_again_in_full(lab, done, name):
    whole = ingested(lab)
    done.clear()
    rng = np.random.default_rng(0)
    bytes_ = bytearray((lab.parent / "out" / name).read_bytes())
    for place in rng.integers(0, len(bytes_), size=max(len(bytes_) // 50, 10)):
        bytes_[place] ^= int(rng.integers(1, 256))
    (lab.parent / "out" / name).write_bytes(bytes_)
    assert ingested(lab) == whole
    assert len(done) == 3


def test_the_keys_are_in_the_archive_and_the_traces_are_not(lab):
    ingested(lab)
    with zipfile.ZipFile(lab.parent / "out" / KEPT) as archive:
        sizes = [entry.file_size for entry in archive.infolist() if entry.filename != SETTINGS]
    assert len(sizes) == 3
    assert max(sizes) < first(lab).stat().st_size * 4


class Runs:
    def __reduce__(self):
        return print, ("this must not run",)


class Imports:
    def __reduce__(self):
        from stopflow.io.atomic import write_text

        return write_text, ("written.txt", "this must not run")


@pytest.mark.essential
@pytest.mark.parametrize("value", [Runs(), Imports(), lambda: 0])
def test_bytes_that_would_run_something_are_refused(value, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        written = pickle.dumps(value)
    except (AttributeError, pickle.PicklingError):
        written = b"cos\nsystem\n(S'echo this must not run'\ntR."
    with pytest.raises(StoreError, match="no part of a result"):
        unpack(zlib.compress(written))
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().out == ""


def test_a_result_that_claims_too_much_memory_is_refused(monkeypatch):
    monkeypatch.setattr("stopflow.pipeline.lab.packing.LARGEST_BYTES", 1000)
    with pytest.raises(StoreError, match="larger"):
        unpack(zlib.compress(bytes(100_000)))


@pytest.mark.essential
def test_a_result_packed_again_is_the_same_bytes(lab):
    folder = first(lab).parent
    job = FolderJob(
        folder=folder, name=folder.name, options=ReadOptions(), settings=AnalysisSettings()
    )
    packed = do_folder(job).packed
    assert pack(unpack(packed)) == packed


def test_the_rates_of_a_folder_are_said_when_it_is_done(lab):
    said = []
    out = lab.parent / "out"

    def hear(result):
        said.append((result.headline, list(out.parent.glob(f".out.partial-*/{KEPT}")) != []))

    found = ingest(lab, out=out, settings=ALONE, execution=Execution(fresh=True), hear=hear)
    names = sorted(path.name for path in lab.iterdir() if path.is_dir())
    assert [line.partition(":")[0] for line, _ in said] == names
    assert all(early for _, early in said)
    usable = found.shots[found.shots["experiment"] == names[0]]["k_per_s"].dropna()
    shots = int((found.shots["experiment"] == names[0]).sum())
    assert f"{len(usable)} of {shots} shots" in said[0][0]
    assert f"k = {usable.min():.3g} to {usable.max():.3g} 1/s" in said[0][0]


def test_nothing_is_said_early_where_nobody_looks(monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    assert announcer(quiet=False) is unannounced
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert announcer(quiet=True) is unannounced
    assert announcer(quiet=False) is warn


def test_a_law_that_the_user_wrote_comes_back_by_its_text():
    law = find_law("a*exp(-k*t) + b")
    assert unpack(pack(law)) == law
    assert unpack(pack(find_law("double"))) is find_law("double")


def test_every_file_that_was_read_is_in_the_table_of_inputs(processed_lab):
    found = load_dataset(processed_lab / "out")
    files = sorted(path for path in (processed_lab / "lab").glob("*/*") if path.is_file())
    expected = {
        (path.parent.name, path.name): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }
    inputs = found.inputs.itertuples(index=False)
    assert {(row.experiment, row.file): row.sha256 for row in inputs} == expected
    assert not any(name in str(found.provenance) for _, name in expected)
