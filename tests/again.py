"""A small lab with the dataset and the reports of a first run, and what can change in it."""

import shutil
from pathlib import Path

from stopflow.pipeline.lab.ingest import Execution, IngestSettings
from stopflow.pipeline.run import process_lab

ALONE = IngestSettings(workers=1)
EVERYTHING = {"exports": ("prism", "origin", "kintek"), "paper": "a4"}


def make_lab(root: Path) -> None:
    """Simulate a lab of three folders; leave its dataset in `out`, its reports in `reports`."""
    from stopflow.simulate.plan import LabSpec
    from stopflow.simulate.writer import write_lab

    write_lab(root / "lab", spec=LabSpec(folders=3, traces=(4, 6), points=300), seed=2)
    process(root / "lab")


def process(lab: Path, *, fresh: bool = False, settings=ALONE, **how) -> dict[str, bytes]:
    """Ingest and report; return every file that there is afterwards, by its path."""
    home = lab.parent
    places = {"out": home / "out", "reports": home / "reports"}
    words = EVERYTHING | how
    done = process_lab(lab, settings=settings, execution=Execution(fresh=fresh), **places, **words)
    assert done.undrawn == ""
    return written(home)


def written(home: Path) -> dict[str, bytes]:
    """Return every file of a dataset and its reports."""
    return {
        path.relative_to(home).as_posix(): path.read_bytes()
        for folder in ("out", "reports")
        for path in sorted((home / folder).rglob("*"))
        if path.is_file()
    }


def first(lab: Path, pattern: str = "*.bka") -> Path:
    return sorted(lab.glob(f"02*/{pattern}"))[0]


def nothing(lab: Path) -> None:
    pass


def remove_a_trace(lab: Path) -> None:
    first(lab).unlink()


def change_a_signal(lab: Path) -> None:
    text = first(lab).read_bytes()
    first(lab).write_bytes(text[:-3] + (b"4" if text[-3:-2] != b"4" else b"5") + text[-2:])


def decide(lab: Path) -> None:
    rows = f"file,use,note\n{first(lab).name},no,bubble\n"
    (first(lab).parent / "decisions.csv").write_text(rows)


def add_a_folder(lab: Path) -> None:
    shutil.copytree(first(lab).parent, lab / "99_added")


def add_an_empty_folder_inside(lab: Path) -> None:
    (first(lab).parent / "raw").mkdir()


CHANGES = (remove_a_trace, change_a_signal, decide, add_a_folder, add_an_empty_folder_inside)
"""Each leaves one folder to be done."""
