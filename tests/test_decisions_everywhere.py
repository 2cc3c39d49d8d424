"""What was decided about a trace is followed by every command that reads traces."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
import typer

from stopflow.cli import app
from stopflow.io.bka.format import write_bka

pytestmark = pytest.mark.whole

K_PER_S = 10.0


@pytest.fixture
def lab(tmp_path):
    """Three shots of two channels; the lamp goes out after 300 ms, which a decision leaves out."""
    folder = tmp_path / "lab"
    folder.mkdir()
    time_ms = np.linspace(0.0, 600.0, 601)
    for number in range(3):
        generator = np.random.default_rng(number)
        decay = np.exp(-K_PER_S * time_ms / 1000)
        signals = [5 + decay, 3 + 2 * decay]
        signals = [s + generator.normal(0, 0.004, s.size) - 1.5 * (time_ms > 300) for s in signals]
        write_bka(folder / f"s{number}.bka", time=time_ms, signals=signals, signal_units=("V", "V"))
    rows = [f"s{number}.bka,,,300 ms,lamp" for number in range(3)]
    (folder / "decisions.csv").write_text("\n".join(["file,use,start,end,note", *rows]))
    return folder


def first_row(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.DictReader(file))


def said(run, *words):
    return json.loads(run(*words, "--json")[1])


def from_reports(name, column):
    def found(run, lab, *words):
        run(*words, lab, "--quiet")
        return float(first_row(lab.parent / "reports" / name)[column])

    return found


def of_mechanism(run, lab, *words):
    found = said(run, *words, lab, "--scheme", "A -> B", "--initial", "A=1 uM", "--observe", "A")
    return found["groups"][0]["constants"][0]["value"]


FILE_COMMANDS = {
    "fit": lambda run, lab, *words: said(run, *words, lab / "s0.bka")["k_per_s"],
    "view": lambda run, lab, *words: said(run, *words, lab / "s0.bka")["k_per_s"],
    "plan": lambda run, lab, *words: said(run, *words, lab / "s0.bka")["k_per_s"],
    "spectrum": lambda run, lab, *words: said(run, *words, lab / "s0.bka", "--law", "single")[
        "parameters"
    ]["k_per_s"],
    "ingest": from_reports("rates.csv", "k_per_s"),
    "run": from_reports("rates.csv", "k_per_s"),
    "predict": from_reports("predictions.csv", "k_per_s"),
    "mechanism": of_mechanism,
}
"""Command that fits traces -> the rate constant that it finds in the lab, 1/s."""
OTHERS = {
    *("formats", "convert", "laws", "doctor", "simulate", "report", "merge", "bench"),
    *("exclude", "include", "set-window", "train", "compare", "compress", "pretrain", "reproduce"),
    "adapt",  # by the same ingest as predict
}
"""Commands that fit no trace of a folder themselves."""


def test_the_table_has_every_command():
    commands = set(typer.main.get_command(app).commands)
    assert commands - OTHERS - {"serve"} == set(FILE_COMMANDS)


@pytest.mark.parametrize("command", FILE_COMMANDS)
def test_the_decided_end_counts_in(command, lab, run):
    found = FILE_COMMANDS[command](run, lab, command)
    assert found == pytest.approx(K_PER_S, rel=0.03)


@pytest.mark.parametrize("command", ["fit", "view", "plan", "spectrum"])
def test_an_end_before_the_start_is_said_by_every_command_that_takes_both(command, lab, run):
    words = ("--start", 500, "--end", 100)
    further = ("--precision", "2%") if command == "plan" else ()
    code, _, told = run(command, lab / "s0.bka", *words, *further)
    assert code == 2
    assert "the fit would end at 0.1 s, which is not after its start at 0.5 s" in told


def test_a_channel_that_is_left_out_is_not_in_the_shared_fit(lab, run):
    rows = (lab / "decisions.csv").read_text() + "\n"
    write_bka(
        lab / "s0.bka",
        time=np.linspace(0.0, 300.0, 301),
        signals=[np.exp(-k * np.linspace(0, 0.3, 301)) for k in (K_PER_S, K_PER_S, 60.0)],
        signal_units=("V",) * 3,
    )
    (lab / "decisions.csv").write_text(
        rows.replace("file,use", "file,channel,use").replace(".bka,,,", ".bka,,,,")
        + "s0.bka,3,no,,,other lamp\n"
    )
    found = said(run, "spectrum", lab / "s0.bka", "--law", "single", "--start", "0")
    assert [row["channel"] for row in found["signals"]] == [1, 2]
    assert found["parameters"]["k_per_s"] == pytest.approx(K_PER_S, rel=1e-3)
    assert "decisions.csv leaves channel 3 out of the fit: other lamp" in found["notes"]


def test_the_global_fit_says_what_a_decision_leaves_out(lab, run):
    rows = (lab / "decisions.csv").read_text()
    (lab / "decisions.csv").write_text(rows.replace("s1.bka,,,300 ms,lamp", "s1.bka,no,,,bubble"))
    words = ("--scheme", "A -> B", "--initial", "A=1 uM", "--observe", "A")
    found = said(run, "mechanism", lab, *words)
    assert found["groups"][0]["shots"] == 2
    assert "lab/s1.bka is left out by decisions.csv: bubble" in found["remarks"]


def test_a_decision_about_a_law_or_a_channel_that_is_none_is_an_error(lab, run, tmp_path):
    rows = ["file,channel,law,use", "s0.bka,,gaussian,", "s1.bka,3,,no", "s2.bka,2,single,"]
    (lab / "decisions.csv").write_text("\n".join(rows), "utf-8")
    reports = tmp_path / "r"
    out = ("--out", tmp_path / "o", "--reports", reports, "--html-light", "--channel", "all")
    code, _, told = run("ingest", lab, *out)
    assert code == 1
    assert "decisions.csv: s0.bka: the rate law decided for it is not used: law = 'gauss" in told
    assert "decisions.csv, line 3, channel: 3 of 's1.bka'; expected a number from 1 to 2" in told
    table = pd.read_csv(reports / "rates.csv")
    found = table.set_index(["file", "channel"])[["law", "law_source"]].fillna("").T
    assert found["s0.bka", 1].tolist() == ["single-slope", ""]
    assert found["s2.bka", 2].tolist() == ["single", "decision"]
