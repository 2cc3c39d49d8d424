"""Where heavy libraries may live, what help loads, and in which encoding processes talk."""

import ast
from functools import cache
from pathlib import Path

import pytest
from cli_lab import run_script

import stopflow

PACKAGE = Path(stopflow.__file__).parent

HOMES = {
    "torch": ("lowrank", "learn"),
    "safetensors": ("lowrank", "learn"),
    "matplotlib": ("report",),
    "pypdf": ("report",),
    "typer": ("cli",),
    "scipy.optimize": ("kinetics", "mechanism"),
    "openpyxl": ("io", "report"),
}


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def imported_modules(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(text_of(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("library", HOMES)
def test_a_library_stays_in_its_packages(library):
    root = library.split(".")[0]
    users = {
        path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for path in PACKAGE.rglob("*.py")
        if f"import {root}" in text_of(path) or f"from {root}" in text_of(path)
        for name in imported_modules(path)
        if name == library or name.startswith(library + ".")
    }
    assert users
    assert users <= set(HOMES[library])


def test_modules_stay_small():
    lengths = {
        str(path.relative_to(PACKAGE)): len(text_of(path).splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


@pytest.mark.parametrize("arguments", [["--help"], ["ingest", "--help"], ["train", "--help"]])
def test_help_loads_nothing_heavy(arguments):
    script = (
        "import sys; from stopflow.cli import app\n"
        "try:\n    app(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'matplotlib', 'scipy', 'pandas', 'numpy'} & set(sys.modules)\n"
        "print(sorted(heavy), file=sys.stderr)"
    )
    run = run_script(script, *arguments)
    assert "Usage" in run.stdout
    assert run.stderr.strip() == "[]"


def test_tables_the_page_and_the_summary_load_no_matplotlib():
    """A lab of which one folder changed has its PDF drawn by another process."""
    script = (
        "import sys\n"
        "import stopflow.pipeline.lab.summarise, stopflow.pipeline.reports\n"
        "import stopflow.report.html.page, stopflow.report.kinetics.extent\n"
        "from stopflow.report.paper.style import printable\n"
        "print(printable('Tris, 25 °C, 10 µM: k₂ ± 1 M⁻¹s⁻¹'))\n"
        "print('matplotlib' in sys.modules)"
    )
    run = run_script(script)
    assert run.stdout.splitlines() == ["Tris, 25 °C, 10 µM: k₂ ± 1 M⁻¹s⁻¹", "False"]


def test_what_writes_reports_loads_nothing_that_fits():
    """The process beside an ingest loads while others read and fit, on the same cores."""
    script = (
        "import sys; from stopflow.pipeline.run import load_reports; load_reports()\n"
        "fitting = {'scipy.optimize', 'scipy.linalg', 'scipy.ndimage', 'stopflow.kinetics.fit'}\n"
        "print(sorted(fitting & set(sys.modules)), 'matplotlib' in sys.modules)"
    )
    assert run_script(script).stdout.strip() == "[] True"


def _leaves_the_encoding_to_the_locale(call: ast.Call) -> bool:
    said = {word.arg for word in call.keywords}
    if not said & {"text", "universal_newlines"} or "encoding" in said:
        return False
    return ast.unparse(call.func).startswith(("subprocess.", "Popen"))


@pytest.mark.parametrize("folder", [PACKAGE, Path(__file__).parent], ids=["package", "tests"])
def test_what_another_process_says_is_read_in_a_stated_encoding(folder):
    found = [
        f"{path.relative_to(folder)}:{node.lineno}"
        for path in folder.rglob("*.py")
        if "subprocess" in text_of(path) or "Popen" in text_of(path)
        for node in ast.walk(ast.parse(text_of(path)))
        if isinstance(node, ast.Call) and _leaves_the_encoding_to_the_locale(node)
    ]
    assert found == []
