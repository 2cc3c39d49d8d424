"""A second report makes only what changed, and has the bytes of a full one."""

import shutil
import zipfile

import pytest

from stopflow.pipeline.lab import drawn
from stopflow.pipeline.lab.ingest import Execution, IngestSettings, ingest
from stopflow.pipeline.reports import write_reports
from stopflow.report.html import shots
from stopflow.report.kinetics import experiment_sheets
from stopflow.report.paper import pdf
from stopflow.simulate.plan import LabSpec
from stopflow.simulate.writer import write_lab
from stopflow.store import DRAWN, FILES, load_dataset

pytestmark = pytest.mark.whole

ALONE = IngestSettings(workers=1)
NAMES = ("rates.csv", "rates.xlsx", "kinetics.pdf", "kinetics.html")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A lab of three folders, its dataset and its reports."""
    root = tmp_path_factory.mktemp("kept")
    write_lab(root / "lab", spec=LabSpec(folders=3, traces=(6, 8), points=300), seed=2)
    dataset = ingest(root / "lab", out=root / "out", settings=ALONE)
    write_reports(dataset, root / "reports")
    return root


@pytest.fixture
def lab(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path / "made")
    monkeypatch.chdir(tmp_path / "made")
    return tmp_path / "made" / "lab"


@pytest.fixture
def work(monkeypatch):
    """Experiments that are drawn, traces that are packed, pictures of the overview drawn."""
    done = {"drawn": [], "packed": 0, "pictures": 0}
    draw, thin, picture = experiment_sheets.draw_experiments, shots._thin, pdf.pack_page

    def drawing(data, names, **how):
        done["drawn"] += names
        return draw(data, names, **how)

    def thinning(*what, **how):
        done["packed"] += 1
        return thin(*what, **how)

    def painting(page):
        done["pictures"] += 1
        return picture(page)

    monkeypatch.setattr(experiment_sheets, "draw_experiments", drawing)
    monkeypatch.setattr(shots, "_thin", thinning)
    monkeypatch.setattr(pdf, "pack_page", painting)
    return done


def reported(lab, *, fresh=False, **how):
    out, reports = lab.parent / "out", lab.parent / "reports"
    dataset = ingest(lab, out=out, settings=ALONE, execution=Execution(fresh=fresh))
    _, undrawn = write_reports(dataset, reports, **how)
    assert undrawn == ""
    return {name: (reports / name).read_bytes() for name in NAMES}


def change_a_signal(lab):
    file = sorted(lab.glob("02*/*.bka"))[0]
    text = file.read_text(encoding="latin-1")
    body, last = text.rstrip().rsplit("\n", 1)
    time, signal = last.split("\t")[:2]
    file.write_text(f"{body}\n{time}\t{float(signal) + 0.01:.6f}\n", encoding="latin-1")
    return file.parent.name


def kept_names(lab):
    with zipfile.ZipFile(lab.parent / "out" / DRAWN) as archive:
        return set(archive.namelist())


def test_nothing_is_drawn_or_packed_where_nothing_changed(lab, work):
    before = {name: (lab.parent / "reports" / name).read_bytes() for name in NAMES}
    names = kept_names(lab)
    assert reported(lab) == before
    assert work == {"drawn": [], "packed": 0, "pictures": 0}
    assert kept_names(lab) == names


def test_one_changed_folder_is_drawn_alone_with_the_bytes_of_a_full_run(lab, work):
    names = kept_names(lab)
    changed = change_a_signal(lab)
    again = reported(lab)
    assert work["drawn"] == [changed]
    assert work["packed"] == len(list((lab / changed).glob("*.bka")))
    kept = kept_names(lab)
    assert len(kept) == len(names)
    assert kept & names
    assert not names <= kept  # what is of no use any more is gone
    assert reported(lab, fresh=True) == again
    assert len(work["drawn"]) == 1 + 3


def test_a_folder_that_changes_back_and_another_paper(lab, work):
    a4 = reported(lab)
    letter = reported(lab, paper="letter")
    assert len(work["drawn"]) == 3
    assert work["packed"] == 0
    assert letter["kinetics.pdf"] != a4["kinetics.pdf"]
    assert letter["kinetics.html"] == a4["kinetics.html"]
    assert reported(lab) == a4


def truncate(place):
    place.write_bytes(place.read_bytes()[:-2000])


def garble(place):
    content = bytearray(place.read_bytes())
    content[40 : len(content) // 2] = bytes(len(content) // 2 - 40)
    place.write_bytes(bytes(content))


def replace_parts(part):
    def replacing(place):
        with zipfile.ZipFile(place) as archive:
            names = archive.namelist()
        with zipfile.ZipFile(place, "w") as archive:
            for name in names:
                archive.writestr(zipfile.ZipInfo(name), part)

    return replacing


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        garble,
        lambda place: place.write_bytes(b"no archive"),
        replace_parts(b"[]"),
        replace_parts(b'[{"section": "x", "layers": 3}]'),
        replace_parts(b'{"grids": {}, "shots": []}'),
    ],
)
def test_damaged_parts_are_made_again(lab, work, damage):
    before = {name: (lab.parent / "reports" / name).read_bytes() for name in NAMES}
    names = kept_names(lab)
    damage(lab.parent / "out" / DRAWN)
    write_reports(load_dataset(lab.parent / "out"), lab.parent / "again")
    assert {name: (lab.parent / "again" / name).read_bytes() for name in NAMES} == before
    assert work["drawn"]
    assert kept_names(lab) == names
    with zipfile.ZipFile(lab.parent / "out" / DRAWN) as archive:
        assert archive.testzip() is None


def test_what_a_killed_report_left_in_a_dataset_goes_with_it(lab):
    out = lab.parent / "out"
    (out / f".{DRAWN}.partial-x1.zip").write_bytes(b"half")
    (out / f".{DRAWN}.partial-x1.lock").touch()
    reported(lab)
    assert {path.name for path in out.iterdir()} <= FILES


def test_a_dataset_that_cannot_be_written_to_has_its_reports(lab, monkeypatch):
    before = {name: (lab.parent / "reports" / name).read_bytes() for name in NAMES}
    (lab.parent / "out" / DRAWN).unlink()

    def refuse(path):
        raise PermissionError(13, "read-only", str(path))

    monkeypatch.setattr(drawn, "replacing_file", refuse)
    assert reported(lab) == before
    assert not (lab.parent / "out" / DRAWN).exists()


def test_a_report_that_fails_leaves_the_parts_as_they_were(lab, monkeypatch):
    before = (lab.parent / "out" / DRAWN).read_bytes()
    change_a_signal(lab)
    ingest(lab, out=lab.parent / "out", settings=ALONE)

    def interrupt(*_what, **_how):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment_sheets, "draw_experiments", interrupt)
    with pytest.raises(KeyboardInterrupt):
        reported(lab)
    assert (lab.parent / "out" / DRAWN).read_bytes() == before
