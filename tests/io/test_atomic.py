"""Results are replaced whole, by one run or several, and nothing of the user's goes with them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_lab import own_environment

from stopflow.errors import SettingsError
from stopflow.io.atomic import Owned, replacing_file, require_replaceable, write_text
from stopflow.io.locks import lock_file
from stopflow.io.results import MARK
from stopflow.io.switch import recover_folder, replacing_folder, switching

pytestmark = pytest.mark.whole

OURS = Owned(
    option="--out",
    what="an earlier result",
    files=lambda folder: {"mark", "a", "a/b"} if (folder / "mark").is_file() else (),
)
KILLED = """
import os, sys
from pathlib import Path
from stopflow.io.switch import replacing_folder
with replacing_folder(Path(sys.argv[1])) as partial:
    (partial / "half").touch()
    os._exit(9)
"""
KILLED_FILE = """
import os, sys
from pathlib import Path
from stopflow.io.atomic import replacing_file
with replacing_file(Path(sys.argv[1])) as partial:
    partial.write_text("half", encoding="utf-8")
    os._exit(9)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(folder, text):
    with replacing_folder(folder, owned=OURS) as partial:
        (partial / "mark").write_text(text, encoding="utf-8")


def test_two_runs_at_once_both_finish_and_the_last_one_wins(tmp_path):
    folder = tmp_path / "[out]*"
    with replacing_folder(folder, owned=OURS) as first:
        (first / "mark").write_text("first", encoding="utf-8")
        write(folder, "second")
        assert (folder / "mark").read_text(encoding="utf-8") == "second"
        assert (first / "mark").read_text(encoding="utf-8") == "first"
    assert (folder / "mark").read_text(encoding="utf-8") == "first"
    assert names(tmp_path) == ["[out]*"]


def test_what_a_killed_run_left_goes_with_the_next(tmp_path):
    folder = tmp_path / "out"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder)], check=False, env=own_environment()
    )
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
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_FILE, str(path)], check=False, env=own_environment()
    )
    assert killed.returncode == 9
    assert path.read_text(encoding="utf-8") == "old"
    with replacing_file(path) as first:
        first.write_text("first", encoding="utf-8")
        write_text(path, "second")
        assert path.read_text(encoding="utf-8") == "second"
        assert first.suffix == ".csv"
    assert path.read_text(encoding="utf-8") == "first"
    assert names(tmp_path) == ["rates.csv"]


def test_the_lock_of_a_killed_run_goes_with_the_next_and_one_that_is_held_stays(tmp_path):
    left, held = (tmp_path / f".out.partial-{name}.lock" for name in ("left", "held"))
    left.touch()
    with held.open("w") as file:
        assert lock_file(file.fileno())
        write(tmp_path / "out", "whole")
        assert names(tmp_path) == [held.name, "out"]


def test_a_folder_of_the_users_beside_it_stays(tmp_path):
    mine = tmp_path / ".out.replaced" / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("mine", encoding="utf-8")
    for text in ("first", "second"):
        write(tmp_path / "out", text)
    assert mine.read_text(encoding="utf-8") == "mine"


def write_set(place, text):
    """Write a folder and two files, one of them in a folder of its own, as one set."""
    with switching() as switch:
        folder = switch.folder(place / "out", owned=OURS)
        files = switch.files(place / "reports", lab=None)
        (folder / "mark").write_text(text, encoding="utf-8")
        (files / "rates.csv").write_text(text, encoding="utf-8")
        (files / "deep").mkdir()
        (files / "deep" / "k.txt").write_text(text, encoding="utf-8")


def the_set(place):
    found = [place / "out" / "mark", *(place / "reports" / x for x in ("rates.csv", "deep/k.txt"))]
    return [path.read_text(encoding="utf-8") for path in found]


def test_a_set_replaces_its_own_files_and_leaves_those_of_others(tmp_path):
    write_set(tmp_path, "old")
    (tmp_path / "reports" / "mine.pdf").write_text("mine", encoding="utf-8")
    write_set(tmp_path, "new")
    assert the_set(tmp_path) == ["new"] * 3
    assert names(tmp_path / "reports") == ["deep", "mine.pdf", "rates.csv", MARK]
    assert names(tmp_path) == ["out", "reports"]


@pytest.mark.parametrize("earlier", [True, False])
@pytest.mark.parametrize("at", range(4))
def test_where_one_of_a_set_cannot_be_put_none_is(tmp_path, monkeypatch, at, earlier):
    if earlier:
        write_set(tmp_path, "old")
    replace, rename, moved = Path.replace, Path.rename, []

    def deny(path, target):
        new = ".partial-" in str(path) and ".partial-" not in str(target)
        if new and path.suffix != ".writing" and "before" not in path.name:
            moved.append(path)
            if len(moved) == at + 1:
                raise PermissionError(13, "Permission denied", str(path))
        return (replace if path.is_file() else rename)(path, target)

    monkeypatch.setattr(Path, "replace", deny)
    monkeypatch.setattr(Path, "rename", deny)
    with pytest.raises(PermissionError):
        write_set(tmp_path, "new")
    monkeypatch.undo()
    if earlier:
        assert the_set(tmp_path) == ["old"] * 3
        assert names(tmp_path) == ["out", "reports"]
        assert names(tmp_path / "reports") == ["deep", "rates.csv", MARK]
    else:
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]


KILLED_SET = """
import os, sys
from pathlib import Path
sys.path[:0] = sys.argv[3].split(os.pathsep)
import test_atomic
left = int(sys.argv[2])
def counted(move):
    def moving(path, target):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return move(path, target)
    return moving
Path.replace, Path.rename = counted(Path.replace), counted(Path.rename)
test_atomic.write_set(Path(sys.argv[1]), "new")
"""


@pytest.mark.parametrize("moves", range(8))
def test_a_run_killed_in_a_switch_leaves_the_old_set_or_the_new_one(tmp_path, moves):
    write_set(tmp_path, "old")
    here = os.pathsep.join(map(str, Path(__file__).parents[:2]))
    words = [sys.executable, "-c", KILLED_SET, str(tmp_path), str(moves), here]
    killed = subprocess.run(words, check=False, env=own_environment())
    recover_folder(tmp_path / "out")
    assert the_set(tmp_path) in (["old"] * 3, ["new"] * 3)
    assert killed.returncode == (9 if moves < 7 else 0)
    write_set(tmp_path, "last")
    assert the_set(tmp_path) == ["last"] * 3
    assert names(tmp_path) == ["out", "reports"]
    assert names(tmp_path / "reports") == ["deep", "rates.csv", MARK]


WRITER = """
import os, sys
from pathlib import Path
sys.path[:0] = sys.argv[3].split(os.pathsep)
import test_atomic
for number in range(60):
    test_atomic.write_set(Path(sys.argv[1]), sys.argv[2] * 1000)
"""


def test_two_processes_never_mix_their_sets(tmp_path):
    write_set(tmp_path, "old")
    here = os.pathsep.join(map(str, Path(__file__).parents[:2]))
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), text, here], env=own_environment()
        )
        for text in "ab"
    ]
    assert [process.wait() for process in running] == [0, 0]
    assert the_set(tmp_path) in (["a" * 1000] * 3, ["b" * 1000] * 3)
    assert names(tmp_path) == ["out", "reports"]


def test_a_folder_behind_a_link_is_replaced_and_the_link_stays(tmp_path):
    folder = tmp_path / "away" / "out"
    folder.mkdir(parents=True)
    (tmp_path / "link").symlink_to(folder)
    for text in ("first", "second"):
        write(tmp_path / "link", text)
    assert (tmp_path / "link").is_symlink()
    assert (folder / "mark").read_text(encoding="utf-8") == "second"
    assert names(folder.parent) == ["out"]


@pytest.mark.parametrize("path", ["notes.txt", "mark/x", "mark/x/y", ".hidden"])
def test_a_folder_with_anything_of_the_users_is_refused(tmp_path, path):
    mine = tmp_path / path
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"--out = .* \(holds .*valid: .*an earlier result"):
        write(tmp_path, "new")
    assert mine.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("path", ["notes.txt", "a/notes.txt"])
def test_an_earlier_result_with_something_added_is_refused(tmp_path, path):
    folder = tmp_path / "out"
    write(folder, "old")
    (folder / "a").mkdir()
    (folder / path).write_text("mine", encoding="utf-8")
    with pytest.raises(SettingsError, match=rf"holds {path}"):
        write(folder, "new")
    assert (folder / path).read_text(encoding="utf-8") == "mine"
    assert names(tmp_path) == ["out"]


def test_what_is_added_while_a_run_writes_is_kept(tmp_path):
    folder = tmp_path / "out"

    def add_in_between():
        with replacing_folder(folder, owned=OURS) as partial:
            (partial / "mark").touch()
            folder.mkdir()
            (folder / "notes.txt").write_text("mine", encoding="utf-8")

    with pytest.raises(SettingsError, match=r"notes\.txt"):
        add_in_between()
    assert names(folder) == ["notes.txt"]


def test_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"\(a file\)"):
        write(tmp_path / "out", "new")
    assert (tmp_path / "out").read_text(encoding="utf-8") == "mine"


def test_new_and_empty_folders_and_what_file_managers_leave_are_no_hindrance(tmp_path):
    require_replaceable(tmp_path / "new", OURS)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / ".DS_Store").touch()
    write(folder, "first")
    (folder / "Thumbs.db").touch()
    write(folder, "second")
    assert names(folder) == ["mark"]
