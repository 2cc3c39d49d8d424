"""What the commands print arrives wherever it goes, and no name of a file steers a terminal."""

import io
import json
import re
import subprocess
import sys

import pytest
from cli_lab import one_folder, own_environment

from stopflow.cli import console
from stopflow.cli.elide import elide
from stopflow.cli.streams import READABLE, prepare_streams, visible

pytestmark = pytest.mark.whole

PROGRAM = (sys.executable, "-m", "stopflow")


@pytest.fixture(scope="module")
def lab(simulated, tmp_path_factory):
    folder = one_folder(simulated, tmp_path_factory.mktemp("streams"))
    for path in sorted(folder.glob("*.bka"))[2:]:
        path.unlink()
    return folder


def start(lab, *words, **further):
    environment = own_environment(**further.pop("environment", {}))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | further
    return subprocess.Popen([*PROGRAM, *words], cwd=lab.parent, env=environment, **pipes)


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "ascii", "latin-1"])
def test_any_encoding_takes_what_is_said(lab, encoding, monkeypatch):
    name = "µ-oxo ± 実験 \x1b[31m°"
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    prepare_streams()
    console.say(f"{name}: k = 1.8 ± 0.1 s⁻¹")
    console.warn(name)
    console.say_table(["name", "T"], [[name, "10.0 °C"]])
    console.say_json({name: 1.5})
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        text = stream.buffer.getvalue().decode(encoding)
        assert "\x1b" not in text
        assert "oxo" in text
    printed = sys.stdout.buffer.getvalue().decode(encoding)
    assert json.loads(printed[printed.index("{") :]) == {name: 1.5}
    if encoding == "ascii":
        assert "u-oxo +- ?? \\x1b[31m deg : k = 1.8 +- 0.1 s^-1" in printed


def test_columns_stay_below_each_other_where_signs_are_replaced(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    prepare_streams()
    console.say_table(["name", "T", "k"], [["a", "10.0 °C", "first"], ["b", "-", "next"]])
    stream.flush()
    rows = stream.buffer.getvalue().decode("ascii").splitlines()
    places = {row.index(word) for row in rows for word in ("first", "next") if word in row}
    assert places == {next(row for row in rows if "name" in row).index("k")}


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_whole_run_prints_in_an_encoding_without_our_signs(lab, encoding):
    shot = next(lab.glob("*.bka")).name
    running = start(lab, "fit", f"shots/{shot}", environment={"PYTHONIOENCODING": encoding})
    said, complaint = running.communicate()
    assert (running.returncode, complaint) == (0, b"")
    assert b"k = " in said
    assert said.decode(encoding)


def test_characters_that_steer_are_written_out():
    assert visible("a\x1b]0;x\x07b\x9bm\u202etxt\r") == "a\\x1b]0;x\\x07b\\x9bm\\u202etxt\\r"
    assert visible("µ ± 実験\n") == "µ ± 実験\n"
    assert "é".encode("ascii", READABLE) == b"e"


@pytest.mark.skipif(sys.platform == "win32", reason="closes a handle as Unix shells do")
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "> /dev/full", "| true"])
def test_a_stdout_that_takes_nothing_is_no_traceback(lab, closed):
    shot = next(lab.glob("*.bka")).name
    line = f"{' '.join(PROGRAM)} fit 'shots/{shot}' {closed}"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=lab.parent,
        env=own_environment(MPLBACKEND="nonsense"),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert done.stderr.count("\n") <= 1


def test_a_backend_that_is_none_does_not_matter(lab, tmp_path):
    shot = next(lab.glob("*.bka")).name
    words = ("fit", f"shots/{shot}", "--plot", tmp_path / "shot.png", "--quiet")
    running = start(lab, *words, environment={"MPLBACKEND": "nonsense"})
    assert running.communicate() == (b"", b"")
    assert running.returncode == 0
    assert (tmp_path / "shot.png").read_bytes().startswith(b"\x89PNG")


INTERRUPTED_IN_XLSX = """
import os, signal, sys
from stopflow.report.tables.workbook import Workbook
add = Workbook.add
def interrupted(*args):
    add(*args)
    os.kill(os.getpid(), signal.{signal})
Workbook.add = interrupted
sys.argv = ["stopflow", "ingest", "shots", "--out", "new/out", "--reports", "new/reports"]
from stopflow.__main__ import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals as Unix does")
@pytest.mark.parametrize(
    ("sent", "code", "says"),
    [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "ended from outside")],
)
def test_a_run_that_is_cut_off_says_a_line_and_leaves_nothing(lab, tmp_path, sent, code, says):
    script = INTERRUPTED_IN_XLSX.replace("{signal}", sent)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=lab.parent,
        env=own_environment(TMPDIR=str(tmp_path)),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == code
    kept = "what was finished is kept whole, everything else is as it was"
    assert done.stderr == f"{says}; {kept}\n"
    assert not (lab.parent / "new").exists()
    assert list(tmp_path.iterdir()) == []


IMPORTING = """
import builtins
load = builtins.__import__
def interrupted(name, *args, **kwargs):
    if name == "{name}":
        builtins.__import__ = load
        raise KeyboardInterrupt
    return load(name, *args, **kwargs)
builtins.__import__ = interrupted
import sys
sys.argv = ["stopflow", "fit", "shots/none.bka"]
from stopflow.__main__ import main
main()
"""


@pytest.mark.parametrize("name", ["typer", "scipy"])
def test_ctrl_c_while_the_program_loads_is_a_line(lab, name):
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING.replace("{name}", name)],
        cwd=lab.parent,
        env=own_environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert re.fullmatch(r"interrupted; .*\n", done.stderr)


def test_names_that_begin_alike_are_told_apart_in_little_room():
    names = [f"2024-03-12 LPMO with cysteine {place}" for place in ("10 C", "15 C", "20 C")]
    for width in range(5, 40):
        shown = elide(names, width)
        assert len(set(shown)) == 3
        assert max(map(len, shown)) <= width
    assert elide(["a", "b"], 5) == ["a", "b"]
    begin = elide(["alpha of the first kind", "beta of the first kind"], 12)
    assert [text[:4] for text in begin] == ["alph", "beta"]
    assert elide(["same name, twice"] * 2, 8) == ["same …ce"] * 2


def test_a_table_of_names_that_begin_alike_tells_them_apart(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    names = [f"2024-03-12 LPMO with cysteine at {place} C, second batch" for place in (10, 15)]
    cells = ["500 µM", "146 mM", "10.0 °C", "4/4", "3.891 ± 0.012", "PASS"]
    columns = ["experiment", "conc.", "ionic str.", "T", "shots", "k (1/s)", "verdict"]
    console.say_table(columns, [[name, *cells] for name in names])
    printed = capsys.readouterr().out.splitlines()
    assert max(map(len, printed)) <= 80
    first, second = (line for line in printed if "500 µM" in line)
    assert first.split("500")[0] != second.split("500")[0]
