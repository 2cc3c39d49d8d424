"""A second report makes only what changed, and has the bytes of a full one."""

import zipfile

import pytest
from again import CHANGES, change_a_signal, first, nothing, process, written

from stopflow.pipeline.lab import drawn
from stopflow.report.html import shots
from stopflow.report.kinetics import experiment_sheets
from stopflow.report.paper import pdf
from stopflow.store import DRAWN, FILES

pytestmark = pytest.mark.whole


@pytest.fixture
def lab(lab_again):
    return lab_again


@pytest.fixture
def work(monkeypatch):
    """Experiments that are drawn, traces that are packed, pictures of the overview drawn."""
    done = {"drawn": [], "packed": 0, "pictures": 0}
    draw, thin, picture = experiment_sheets.draw_experiments, shots._thin, pdf.pack_sheets

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
    monkeypatch.setattr(pdf, "pack_sheets", painting)
    return done


def kept_names(lab):
    with zipfile.ZipFile(lab.parent / "out" / DRAWN) as archive:
        return set(archive.namelist())


def remove_a_report(lab):
    (lab.parent / "reports" / "rates.xlsx").unlink()


@pytest.mark.parametrize("change", [nothing, remove_a_report])
def test_nothing_is_drawn_or_packed_where_nothing_changed(lab, work, change):
    """The reports are taken as they are, or joined from their parts."""
    before, names = process(lab), kept_names(lab)
    work.update(drawn=[], packed=0, pictures=0)
    change(lab)
    assert process(lab) == before
    assert work == {"drawn": [], "packed": 0, "pictures": 0}
    assert kept_names(lab) == names


def test_one_changed_folder_is_drawn_alone(lab, work):
    process(lab)
    work.update(drawn=[], packed=0)
    names = kept_names(lab)
    change_a_signal(lab)
    process(lab)
    changed = first(lab).parent
    assert work["drawn"] == [changed.name]
    assert work["packed"] == len(list(changed.glob("*.bka")))
    kept = kept_names(lab)
    assert len(kept) == len(names)
    assert kept & names
    assert not names <= kept  # what is of no use any more is gone


@pytest.mark.parametrize("change", CHANGES)
def test_every_file_has_the_bytes_of_a_full_run(lab, change):
    change(lab)
    again = process(lab)
    assert process(lab, fresh=True) == again
    assert {"out/shots.parquet", "reports/rates.xlsx", "reports/kinetics.pdf"} <= set(again)
    assert any(name.startswith("reports/exports/") for name in again)


def test_a_folder_that_changes_back_and_another_paper(lab, work):
    a4 = process(lab)
    work.update(drawn=[], packed=0)
    letter = process(lab, paper="letter")
    assert len(work["drawn"]) == 3
    assert work["packed"] == 0
    assert letter["reports/kinetics.pdf"] != a4["reports/kinetics.pdf"]
    assert letter["reports/kinetics.html"] == a4["reports/kinetics.html"]
    assert process(lab) == a4


def test_a_report_that_was_changed_since_is_written_anew(lab):
    before = process(lab)
    (lab.parent / "reports" / "rates.csv").write_text("mine")
    after = process(lab)
    assert {name: after[name] for name in before} == before
    assert after.keys() > before.keys()  # and mine is set aside


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
    before, names = process(lab), kept_names(lab)
    work["drawn"].clear()
    damage(lab.parent / "out" / DRAWN)
    remove_a_report(lab)
    assert process(lab) == before
    assert work["drawn"]
    assert kept_names(lab) == names
    with zipfile.ZipFile(lab.parent / "out" / DRAWN) as archive:
        assert archive.testzip() is None


def test_damage_that_another_process_met_is_mended(tmp_path):
    parts = {key: key.encode() * 1000 for key in ("a", "b", "c")}
    with drawn.drawn_parts(tmp_path) as own:
        for key, part in parts.items():
            own.keep(key, part)
    garble(tmp_path / DRAWN)
    with drawn.seen_parts(tmp_path) as other:
        for key, part in parts.items():
            if other.find(key) is None:
                other.keep(key, part)
        told = other.told()
    assert any(part is not None for part in told.values())
    with drawn.drawn_parts(tmp_path) as own:
        own.take(told)
    with zipfile.ZipFile(tmp_path / DRAWN) as archive:
        assert archive.testzip() is None


def test_what_a_killed_report_left_in_a_dataset_goes_with_it(lab):
    out = lab.parent / "out"
    (out / f".{DRAWN}.partial-x1.zip").write_bytes(b"half")
    (out / f".{DRAWN}.partial-x1.lock").touch()
    process(lab)
    assert {path.name for path in out.iterdir()} <= FILES


def test_a_dataset_that_cannot_be_written_to_has_its_reports(lab, monkeypatch):
    before = process(lab)
    (lab.parent / "out" / DRAWN).unlink()

    def refuse(path):
        raise PermissionError(13, "read-only", str(path))

    monkeypatch.setattr(drawn, "replacing_file", refuse)
    del before[f"out/{DRAWN}"]
    assert process(lab) == before


def test_a_report_that_fails_leaves_the_parts_as_they_were(lab, monkeypatch):
    before = written(lab.parent)
    change_a_signal(lab)

    def interrupt(*_what, **_how):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment_sheets, "draw_experiments", interrupt)
    with pytest.raises(KeyboardInterrupt):
        process(lab)
    assert written(lab.parent) == before
