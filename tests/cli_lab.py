"""Commands run in this process, and a folder to run them on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import stopflow
from stopflow.cli import main


def own_environment(**further):
    """Return the environment in which other processes import this very package and write UTF-8."""
    root = str(Path(stopflow.__file__).parents[1])
    fixed = {"PYTHONPATH": root, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    return {**os.environ, **fixed, **further}


def run_script(script, *words):
    """Run lines of Python in a process of its own, which has to succeed."""
    return subprocess.run(
        [sys.executable, "-c", script, *words],
        env=own_environment(),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )


def exit_code(*words):
    """Run a command in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["stopflow", *map(str, words)])
        try:
            main()
        except SystemExit as stop:
            return stop.code or 0
    return 0


def one_folder(simulated, tmp_path):
    """Copy the first experiment, six shots of it."""
    source = sorted(path for path in simulated.iterdir() if path.is_dir())[0]
    folder = tmp_path / "lab" / "shots"
    shutil.copytree(source, folder)
    for extra in sorted(folder.glob("*.bka"))[6:]:
        extra.unlink()
    return folder
