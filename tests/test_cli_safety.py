"""What is the user's stays the user's: folders, earlier results, models that others are made of."""

import json
import shutil
import sys
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from cli_lab import one_folder
from safetensors.torch import load_file, save_file

from stopflow.cli.console import say_wrong_use
from stopflow.errors import NO_ROOM, StoreError
from stopflow.io.atomic import replacing_file
from stopflow.io.results import MARK
from stopflow.io.switch import switching
from stopflow.learn.saved import load_model
from stopflow.learn.training.train import train

pytestmark = pytest.mark.whole

SHAPE = Path(__file__).parent.parent / "models" / "shape"
TRAIN = ("train", "--rank", "4", "--epochs", "2", "--features", "blocks", "--quiet")


@pytest.fixture
def lab(simulated, tmp_path):
    folder = one_folder(simulated, tmp_path)
    for book in folder.glob("*.XLSX"):
        book.unlink()
    return folder


@pytest.fixture
def dataset(ingested):
    return ("--dataset", ingested / "data" / "ingested")


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(found, *words):
    code, out, err = found
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert "Errno" not in err
    for word in words:
        assert word in err
    return True


@pytest.mark.parametrize("command", ["ingest", "run"])
@pytest.mark.parametrize("out", ["docs", "docs/notes.txt", "lab", "docs/deep"])
def test_a_dataset_never_replaces_what_is_the_users(lab, tmp_path, run, command, out):
    (tmp_path / "docs" / "deep").mkdir(parents=True)
    (tmp_path / "docs" / "notes.txt").write_text("mine")
    (tmp_path / "docs" / "deep" / "ingest.json").write_text("mine")
    before = contents(tmp_path)
    assert refused(run(command, lab, "--out", out), f"--out = '{out} (")
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "words",
    [
        ("compress", SHAPE),
        ("adapt", SHAPE, "lab"),
        ("pretrain", "--steps", "1"),
        TRAIN,
    ],
)
def test_a_model_never_replaces_what_is_the_users(lab, tmp_path, run, dataset, words):
    notes = tmp_path / "mm" / "vc" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    asked = (*words, "--name", "vc", "--models", "mm")
    asked += dataset if words[0] in ("train", "compress") else ()
    assert refused(run(*asked), "--name = 'mm/vc (holds notes.txt)'")
    assert contents(tmp_path / "mm") == {notes: b"mine"}


def test_a_new_model_is_not_put_in_the_place_of_its_source(lab, tmp_path, run, dataset):
    assert run(*TRAIN, *dataset, "--name", "mine")[0] == 0
    before = contents(tmp_path / "models")
    for words in (
        ("compress", "mine", "--name", "mine", *dataset),
        ("compress", tmp_path / "models" / "mine", "--name", "mine", *dataset),
        ("adapt", "mine", lab, "--name", "mine"),
    ):
        assert refused(run(*words), "--name = 'mine'", "another name")
    assert contents(tmp_path / "models") == before


@pytest.mark.parametrize("name", ["kinetics", "Compare"])
def test_a_model_does_not_take_the_name_of_another_report(tmp_path, run, dataset, name):
    assert refused(run(*TRAIN, *dataset, "--name", name), f"--name = '{name}'", "another name")
    assert contents(tmp_path) == {}


def test_a_run_whose_model_cannot_be_saved_goes_on_from_its_state(
    lab, tmp_path, run, dataset, monkeypatch
):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        "stopflow.pipeline.networks.train.train", partial(train, checkpoint_every_s=0)
    )
    asked = (*TRAIN, *dataset, "--name", "mine")
    with monkeypatch.context() as patch:
        patch.setattr("stopflow.pipeline.networks.train.save_model", full)
        assert run(*asked)[0] != 0
    state = tmp_path / "models" / "mine.checkpoint"
    assert state.exists()
    assert run(*asked, "--resume")[0] == 0
    assert not state.exists()


def test_models_made_of_models_have_reports(simulated, tmp_path, run, dataset):
    lab = one_folder(simulated, tmp_path)
    assert run(*TRAIN, *dataset, "--name", "mine")[0] == 0
    share = ("--energy", "0.999999")
    assert run("compress", "mine", *share, *dataset)[0] == 0
    assert run("compress", "mine", *share, "--name", "alone", "--dataset", "none")[0] == 0
    code, _, err = run("adapt", "mine", lab, "--name", "one", "--epochs", "2")
    assert code == 0, err
    names = ["mine-compressed", "alone", "one"]
    folders = [tmp_path / "models" / name for name in names]
    asked = [word for folder in (*folders, SHAPE) for word in ("--model", folder)]
    code, _, err = run("report", *dataset, *asked, "--quiet")
    assert (code, err) == (0, "")
    for name in (*names, "shape"):
        assert (tmp_path / "reports" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    compressed = pd.read_csv(folders[0] / "predictions.csv")
    whole = pd.read_csv(tmp_path / "models" / "mine" / "predictions.csv")
    assert compressed["split"].tolist() == whole["split"].tolist()
    rows = compressed[compressed["split"] == "test"]
    error = (rows["k_predicted_per_s"] - rows["k_actual_per_s"]).abs().mean()
    metrics = json.loads((folders[0] / "metrics.json").read_text())
    assert metrics["test"]["mae_per_s"] == pytest.approx(error)
    assert refused(run("report", *dataset, "--model", lab, "--quiet"), "no model to report on")


@pytest.mark.parametrize("words", [("compress", "broken"), ("predict", "broken", "lab")])
def test_a_model_that_makes_no_numbers_is_refused_as_it_is_loaded(lab, tmp_path, run, words):
    broken = tmp_path / "models" / "broken"
    shutil.copytree(SHAPE, broken)
    tensors = load_file(broken / "model.safetensors")
    tensors["standardiser.mean"][0] = float("nan")
    save_file(tensors, broken / "model.safetensors")
    assert refused(run(*words), "broken", "not finite numbers")
    assert not (tmp_path / "models" / "broken-compressed").exists()


def test_a_good_dataset_is_not_replaced_by_one_without_a_rate(lab, tmp_path, run):
    out = tmp_path / "data" / "ingested"
    assert run("ingest", lab, "--channel", "7", "--quiet")[0] == 1
    assert run("ingest", lab, "--channel", "7", "--quiet")[0] == 1
    assert run("ingest", lab, "--quiet")[0] == 0
    before = contents(tmp_path / "data") | contents(tmp_path / "reports")
    found = run("ingest", lab, "--channel", "7", "--quiet")
    assert refused(found, "not one of the 6 shots", "data/ingested", "channel 7")
    assert contents(tmp_path / "data") | contents(tmp_path / "reports") == before
    assert run("ingest", lab, "--channel", "7", "--out", "new", "--quiet")[0] == 1
    assert [path.name for path in out.parent.iterdir()] == ["ingested"]


def test_a_picture_of_the_users_is_not_overwritten_by_view(lab, tmp_path, run):
    shot = sorted(lab.glob("*.bka"))[0]
    mine = tmp_path / f"{lab.name}-{shot.stem}.png"
    mine.write_bytes(b"\x89PNG of mine")
    for _ in range(2):
        assert run("view", shot, "--no-open", "--quiet")[0] == 0
    assert mine.read_bytes() == b"\x89PNG of mine"
    pictures = sorted(path.name for path in tmp_path.glob("*.png"))
    assert pictures == sorted([mine.name, f"{lab.name}-{shot.stem}-2.png"])
    mine.unlink()
    for _ in range(2):
        assert run("view", shot, "--no-open", "--quiet")[0] == 0
    assert b"stopflow" in mine.read_bytes()


def test_folders_of_one_name_below_each_other_stay_apart(lab, tmp_path, run, monkeypatch):
    shutil.copytree(lab, lab / "shots")
    monkeypatch.chdir(lab)
    reports = tmp_path / "reports"
    assert run("ingest", ".", "--out", tmp_path / "out", "--reports", reports, "--quiet")[0] == 0
    table = pd.read_csv(reports / "rates.csv")
    assert table["experiment"].value_counts().to_dict() == {"shots": 6, "shots/shots": 6}


def test_links_and_files_that_cannot_be_opened_are_no_hindrance(lab, tmp_path, run, monkeypatch):
    (lab / "gone.txt").symlink_to(tmp_path / "nowhere")
    (lab.parent / "again").symlink_to(lab.parent)
    shutil.move(lab, tmp_path / "Überprüfung 実験")
    (lab.parent / "link").symlink_to(tmp_path / "Überprüfung 実験")
    hashed = []

    def deny(path):
        hashed.append(path.name)
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("stopflow.pipeline.lab.jobs.file_sha256", deny)
    assert run("ingest", lab.parent, "--out", "aus/データ", "--quiet")[0] == 0
    assert len(hashed) == 6
    table = pd.read_csv(tmp_path / "reports" / "rates.csv")
    assert table["experiment"].tolist() == ["link"] * 6


def test_the_model_of_a_run_that_was_refused_is_as_it_was(tmp_path, run):
    shutil.copytree(SHAPE, tmp_path / "models" / "mine")
    assert refused(run("compress", SHAPE, "--name", "mine"), "holds README.md")
    assert load_model(tmp_path / "models" / "mine").features.kind == "shape"


def test_metrics_that_are_no_table_are_refused(tmp_path, run, dataset):
    broken = tmp_path / "models" / "broken"
    shutil.copytree(SHAPE, broken)
    (broken / "metrics.json").write_text("[]")
    code, _, err = run("report", *dataset, "--model", broken, "--model", SHAPE, "--quiet")
    assert code == 1
    assert err.count("\n") == 1
    assert "broken/metrics.json" in err
    assert "train it again" in err
    reports = {path.name for path in (tmp_path / "reports").iterdir()}
    assert reports == {
        "rates.csv",
        "rates.xlsx",
        "kinetics.pdf",
        "kinetics.html",
        "shape.html",
        "shape.pdf",
        MARK,
    }


@pytest.mark.skipif(sys.platform == "win32", reason="sets a limit that is Unix's")
@pytest.mark.parametrize("words", [("compress", SHAPE, "--energy", "0.9"), TRAIN])
def test_a_full_disk_is_said_in_a_line_and_leaves_what_was_there(tmp_path, run, dataset, words):
    import resource

    kept = tmp_path / "models" / "mine"
    assert run(*TRAIN, *dataset, "--name", "mine")[0] == 0
    before = contents(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
    try:
        found = run(*words, "--name", "mine", *dataset, "--quiet")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert refused(found, "models/mine cannot be written", "make room")
    assert contents(tmp_path) == before
    assert load_model(kept).features.kind == "blocks"


def test_an_error_that_names_no_file_says_what_to_do():
    said = say_wrong_use(OSError(28, "No space left on device"))
    assert said.startswith("error: no space left on device; make room")


def test_a_full_disk_is_named_with_the_place_that_was_written_to(tmp_path):
    place = tmp_path / "reports"

    def fill() -> None:
        with switching() as switch:
            switch.files(place, lab=None)
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space") as caught:
        fill()
    said = say_wrong_use(caught.value)
    assert said == f"error: {place}: no space left on device; {NO_ROOM}"
    with pytest.raises(OSError, match="No space") as caught, replacing_file(tmp_path / "a.csv"):
        raise OSError(28, "No space left on device")
    assert str(tmp_path / "a.csv") in say_wrong_use(caught.value)


def test_an_error_of_a_library_on_several_lines_becomes_one():
    assert say_wrong_use(StoreError("no table:\nCouldn't\n")) == "error: no table: Couldn't"


def test_a_picture_is_named_after_folder_and_file_and_kept_from_another_trace(lab, tmp_path, run):
    shot = sorted(lab.glob("*.bka"))[0]
    twin = tmp_path / "day 2" / shot.name
    twin.parent.mkdir()
    shutil.copy(shot, twin)
    table = shot.with_name(f"{shot.stem}.csv")
    lines = (f"{t},{5 + 2 ** (-t / 40):.5f}" for t in range(300))
    table.write_text("\n".join(["Time (ms),Signal", *lines]))
    for file in (shot, twin, table, shot):
        assert run("view", file, "--no-open", "--quiet")[0] == 0
    found = sorted(path.name for path in tmp_path.glob("*.png"))
    first = f"{lab.name}-{shot.stem}"
    assert found == sorted([f"{first}.png", f"{first}-2.png", f"day 2-{shot.stem}.png"])
