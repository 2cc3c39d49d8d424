"""Nothing in a folder vanishes: whatever cannot be read is listed, the rest is read."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from stopflow.io.bka.format import write_bka
from stopflow.io.folder import find_lab, read_experiment

TIME = list(range(20))


def shot(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bka(path, time=TIME, signals=[20.0 - value for value in TIME])
    return path


def listed(root: Path) -> str:
    lab = find_lab(root)
    problems = list(lab.problems)
    for folder in lab.experiments:
        problems += read_experiment(folder).problems
    return "\n".join(f"{problem.level}: {problem}" for problem in problems)


def places(root: Path) -> list[str]:
    return [folder.relative_to(root).as_posix() for folder in find_lab(root).experiments]


@pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")
def test_odd_entries_are_listed_and_the_shots_are_read(tmp_path: Path) -> None:
    shot(tmp_path / "a" / "good.bka")
    (tmp_path / "a" / "gone.bka").symlink_to(tmp_path / "nowhere.bka")
    (tmp_path / "a" / "self.bka").symlink_to("self.bka")
    os.mkfifo(tmp_path / "a" / "pipe.bka")
    (tmp_path / "a" / "folder.bka").mkdir()
    shot(tmp_path / "a" / "..bka")
    (tmp_path / "a" / "._good.bka").write_bytes(b"\0\5\x16\7")
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a" / ".git").mkdir()
    (tmp_path / "a" / ".ingested.partial-okn9vf3h").mkdir()  # what another run is writing
    (tmp_path / "a" / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    assert places(tmp_path) == ["a"]
    assert [item.file for item in read_experiment(tmp_path / "a").shots] == ["good.bka"]
    text = listed(tmp_path)
    for part in (
        "warning: a/gone.bka: a link that leads nowhere",
        "warning: a/self.bka: a link that leads nowhere",
        "warning: a/pipe.bka: a pipe, which is not opened",
        "warning: a/folder.bka/: a folder that is named like a trace",
        "warning: a/..bka: a name that begins with a point",
        "note: a/loop: a link to ., which is read already",
        "hidden files and folders, not read: ._good.bka, .git",
        "neither traces nor tables, not read: photo.png",
    ):
        assert part in text, part


def test_folders_named_like_ours_are_read_and_ours_are_listed(tmp_path: Path) -> None:
    shot(tmp_path / "ingested" / "mine.bka")
    shot(tmp_path / "data" / "ingested" / "old.bka")
    (tmp_path / "data" / "ingested" / "ingest.json").write_text("{}", encoding="utf-8")
    shot(tmp_path / "reports" / "origin.bka")
    for name in ("kinetics.pdf", "rates.csv"):
        (tmp_path / "reports" / name).write_text("", encoding="utf-8")
    assert places(tmp_path) == ["ingested"]
    text = listed(tmp_path)
    assert "note: data/ingested: a dataset of an earlier ingest; not read" in text
    assert "reports: reports of an earlier run; not read" in text


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_listed(tmp_path: Path) -> None:
    shot(tmp_path / "good" / "a.bka")
    locked = shot(tmp_path / "locked" / "a.bka").parent
    locked.chmod(0)
    try:
        assert places(tmp_path) == ["good"]
        assert "error: locked: a folder that cannot be read (Permission denied)" in listed(tmp_path)
    finally:
        locked.chmod(0o700)


def test_a_folder_that_cannot_be_listed_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shot(tmp_path / "good" / "a.bka")
    shot(tmp_path / "locked" / "a.bka")
    scandir = os.scandir

    def refuse(folder):
        if Path(folder).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    assert places(tmp_path) == ["good"]
    lab = find_lab(tmp_path)
    assert [str(p) for p in lab.problems if p.level == "error"] == [
        "locked: a folder that cannot be read (Permission denied); "
        "expected a folder that can be opened, or none"
    ]


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A shot below 1,200 folders; they are removed from below, as no recursion could."""
    here = Path.cwd()
    root = tmp_path / "deep"
    shot(root / "top.bka")
    os.chdir(root)
    try:
        for _ in range(1200):
            Path("d").mkdir()
            os.chdir("d")
        shot(Path("deep.bka"))
        yield root
        Path("deep.bka").unlink()
        for _ in range(1200):
            os.chdir("..")
            Path("d").rmdir()
    finally:
        os.chdir(here)


@pytest.mark.whole
@pytest.mark.skipif(os.name != "posix", reason="long paths of POSIX")
def test_1200_folders_deep(deep: Path) -> None:
    found = find_lab(deep)
    assert [len(folder.relative_to(deep).parts) for folder in found.experiments] == [0, 1200]


@pytest.mark.skipif(os.name != "posix", reason="names of POSIX")
def test_names_that_are_no_utf8_are_read_and_can_be_written(tmp_path: Path) -> None:
    odd = os.fsdecode(b"shot\xff.bka")
    shot(tmp_path / os.fsdecode(b"run\xe9") / odd)
    (folder,) = find_lab(tmp_path).experiments
    experiment = read_experiment(folder)
    assert [item.file for item in experiment.shots] == ["shot\\xff.bka"]
    assert experiment.shots[0].trace is not None
    experiment.name.encode()
    for problem in experiment.problems:
        str(problem).encode()


def test_folders_without_traces_say_what_is_in_them(tmp_path: Path) -> None:
    shot(tmp_path / "a.bka")
    (tmp_path / "docs").mkdir()
    for place in range(6):
        (tmp_path / "docs" / f"{place}.pdf").write_bytes(b"%PDF-1.7\n\xe2\xe3\0\0\0")
    (tmp_path / "empty").mkdir()
    text = listed(tmp_path)
    assert "note: docs/: no traces; not read: 0.pdf, 1.pdf, 2.pdf, 3.pdf and 2 more" in text
    assert "empty" not in text


BESIDE = {
    "photo.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "report.pdf": b"%PDF-1.7\n" + bytes(range(256)),
    "notes.txt": b"\n".join(b"%d. bubble in shot %d" % (n, n) for n in range(30)),
    "empty.dat": b"",
}
MISSED = {
    "run7.sx": b"SXFILE\x00\x01" + bytes(range(256)) * 9,
    "odd.txt": b"kinetic run\n" + b"".join(b"%d 1.5e-3 k 7\n" % n for n in range(3)) + b"1;2\n" * 9,
}


@pytest.mark.parametrize("name", [*BESIDE, *MISSED])
@pytest.mark.parametrize("beside_traces", [True, False])
def test_a_file_that_may_hold_traces_is_to_be_looked_at(
    name: str, tmp_path: Path, *, beside_traces: bool
) -> None:
    """A warning stands in the terminal and on page 1; a note in the tables alone."""
    shot(tmp_path / "a" / "good.bka")
    folder = tmp_path / ("a" if beside_traces else "b")
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes({**BESIDE, **MISSED}[name])
    lines = [line for line in listed(tmp_path).splitlines() if name in line]
    assert [line.partition(":")[0] for line in lines] == ["warning" if name in MISSED else "note"]
