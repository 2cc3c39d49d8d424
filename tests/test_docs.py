"""The documentation runs: examples as doctests, command pages equal to the help."""

import doctest
import json
import re
import runpy
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

import stopflow.lowrank
from stopflow.cli import app

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.whole
def test_the_examples_of_the_api_page_run(monkeypatch):
    monkeypatch.chdir(ROOT)
    failed, tried = doctest.testfile(str(ROOT / "docs" / "api.md"), module_relative=False)
    assert tried > 0
    assert failed == 0


@pytest.mark.whole
def test_the_cells_of_the_example_notebook_run(monkeypatch):
    monkeypatch.chdir(ROOT)
    notebook = json.loads((ROOT / "docs" / "example.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    values = {}
    for cell in cells:
        exec("".join(cell["source"]), values)
        assert cell["outputs"] == []
    lab, fitted = values["lab"], values["fitted"]
    assert len(lab.shots) == 140
    assert fitted.k_per_s == lab.shots["k_per_s"].iloc[0]
    assert values["difference"] < 0.05


def test_the_example_of_the_lowrank_package_runs():
    failed, tried = doctest.testmod(stopflow.lowrank)
    assert tried > 0
    assert failed == 0


def test_command_pages_are_those_of_the_help():
    script = runpy.run_path(str(ROOT / "docs" / "make_command_pages.py"))
    written = {path.name: path.read_text(encoding="utf-8") for path in script["PAGES"].glob("*.md")}
    assert written == script["pages"]()


def test_every_file_the_readme_names_is_there():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = [part.split(")")[0] for part in text.split("](")[1:]]
    missing = [link for link in links if "//" not in link and not (ROOT / link).exists()]
    assert missing == []


def test_the_pages_of_formats_are_those_of_the_readers():
    script = runpy.run_path(str(ROOT / "docs" / "make_format_pages.py"))
    assert script["PAGE"].read_text(encoding="utf-8") == script["page"]()
    assert script["EXAMPLES_PAGE"].read_text(encoding="utf-8") == script["examples"]()


def test_the_page_of_columns_is_that_of_the_schema():
    script = runpy.run_path(str(ROOT / "docs" / "make_columns_page.py"))
    assert script["PAGE"].read_text(encoding="utf-8") == script["page"]()


def parse_command(line: str) -> None:
    """Parse a command line as the program does; a command by itself is only named."""
    words = shlex.split(line, comments=True)[1:]
    command = typer.main.get_command(app)
    while words and words[0] in (inner := getattr(command, "commands", {})):
        command, words = inner[words[0]], words[1:]
    if words and words != ["--help"]:
        command.make_context(line, words)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_and_settings_of_the_pages_can_be_pasted(page):
    text = page.read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    for kind, block in blocks:
        if kind == "toml":
            assert tomllib.loads(block)
    lines = [line for kind, block in blocks for line in block.splitlines() if not kind]
    spans = re.findall(r"`(stopflow [^`]+)`", BLOCK.sub("", text))
    for line in (*lines, *spans):
        if line.startswith("stopflow "):
            parse_command(line)
