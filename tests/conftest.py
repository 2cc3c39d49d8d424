"""Fixtures every test may use: a seeded generator, and the scale of statistical proofs."""

import shutil

import hypothesis
import numpy as np
import pytest
from again import make_lab
from cli_lab import exit_code

# The same examples in every run: a gate that is green stays green.
hypothesis.settings.register_profile("steady", derandomize=True, deadline=None)
hypothesis.settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the slow proofs at full size")
    parser.addoption("--quick", action="store_true", help="leave out `whole` and `slow` tests")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long, as `make quick` asks for."""
    if not config.getoption("--quick"):
        return
    left_out = {
        item
        for item in items
        for mark in ("whole", "slow")
        if item.get_closest_marker(mark) and not item.get_closest_marker("essential")
    }
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240611)


@pytest.fixture
def full_proof(request: pytest.FixtureRequest) -> bool:
    """Tell whether slow proofs run at full size (`pytest --full`) or reduced."""
    return bool(request.config.getoption("--full"))


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    """A small lab, written once; tests copy what they change."""
    folder = tmp_path_factory.mktemp("lab") / "simulated"
    assert exit_code("simulate", folder, "--folders", "3", "--points", "400") == 0
    return folder


@pytest.fixture(scope="session")
def ingested(simulated, tmp_path_factory):
    """The small lab, ingested once: the folder that holds data/ and reports/."""
    folder = tmp_path_factory.mktemp("work")
    out, reports = folder / "data" / "ingested", folder / "reports"
    assert exit_code("ingest", simulated, "--out", out, "--reports", reports) == 0
    return folder


@pytest.fixture(scope="session")
def processed_lab(tmp_path_factory):
    """A lab of three folders, its dataset and its reports; tests copy them."""
    root = tmp_path_factory.mktemp("processed")
    make_lab(root)
    return root


@pytest.fixture
def lab_again(processed_lab, tmp_path, monkeypatch):
    """The same lab in a folder of its own, with what was made of it."""
    shutil.copytree(processed_lab, tmp_path / "made")
    monkeypatch.chdir(tmp_path / "made")
    return tmp_path / "made" / "lab"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def command(*words):
        code = exit_code(*words)
        said = capsys.readouterr()
        return code, said.out, said.err

    return command
