"""Folders are replaced whole, by one run or several, and nothing of the user's goes with them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stopflow.errors import SettingsError
from stopflow.io import atomic
from stopflow.io.atomic import (
    Owned,
    replacing_file,
    replacing_folder,
    require_replaceable,
    write_text,
)

OURS = Owned(
    option="--out",
    what="an earlier result",
    files=lambda folder: {"mark", "a", "a/b"} if (folder / "mark").is_file() else (),
)
KILLED = """
import os, sys
from pathlib import Path
from stopflow.io.atomic import replacing_folder
with replacing_folder(Path(sys.argv[1])) as partial:
    (partial / "half").touch()
    os._exit(9)
"""
KILLED_FILE = """
import os, sys
from pathlib import Path
from stopflow.io.atomic import replacing_file
with replacing_file(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    os._exit(9)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(folder, text):
    with replacing_folder(folder, owned=OURS) as partial:
        (partial / "mark").write_text(text)


def test_two_runs_at_once_both_finish_and_the_last_one_wins(tmp_path):
    folder = tmp_path / "[out]*"
    with replacing_folder(folder, owned=OURS) as first:
        (first / "mark").write_text("first")
        write(folder, "second")
        assert (folder / "mark").read_text() == "second"
        assert (first / "mark").read_text() == "first"
    assert (folder / "mark").read_text() == "first"
    assert names(tmp_path) == ["[out]*"]


def test_what_a_killed_run_left_goes_with_the_next(tmp_path):
    folder = tmp_path / "out"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    assert killed.returncode == 9
    assert len(names(tmp_path)) == 2
    with replacing_folder(tmp_path / "other"):
        pass
    assert len(names(tmp_path)) == 3
    write(folder, "whole")
    assert names(tmp_path) == ["other", "out"]


def test_a_killed_write_of_a_file_leaves_the_old_one_and_goes_with_the_next(tmp_path):
    path = tmp_path / "rates.csv"
    write_text(path, "old")
    killed = subprocess.run([sys.executable, "-c", KILLED_FILE, str(path)], check=False)
    assert killed.returncode == 9
    assert path.read_text() == "old"
    with replacing_file(path) as first:
        first.write_text("first")
        write_text(path, "second")
        assert path.read_text() == "second"
        assert first.suffix == ".csv"
    assert path.read_text() == "first"
    assert names(tmp_path) == ["rates.csv"]


def test_a_lock_without_a_folder_goes_when_it_is_old_alone(tmp_path):
    fresh, old = (tmp_path / f".out.partial-{name}.lock" for name in ("fresh", "old"))
    fresh.touch()
    old.touch()
    os.utime(old, (0, 0))
    write(tmp_path / "out", "whole")
    assert names(tmp_path) == [fresh.name, "out"]


def test_a_run_that_swaps_in_between_is_waited_for(tmp_path, monkeypatch):
    folder, rename = tmp_path / "out", Path.rename
    write(folder, "old")

    def meet(path, target):
        monkeypatch.setattr(Path, "rename", rename)
        path.rename(target)
        write(folder, "other")

    monkeypatch.setattr(Path, "rename", meet)
    write(folder, "new")
    assert (folder / "mark").read_text() == "new"
    assert names(tmp_path) == ["out"]


def test_where_the_new_folder_cannot_be_put_the_old_one_comes_back(tmp_path, monkeypatch):
    folder, rename = tmp_path / "out", Path.rename
    write(folder, "old")

    def deny(path, target):
        if "partial" in path.name:
            raise PermissionError(13, "Permission denied", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", deny)
    monkeypatch.setattr(atomic, "SWAP_PAUSE_S", 0)
    with pytest.raises(PermissionError):
        write(folder, "new")
    assert (folder / "mark").read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_a_folder_behind_a_link_is_replaced_and_the_link_stays(tmp_path):
    folder = tmp_path / "away" / "out"
    folder.mkdir(parents=True)
    (tmp_path / "link").symlink_to(folder)
    for text in ("first", "second"):
        write(tmp_path / "link", text)
    assert (tmp_path / "link").is_symlink()
    assert (folder / "mark").read_text() == "second"
    assert names(folder.parent) == ["out"]


@pytest.mark.parametrize("path", ["notes.txt", "mark/x", "mark/x/y", ".hidden"])
def test_a_folder_with_anything_of_the_users_is_refused(tmp_path, path):
    mine = tmp_path / path
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(SettingsError, match=r"--out = .* \(holds .*valid: .*an earlier result"):
        write(tmp_path, "new")
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("path", ["notes.txt", "a/notes.txt"])
def test_an_earlier_result_with_something_added_is_refused(tmp_path, path):
    folder = tmp_path / "out"
    write(folder, "old")
    (folder / "a").mkdir()
    (folder / path).write_text("mine")
    with pytest.raises(SettingsError, match=rf"holds {path}"):
        write(folder, "new")
    assert (folder / path).read_text() == "mine"
    assert names(tmp_path) == ["out"]


def test_what_is_added_while_a_run_writes_is_kept(tmp_path):
    folder = tmp_path / "out"

    def add_in_between():
        with replacing_folder(folder, owned=OURS) as partial:
            (partial / "mark").touch()
            folder.mkdir()
            (folder / "notes.txt").write_text("mine")

    with pytest.raises(SettingsError, match=r"notes\.txt"):
        add_in_between()
    assert names(folder) == ["notes.txt"]


def test_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(SettingsError, match=r"\(a file\)"):
        write(tmp_path / "out", "new")
    assert (tmp_path / "out").read_text() == "mine"


def test_new_and_empty_folders_and_what_file_managers_leave_are_no_hindrance(tmp_path):
    require_replaceable(tmp_path / "new", OURS)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / ".DS_Store").touch()
    write(folder, "first")
    (folder / "Thumbs.db").touch()
    write(folder, "second")
    assert names(folder) == ["mark"]
