"""The results of a lab stay that lab's: those of another are set aside, and nothing is lost."""

import json
import subprocess
import sys

import numpy as np
import pytest
from cli_lab import exit_code, own_environment

from stopflow.io.bka.format import write_bka
from stopflow.io.results import MANY_SETS, MARK, Lab, lab_at, load_mark, parse_lab
from stopflow.io.switch import recover_folder, switching
from stopflow.store import load_dataset

pytestmark = pytest.mark.whole

RATES = {"labA": 20.0, "labB": 45.0}


@pytest.fixture(scope="module")
def labs(tmp_path_factory):
    """Two labs whose folders and files have the same names."""
    home = tmp_path_factory.mktemp("two_labs")
    time_ms = np.linspace(0.0, 250.0, 400)
    generator = np.random.default_rng(4)
    for name, k_per_s in RATES.items():
        folder = home / name / "day 1"
        folder.mkdir(parents=True)
        for number in (1, 2):
            noise = generator.normal(0, 0.004, time_ms.size)
            signal = 5 + np.exp(-k_per_s * time_ms / 1000) + noise
            write_bka(folder / f"shot{number}.bka", time=time_ms, signals=signal)
    return home


def ingest(labs, name, place):
    words = ("--out", place / "out", "--reports", place / "reports", "--html-light")
    assert exit_code("ingest", labs / name, *words) == 0


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.essential
def test_another_labs_results_are_set_aside_with_a_line(labs, tmp_path, capsys):
    ingest(labs, "labA", tmp_path)
    reports = tmp_path / "reports"
    with switching() as switch:
        gathered = switch.files(reports, lab=lab_at(labs / "labA"))
        for name in ("predictions.csv", "dlrt.pdf"):
            (gathered / name).write_text(f"{name} of A")
    first, dataset = contents(reports), contents(tmp_path / "out")
    capsys.readouterr()

    ingest(labs, "labB", tmp_path)

    told = capsys.readouterr().err
    (aside,) = (reports / "earlier").iterdir()
    assert aside.name.startswith("labA_2")
    kept = contents(aside)
    assert {**kept, MARK: b""} == {**first, MARK: b""}, "every file of A, as it was"
    assert set(contents(reports)) == set(first) - {"predictions.csv", "dlrt.pdf"}
    assert load_mark(reports).lab == lab_at(labs / "labB")
    assert load_mark(aside).lab == lab_at(labs / "labA")
    assert f"the results of labA that were in {reports} are kept in {aside} (6 files)" in told
    (before,) = tmp_path.glob("out.earlier.*")
    assert contents(before) == dataset
    assert load_dataset(before).lab == lab_at(labs / "labA")
    assert f"kept in {before}" in told
    found = load_dataset(tmp_path / "out")
    assert found.lab.name == "labB"
    assert found.shots["k_per_s"].to_numpy() == pytest.approx(RATES["labB"], rel=0.05)


def test_the_same_lab_replaces_its_own_results(labs, tmp_path, capsys):
    ingest(labs, "labA", tmp_path)
    first = contents(tmp_path / "reports")
    ingest(labs, "labA", tmp_path)
    assert contents(tmp_path / "reports") == first
    assert "kept in" not in capsys.readouterr().err
    assert not (tmp_path / "reports" / "earlier").exists()
    assert not list(tmp_path.glob("out.*"))


def test_many_earlier_results_are_kept_and_the_user_is_told_how_many(labs, tmp_path, capsys):
    reports = tmp_path / "reports"
    told = []
    for turn in range(MANY_SETS + 1):
        with switching() as switch:
            gathered = switch.files(reports, lab=lab_at(labs / ("labA" if turn % 2 else "labB")))
            (gathered / "rates.csv").write_text(f"{turn}" * 100_000, encoding="utf-8")
        told.append([note for note in switch.notes if "delete the folders" in note])
    assert [len(notes) for notes in told] == [0] * MANY_SETS + [1]
    assert told[-1][0] == (
        f"{reports / 'earlier'} now holds {MANY_SETS} sets of earlier results, 0.6 MB; "
        "delete the folders in it that you no longer need"
    )
    kept = sorted(path.read_text(encoding="utf-8")[0] for path in reports.rglob("rates.csv"))
    assert kept == [str(turn) for turn in range(MANY_SETS + 1)]


def test_what_the_program_did_not_write_is_kept(labs, tmp_path, capsys):
    reports = tmp_path / "reports"
    reports.mkdir()
    (reports / "kinetics.pdf").write_bytes(b"my own paper")
    ingest(labs, "labA", tmp_path)
    (aside,) = (reports / "earlier").iterdir()
    assert (aside / "kinetics.pdf").read_bytes() == b"my own paper"

    (reports / "rates.xlsx").write_bytes(b"with notes of mine")
    capsys.readouterr()
    ingest(labs, "labA", tmp_path)
    found = [path.read_bytes() for path in (reports / "earlier").glob("*/rates.xlsx")]
    assert found == [b"with notes of mine"]
    told = capsys.readouterr().err
    assert f"{reports / 'rates.xlsx'}: not written by stopflow, or changed since" in told


def test_a_report_made_again_is_of_the_datasets_lab(labs, tmp_path, capsys):
    ingest(labs, "labA", tmp_path)
    ingest(labs, "labB", tmp_path / "b")
    words = ("--dataset", tmp_path / "b" / "out", "--reports", tmp_path / "reports")
    assert exit_code("report", *words, "--html-light") == 0
    assert load_mark(tmp_path / "reports").lab.name == "labB"
    assert [path.name[:5] for path in (tmp_path / "reports" / "earlier").iterdir()] == ["labA_"]


def test_results_of_a_part_join_those_of_the_whole(tmp_path):
    whole, part = tmp_path / "lab", tmp_path / "lab" / "day 1"
    reports = tmp_path / "reports"
    for root, name, is_part in ((whole, "rates.csv", False), (part, "predictions.csv", True)):
        with switching() as switch:
            gathered = switch.files(reports, lab=lab_at(root), is_part=is_part)
            (gathered / name).write_text("x")
        assert switch.notes == []
    assert load_mark(reports).lab == lab_at(whole)
    with switching() as switch:
        (switch.files(reports, lab=lab_at(part)) / "rates.csv").write_text("y")
    assert len(switch.notes) == 1
    assert not (reports / "predictions.csv").exists()


def test_results_of_no_lab_stay_whichever_labs_join_them(tmp_path):
    reports = tmp_path / "reports"
    reports.mkdir()
    (reports / "reproduce.csv").write_text("my own table")

    def write(name, text, **options):
        with switching() as switch:
            (switch.files(reports, **options) / name).write_text(text)
        return switch.notes

    (note,) = write("reproduce.csv", "rows", lab=None, common=True)
    assert "reproduce.csv: not written by stopflow" in note
    (aside,) = (reports / "earlier").iterdir()
    assert (aside / "reproduce.csv").read_text() == "my own table"
    for name in ("labA", "labB"):
        notes = write("rates.csv", name, lab=lab_at(tmp_path / name))
        assert ["the results of labA" in text for text in notes] == [True] * (name == "labB")
        assert write("reproduce.csv", f"rows {name}", lab=None, common=True) == []
        assert load_mark(reports).lab == lab_at(tmp_path / name)
        assert contents(reports)["rates.csv"] == name.encode()
    assert (reports / "reproduce.csv").read_text() == "rows labB"
    (of_a,) = (path for path in (reports / "earlier").iterdir() if path.name.startswith("labA_"))
    assert set(contents(of_a)) == {"rates.csv", MARK}


def test_what_older_versions_left_is_set_aside_after_results_of_no_lab_too(tmp_path):
    reports = tmp_path / "reports"
    reports.mkdir()
    for name in ("rates.csv", "predictions.csv"):
        (reports / name).write_text("old")
    with switching() as switch:
        (switch.files(reports, lab=None, common=True) / "m.pdf").write_text("a classifier's")
    assert switch.notes == []
    with switching() as switch:
        (switch.files(reports, lab=lab_at(tmp_path / "lab")) / "rates.csv").write_text("new")
    assert set(contents(reports)) == {"rates.csv", "m.pdf", MARK}


def test_a_lab_and_its_results_can_be_moved_together(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "lab").mkdir(parents=True)
    with switching() as switch:
        (switch.files(here / "reports", lab=lab_at(here / "lab")) / "rates.csv").write_text("x")
    here.rename(there)
    assert load_mark(there / "reports").lab == lab_at(there / "lab")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"lab": 3, "files": 4}',
        '{"lab": {"name": "x", "folders": []}, "files": {"../a": "b", "/etc/passwd": "c"}}',
        '{"lab": {"name": "x", "folders": ["\\u0000"]}, "files": {"a": 5}}',
    ],
)
def test_a_damaged_mark_is_no_mark_and_moves_nothing_from_outside(tmp_path, text):
    reports = tmp_path / "reports"
    reports.mkdir()
    (tmp_path / "a").write_text("outside")
    (reports / MARK).write_text(text)
    (reports / "rates.csv").write_text("mine")
    with switching() as switch:
        (switch.files(reports, lab=lab_at(tmp_path / "lab")) / "rates.csv").write_text("new")
    assert (tmp_path / "a").read_text() == "outside"
    assert (reports / "rates.csv").read_text() == "new"
    assert [path.read_text() for path in reports.glob("earlier/*/rates.csv")] == ["mine"]


def test_names_of_labs_are_names_of_folders(tmp_path):
    lab = Lab(name='a/b\\c:d?"' + "x" * 300, folders=(tmp_path / "one",))
    reports = tmp_path / "reports"
    for owner in (lab, lab_at(tmp_path)):
        with switching() as switch:
            (switch.files(reports, lab=owner) / "rates.csv").write_text(owner.name)
    (aside,) = (reports / "earlier").iterdir()
    assert aside.name.startswith("a-b-c-d--xxx")
    assert len(aside.name) < 100


def test_a_lab_at_the_root_of_a_disk_has_a_name(tmp_path):
    root = type(tmp_path)(tmp_path.anchor)
    assert lab_at(root).name == "lab"
    assert parse_lab(json.loads(json.dumps(lab_at(root).record(tmp_path))), tmp_path) == lab_at(
        root
    )


KILLED = """
import os, sys
from pathlib import Path
from stopflow.io import switch as module
from stopflow.io.results import lab_at
left, place = int(sys.argv[1]), Path(sys.argv[2])
put = module.put
def die(move):
    global left
    if left == 0:
        os._exit(9)
    left -= 1
    put(move)
module.put = die
with module.switching() as switch:
    lab = lab_at(place / "labB")
    out = switch.folder(place / "out", lab=lab, lab_of=lambda folder: lab_at(place / "labA"))
    (out / "data").write_text("B")
    reports = switch.files(place / "reports", lab=lab)
    for name in ("rates.csv", "kinetics.pdf"):
        (reports / name).write_text("B")
"""


@pytest.mark.parametrize("moves", range(10))
def test_a_run_that_is_killed_while_it_sets_aside_is_finished(tmp_path, moves):
    place = tmp_path / "place"
    lab = lab_at(place / "labA")
    with switching() as switch:
        (switch.folder(place / "out") / "data").write_text("A")
        reports = switch.files(place / "reports", lab=lab)
        for name in ("rates.csv", "kinetics.pdf", "predictions.csv"):
            (reports / name).write_text("A")
    words = [sys.executable, "-c", KILLED, str(moves), str(place)]
    ended = subprocess.run(words, env=own_environment(), check=False)
    assert ended.returncode == (9 if moves < 9 else 0), "4 things aside, 5 to their places"
    recover_folder(place / "out")

    assert (place / "out" / "data").read_text() == "B"
    now = {path.name: path.read_text() for path in (place / "reports").glob("[!.]*.[cp]*")}
    assert now == {"rates.csv": "B", "kinetics.pdf": "B"}
    earlier = {
        path.name: path.read_text() for path in (place / "reports").glob("earlier/*/[!.]*.[cp]*")
    }
    assert earlier == {"rates.csv": "A", "kinetics.pdf": "A", "predictions.csv": "A"}
    assert [path.read_text() for path in place.glob("out.earlier.*/data")] == ["A"]


def test_a_switch_that_fails_puts_back_what_it_set_aside(tmp_path, monkeypatch):
    place = tmp_path / "place"
    for name in ("rates.csv", "kinetics.pdf"):
        with switching() as switch:
            reports = switch.files(place / "reports", lab=lab_at(place / "labA"))
            (reports / name).write_text("A")
    before = contents(place / "reports")
    (place / "reports" / "zz.csv").mkdir()

    def write_of_b():
        with switching() as switch:
            reports = switch.files(place / "reports", lab=lab_at(place / "labB"))
            for name in ("rates.csv", "zz.csv"):
                (reports / name).write_text("B")

    with pytest.raises(OSError, match="zz"):
        write_of_b()
    assert contents(place / "reports") == before
    assert not (place / "reports" / "earlier").exists()
