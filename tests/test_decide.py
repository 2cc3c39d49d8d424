"""exclude, include and set-window: written once, followed by every command afterwards."""

import csv
import json
import math

import numpy as np
import pytest

from stopflow.io.bka.format import write_bka
from stopflow.report.kinetics.summary import state_left_out

pytestmark = pytest.mark.whole


def write_shot(path, k=10.0, noise=0.001, seed=0):
    time = np.linspace(0.0, 500.0, 501)
    signal = 1 + np.exp(-k * time / 1e3) + noise * np.random.default_rng(seed).normal(size=501)
    write_bka(path, time=time, signals=signal)


def rates(folder):
    with (folder / "reports" / "rates.csv").open(encoding="utf-8-sig", newline="") as handle:
        return {row["file"]: row for row in csv.DictReader(handle)}


@pytest.fixture
def lab(tmp_path):
    folder = tmp_path / "lab"
    folder.mkdir()
    for place in range(3):
        write_shot(folder / f"s{place}.bka", seed=place)
    return folder


def test_a_shot_left_out_is_in_no_result_and_in_every_report(lab, run, tmp_path):
    code, out, _ = run("exclude", lab / "s1.bka", "--why", "a  bubble")
    assert code == 0
    assert "s1.bka: left out" in out
    code, out, err = run("ingest", lab)
    assert code == 0
    assert "1 shot left out by decisions.csv" in out + err
    assert set(rates(tmp_path)) == {"s0.bka", "s2.bka"}
    described = json.loads((tmp_path / "data" / "ingested" / "ingest.json").read_text())
    assert described["left_out"] == [
        {"experiment": "lab", "file": "s1.bka", "channel": 1, "why": "a bubble"}
    ]
    assert state_left_out(described["left_out"]) == [
        "1 shot was left out by decisions.csv: a bubble (1 shot)."
    ]
    assert run("include", lab / "s1.bka")[0] == 0
    assert run("ingest", lab)[0] == 0
    assert set(rates(tmp_path)) == {"s0.bka", "s1.bka", "s2.bka"}


def test_the_reason_goes_with_the_exclusion_and_other_notes_stay(lab, run):
    note = "lamp drifts afterwards"
    assert run("set-window", lab / "s0.bka", "--end", "0.3 s", "--why", note)[0] == 0
    assert run("exclude", lab / "s1.bka", "--why", "bubble")[0] == 0
    for name in ("s0.bka", "s1.bka"):
        assert run("include", lab / name)[0] == 0
    with (lab / "decisions.csv").open(encoding="utf-8", newline="") as handle:
        notes = {row["file"]: (row["use"], row["note"]) for row in csv.DictReader(handle)}
    assert notes == {"s0.bka": ("yes", note), "s1.bka": ("yes", "")}


def test_a_window_holds_for_the_whole_lab(lab, run, tmp_path):
    assert run("set-window", lab / "s0.bka", "--start", "20 ms", "--end", "300")[0] == 0
    code, _, err = run("ingest", lab)
    assert code == 0
    row = rates(tmp_path)["s0.bka"]
    assert (float(row["start_s"]), float(row["end_s"])) == (0.02, 0.3)
    assert row["start_source"] == "decision"
    assert "found from the trace for 2 of 3 shots with a usable rate" in err
    assert int(row["points"]) == 281
    assert math.isclose(float(row["window_s"]), 0.28, rel_tol=1e-9)
    code, out, _ = run("fit", lab / "s0.bka", "--start", 20, "--end", 300, "--json")
    assert code == 0
    alone = json.loads(out)
    assert alone["k_per_s"] == pytest.approx(float(row["k_per_s"]), rel=1e-9)


def test_what_is_not_there_is_one_line_and_the_rest_is_done(lab, run):
    code, out, err = run("exclude", lab / "s0.bka", lab / "gone.bka", "--why", "x")
    assert code == 1
    assert "s0.bka: left out" in out
    assert err.count("gone.bka is not there") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "words",
    [
        ("exclude", "s0.bka", "--why", " "),
        ("set-window", "s0.bka"),
        ("set-window", "s0.bka", "--start", "soon"),
        ("set-window", "s0.bka", "--start", "5", "--end", "4"),
    ],
)
def test_what_makes_no_sense_is_refused(words, lab, run):
    command, file, *more = words
    code, _, err = run(command, lab / file, *more)
    assert code == 2
    assert "Traceback" not in err
    assert not (lab / "decisions.csv").exists()


def test_a_broken_file_of_decisions_is_not_overwritten(lab, run):
    (lab / "decisions.csv").write_text("file,use\ns0.bka,perhaps\n")
    code, _, err = run("exclude", lab / "s1.bka", "--why", "x")
    assert code == 2
    assert "perhaps" in err
    assert "perhaps" in (lab / "decisions.csv").read_text()


def test_decisions_hold_for_single_files_too(lab, run):
    assert run("set-window", lab / "s0.bka", "--start", "20 ms", "--end", "300")[0] == 0
    (lab / "decisions.csv").write_text(
        (lab / "decisions.csv").read_text() + "s1.bka,,no,,,,bubble\ns2.bka,,,,,nonsense,\n"
    )
    code, out, err = run("fit", lab / "s0.bka", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["start_s"], found["end_s"], found["points"]) == (0.02, 0.3, 281)
    _, _, err = run("fit", lab / "s1.bka")
    assert "leaves this trace out of the results: bubble" in err
    code, _, err = run("ingest", lab)
    assert code == 1
    assert "Traceback" not in err


def test_an_unknown_rate_law_is_said_and_the_shot_is_fitted(lab, run, tmp_path):
    (lab / "decisions.csv").write_text("file,law\ns0.bka,nonsense\ns1.bka,single\n")
    assert run("ingest", lab)[0] == 1
    assert [row["law"] for row in rates(tmp_path).values()] == [
        "single-slope",
        "single",
        "single-slope",
    ]
    problems = json.dumps(run("fit", lab / "s0.bka", "--json")[1])
    assert "nonsense" in problems


def test_a_window_that_ends_before_an_earlier_start_is_refused(lab, run):
    file, decisions = lab / "s0.bka", lab / "decisions.csv"
    assert run("set-window", file, "--start", "10 ms")[0] == 0
    before = decisions.read_text("utf-8")
    code, _, told = run("set-window", file, "--end", "1 ms")
    assert code == 2
    assert "--end = '0.001 s' is not valid; valid: a time after the start, 0.01 s" in told
    assert decisions.read_text("utf-8") == before
    assert run("set-window", file, "--start", "0.5 ms", "--end", "1 ms")[0] == 0
    code, _, told = run("set-window", file)
    assert code == 2
    assert "--start or --end is missing; valid: one or both" in told
