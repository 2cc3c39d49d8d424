"""What the commands say: wrong use, what is missing, what to do next, at any width."""

import io
import json
import shutil
from dataclasses import asdict

import pandas as pd
import pytest
import typer
from cli_lab import exit_code, one_folder
from typer.testing import CliRunner

from stopflow import __version__
from stopflow.cli import app, console
from stopflow.cli.convert import formats
from stopflow.errors import ModelError
from stopflow.io.folder import read_experiment
from stopflow.io.text import shown_name
from stopflow.pipeline.one_file.convert import format_rows
from stopflow.report.data import NUMERIC
from stopflow.report.kinetics.conditions import IN_WORDS, name_files_apart
from stopflow.report.kinetics.input_problems import group_problems
from stopflow.trace import Problem

pytestmark = pytest.mark.whole

WIDTH = 80


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def lab(simulated, tmp_path):
    return one_folder(simulated, tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "nowhere"], "give a folder that holds trace files"),
        (["run", "shot.bka"], "stopflow fit shot.bka"),
        (["run", "book.xlsx"], "book.xlsx is a file; give its folder, ., or use: stopflow fit"),
        (["fit", "folder"], "ingest folder"),
        (["fit", "nothing.bka"], "nothing.bka"),
        (["fit", "shot.bka", "--plot", "x.gif"], ".png, .pdf, .svg"),
        (["fit", "shot.bka", "--law", "nonsense"], "single-slope"),
        (["fit", "shot.bka", "--channel", "0"], "--channel"),
        (["plan", "shot.bka", "--precision", "much"], "2%"),
        (["ingest", "folder", "--paper", "a5"], "a4, letter"),
        (["ingest", "folder", "--reports", "shot.bka"], "this is a file"),
        (["report", "--export", "excel"], "stopflow ingest"),
        (["predict", "no_such_model", "folder"], "train makes more"),
        (["run", "folder", "--model", "no_such_model"], "no_such_model"),
        (["compress", "no_such_model"], "shape"),
        (["adapt", "shape", "nowhere"], "nowhere"),
        (["simulate", "shot.bka"], "a file"),
        (["simulate", "new", "--seed", "-1"], "seed = -1"),
        (["pretrain", "--steps", "1", "--seed", "-1"], "seed = -1"),
        (["pretrain", "--name", ""], "--name = ''"),
        (["adapt", "shape", "folder", "--seed", "-1"], "seed = -1"),
        (["adapt", "shape", "folder", "--seed", "1" + "0" * 20], "a whole number from 0 to 9"),
        (["adapt", "shape", "folder", "--name", ""], "--name = ''"),
        (["compress", "shape", "--name", ""], "--name = ''"),
        (["train", "--name", ""], "--name = ''"),
        (["train", "--optimiser", ""], "--optimiser = ''"),
        (["train", "--test-experiments", ""], "--test-experiments = ''"),
        (["train", "--layer", "dense", "--rank", "5"], "no rank for dense; vanilla, dlrt"),
        (["train", "--config", "net.toml", "--rank", "5"], "no rank for [[layer]] tables"),
        (["train", "--reports", "shot.bka"], "this is a file"),
        (["compare", "--layers", ""], "--layers = ''"),
        (["compare", "--layers", "dense,fit", "--rank", "5"], "no rank for dense, fit;"),
        (["predict", "", "folder"], "model = ''"),
        (["fit", "shot.bka", "--start", "nan"], "--start = nan"),
        (["plan", "shot.bka", "--start", "inf"], "--start = inf"),
        (["view", "shot.bka", "--start", "nan"], "--start = nan"),
        (["fit", "shot.bka", "--law", ""], "single-slope"),
        (["fit", "shot.bka", "--time-unit", "lightyear"], "valid: s, ms, us, ns, min\n"),
        (["ingest", "folder", "--time-unit", "lightyear"], "valid: s, ms, us, ns, min\n"),
        (["ingest", "folder", "--law", ""], "--law = ''"),
        (["ingest", "folder", "--config", "lab.toml"], "workers = -3"),
    ],
)
def test_wrong_use_says_what_to_do_and_prints_no_result(lab, tmp_path, run, words, said):
    shutil.copy(sorted(lab.glob("*.bka"))[0], tmp_path / "shot.bka")
    (tmp_path / "folder").mkdir()
    (tmp_path / "book.xlsx").touch()
    (tmp_path / "lab.toml").write_text("[ingest]\nworkers = -3\n")
    (tmp_path / "net.toml").write_text('[[layer]]\ntype = "dense"\ndim = 8\n')
    code, out, err = run(*words)
    assert code == 2
    assert out == ""
    assert said in err
    assert "Traceback" not in err


def test_run_takes_every_option_of_ingest():
    commands = typer.main.get_command(app).commands
    options = {name: {item.name for item in commands[name].params} for name in ("run", "ingest")}
    assert options["run"] - options["ingest"] == {"model"}
    assert options["ingest"] <= options["run"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_the_commands(shell):
    asked = {
        "_STOPFLOW_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "stopflow in",
        "COMP_CWORD": "1",
    }
    asked |= {"_TYPER_COMPLETE_ARGS": "stopflow in", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    found = CliRunner().invoke(app, [], env=asked, prog_name="stopflow")
    assert "ingest" in found.output


def test_a_place_that_cannot_be_written_is_said_before_the_work(lab, run, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the work has begun")

    def deny(**_):
        raise PermissionError(13, "Permission denied", "reports/.tmp")

    monkeypatch.setattr("stopflow.pipeline.lab.ingest.ingest", refuse)
    monkeypatch.setattr("stopflow.pipeline.checks.TemporaryFile", deny)
    code, _, err = run("ingest", lab)
    assert code == 2
    assert err.startswith("error: reports: permission denied; close it where it is open")


def test_a_picture_that_cannot_be_written_names_no_options_of_others(lab, tmp_path, run):
    (tmp_path / "file").touch()
    code, _, err = run("fit", sorted(lab.glob("*.bka"))[0], "--plot", "file/shot.png")
    assert code == 2
    assert err == "error: file: file exists; choose another place\n"


def test_a_model_that_cannot_be_read_does_not_hide_the_rates(lab, run, monkeypatch):
    def refuse(*_, **__):
        raise ModelError("models/shape/model.json has version 9")

    monkeypatch.setattr("stopflow.pipeline.networks.predict.predict_dataset", refuse)
    code, said, err = run("run", lab)
    assert code == 1
    assert "6 of 6 shots fitted" in said.splitlines()[-1]
    assert "not predicted as well: models/shape/model.json has version 9" in err


@pytest.mark.parametrize("command", ["run", "ingest"])
@pytest.mark.parametrize("wrong", ["nowhere", "shot.bka", "empty"])
def test_a_wrong_folder_leaves_nothing_behind(lab, tmp_path, run, command, wrong):
    shutil.copy(sorted(lab.glob("*.bka"))[0], tmp_path / "shot.bka")
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    code, _, err = run(command, wrong, "--reports", "deep/reports")
    assert code == 2
    assert err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("book", ["start_values.XLSX", "Extended_Dataset.XLSX", "*.XLSX"])
def test_a_missing_workbook_is_answered_with_rates_and_the_way_to_give_it(lab, run, book):
    for path in lab.glob(book):
        path.unlink()
    code, said, err = run("run", lab)
    assert (code == 0) == (book == "*.XLSX"), "rows of shots that are not there are errors"
    assert "6 of 6 shots fitted" in said.splitlines()[-1]
    assert "reports/kinetics.pdf" in said.splitlines()[-1]
    assert ("write a start_values.csv" in err) == (not (lab / "start_values.XLSX").exists())
    conditions_gone = not (lab / "Extended_Dataset.XLSX").exists()
    assert ("taken from the name" in err) == conditions_gone
    if conditions_gone:
        assert "µM" in said


def test_following_the_hints_silences_them(lab, run):
    for path in lab.glob("*.XLSX"):
        path.unlink()
    names = sorted(path.name for path in lab.glob("*.bka"))
    starts = "".join(f"{name},20\n" for name in names)
    levels = "".join(f"{name},{place % 3 + 1}\n" for place, name in enumerate(names))
    (lab / "start_values.csv").write_text(f"Filename,x_start\n{starts}")
    (lab / "Extended_Dataset.csv").write_text(f"Filename,Concentration (mM)\n{levels}")
    code, said, err = run("ingest", lab)
    assert code == 0
    assert "note:" not in err
    assert "3 mM" in said


def test_a_lab_without_workbooks_is_not_warned_of_their_absence(lab, run):
    for book in lab.rglob("*.XLSX"):
        book.unlink()
    _, said, err = run("ingest", lab)
    assert "no workbook" not in said + err


def test_a_name_with_a_line_end_stays_on_its_line():
    assert shown_name("new\nline\r.bka") == r"new\nline\r.bka"


def test_names_of_formats_are_whole_at_80_characters(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    formats()
    shown = capsys.readouterr().out
    assert all(row[0] in shown for row in format_rows())


def test_channels_of_a_file_are_told_apart():
    shots = pd.DataFrame(
        {
            "experiment": ["e", "e"],
            "condition": [0, 1],
            "file": ["two.bka", "two.bka"],
            "channel": [1, 2],
        }
    )
    unknown = dict.fromkeys(NUMERIC, float("nan")) | dict.fromkeys(IN_WORDS, "")
    conditions = pd.DataFrame(
        [{"experiment": "e", "condition": number, "shots": 1, **unknown} for number in (0, 1)]
    )
    named = name_files_apart(shots, conditions)
    assert named == ["two.bka, channel 1", "two.bka, channel 2"]


def test_problems_of_a_kind_are_one_line_and_all_are_in_the_json(lab, run):
    for path in sorted(lab.glob("*.bka"))[3:]:
        path.unlink()
    _, said, err = run("ingest", lab, "--json")
    result = json.loads(said)
    lines = [line for line in err.splitlines() if line.startswith("  error")]
    assert len(result["problems"]) > 20
    (line,) = lines
    assert f"(and {len(result['problems']) - 1} more like it)" in line


def test_quiet_says_errors_alone(lab, run):
    for path in lab.glob("*.XLSX"):
        path.unlink()
    code, said, err = run("ingest", lab, "--quiet")
    assert (code, said, err) == (0, "", "")
    sorted(lab.glob("*.bka"))[0].write_bytes(b"")
    code, said, err = run("ingest", lab, "--quiet")
    assert code == 1
    assert said == ""
    assert "empty" in err


@pytest.mark.parametrize(
    "words",
    [
        ("fit", "shot.bka"),
        ("plan", "shot.bka"),
        ("view", "shot.bka", "--no-open"),
        ("simulate", "new", "--folders", "1", "--points", "100"),
        ("doctor",),
    ],
)
def test_json_is_json_and_quiet_is_quiet(lab, tmp_path, run, words):
    shutil.copy(sorted(lab.glob("*.bka"))[0], tmp_path / "shot.bka")
    code, said, _ = run(*words, "--json")
    assert json.loads(said)
    assert run(*words, "--quiet")[:2] == (code, "")


def test_a_broken_model_is_a_finding_of_the_doctor(tmp_path, run):
    broken = tmp_path / "models" / "half"
    broken.mkdir(parents=True)
    (broken / "model.json").write_text("{")
    code, said, _ = run("doctor", "--json")
    assert code == 1
    (models,) = [item for item in json.loads(said) if item["what"] == "models"]
    assert "half" in models["wrong"]


def test_lines_break_between_words_at_the_width_of_a_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    text = "error: " + "/a/path/without-a-blank" * 2 + " and some more words" * 8
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        monkeypatch.setattr(console.sys, "stderr", stream)
        console.warn(text)
    assert max(map(len, terminal.getvalue().splitlines())) <= WIDTH
    assert terminal.getvalue().split() == text.split()
    assert pipe.getvalue() == text + "\n"


def test_progress_tells_the_time_left_on_a_terminal_alone(monkeypatch):
    drawn = {}
    for name, stream in (("terminal", Terminal()), ("pipe", io.StringIO())):
        monkeypatch.setattr(console.sys, "stderr", stream)
        with console.progress_bar(quiet=False) as report:
            report("reading", 1, 4)
            report("reading", 2, 4)
        drawn[name] = stream.getvalue()
    assert drawn["pipe"] == ""
    assert "reading" in drawn["terminal"]
    assert ":" in drawn["terminal"]


def test_a_wide_table_keeps_every_column_at_80_characters(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    columns = ["experiment", "conc.", "ionic str.", "T", "shots", "k (1/s)", "verdict"]
    row = [
        "02_LPMO-CuII_cysteine_10C",
        "500 µM",
        "146 mM",
        "10.0 °C",
        "4/4",
        "3.891 ± 0.012",
        "PASS",
    ]
    console.say_table(columns, [row])
    printed = capsys.readouterr().out.splitlines()
    assert max(map(len, printed)) <= 80
    (line,) = [text for text in printed if "500 µM" in text]
    assert all(cell in line for cell in row[1:])
    assert "02_LPMO-CuI" in line


def test_columns_without_room_follow_below_beside_the_names(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    columns = ["", *(f"quantity {i}" for i in range(12))]
    rows = [[name, *(f"{name}{i}.123456" for i in range(12))] for name in ("a", "b")]
    console.say_table(columns, rows, title="all of them")
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert max(map(len, lines)) <= 80
    assert printed.count("all of them") == 1
    for cell in (*columns[1:], *rows[0][1:], *rows[1][1:]):
        assert printed.count(cell) >= 1
    for row in rows:
        assert all(line.split()[0] == row[0] for line in lines if f"{row[0]}3." in line)
        assert sum(line.split()[:1] == [row[0]] for line in lines) == 2


def test_a_table_without_rows_is_not_printed(capsys):
    console.say_table(["name", "k"], [])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("words", [("laws",), ("formats",), ("reproduce", "--list")])
def test_names_that_are_to_be_typed_are_printed_whole(words, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert exit_code(*words, "--json") == 0
    names = [next(iter(row.values())) for row in json.loads(capsys.readouterr().out)]
    assert exit_code(*words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert set(names) <= {line.split()[0] for line in lines if line.split()}


def test_the_version_is_said_without_a_command(capsys):
    assert exit_code("--version") == 0
    assert capsys.readouterr().out == f"stopflow {__version__}\n"


def test_a_folder_that_may_not_be_written_into_is_no_file_that_is_open(tmp_path):
    denied = PermissionError(13, "Permission denied", str(tmp_path))
    assert "permission denied; allow writing into that folder" in console.say_wrong_use(denied)
    of_a_file = PermissionError(13, "Permission denied", str(tmp_path / "rates.xlsx"))
    assert "close it where it is open (in Excel" in console.say_wrong_use(of_a_file)


def test_a_problem_of_a_folder_of_the_lab_is_named_without_a_slash():
    problem = Problem(experiment="", file="shut", found="a folder that cannot be read")
    (line,) = group_problems(pd.DataFrame([asdict(problem)]))
    assert line.partition(": ")[2] == "shut: a folder that cannot be read"


def test_broken_files_of_one_kind_are_one_line_whatever_their_numbers(tmp_path):
    for name, columns in (("two", 2), ("three", 3), ("four", 4)):
        rows = [",".join([f"{time}", *["0.5"] * (columns - 1)]) for time in range(20)]
        rows[9] = "9,broken,row,of,many,cells"
        (tmp_path / f"{name}.csv").write_text("\n".join(["Time (s)" + ",A" * (columns - 1), *rows]))
    problems = [asdict(problem) for problem in read_experiment(tmp_path).problems]
    errors = [problem for problem in problems if problem["level"] == "error"]
    assert len({problem["expected"] for problem in errors}) == len(errors) == 3
    (line,) = group_problems(pd.DataFrame(errors))
    assert line.endswith("(and 2 more like it)")
